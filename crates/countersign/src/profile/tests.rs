use std::time::Duration;

use super::*;
use crate::access::resolve;
use crate::authenticate::{Attempt as SignInAttempt, authenticate};
use crate::sign_in::{self, Client, State, Transport};
use crate::testing::TestService;
use crate::user::{NewUser, sign_up};

const PASSWORD: &str = "correct horse battery";

fn secret(text: &str) -> Option<SecretString> {
    Some(SecretString::from(text.to_owned()))
}

async fn ada(service: &Countersign) -> User {
    let new = NewUser::judge(
        service.rules(),
        Some("ada"),
        Some("ada@example.com"),
        secret(PASSWORD),
        FieldErrors::new(),
    );
    sign_up(service, new.unwrap(), None).await.unwrap()
}

async fn signed_in(service: &Countersign, password: &str) -> CurrentUser {
    let client = Client { user_agent: None, address: None, transport: Transport::Cookie };
    let attempt = SignInAttempt {
        username: "ada".to_owned(),
        password: SecretString::from(password.to_owned()),
        client,
        replaced: vec![],
        devices: vec![],
    };
    let tokens = authenticate(service, attempt).await.unwrap();
    resolve(service, &tokens.access_token).await.unwrap()
}

fn judged(
    service: &Countersign,
    who: &CurrentUser,
    username: Option<&str>,
    email: Option<Option<&str>>,
) -> Change {
    Change::judge(service, &who.user, username, email, None, FieldErrors::new()).unwrap()
}

fn new_password(service: &Countersign, who: &CurrentUser, password: &str) -> Change {
    Change::judge(service, &who.user, None, None, secret(password), FieldErrors::new()).unwrap()
}

async fn verify_address(service: &Countersign) {
    let sql = "UPDATE users SET email_verified_at = 1";
    let verified = service.store().write(sql, |tx, sql| Box::pin(async move { tx.execute(sql, &[]).await }));
    verified.await.unwrap();
}

// SEC-12
#[tokio::test]
async fn a_new_password_ends_every_other_sign_in_and_keeps_this_one() {
    let service = TestService::start().await;
    ada(&service).await;
    let (here, there) = (signed_in(&service, PASSWORD).await, signed_in(&service, PASSWORD).await);
    let asked = new_password(&service, &here, "staple battery horse");
    change(&service, &here, asked, secret(PASSWORD), None).await.unwrap();
    let states = sign_in::list(&service, here.user.id).await.unwrap();
    let state = |who: &CurrentUser| {
        let id = who.sign_in.unwrap().id;
        states.iter().find(|sign_in| sign_in.id == id).unwrap().state
    };
    assert_eq!(state(&here), State::Live);
    assert_eq!(state(&there), State::Ended { at: service.now(), why: EndReason::PasswordChanged });
}

// SEC-11
#[tokio::test]
async fn nothing_changes_without_the_current_password() {
    let service = TestService::start().await;
    let before = ada(&service).await;
    let who = signed_in(&service, PASSWORD).await;
    let asked = || judged(&service, &who, Some("eve"), Some(None));
    let refused = change(&service, &who, asked(), secret("wrong"), None).await;
    assert!(matches!(refused, Err(Error::WrongPassword)));
    let refused = change(&service, &who, asked(), None, None).await;
    assert!(matches!(refused, Err(Error::Invalid(errors)) if errors.has("current_password")));
    assert!(matches!(delete(&service, &who, secret("wrong"), None).await, Err(Error::WrongPassword)));
    assert_eq!(signed_in(&service, PASSWORD).await.user, before);
}

#[tokio::test]
async fn a_verified_address_stays_until_another_is_or_it_goes() {
    let service = TestService::start().await;
    ada(&service).await;
    verify_address(&service).await;
    let who = signed_in(&service, PASSWORD).await;
    let after = async |email| {
        let asked = judged(&service, &who, None, email);
        let user = change(&service, &who, asked, secret(PASSWORD), None).await.unwrap();
        (user.email.map(|email| email.to_string()), user.email_verified)
    };
    let is = |email: &str| (Some(email.to_owned()), true);
    assert_eq!(after(None).await, is("ada@example.com"));
    assert_eq!(
        after(Some(Some("ADA@example.com"))).await,
        is("ADA@example.com"),
        "another spelling of the same"
    );
    assert_eq!(after(Some(Some("eve@example.com"))).await, is("ADA@example.com"), "that one waits");
    assert_eq!(after(Some(None)).await, (None, false));
}

#[tokio::test]
async fn a_name_can_change_its_case_and_an_old_one_is_free_at_once() {
    let service = TestService::start().await;
    ada(&service).await;
    let who = signed_in(&service, PASSWORD).await;
    let asked = judged(&service, &who, Some("ADA"), None);
    assert_eq!(&*change(&service, &who, asked, secret(PASSWORD), None).await.unwrap().username, "ADA");
    let asked = judged(&service, &who, Some("lovelace"), None);
    change(&service, &who, asked, secret(PASSWORD), None).await.unwrap();
    ada(&service).await;
    let asked = judged(&service, &who, Some("aDa"), None);
    let refused = change(&service, &who, asked, secret(PASSWORD), None).await;
    assert!(matches!(refused, Err(Error::Invalid(errors)) if errors.has("username")));
}

// SEC-48: the epoch ended between the proof and the write.
#[tokio::test]
async fn a_change_whose_proof_was_overtaken_does_not_happen() {
    let service = TestService::start().await;
    ada(&service).await;
    let who = signed_in(&service, PASSWORD).await;
    sign_in::end_all(&service, who.user.id, EndReason::SignedOutEverywhere).await.unwrap();
    let asked = judged(&service, &who, Some("eve"), None);
    let refused = change(&service, &who, asked, secret(PASSWORD), None).await;
    assert!(matches!(refused, Err(Error::AccessToken(AccessRefusal::Invalid))));
}

#[tokio::test]
async fn of_two_changes_of_one_sign_in_the_overtaken_one_has_the_wrong_password() {
    let service = TestService::start().await;
    ada(&service).await;
    let who = signed_in(&service, PASSWORD).await;
    let (first, second) = (
        new_password(&service, &who, "staple battery horse"),
        new_password(&service, &who, "horse battery staple"),
    );
    change(&service, &who, first, secret(PASSWORD), None).await.unwrap();
    let refused = change(&service, &who, second, secret(PASSWORD), None).await;
    assert!(matches!(refused, Err(Error::WrongPassword)), "the sign-in lives on: {refused:?}");
}

#[tokio::test]
async fn an_account_without_a_password_proves_itself_by_a_fresh_sign_in() {
    let service = TestService::start().await;
    ada(&service).await;
    let who = signed_in(&service, PASSWORD).await;
    let sql = "UPDATE users SET password_hash = NULL";
    service.store().write(sql, |tx, sql| Box::pin(async move { tx.execute(sql, &[]).await })).await.unwrap();
    service.advance(Duration::from_secs(600));
    let asked = judged(&service, &who, Some("eve"), None);
    change(&service, &who, asked, None, None).await.unwrap();
    service.advance(Duration::from_millis(1));
    let asked = judged(&service, &who, Some("bob"), None);
    let refused = change(&service, &who, asked, None, None).await;
    assert!(matches!(refused, Err(Error::ReauthenticationRequired)));
}

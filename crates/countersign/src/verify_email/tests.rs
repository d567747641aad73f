use std::time::Duration;

use super::*;
use crate::access::resolve;
use crate::authenticate::{Attempt as Try, authenticate};
use crate::error::FieldErrors;
use crate::profile::{Change, change};
use crate::sign_in::{Client, Transport};
use crate::testing::{TestService, token_in};
use crate::user::{NewUser, sign_up};

const PASSWORD: &str = "correct horse battery";

async fn signed_in(service: &Countersign, name: &str, email: Option<&str>) -> CurrentUser {
    let password = Some(SecretString::from(PASSWORD));
    let new = NewUser::judge(service.rules(), Some(name), email, password, FieldErrors::new()).unwrap();
    sign_up(service, new, None).await.unwrap();
    again(service, name).await
}

async fn again(service: &Countersign, name: &str) -> CurrentUser {
    let client = Client { user_agent: None, address: None, transport: Transport::Cookie };
    let attempt = Try {
        username: name.to_owned(),
        password: SecretString::from(PASSWORD),
        client,
        replaced: vec![],
        devices: vec![],
    };
    let tokens = authenticate(service, attempt).await.unwrap();
    resolve(service, &tokens.access_token).await.unwrap()
}

async fn set_email(service: &Countersign, who: &CurrentUser, email: Option<&str>) -> User {
    let asked = Change::judge(service, &who.user, None, Some(email), None, FieldErrors::new()).unwrap();
    change(service, who, asked, Some(SecretString::from(PASSWORD)), None).await.unwrap()
}

async fn last_token(service: &TestService) -> SecretString {
    let mails = service.mails().await;
    SecretString::from(token_in(mails.last().unwrap()).unwrap())
}

async fn verified(service: &TestService, name: &str, email: &str) -> CurrentUser {
    let who = signed_in(service, name, Some(email)).await;
    request(service, &who, None).await.unwrap();
    let token = last_token(service).await;
    confirm(service, token, None).await.unwrap();
    again(service, name).await
}

#[tokio::test]
async fn the_link_confirms_the_address_once() {
    let service = TestService::start().await;
    let who = verified(&service, "ada", "Ada@example.com").await;
    assert!(who.user.email_verified);
    assert!(matches!(request(&service, &who, None).await, Err(Error::AlreadyVerified)));
    let token = last_token(&service).await;
    assert!(matches!(confirm(&service, token, None).await, Err(Error::OneTimeToken(TokenRefusal::Invalid))));
    let nobody = signed_in(&service, "bob", None).await;
    assert!(matches!(request(&service, &nobody, None).await, Err(Error::EmailMissing)));
}

// SEC-81
#[tokio::test]
async fn an_address_is_one_accounts_once_it_is_confirmed_and_the_losers_link_stays_good() {
    let service = TestService::start().await;
    let squatter = signed_in(&service, "eve", Some("ada@example.com")).await;
    request(&service, &squatter, None).await.unwrap();
    let squatters = last_token(&service).await;
    let ada = verified(&service, "ada", "ADA@example.com").await;
    assert!(matches!(confirm(&service, squatters.clone(), None).await, Err(Error::EmailInUse)));
    assert!(!again(&service, "eve").await.user.email_verified);
    set_email(&service, &ada, None).await;
    confirm(&service, squatters, None).await.unwrap();
}

// SEC-15, SEC-82
#[tokio::test]
async fn a_new_address_takes_effect_only_when_it_is_confirmed_and_the_old_one_is_told_twice() {
    let service = TestService::start().await;
    let ada = verified(&service, "ada", "old@example.com").await;
    service.advance(Duration::from_secs(60));
    let now = set_email(&service, &ada, Some("new@example.com")).await;
    assert_eq!((now.email.as_deref(), now.email_verified), (Some("old@example.com"), true));
    let mails = service.mails().await;
    let to = |mail: &String, whom: &str| mail.contains(&format!("To: {whom}"));
    let link = mails.iter().find(|mail| to(mail, "new@example.com")).unwrap();
    let token = SecretString::from(token_in(link).unwrap());
    let warning = |mail: &&String| to(mail, "old@example.com") && mail.contains("is about to get another");
    assert_eq!(mails.iter().filter(warning).count(), 1);
    service.advance(Duration::from_secs(60));
    confirm(&service, token, None).await.unwrap();
    let who = again(&service, "ada").await;
    assert_eq!((who.user.email.as_deref(), who.user.email_verified), (Some("new@example.com"), true));
    let farewell = service.mails().await.pop().unwrap();
    assert!(
        to(&farewell, "old@example.com") && farewell.contains("does not use this e-mail address any more")
    );
}

#[tokio::test]
async fn the_link_to_a_new_address_can_be_had_again_and_is_taken_back_by_choosing_the_old_one() {
    let service = TestService::start().await;
    let ada = verified(&service, "ada", "old@example.com").await;
    set_email(&service, &ada, Some("new@example.com")).await;
    request(&service, &ada, None).await.unwrap();
    let mails = service.mails().await;
    let links: Vec<&String> = mails.iter().filter(|mail| mail.contains("To: new@example.com")).collect();
    assert_eq!(links.len(), 1, "the first was not sent yet, and the second took its place");
    set_email(&service, &ada, Some("OLD@example.com")).await;
    let token = SecretString::from(token_in(links[0]).unwrap());
    assert!(matches!(confirm(&service, token, None).await, Err(Error::OneTimeToken(TokenRefusal::Invalid))));
    let who = again(&service, "ada").await;
    assert_eq!((who.user.email.as_deref(), who.user.email_verified), (Some("OLD@example.com"), true));
    assert!(matches!(request(&service, &ada, None).await, Err(Error::AlreadyVerified)));
}

#[tokio::test]
async fn an_unconfirmed_address_is_replaced_at_once_and_its_link_is_dead() {
    let service = TestService::start().await;
    let ada = signed_in(&service, "ada", Some("first@example.com")).await;
    request(&service, &ada, None).await.unwrap();
    let first = last_token(&service).await;
    let now = set_email(&service, &ada, Some("second@example.com")).await;
    assert_eq!((now.email.as_deref(), now.email_verified), (Some("second@example.com"), false));
    assert!(matches!(confirm(&service, first, None).await, Err(Error::OneTimeToken(TokenRefusal::Invalid))));
    assert_eq!(
        service.mails().await.len(),
        1,
        "nobody is told: the first address was never shown to be anybody's"
    );
}

#[tokio::test]
async fn removing_a_confirmed_address_tells_it() {
    let service = TestService::start().await;
    let ada = verified(&service, "ada", "old@example.com").await;
    let now = set_email(&service, &ada, None).await;
    assert_eq!((now.email, now.email_verified), (None, false));
    let farewell = service.mails().await.pop().unwrap();
    assert!(farewell.contains("To: old@example.com"), "{farewell}");
}

// SEC-12
#[tokio::test]
async fn a_new_password_takes_the_pending_link_back() {
    let service = TestService::start().await;
    let ada = verified(&service, "ada", "old@example.com").await;
    set_email(&service, &ada, Some("thief@example.com")).await;
    let mails = service.mails().await;
    let link = mails.iter().find(|mail| mail.contains("To: thief@example.com")).unwrap();
    let password = SecretString::from("a wholly other staple");
    crate::operator::set_password(&service, &ada.user, password).await.unwrap();
    let token = SecretString::from(token_in(link).unwrap());
    assert!(matches!(confirm(&service, token, None).await, Err(Error::OneTimeToken(TokenRefusal::Invalid))));
}

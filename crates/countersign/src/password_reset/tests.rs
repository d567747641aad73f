use std::time::Duration;

use super::*;
use crate::authenticate::{Attempt, Tokens, authenticate};
use crate::sign_in::{Client, Transport};
use crate::testing::{TestService, token_in};
use crate::user::{NewUser, sign_up};

const PASSWORD: &str = "correct horse battery";
const OTHER: &str = "a wholly other staple";

async fn with_email(service: &Countersign, name: &str, email: &str, verified: bool) -> User {
    let password = Some(SecretString::from(PASSWORD));
    let new = NewUser::judge(service.rules(), Some(name), Some(email), password, FieldErrors::new()).unwrap();
    let user = sign_up(service, new, None).await.unwrap();
    if verified {
        let input = (user.id, email.to_owned(), service.now());
        let set = service.store().write(input, |tx, (id, email, now)| {
            Box::pin(async move { tx.set_verified_email(*id, 0, email, *now).await })
        });
        set.await.unwrap();
    }
    user
}

async fn sign_in(service: &Countersign, password: &str) -> Result<Tokens> {
    let client = Client { user_agent: None, address: None, transport: Transport::Cookie };
    let password = SecretString::from(password);
    authenticate(
        service,
        Attempt { username: "ada".to_owned(), password, client, replaced: vec![], devices: vec![] },
    )
    .await
}

async fn reset(service: &Countersign, token: &str, password: &str) -> Result<()> {
    confirm(service, SecretString::from(token), SecretString::from(password), None).await
}

fn is(outcome: &Result<()>, refusal: TokenRefusal) -> bool {
    matches!(outcome, Err(Error::OneTimeToken(why)) if *why == refusal)
}

// SEC-12, SEC-86
#[tokio::test]
async fn the_link_sets_a_password_once_and_ends_every_sign_in() {
    let service = TestService::start().await;
    let ada = with_email(&service, "ada", "Ada@example.com", true).await;
    let tokens = sign_in(&service, PASSWORD).await.unwrap();
    request(&service, "ada@EXAMPLE.com", None).await.unwrap();
    let mails = service.mails().await;
    let mail = mails.first().unwrap();
    assert!(mail.contains("To: Ada@example.com"), "the address that is stored: {mail}");
    let token = token_in(mail).unwrap();
    reset(&service, token, OTHER).await.unwrap();
    assert!(crate::access::resolve(&service, &tokens.access_token).await.is_err());
    assert!(sign_in(&service, PASSWORD).await.is_err());
    assert!(sign_in(&service, OTHER).await.is_ok());
    assert!(is(&reset(&service, token, PASSWORD).await, TokenRefusal::Invalid));
    let notice = service.mails().await.pop().unwrap();
    assert!(notice.contains("Subject: Your password for localhost was changed"), "{notice}");
    let list = crate::sign_in::list(&service, ada.id).await.unwrap();
    assert_eq!(list.len(), 2, "the reset itself opened none");
}

// SEC-80, SEC-84
#[tokio::test]
async fn nobody_gets_a_mail_but_the_confirmed_address_of_a_living_account() {
    let service = TestService::start().await;
    with_email(&service, "bob", "bob@example.com", false).await;
    let gone = with_email(&service, "carol", "carol@example.com", true).await;
    crate::operator::delete(&service, gone.id).await.unwrap();
    let closed = with_email(&service, "dave", "dave@example.com", true).await;
    crate::operator::disable(&service, closed.id).await.unwrap();
    service.mails().await;
    let before = service.mails().await.len();
    for email in
        ["bob@example.com", "carol@example.com", "dave@example.com", "eve@example.com", "no address", ""]
    {
        request(&service, email, None).await.unwrap();
    }
    assert_eq!(service.mails().await.len(), before);
    assert_eq!(work_off(&service).await.unwrap(), 0, "every note was looked at");
}

// SEC-83
#[tokio::test]
async fn the_newest_link_alone_is_good_and_not_for_long() {
    let service = TestService::start().await;
    with_email(&service, "ada", "ada@example.com", true).await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        request(&service, "ada@example.com", None).await.unwrap();
        tokens.push(token_in(service.mails().await.last().unwrap()).unwrap().to_owned());
        service.advance(Duration::from_secs(1));
    }
    assert!(is(&reset(&service, &tokens[0], OTHER).await, TokenRefusal::Invalid));
    service.advance(service.settings().one_time_token_lifetime);
    assert!(is(&reset(&service, &tokens[1], OTHER).await, TokenRefusal::Expired));
}

// SEC-4, SEC-85
#[tokio::test]
async fn a_password_that_breaks_a_rule_leaves_the_link_good() {
    let service = TestService::start().await;
    with_email(&service, "ada", "lovelace@example.com", true).await;
    request(&service, "lovelace@example.com", None).await.unwrap();
    let mails = service.mails().await;
    let token = token_in(&mails[0]).unwrap();
    for bad in ["short", "password123", "lovelace@example", "74620938471"] {
        let refused = reset(&service, token, bad).await;
        assert!(
            matches!(&refused, Err(Error::Invalid(errors)) if errors.has("password")),
            "{bad}: {refused:?}"
        );
    }
    reset(&service, token, OTHER).await.unwrap();
}

#[tokio::test]
async fn a_link_dies_when_its_address_is_not_the_accounts_any_more() {
    let service = TestService::start().await;
    let ada = with_email(&service, "ada", "old@example.com", true).await;
    request(&service, "old@example.com", None).await.unwrap();
    let mails = service.mails().await;
    let input = (ada.id, service.now());
    let set = service.store().write(input, |tx, (id, now)| {
        Box::pin(async move { tx.set_verified_email(*id, 0, "new@example.com", *now).await })
    });
    set.await.unwrap();
    assert!(is(&reset(&service, token_in(&mails[0]).unwrap(), OTHER).await, TokenRefusal::Invalid));
}

#[tokio::test]
async fn several_requests_before_anybody_looks_are_one_mail_in_the_language_of_the_last() {
    let service = TestService::start().await;
    with_email(&service, "ada", "ada@example.com", true).await;
    for language in Language::ALL {
        let _spoken = language.enter();
        request(&service, "ada@example.com", None).await.unwrap();
    }
    let mails = service.mails().await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("Content-Language: de") && mails[0].contains("Guten Tag ada"), "{}", mails[0]);
}

use std::time::Duration;

use super::*;
use crate::error::FieldErrors;
use crate::secret::SecretString;
use crate::service::Countersign;
use crate::sign_in::EndReason;
use crate::testing::TestService;
use crate::user::{NewUser, User, sign_up};

async fn user(service: &Countersign, name: &str) -> User {
    let password = Some(SecretString::from("correct horse battery"));
    let new = NewUser::judge(service.rules(), Some(name), None, password, FieldErrors::new()).unwrap();
    sign_up(service, new, None).await.unwrap()
}

fn token(service: &Countersign, user: &User, purpose: Purpose, text: &str) -> NewToken {
    let now = service.now();
    NewToken {
        user: user.id,
        purpose,
        email: "Ada@example.com".to_owned(),
        email_key: "ada@example.com".to_owned(),
        hash: hash(text).unwrap(),
        now,
        expires_at: now.plus(Duration::from_secs(1_800)),
    }
}

async fn put(service: &Countersign, new: NewToken) -> bool {
    service
        .store()
        .write(new, |tx, new| Box::pin(async move { tx.put_one_time_token(new).await }))
        .await
        .unwrap()
}

async fn spend(service: &Countersign, purpose: Purpose, text: &str) -> Result<Proven> {
    let input = (purpose, hash(text)?, service.now());
    let steps = service.store().write(input, |tx, (purpose, hash, now)| {
        Box::pin(async move { tx.spend_one_time_token(*purpose, hash, *now).await })
    });
    steps.await
}

fn refusal(outcome: Result<Proven>) -> TokenRefusal {
    match outcome {
        Err(Error::OneTimeToken(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

// SEC-82
#[test]
fn a_token_follows_from_key_purpose_user_and_seed_and_from_no_three_of_them() {
    let key = |text: &str| OneTimeKey::derive(&SecretString::from(text.repeat(48)));
    let (user, seed) = (UserId::from_i64(7), Seed::from_bytes([1; 32]));
    let token = derive(&key("k"), Purpose::VerifyEmail, user, &seed);
    assert_eq!(token, derive(&key("k"), Purpose::VerifyEmail, user, &seed));
    assert_eq!(token.len(), 43, "256 bits");
    for other in [
        derive(&key("l"), Purpose::VerifyEmail, user, &seed),
        derive(&key("k"), Purpose::ResetPassword, user, &seed),
        derive(&key("k"), Purpose::VerifyEmail, UserId::from_i64(8), &seed),
        derive(&key("k"), Purpose::VerifyEmail, user, &Seed::from_bytes([2; 32])),
    ] {
        assert_ne!(token, other);
    }
    assert_ne!(Seed::draw().bytes(), Seed::draw().bytes());
    assert_eq!(format!("{seed:?}"), "Seed(…)");
}

// SEC-82, SEC-83
#[tokio::test]
async fn a_token_proves_once_what_it_was_made_for_and_nothing_else() {
    let service = TestService::start().await;
    let ada = user(&service, "ada").await;
    assert!(put(&service, token(&service, &ada, Purpose::VerifyEmail, "t1")).await);
    assert_eq!(refusal(spend(&service, Purpose::ResetPassword, "t1").await), TokenRefusal::Invalid);
    assert_eq!(refusal(spend(&service, Purpose::VerifyEmail, "t2").await), TokenRefusal::Invalid);
    let proven = spend(&service, Purpose::VerifyEmail, "t1").await.unwrap();
    assert_eq!(proven, Proven { user: ada.id, email: "Ada@example.com".to_owned(), epoch: 0 });
    assert_eq!(refusal(spend(&service, Purpose::VerifyEmail, "t1").await), TokenRefusal::Invalid);
}

// SEC-83
#[tokio::test]
async fn the_newest_token_alone_is_good_and_another_users_or_purposes_stays() {
    let service = TestService::start().await;
    let (ada, bob) = (user(&service, "ada").await, user(&service, "bob").await);
    for (whose, purpose, text) in [
        (&ada, Purpose::VerifyEmail, "old"),
        (&bob, Purpose::VerifyEmail, "bobs"),
        (&ada, Purpose::VerifyEmail, "new"),
    ] {
        assert!(put(&service, token(&service, whose, purpose, text)).await);
    }
    assert_eq!(refusal(spend(&service, Purpose::VerifyEmail, "old").await), TokenRefusal::Invalid);
    assert!(spend(&service, Purpose::VerifyEmail, "new").await.is_ok());
    assert_eq!(spend(&service, Purpose::VerifyEmail, "bobs").await.unwrap().user, bob.id);
}

// SEC-12, SEC-83
#[tokio::test]
async fn a_token_dies_with_its_time_with_the_epoch_and_with_its_user() {
    let service = TestService::start().await;
    let ada = user(&service, "ada").await;
    put(&service, token(&service, &ada, Purpose::VerifyEmail, "t")).await;
    service.advance(Duration::from_secs(1_800));
    assert_eq!(refusal(spend(&service, Purpose::VerifyEmail, "t").await), TokenRefusal::Expired);
    put(&service, token(&service, &ada, Purpose::VerifyEmail, "t")).await;
    crate::sign_in::end_all(&service, ada.id, EndReason::PasswordChanged).await.unwrap();
    assert_eq!(refusal(spend(&service, Purpose::VerifyEmail, "t").await), TokenRefusal::Invalid);
    put(&service, token(&service, &ada, Purpose::VerifyEmail, "t")).await;
    crate::operator::disable(&service, ada.id).await.unwrap();
    crate::operator::enable(&service, ada.id).await.unwrap();
    assert_eq!(refusal(spend(&service, Purpose::VerifyEmail, "t").await), TokenRefusal::Invalid);
    crate::operator::delete(&service, ada.id).await.unwrap();
    assert!(!put(&service, token(&service, &ada, Purpose::VerifyEmail, "t")).await);
}

// SEC-80, SEC-86
#[tokio::test]
async fn a_token_for_a_new_password_needs_the_address_to_be_the_accounts_confirmed_one() {
    let service = TestService::start().await;
    let ada = user(&service, "ada").await;
    put(&service, token(&service, &ada, Purpose::ResetPassword, "t")).await;
    assert_eq!(refusal(spend(&service, Purpose::ResetPassword, "t").await), TokenRefusal::Invalid);
    for (email, good) in [("other@example.com", false), ("ADA@example.com", true)] {
        let input = (ada.id, email, service.now());
        let set = service.store().write(input, |tx, (id, email, now)| {
            Box::pin(async move { tx.set_verified_email(*id, 0, email, *now).await })
        });
        set.await.unwrap();
        assert_eq!(spend(&service, Purpose::ResetPassword, "t").await.is_ok(), good, "{email}");
    }
}

async fn swept(service: &Countersign) -> u64 {
    let swept = crate::jobs::sweep(service, |_| {}).await.unwrap().unwrap();
    swept.of(crate::jobs::Table::OneTimeTokens).removed
}

#[tokio::test]
async fn tokens_go_a_day_after_their_end() {
    let service = TestService::start().await;
    let ada = user(&service, "ada").await;
    put(&service, token(&service, &ada, Purpose::VerifyEmail, "t")).await;
    service.advance(Duration::from_secs(1_800 + 24 * 60 * 60));
    assert_eq!(swept(&service).await, 0);
    service.advance(Duration::from_millis(1));
    assert_eq!(backlog(service.store(), service.now(), 10).await.unwrap(), 1);
    assert_eq!(swept(&service).await, 1);
    assert_eq!(refusal(spend(&service, Purpose::VerifyEmail, "t").await), TokenRefusal::Invalid);
}

#[test]
fn a_text_that_is_too_long_to_be_a_token_is_not_even_hashed() {
    assert!(hash(&"x".repeat(64)).is_ok());
    assert!(matches!(hash(&"x".repeat(65)), Err(Error::OneTimeToken(TokenRefusal::Invalid))));
}

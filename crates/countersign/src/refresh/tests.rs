use std::time::Duration;

use super::*;
use crate::authenticate::{Attempt, authenticate};
use crate::error::FieldErrors;
use crate::secret::{ExposeSecret as _, SecretString};
use crate::settings::Settings;
use crate::sign_in::{Client, State};
use crate::testing::TestService;
use crate::user::{NewUser, User, sign_up};

const PASSWORD: &str = "correct horse battery";
const KEY: &str = "a-retry-key-of-a-client-1";

async fn ada(service: &Countersign) -> User {
    let password = Some(SecretString::from(PASSWORD));
    let new = NewUser::judge(service.rules(), Some("ada"), None, password, FieldErrors::new()).unwrap();
    sign_up(service, new, None).await.unwrap()
}

async fn begin(service: &Countersign, transport: Transport) -> String {
    let client = Client { user_agent: None, address: None, transport };
    let password = SecretString::from(PASSWORD);
    let attempt = Attempt { username: "ada".to_owned(), password, client, replaced: vec![], devices: vec![] };
    authenticate(service, attempt).await.unwrap().refresh_token.to_string()
}

async fn signed_in() -> (TestService, String) {
    signed_in_with(|settings| settings).await
}

async fn signed_in_with(adjust: impl FnOnce(Settings) -> Settings) -> (TestService, String) {
    let service = TestService::start_with(adjust).await;
    ada(&service).await;
    let token = begin(&service, Transport::Cookie).await;
    (service, token)
}

async fn by(service: &Countersign, text: &str, key: Option<&str>, transport: Transport) -> Result<Tokens> {
    let token = choose(service, &[text]).await?;
    let retry_key = key.map(|key| RetryKey::parse(key.as_bytes()).unwrap());
    refresh(service, &Presented { token, transport, retry_key, from: None }).await
}

async fn spend_keyed(service: &Countersign, text: &str, key: &str) -> Result<String, RefreshRefusal> {
    taken(by(service, text, Some(key), Transport::Cookie).await)
}

async fn spend(service: &Countersign, text: &str) -> Result<String, RefreshRefusal> {
    taken(by(service, text, None, Transport::Cookie).await)
}

fn taken(outcome: Result<Tokens>) -> Result<String, RefreshRefusal> {
    match outcome {
        Ok(tokens) => Ok(tokens.refresh_token.to_string()),
        Err(Error::RefreshToken(refusal)) => Err(refusal),
        Err(other) => panic!("{other:?}"),
    }
}

// SEC-43, SEC-45
#[tokio::test]
async fn a_spent_token_is_a_race_at_first_and_theft_later() {
    let (service, first) = signed_in().await;
    let second = spend(&service, &first).await.unwrap();
    service.advance(Duration::from_secs(10));
    assert_eq!(spend(&service, &first).await, Err(RefreshRefusal::Spent));
    let third = spend(&service, &second).await.unwrap();
    service.advance(Duration::from_millis(1));
    assert_eq!(spend(&service, &first).await, Err(RefreshRefusal::Reused));
    assert_eq!(
        spend(&service, &third).await,
        Err(RefreshRefusal::Revoked),
        "the descendants have died with it"
    );
}

// SEC-46: the clock decides only between race and theft, never whether a spent token works.
#[tokio::test]
async fn a_clock_that_steps_back_revives_no_spent_token_and_hides_no_theft() {
    let (service, first) = signed_in().await;
    service.advance(Duration::from_secs(3_600));
    let second = spend(&service, &first).await.unwrap();
    service.clock.step_back(Duration::from_secs(10));
    assert_eq!(spend(&service, &first).await, Err(RefreshRefusal::Spent));
    service.clock.step_back(Duration::from_secs(3_590));
    assert_eq!(spend(&service, &first).await, Err(RefreshRefusal::Reused));
    assert_eq!(spend(&service, &second).await, Err(RefreshRefusal::Revoked));
}

// SEC-46
#[tokio::test]
async fn theft_is_seen_after_a_restart_and_a_clean_up() {
    let (service, first) = signed_in().await;
    let second = spend(&service, &first).await.unwrap();
    service.shut_down().await;
    let again = service.second_node().await;
    crate::sign_in::sweep(&again, 100).await.unwrap();
    service.advance(Duration::from_secs(11));
    assert_eq!(spend(&again, &first).await, Err(RefreshRefusal::Reused));
    assert_eq!(spend(&again, &second).await, Err(RefreshRefusal::Revoked));
}

// SEC-47
#[tokio::test]
async fn the_same_key_gets_the_same_successor_until_that_is_used() {
    let (service, first) = signed_in().await;
    let second = spend_keyed(&service, &first, KEY).await.unwrap();
    service.advance(Duration::from_secs(86_400));
    let node = service.second_node().await;
    assert_eq!(spend_keyed(&node, &first, KEY).await.unwrap(), second);
    spend(&service, &second).await.unwrap();
    assert_eq!(spend_keyed(&service, &first, KEY).await, Err(RefreshRefusal::Reused));
}

// SEC-47
#[tokio::test]
async fn another_key_or_none_is_no_retry() {
    let (service, first) = signed_in().await;
    spend_keyed(&service, &first, KEY).await.unwrap();
    assert_eq!(spend(&service, &first).await, Err(RefreshRefusal::Spent));
    assert_eq!(spend_keyed(&service, &first, "another-key-of-a-client-1").await, Err(RefreshRefusal::Spent));

    let (service, first) = signed_in().await;
    spend(&service, &first).await.unwrap();
    assert_eq!(spend_keyed(&service, &first, KEY).await, Err(RefreshRefusal::Spent), "it was spent without");
}

#[tokio::test]
async fn the_grace_gives_the_direct_predecessor_the_same_successor_for_its_time() {
    let grace = Duration::from_secs(5);
    let (service, first) =
        signed_in_with(|settings| Settings { refresh_reuse_grace: grace, ..settings }).await;
    let second = spend(&service, &first).await.unwrap();
    service.advance(grace);
    assert_eq!(spend(&service, &first).await.unwrap(), second);
    service.advance(Duration::from_millis(1));
    assert_eq!(spend(&service, &first).await, Err(RefreshRefusal::Spent));
    spend(&service, &second).await.unwrap();
    assert_eq!(spend(&service, &first).await, Err(RefreshRefusal::Spent));
}

#[tokio::test]
async fn a_spending_older_than_the_last_eight_is_theft_even_within_the_race_window() {
    let (service, first) = signed_in().await;
    let mut current = spend(&service, &first).await.unwrap();
    for _ in 0..7 {
        assert_eq!(spend(&service, &first).await, Err(RefreshRefusal::Spent));
        current = spend(&service, &current).await.unwrap();
    }
    spend(&service, &current).await.unwrap();
    assert_eq!(spend(&service, &first).await, Err(RefreshRefusal::Reused));
}

// SEC-49
#[tokio::test]
async fn idle_and_absolute_end_are_both_kept() {
    let (service, first) = signed_in().await;
    let day = Duration::from_secs(86_400);
    let mut token = first;
    for _ in 0..3 {
        service.advance(29 * day);
        token = spend(&service, &token).await.unwrap();
    }
    service.advance(3 * day - Duration::from_millis(1));
    token = spend(&service, &token).await.unwrap();
    service.advance(Duration::from_millis(1));
    assert_eq!(spend(&service, &token).await, Err(RefreshRefusal::Expired), "90 days after the sign-in");

    let token = begin(&service, Transport::Cookie).await;
    service.advance(30 * day);
    assert_eq!(spend(&service, &token).await, Err(RefreshRefusal::Expired), "30 days of silence");
}

#[tokio::test]
async fn a_sign_in_keeps_its_transport_for_life() {
    let (service, in_cookie) = signed_in().await;
    let in_body = begin(&service, Transport::Body).await;
    let crossed = [(&in_cookie, Transport::Body), (&in_body, Transport::Cookie)];
    for (token, transport) in crossed {
        assert_eq!(taken(by(&service, token, None, transport).await), Err(RefreshRefusal::Invalid));
    }
    assert!(by(&service, &in_cookie, None, Transport::Cookie).await.is_ok(), "nothing was ended");
    assert!(by(&service, &in_body, None, Transport::Body).await.is_ok());
}

// SEC-58
#[tokio::test]
async fn of_several_tokens_the_one_that_lives_is_used() {
    let (service, spent) = signed_in().await;
    let living = spend(&service, &spent).await.unwrap();
    let junk = "x".repeat(living.len());
    let chosen = choose(&service, &[&junk, &spent, &living]).await.unwrap();
    assert_eq!(*chosen.text(), living);
    let another = begin(&service, Transport::Cookie).await;
    let refused = choose(&service, &[&living, &another]).await.err().unwrap();
    assert!(matches!(refused, Error::AmbiguousRefreshCookie));
    assert!(spend(&service, &living).await.is_ok(), "neither was spent");
}

// SEC-55
#[tokio::test]
async fn tokens_of_a_former_secret_key_are_refreshed_retried_and_seen_as_stolen() {
    let (service, first) = signed_in().await;
    let second = spend_keyed(&service, &first, KEY).await.unwrap();
    let old_key = service.settings().secret_key.clone().unwrap();
    assert!(!old_key.expose_secret().is_empty());
    let settings = Settings {
        secret_key: Some(SecretString::from("another key for tests: 3Zt8wN5cYh1d")),
        secret_key_fallbacks: vec![old_key],
        ..service.settings().clone()
    };
    let rotated = Countersign::open_with_clock(settings, service.clock.clone()).await.unwrap();
    assert_eq!(spend_keyed(&rotated, &first, KEY).await.unwrap(), second);
    let third = spend(&rotated, &second).await.unwrap();
    service.advance(Duration::from_secs(11));
    assert_eq!(spend(&rotated, &first).await, Err(RefreshRefusal::Reused));
    assert_eq!(spend(&rotated, &third).await, Err(RefreshRefusal::Revoked));
}

// SEC-42: storage per sign-in is constant, and holds no token.
#[tokio::test]
async fn the_row_does_not_grow_and_holds_no_token() {
    let (service, mut token) = signed_in().await;
    let mut sizes = Vec::new();
    for _ in 0..20 {
        token = spend(&service, &token).await.unwrap();
        let size = service.store().read((), |tx, ()| {
            Box::pin(async move {
                let sql =
                    "SELECT length(spendings) + length(current_hash) + length(successor_salt) FROM sign_ins";
                tx.one(sql, &[], |row| row.int(0)).await
            })
        });
        sizes.push(size.await.unwrap().unwrap());
    }
    assert_eq!(sizes.iter().max(), sizes.last());
    assert_eq!(sizes[7], sizes[19]);
    service.shut_down().await;
    let raw: Vec<u8> = ["countersign.db", "countersign.db-wal"]
        .into_iter()
        .filter_map(|file| std::fs::read(service.folder().join("data").join(file)).ok())
        .flatten()
        .collect();
    assert!(!raw.windows(token.len()).any(|window| window == token.as_bytes()));
}

#[tokio::test]
async fn a_token_newer_than_the_database_ends_nothing() {
    let (service, first) = signed_in().await;
    let second = spend(&service, &first).await.unwrap();
    let restored = service.store().write((), |tx, ()| {
        Box::pin(async move {
            tx.execute("UPDATE sign_ins SET generation = 0, current_hash = successor_salt", &[]).await
        })
    });
    restored.await.unwrap();
    assert_eq!(spend(&service, &second).await, Err(RefreshRefusal::Invalid));
    assert_eq!(spend(&service, &first).await, Err(RefreshRefusal::Invalid));
    let user = choose(&service, &[&first]).await.unwrap().sign_in;
    let row =
        service.store().read(user, |tx, id| Box::pin(async move { tx.family(*id).await })).await.unwrap();
    let listed = sign_in::list(&service, row.unwrap().user).await.unwrap();
    assert_eq!(listed[0].state, State::Live);
}

/// A request that waits keeps its whole future, and one that begins has it moved into place: what is seldom needed on the
/// way belongs on the heap.
#[tokio::test]
async fn a_refresh_carries_no_room_for_what_it_seldom_needs() {
    let service = TestService::start_with(|settings| settings).await;
    let request = axum::extract::Request::default();
    let asked =
        http::refresh(axum::extract::State((*service).clone()), crate::caller::Address(None), request);
    let size = size_of_val(&asked);
    assert!(size <= 2_048, "{size} bytes");
}

//! The six rules of spending, as far as one client after another can show them.

use std::time::Duration;

use countersign::Settings;
use reqwest::Method;

use crate::actors::Browser;
use crate::app::{Answer, App, DAY, MINUTE};
use crate::call::join_all;

const KEY: &str = "8e03978e-40d5-43e8-bc93-6894a57f9324";
const OTHER_KEY: &str = "7cGk-2Jw_9sLqXz0TnVbRm";
const SECOND: Duration = Duration::from_secs(1);

fn successor(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.refresh_cookie().unwrap()
}

// SEC-44
#[tokio::test]
async fn rule_1_of_concurrent_refreshes_one_gets_the_successor() {
    let app = App::start().await;
    let token = app.somebody("ada").await.refresh_token;
    let answers = join_all((0..32).map(|_| app.refresh(&token))).await;
    let (won, lost): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    assert!(
        lost.iter().all(|answer| answer.code() == "refresh_token_spent" && answer.set_cookies().is_empty())
    );
    assert_eq!(app.refresh(&successor(won[0])).await.status, 200);
}

// SEC-42
#[tokio::test]
async fn rule_2_the_row_stays_as_small_as_it_was() {
    let app = App::start().await;
    let mut token = app.somebody("ada").await.refresh_token;
    let mut sizes = Vec::new();
    for _ in 0..24 {
        token = successor(&app.refresh_keyed(&token, Some(KEY)).await);
        let size = "SELECT sum(length(spendings) + length(current_hash) + length(successor_salt)
                               + length(retry_key_hash)) FROM sign_ins";
        sizes.push((app.cell("SELECT count(*) FROM sign_ins"), app.cell(size)));
    }
    let steady = ("1".to_owned(), (8 * 13 + 3 * 32).to_string());
    assert!(sizes[8..].iter().all(|size| *size == steady), "{sizes:?}");
}

// SEC-47
#[tokio::test]
async fn rule_3_a_race_lasts_ten_seconds_from_the_tokens_own_spending() {
    let app = App::start().await;
    let first = app.somebody("ada").await.refresh_token;
    let second = successor(&app.refresh(&first).await);
    app.advance(8 * SECOND);
    let third = successor(&app.refresh(&second).await);
    app.advance(2 * SECOND);
    assert_eq!(app.refresh(&first).await.code(), "refresh_token_spent", "ten seconds after its spending");
    assert_eq!(app.refresh(&second).await.code(), "refresh_token_spent");
    let fourth = successor(&app.refresh(&third).await);
    app.advance(Duration::from_millis(1));
    assert_eq!(app.refresh(&first).await.code(), "refresh_token_reused");
    assert_eq!(app.refresh(&fourth).await.code(), "refresh_token_revoked");
}

// SEC-45
#[tokio::test]
async fn rule_3_a_spent_token_of_any_age_ends_the_sign_in_with_every_descendant() {
    for generations in [1, 2, 7, 8, 9, 12] {
        let app = App::start().await;
        let session = app.somebody("ada").await;
        let mut token = session.refresh_token.clone();
        for _ in 0..generations {
            app.advance(DAY);
            token = successor(&app.refresh(&token).await);
        }
        app.advance(DAY);
        let fresh = app.sign_in("ada").await;
        let answer = app.refresh(&session.refresh_token).await;
        assert_eq!(answer.code(), "refresh_token_reused", "{generations} generations ago");
        assert_eq!(app.refresh(&token).await.code(), "refresh_token_revoked");
        assert_eq!(app.me(&fresh.access_token).await.status, 200, "another sign-in goes on");
    }
}

// SEC-45
#[tokio::test]
async fn rule_3_a_token_beyond_the_rows_memory_is_reused_even_within_the_window() {
    let app = App::start().await;
    let first = app.somebody("ada").await.refresh_token;
    let mut token = first.clone();
    for _ in 0..9 {
        token = successor(&app.refresh(&token).await);
    }
    assert_eq!(app.refresh(&first).await.code(), "refresh_token_reused");
}

// SEC-46
#[tokio::test]
async fn rule_3_theft_is_seen_across_a_restart_a_clock_step_and_a_clean_up() {
    let app = App::start().await;
    let first = app.somebody("ada").await.refresh_token;
    let second = successor(&app.refresh(&first).await);
    app.advance(3 * DAY);
    countersign::jobs::sweep(&app.service, |_| {}).await.unwrap();
    app.service.shut_down().await;
    let settings = app.service.settings().clone();
    let restarted = App::start_with(|_| settings).await;
    restarted.clock.advance(2 * DAY);
    assert_eq!(restarted.refresh(&first).await.code(), "refresh_token_reused");
    assert_eq!(restarted.refresh(&second).await.code(), "refresh_token_revoked");
}

#[tokio::test]
async fn rule_3_the_loser_of_a_race_goes_on_with_what_its_jar_holds() {
    let app = App::start().await;
    let mut browser = Browser::of(&app, "ada").await;
    let (one, other) = (browser.call(Method::POST, "/refresh"), browser.call(Method::POST, "/refresh"));
    assert_eq!(browser.send(one).await.status, 200);
    assert_eq!(browser.send(other).await.code(), "refresh_token_spent");
    assert_eq!(browser.refresh().await.status, 200);
    assert_eq!(browser.me().await.status, 200);
}

#[tokio::test]
async fn rule_3_without_a_race_window_every_return_is_theft() {
    let app = App::start_with(|settings| Settings { refresh_race: Duration::ZERO, ..settings }).await;
    let first = app.somebody("ada").await.refresh_token;
    successor(&app.refresh(&first).await);
    app.advance(Duration::from_millis(1));
    assert_eq!(app.refresh(&first).await.code(), "refresh_token_reused");
}

// SEC-47
#[tokio::test]
async fn rule_5_the_same_key_gets_the_same_successor_until_that_is_used() {
    let app = App::start().await;
    let first = app.somebody("ada").await.refresh_token;
    let second = successor(&app.refresh_keyed(&first, Some(KEY)).await);
    app.advance(DAY);
    let again = app.refresh_keyed(&first, Some(KEY)).await;
    assert_eq!(successor(&again), second, "byte by byte");
    let what_remains = format!("; Max-Age={}", 29 * 86_400);
    assert!(again.header("set-cookie").unwrap().ends_with(&what_remains), "{again:?}");
    assert_eq!(app.me(again.body["access_token"].as_str().unwrap()).await.status, 200);
    let many = join_all((0..8).map(|_| app.refresh_keyed(&first, Some(KEY)))).await;
    assert!(many.iter().all(|answer| successor(answer) == second));
    successor(&app.refresh(&second).await);
    app.advance(11 * SECOND);
    assert_eq!(app.refresh_keyed(&first, Some(KEY)).await.code(), "refresh_token_reused", "it was used");
}

// SEC-47
#[tokio::test]
async fn rule_5_another_key_or_none_is_a_race_and_then_theft() {
    let app = App::start().await;
    for (name, key) in [("ada", Some(OTHER_KEY)), ("bob", None)] {
        let first = app.somebody(name).await.refresh_token;
        let second = successor(&app.refresh_keyed(&first, Some(KEY)).await);
        assert_eq!(app.refresh_keyed(&first, key).await.code(), "refresh_token_spent");
        app.advance(11 * SECOND);
        assert_eq!(app.refresh_keyed(&first, key).await.code(), "refresh_token_reused");
        assert_eq!(app.refresh(&second).await.code(), "refresh_token_revoked");
    }
}

// SEC-47
#[tokio::test]
async fn rule_5_a_key_that_comes_late_or_with_another_token_grants_nothing() {
    let app = App::start().await;
    let first = app.somebody("ada").await.refresh_token;
    let second = successor(&app.refresh(&first).await);
    assert_eq!(app.refresh_keyed(&first, Some(KEY)).await.code(), "refresh_token_spent", "spent without it");
    let third = successor(&app.refresh_keyed(&second, Some(KEY)).await);
    assert_eq!(
        app.refresh_keyed(&first, Some(KEY)).await.code(),
        "refresh_token_spent",
        "another token's key"
    );
    assert_eq!(successor(&app.refresh_keyed(&third, Some(KEY)).await).len(), third.len(), "used once more");
}

#[tokio::test]
async fn rule_5_a_retry_ends_with_the_sign_in() {
    let app = App::start().await;
    let first = app.somebody("ada").await.refresh_token;
    let second = successor(&app.refresh_keyed(&first, Some(KEY)).await);
    assert_eq!(app.sign_out(&second).await.status, 204);
    assert_eq!(app.refresh_keyed(&first, Some(KEY)).await.code(), "refresh_token_revoked");
}

#[tokio::test]
async fn rule_5_the_grace_grants_the_direct_predecessor_the_same_for_its_time() {
    let app = App::start_with(|settings| Settings { refresh_reuse_grace: 30 * SECOND, ..settings }).await;
    let first = app.somebody("ada").await.refresh_token;
    let second = successor(&app.refresh(&first).await);
    app.advance(30 * SECOND);
    assert_eq!(successor(&app.refresh(&first).await), second);
    let third = successor(&app.refresh(&second).await);
    assert_eq!(app.refresh(&first).await.code(), "refresh_token_reused", "not the direct one any more");
    assert_eq!(app.refresh(&third).await.code(), "refresh_token_revoked");
    let first = app.sign_in("ada").await.refresh_token;
    successor(&app.refresh(&first).await);
    app.advance(31 * SECOND);
    assert_eq!(app.refresh(&first).await.code(), "refresh_token_reused", "its time is over");
}

// SEC-55
#[tokio::test]
async fn tokens_of_a_former_key_are_spent_signed_out_and_recognised_as_reused() {
    use countersign::secret::SecretString;
    let (old, new) =
        ("the old key of more than thirty-two bytes, 0123", "the new key of more than thirty-two, 4567");
    let key = |text: &str| Some(SecretString::from(text));
    let app = App::start_with(|settings| Settings { secret_key: key(old), ..settings }).await;
    let (one, two, three) = (app.somebody("ada").await, app.sign_in("ada").await, app.sign_in("ada").await);
    let three_next = successor(&app.refresh_keyed(&three.refresh_token, Some(KEY)).await);
    app.service.shut_down().await;
    let fallbacks = vec![SecretString::from(old)];
    let settings =
        Settings { secret_key: key(new), secret_key_fallbacks: fallbacks, ..app.service.settings().clone() };
    let app = App::start_with(|_| settings).await;
    let next = successor(&app.refresh(&one.refresh_token).await);
    assert_eq!(successor(&app.refresh_keyed(&three.refresh_token, Some(KEY)).await), three_next);
    assert_eq!(app.sign_out(&two.refresh_token).await.status, 204);
    assert_eq!(app.refresh(&two.refresh_token).await.code(), "refresh_token_revoked");
    app.advance(MINUTE);
    assert_eq!(app.refresh(&one.refresh_token).await.code(), "refresh_token_reused");
    assert_eq!(app.refresh(&next).await.code(), "refresh_token_revoked");
}

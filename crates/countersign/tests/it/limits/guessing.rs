//! One person who guesses, from one place.

use std::time::Duration;

use countersign::Settings;
use countersign::settings::RateLimits;
use reqwest::Method;
use serde_json::json;

use super::{WRONG, limited, quarter};
use crate::app::{Answer, App, MINUTE, PASSWORD, Session};

/// All of an answer but its name and its date.
fn bytes(answer: &Answer) -> (u16, Vec<String>, &str) {
    let headers = answer.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"));
    let lines = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    (answer.status, lines.collect(), &answer.text)
}

// SEC-17, SEC-25
#[tokio::test]
async fn after_ten_wrong_passwords_the_answer_is_the_same_for_known_and_unknown_names() {
    let app = App::start().await;
    app.sign_up("ada").await;
    let names = ["ada", "nobody", "no such name", "", "ada@example.com"];
    let mut refusals = Vec::new();
    for name in names {
        for _ in 0..10 {
            assert_eq!(app.authenticate(name, WRONG).await.status, 401, "{name}");
        }
        refusals.push(app.authenticate(name, WRONG).await);
    }
    assert_eq!(refusals[0].body, limited());
    assert_eq!(refusals[0].header("retry-after"), Some("900"));
    assert_eq!(refusals[0].header("cache-control"), Some("no-store"));
    for (name, refusal) in names.iter().zip(&refusals) {
        assert_eq!(bytes(refusal), bytes(&refusals[0]), "{name}");
    }
    let right = app.authenticate("ada", PASSWORD).await;
    assert_eq!(bytes(&right), bytes(&refusals[0]), "nor is it told that a guess was right");
}

// SEC-25
#[tokio::test]
async fn retry_after_is_true() {
    let app = App::start().await;
    app.sign_up("ada").await;
    app.authenticate("ada", WRONG).await;
    app.advance(MINUTE + Duration::from_millis(1));
    for _ in 0..9 {
        assert_eq!(app.authenticate("ada", WRONG).await.status, 401);
    }
    let refusal = app.authenticate("ada", PASSWORD).await;
    assert_eq!(refusal.header("retry-after"), Some("840"), "rounded up");
    app.advance(Duration::from_secs(839));
    assert_eq!(app.authenticate("ada", PASSWORD).await.header("retry-after"), Some("1"));
    app.advance(Duration::from_secs(1));
    assert_eq!(app.authenticate("ada", PASSWORD).await.status, 200);
}

// SEC-18
#[tokio::test]
async fn another_spelling_is_no_other_account() {
    let app = App::start().await;
    app.sign_up("Ada").await;
    for name in ["ada", "ADA", "Ada", "aDa", "adA"] {
        app.authenticate(name, WRONG).await;
        app.authenticate(name, WRONG).await;
    }
    assert_eq!(app.authenticate("aDA", PASSWORD).await.body, limited());
}

// SEC-20
#[tokio::test]
async fn a_success_gives_the_account_its_tries_back_and_the_address_none() {
    let rate_limits = RateLimits { sign_in_address: quarter(30), ..RateLimits::default() };
    let app = App::start_with(|settings| Settings { rate_limits, ..settings }).await;
    app.sign_up("ada").await;
    for _ in 0..3 {
        for _ in 0..9 {
            assert_eq!(app.authenticate("ada", WRONG).await.status, 401);
        }
        assert_eq!(app.authenticate("ada", PASSWORD).await.status, 200);
    }
    for _ in 0..3 {
        assert_eq!(app.authenticate("eve", WRONG).await.status, 401);
    }
    assert_eq!(app.authenticate("ada", PASSWORD).await.body, limited(), "thirty were wrong at this address");
}

#[tokio::test]
async fn who_is_signed_in_notices_nothing_and_loses_no_cookie() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    for _ in 0..10 {
        app.authenticate("ada", WRONG).await;
    }
    let body = json!({"username": "ada", "password": PASSWORD});
    let call = app.call(Method::POST, "/authenticate").json(&body).refresh_cookie(&session.refresh_token);
    let refusal = call.send().await;
    assert_eq!((refusal.status, refusal.set_cookies().len()), (429, 0));
    assert_eq!(app.me(&session.access_token).await.status, 200);
    assert_eq!(app.refresh(&session.refresh_token).await.status, 200);
}

async fn change(app: &App, session: &Session, method: Method, password: &str) -> Answer {
    let mut body = json!({"current_password": password});
    if method == Method::PATCH {
        body["email"] = json!("ada@example.com");
    }
    app.call(method, "/me").bearer(&session.access_token).json(&body).send().await
}

// SEC-11
#[tokio::test]
async fn wrong_current_passwords_count_as_wrong_sign_ins() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    for _ in 0..5 {
        assert_eq!(change(&app, &session, Method::PATCH, WRONG).await.code(), "wrong_password");
        assert_eq!(change(&app, &session, Method::DELETE, WRONG).await.code(), "wrong_password");
    }
    for method in [Method::PATCH, Method::DELETE] {
        let refusal = change(&app, &session, method, PASSWORD).await;
        assert_eq!((refusal.body.clone(), refusal.set_cookies().len()), (limited(), 0));
        assert_eq!(refusal.header("retry-after"), Some("900"));
    }
    assert_eq!(app.authenticate("ada", PASSWORD).await.body, limited(), "one limit for both");
    app.advance(15 * MINUTE);
    let session = app.sign_in("ada").await;
    assert_eq!(change(&app, &session, Method::PATCH, WRONG).await.status, 403);
    assert_eq!(change(&app, &session, Method::PATCH, PASSWORD).await.status, 200);
}

// SEC-21
#[tokio::test]
async fn whoever_guesses_elsewhere_takes_nothing_from_who_is_signed_in() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    for _ in 0..11 {
        app.authenticate("ada", WRONG).await;
    }
    assert_eq!(change(&app, &session, Method::PATCH, WRONG).await.status, 403);
    assert_eq!(change(&app, &session, Method::PATCH, PASSWORD).await.status, 200);
    assert_eq!(change(&app, &session, Method::DELETE, PASSWORD).await.status, 204);
}

#[tokio::test]
async fn an_address_may_sign_up_twenty_times_an_hour() {
    let rate_limits = RateLimits {
        sign_up: super::Rate { count: 3, ..RateLimits::default().sign_up },
        ..RateLimits::default()
    };
    let app = App::start_with(|settings| Settings { rate_limits, ..settings }).await;
    for name in ["ada", "bob"] {
        assert_eq!(app.sign_up(name).await.status, 201);
        assert_eq!(app.sign_up(name).await.status, 400, "what did not happen is not counted");
        app.post("/users", json!({"username": "x", "password": ""})).await;
    }
    app.advance(MINUTE);
    assert_eq!(app.sign_up("eve").await.status, 201);
    for name in ["zoe", "ada"] {
        let refusal = app.sign_up(name).await;
        assert_eq!(refusal.body, limited(), "{name}: who may not sign up is told of no name");
        assert_eq!(refusal.header("retry-after"), Some("3540"));
    }
    app.advance(59 * MINUTE);
    assert_eq!(app.sign_up("zoe").await.status, 201);
}

#[tokio::test]
async fn limits_can_be_switched_off() {
    let app = App::start_unlimited().await;
    app.sign_up("ada").await;
    for _ in 0..12 {
        assert_eq!(app.authenticate("ada", WRONG).await.status, 401);
    }
    assert_eq!(app.cell("SELECT count(*) FROM rate_limits"), "0");
}

// SEC-24, SEC-108: what is stored tells nobody who was guessed at, or who guessed.
#[tokio::test]
async fn the_rows_hold_no_name_and_no_address() {
    let app = App::start().await;
    app.authenticate("ada", WRONG).await;
    app.authenticate("bob", WRONG).await;
    assert_eq!(
        app.cell("SELECT count(*) FROM rate_limits"),
        "5",
        "two accounts, each also here, and the address"
    );
    assert_eq!(app.cell("SELECT max(used) FROM rate_limits"), "2", "both at one address");
    let small = "SELECT count(*) FROM rate_limits WHERE key BETWEEN -4294967296 AND 4294967296";
    assert_eq!(app.cell(small), "0", "an address of IPv4 would be so small");
}

//! The access token: how it is sent, how long it is good, what ends it, and how it is refused.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::app::{Answer, App, MINUTE, PASSWORD, problem};

fn is_refused(answer: &Answer, code: &str, detail: &str, challenge: &str) {
    assert_eq!(answer.body, problem(401, "Unauthorized", code, detail), "{answer:?}");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    assert_eq!(answer.media_type(), Some("application/problem+json"));
    assert!(answer.set_cookies().is_empty());
}

fn is_invalid(answer: &Answer) {
    let challenge = r#"Bearer error="invalid_token", error_description="Invalid access token""#;
    is_refused(answer, "access_token_invalid", "Invalid access token", challenge);
}

// SEC-65
#[tokio::test]
async fn each_refusal_has_its_word_and_its_challenge() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    is_refused(&app.get("/me").send().await, "access_token_missing", "No access token", "Bearer");
    is_invalid(&app.me("a.b.c").await);
    app.advance(10 * MINUTE);
    let challenge = r#"Bearer error="invalid_token", error_description="Access token has expired""#;
    let answer = app.me(&session.access_token).await;
    is_refused(&answer, "access_token_expired", "Access token has expired", challenge);
}

// SEC-66
#[tokio::test]
async fn the_scheme_counts_in_any_case_and_a_bare_token_is_taken() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    for value in ["Bearer ", "bearer ", "BEARER ", "bEaReR   ", ""] {
        let answer = app.get("/me").header("authorization", &format!("{value}{token}")).send().await;
        assert_eq!(answer.status, 200, "{value:?}");
    }
    for value in ["Basic YTpi", "Token x", "Bearer", "Bearer "] {
        let answer = app.get("/me").header("authorization", value).send().await;
        assert_eq!(answer.code(), "access_token_missing", "{value:?}");
    }
    for value in [format!("Bearer {token} x"), "nonsense".to_owned(), format!("Bearer {token},")] {
        is_invalid(&app.get("/me").header("authorization", &value).send().await);
    }
}

// SEC-66
#[tokio::test]
async fn a_token_anywhere_else_than_in_its_header_is_not_seen() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    let in_query = app.get(&format!("/me?access_token={token}")).send().await;
    assert_eq!(in_query.code(), "access_token_missing");
    let in_cookie = app.get("/me").header("cookie", &format!("access_token={token}")).send().await;
    assert_eq!(in_cookie.code(), "access_token_missing");
    let body = json!({"access_token": token, "current_password": PASSWORD});
    let in_body = app.call(Method::DELETE, "/me").json(&body).send().await;
    assert_eq!(in_body.code(), "access_token_missing");
}

// SEC-66
#[tokio::test]
async fn two_authorization_headers_are_a_bad_request() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    let answer = app.get("/me").bearer(&token).bearer(&token).send().await;
    assert_eq!((answer.status, answer.code()), (400, "multiple_authorization_headers"));
}

// SEC-32
#[tokio::test]
async fn a_token_is_good_until_the_second_of_its_expiry_and_no_longer() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    app.advance(10 * MINUTE - Duration::from_secs(1));
    assert_eq!(app.me(&token).await.status, 200);
    app.advance(Duration::from_secs(1));
    assert_eq!(app.me(&token).await.code(), "access_token_expired");
}

// SEC-38
#[tokio::test]
async fn a_token_dies_with_its_sign_in_at_once() {
    let app = App::start().await;
    let here = app.somebody("ada").await;
    let there = app.sign_in("ada").await;
    assert_eq!(app.sign_out(&here.refresh_token).await.status, 204);
    is_invalid(&app.me(&here.access_token).await);
    assert_eq!(app.me(&there.access_token).await.status, 200);
    let everywhere = app.call(Method::DELETE, "/refresh/all").bearer(&there.access_token).send().await;
    assert_eq!(everywhere.status, 204);
    is_invalid(&app.me(&there.access_token).await);
}

// SEC-38
#[tokio::test]
async fn disabling_and_deleting_kill_every_token_at_once() {
    let app = App::start().await;
    let name = countersign::names::Username::parse("ada").unwrap();
    let session = app.somebody("ada").await;
    let account = countersign::user::find_by_name(&app.service, &name).await.unwrap().unwrap();
    countersign::operator::disable(&app.service, account.user.id).await.unwrap();
    is_invalid(&app.me(&session.access_token).await);
    countersign::operator::enable(&app.service, account.user.id).await.unwrap();
    is_invalid(&app.me(&session.access_token).await);
    let session = app.sign_in("ada").await;
    countersign::operator::delete(&app.service, account.user.id).await.unwrap();
    is_invalid(&app.me(&session.access_token).await);
    assert_eq!(app.refresh(&session.refresh_token).await.code(), "refresh_token_revoked");
}

#[tokio::test]
async fn each_token_is_another() {
    let app = App::start().await;
    let one = app.somebody("ada").await;
    let other = app.refresh(&one.refresh_token).await;
    assert_ne!(other.body["access_token"], one.access_token, "the same second, the same sign-in");
}

// SEC-52
#[tokio::test]
async fn an_access_token_alone_never_yields_another() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    let answer = app.call(Method::POST, "/refresh").bearer(&token).send().await;
    assert_eq!(answer.code(), "refresh_token_missing");
    let body = json!({"refresh_token": token});
    let answer = app.call(Method::POST, "/refresh").json(&body).send().await;
    assert_eq!(answer.code(), "refresh_token_invalid");
}

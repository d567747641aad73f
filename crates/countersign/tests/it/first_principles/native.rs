//! Clients that can't keep cookies: the refresh token travels in bodies, for life.

use reqwest::Method;
use serde_json::json;

use crate::actors::Native;
use crate::app::{App, MINUTE, PASSWORD, codes_of};

#[tokio::test]
async fn the_token_comes_and_goes_in_bodies_and_no_cookie_is_set() {
    let app = App::start().await;
    let mut native = Native::of(&app, "ada").await;
    let first = native.refresh_token.clone();
    let answer = native.refresh().await;
    let expected = json!({"access_token": native.access_token, "token_type": "Bearer", "expires_in": 600,
                          "refresh_token": native.refresh_token});
    assert_eq!((answer.status, &answer.body), (200, &expected));
    assert!(answer.set_cookies().is_empty());
    assert_ne!(native.refresh_token, first);
    assert_eq!(app.me(&native.access_token).await.status, 200);
    assert_eq!(native.sign_out().await.status, 204);
    assert_eq!(native.refresh().await.code(), "refresh_token_revoked");
    assert_eq!(app.me(&native.access_token).await.status, 401);
}

#[tokio::test]
async fn a_refusal_sets_no_cookie_either() {
    let app = App::start().await;
    let mut native = Native::of(&app, "ada").await;
    let stolen = native.refresh_token.clone();
    native.refresh().await;
    app.advance(MINUTE);
    let answer = app.post("/refresh", json!({"refresh_token": stolen})).await;
    assert_eq!((answer.code(), answer.set_cookies().len()), ("refresh_token_reused", 0));
    assert_eq!(native.refresh().await.code(), "refresh_token_revoked");
}

#[tokio::test]
async fn a_sign_in_keeps_its_transport_for_life() {
    let app = App::start().await;
    let mut native = Native::of(&app, "ada").await;
    assert_eq!(app.refresh(&native.refresh_token).await.code(), "refresh_token_invalid");
    let cookie = app.sign_in("ada").await;
    let in_body = app.post("/refresh", json!({"refresh_token": cookie.refresh_token})).await;
    assert_eq!((in_body.code(), in_body.set_cookies().len()), ("refresh_token_invalid", 0));
    assert!(!in_body.text.contains(&cookie.refresh_token));
    assert_eq!(native.refresh().await.status, 200, "nothing was spent or ended");
    assert_eq!(app.refresh(&cookie.refresh_token).await.status, 200);
}

#[tokio::test]
async fn a_retry_with_a_key_works_in_bodies_too() {
    let app = App::start().await;
    let native = Native::of(&app, "ada").await;
    let body = json!({"refresh_token": native.refresh_token});
    let call =
        app.call(Method::POST, "/refresh").header("idempotency-key", "0123456789abcdefghijkl").json(&body);
    let (one, again) = (call.clone().send().await, call.send().await);
    assert_eq!((one.status, again.status), (200, 200));
    assert_eq!(one.body["refresh_token"], again.body["refresh_token"]);
}

#[tokio::test]
async fn the_body_holds_the_token_and_nothing_else() {
    let app = App::start().await;
    for (body, field, code) in [
        (json!({"refresh_token": 5}), "refresh_token", "invalid_type"),
        (json!({"refresh_token": null}), "refresh_token", "invalid_type"),
        (json!({"refresh_token": "x", "more": 1}), "more", "unknown_field"),
    ] {
        for method in [Method::POST, Method::DELETE] {
            let answer = app.call(method, "/refresh").json(&body).send().await;
            assert_eq!((answer.status, codes_of(&answer, field)), (400, vec![code.to_owned()]));
        }
    }
    assert_eq!(app.post("/refresh", json!({})).await.code(), "refresh_token_missing");
    assert_eq!(app.post("/refresh", json!({"refresh_token": ""})).await.code(), "refresh_token_invalid");
}

#[tokio::test]
async fn cookie_is_the_transport_unless_asked_otherwise() {
    let app = App::start().await;
    app.sign_up("ada").await;
    let body = json!({"username": "ada", "password": PASSWORD, "refresh_token_transport": "cookie"});
    let answer = app.post("/authenticate", body).await;
    assert_eq!(answer.body.get("refresh_token"), None);
    assert!(answer.refresh_cookie().is_some());
}

//! What people are told of their account, and what they have to have confirmed.

use std::time::Duration;

use countersign::Settings;
use countersign::settings::Notice;
use reqwest::Method;
use serde_json::json;

use crate::app::{App, DAY, MINUTE, PASSWORD, codes_of};

const OTHER: &str = "a wholly other staple";

async fn subjects(app: &App) -> Vec<String> {
    app.mails().await.into_iter().map(|mail| mail.subject).collect()
}

async fn told(app: &App, what: &str) -> bool {
    subjects(app).await.iter().any(|subject| subject.contains(what))
}

// SEC-15
#[tokio::test]
async fn a_new_name_a_new_password_and_the_end_are_told() {
    let app = App::start().await;
    let token = app.confirmed("ada", "ada@example.com").await.access_token;
    let change = async |body| app.call(Method::PATCH, "/me").bearer(&token).json(&body).send().await.status;
    assert_eq!(change(json!({"username": "countess", "current_password": PASSWORD})).await, 200);
    let mail = app.last_mail().await;
    assert_eq!(
        (mail.to.as_str(), mail.subject.as_str()),
        ("ada@example.com", "Your username at localhost was changed")
    );
    assert!(mail.text.contains("from ada to countess"), "{}", mail.text);
    assert_eq!(change(json!({"password": OTHER, "current_password": PASSWORD})).await, 200);
    assert!(told(&app, "Your password for localhost was changed").await);
    let gone =
        app.call(Method::DELETE, "/me").bearer(&token).json(&json!({"current_password": OTHER})).send().await;
    assert_eq!(gone.status, 204);
    let mail = app.last_mail().await;
    assert_eq!(mail.subject, "Your account at localhost was deleted");
    assert!(mail.text.contains("after 30 days"), "{}", mail.text);
}

#[tokio::test]
async fn a_refused_change_tells_nobody() {
    let app = App::start().await;
    let token = app.confirmed("ada", "ada@example.com").await.access_token;
    app.sign_up("bob").await;
    let before = app.mails().await.len();
    for body in [
        json!({"username": "bob", "email": "new@example.com", "current_password": PASSWORD}),
        json!({"username": "eve", "current_password": "wrong horse battery"}),
    ] {
        assert_ne!(app.call(Method::PATCH, "/me").bearer(&token).json(&body).send().await.status, 200);
    }
    assert_eq!(app.mails().await.len(), before);
}

#[tokio::test]
async fn theft_is_told_once() {
    let app = App::start().await;
    let session = app.confirmed("ada", "ada@example.com").await;
    assert_eq!(app.refresh(&session.refresh_token).await.status, 200);
    app.advance(MINUTE);
    assert_eq!(app.refresh(&session.refresh_token).await.code(), "refresh_token_reused");
    app.refresh(&session.refresh_token).await;
    let theft =
        subjects(&app).await.into_iter().filter(|subject| subject.contains("was used from two places"));
    assert_eq!(theft.count(), 1);
}

async fn sign_in_with(app: &App, user_agent: &str) {
    let body = json!({"username": "ada", "password": PASSWORD});
    let call = app.call(Method::POST, "/authenticate").header("user-agent", user_agent).json(&body);
    assert_eq!(call.send().await.status, 200);
}

#[tokio::test]
async fn a_sign_in_from_a_new_device_is_told_and_one_from_a_known_one_is_not() {
    let app = App::start().await;
    app.confirmed("ada", "ada@example.com").await;
    app.advance(Duration::from_millis(5));
    let before = app.mails().await.len();
    sign_in_with(&app, "curl/8.5.0").await;
    assert_eq!(app.mails().await.len(), before + 1);
    let mail = app.last_mail().await;
    assert_eq!(mail.subject, "A new device signed in to your account at localhost");
    assert!(mail.text.contains("curl 8.5 (127.0.0.1)"), "{}", mail.text);
    app.advance(DAY);
    sign_in_with(&app, "curl/8.5.0").await;
    assert_eq!(app.mails().await.len(), before + 1);
}

#[tokio::test]
async fn the_operator_decides_what_is_told() {
    let app = App::start_with(|settings| Settings { mail_notices: vec![Notice::Theft], ..settings }).await;
    let token = app.confirmed("ada", "ada@example.com").await.access_token;
    let before = app.mails().await.len();
    let body = json!({"password": OTHER, "current_password": PASSWORD});
    assert_eq!(app.call(Method::PATCH, "/me").bearer(&token).json(&body).send().await.status, 200);
    assert_eq!(app.mails().await.len(), before);
}

// SEC-10
#[tokio::test]
async fn where_the_operator_asks_for_it_nobody_signs_in_before_the_address_is_confirmed() {
    let app = App::start_with(|settings| Settings { require_verified_email: true, ..settings }).await;
    assert_eq!(codes_of(&app.sign_up("ada").await, "email"), ["required"]);
    let body = json!({"username": "ada", "password": PASSWORD, "email": "ada@example.com"});
    assert_eq!(app.post("/users", body).await.status, 201);
    let first = app.last_mail().await;
    let refused = app.authenticate("ada", PASSWORD).await;
    let wrong = app.authenticate("ada", "wrong horse battery").await;
    assert_eq!((refused.status, &refused.text), (401, &wrong.text));
    let names = |answer: &crate::app::Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&refused), names(&wrong));
    let mut again = first.clone();
    while again.token() == first.token() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        again = app.last_mail().await;
    }
    assert_eq!(app.post("/verify-email", json!({"token": first.token()})).await.code(), "invalid_token");
    assert_eq!(app.post("/verify-email", json!({"token": again.token()})).await.status, 204);
    assert_eq!(app.authenticate("ada", PASSWORD).await.status, 200);
}

//! What people are told of their account.

use countersign::Settings;
use countersign::settings::Notice;
use reqwest::Method;
use serde_json::json;

use crate::app::{App, PASSWORD};

const OTHER: &str = "a wholly other staple";

async fn subjects(app: &App) -> Vec<String> {
    app.mails().await.into_iter().map(|mail| mail.subject).collect()
}

async fn told(app: &App, what: &str) -> bool {
    subjects(app).await.iter().any(|subject| subject.contains(what))
}

// SEC-15
#[tokio::test]
async fn a_new_password_is_told() {
    let app = App::start().await;
    let token = app.confirmed("ada", "ada@example.com").await.access_token;
    let change = async |body| app.call(Method::PATCH, "/me").bearer(&token).json(&body).send().await.status;
    assert_eq!(change(json!({"password": OTHER, "current_password": PASSWORD})).await, 200);
    assert!(told(&app, "Your password for localhost was changed").await);
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
async fn the_operator_decides_what_is_told() {
    let app = App::start_with(|settings| Settings { mail_notices: vec![Notice::Email], ..settings }).await;
    let token = app.confirmed("ada", "ada@example.com").await.access_token;
    let before = app.mails().await.len();
    let body = json!({"password": OTHER, "current_password": PASSWORD});
    assert_eq!(app.call(Method::PATCH, "/me").bearer(&token).json(&body).send().await.status, 200);
    assert_eq!(app.mails().await.len(), before);
}

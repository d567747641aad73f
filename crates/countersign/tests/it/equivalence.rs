//! Whoever may not sign in is told the same, whatever the reason: nobody learns who has an account.

use countersign::names::Username;
use countersign::{operator, user};
use serde_json::Value;

use crate::app::{Answer, App, PASSWORD};

const WRONG: &str = "wrong horse battery";

async fn id_of(app: &App, name: &str) -> countersign::id::UserId {
    let name = Username::parse(name).unwrap();
    user::find_by_name(&app.service, &name).await.unwrap().unwrap().user.id
}

/// All that an onlooker sees of an answer: the status, the headers with their values, the body.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, Value) {
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in &answer.headers {
        if !matches!(name.as_str(), "x-request-id" | "date") {
            headers.push((name.to_string(), value.to_str().unwrap().to_owned()));
        }
    }
    (answer.status, headers, answer.body.clone())
}

async fn accounts(app: &App) {
    for name in ["living", "disabled", "deleted", "passwordless", "unusable"] {
        assert_eq!(app.sign_up(name).await.status, 201);
    }
    operator::disable(&app.service, id_of(app, "disabled").await).await.unwrap();
    operator::delete(&app.service, id_of(app, "deleted").await).await.unwrap();
    let hashes = [("passwordless", "NULL"), ("unusable", "'!nobody-knows-this-one-0123456789abcdefgh'")];
    for (name, hash) in hashes {
        app.execute_sql(&format!("UPDATE users SET password_hash = {hash} WHERE username_key = '{name}'"));
    }
}

// SEC-10
#[tokio::test]
async fn every_refused_sign_in_looks_the_same() {
    let app = App::start().await;
    accounts(&app).await;
    let reference = app.authenticate("living", WRONG).await;
    assert_eq!((reference.status, reference.code()), (401, "invalid_credentials"));
    let (too_long, long_name) = ("x".repeat(1_025), "n".repeat(5_000));
    let attempts = [
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("no such name", PASSWORD),
        ("living@example.com", PASSWORD),
        ("lıvıng", PASSWORD),
        (long_name.as_str(), PASSWORD),
        ("LIVING", WRONG),
        ("living", ""),
        ("living", too_long.as_str()),
        ("living", "nul\0"),
        ("disabled", PASSWORD),
        ("disabled", WRONG),
        ("deleted", PASSWORD),
        ("deleted", WRONG),
        ("passwordless", PASSWORD),
        ("passwordless", ""),
        ("unusable", PASSWORD),
        ("unusable", "!nobody-knows-this-one-0123456789abcdefgh"),
    ];
    for (name, password) in attempts {
        let answer = app.authenticate(name, password).await;
        assert_eq!(seen(&answer), seen(&reference), "{} {}", &name[..name.len().min(20)], password.len());
    }
}

// SEC-10
#[tokio::test]
async fn those_who_may_sign_in_do() {
    let app = App::start().await;
    accounts(&app).await;
    assert_eq!(app.authenticate("living", PASSWORD).await.status, 200);
    operator::enable(&app.service, id_of(&app, "disabled").await).await.unwrap();
    assert_eq!(app.authenticate("disabled", PASSWORD).await.status, 200);
}

// SEC-10
#[tokio::test]
async fn a_broken_hash_in_the_database_is_no_way_in_and_no_sign_of_life() {
    let app = App::start_unlimited().await;
    accounts(&app).await;
    let reference = app.authenticate("nobody", WRONG).await;
    for hash in ["", "plain text", "$argon2id$", "pbkdf2_sha256$1$", "md5$salt$5f4dcc3b", "$2b$99$x"] {
        app.execute_sql(&format!("UPDATE users SET password_hash = '{hash}' WHERE username_key = 'living'"));
        for password in [PASSWORD, hash, "password"] {
            assert_eq!(seen(&app.authenticate("living", password).await), seen(&reference), "{hash}");
        }
    }
}

//! `POST /password-reset` and `POST /password-reset/confirm`.

use serde_json::json;

use crate::app::{Answer, App, MINUTE, PASSWORD, codes_of};

const OTHER: &str = "a wholly other staple";

// SEC-12, SEC-86
#[tokio::test]
async fn a_person_who_forgot_their_password_gets_back_in_and_everybody_else_is_out() {
    let app = App::start().await;
    let session = app.confirmed("ada", "Ada@example.com").await;
    let mail = app.forgotten("ada@EXAMPLE.com").await;
    assert_eq!(
        (mail.to.as_str(), mail.subject.as_str()),
        ("Ada@example.com", "Choose a new password for localhost")
    );
    assert!(mail.link().starts_with("http://localhost:8000/password-reset#token="), "{}", mail.link());
    let answer = app.reset(mail.token(), OTHER).await;
    assert_eq!((answer.status, answer.text.as_str(), answer.set_cookies().len()), (204, "", 0));
    assert_eq!(app.me(&session.access_token).await.code(), "access_token_invalid");
    assert_eq!(app.refresh(&session.refresh_token).await.code(), "refresh_token_revoked");
    assert_eq!(app.authenticate("ada", PASSWORD).await.status, 401);
    assert_eq!(app.authenticate("ada", OTHER).await.status, 200);
    assert_eq!(app.last_mail().await.subject, "Your password for localhost was changed");
    assert_eq!(app.reset(mail.token(), PASSWORD).await.code(), "invalid_token");
}

fn seen(answer: &Answer) -> (u16, String, Vec<String>) {
    let names = answer.headers.keys().map(ToString::to_string).collect();
    (answer.status, answer.text.clone(), names)
}

// SEC-84
#[tokio::test]
async fn the_answer_is_the_same_whatever_the_address() {
    let app = App::start().await;
    app.confirmed("ada", "ada@example.com").await;
    let unverified = json!({"username": "bob", "password": PASSWORD, "email": "bob@example.com"});
    app.post("/users", unverified).await;
    let before = app.mails().await.len();
    let known = app.post("/password-reset", json!({"email": "ada@example.com"})).await;
    assert_eq!((known.status, known.text.as_str()), (202, ""));
    for email in ["bob@example.com", "nobody@example.com", "no address", "", "a@x.com\r\nBcc: b@x.com"] {
        let answer = app.post("/password-reset", json!({"email": email})).await;
        assert_eq!(seen(&answer), seen(&known), "{email:?}");
    }
    assert_eq!(app.mails().await.len(), before + 1, "the confirmed address alone got a mail");
    for body in [json!({}), json!({"email": null}), json!({"email": 5}), json!({"email": "a@b.c", "x": 1})] {
        assert_eq!(app.post("/password-reset", body).await.status, 400);
    }
}

// SEC-80
#[tokio::test]
async fn an_address_that_only_looks_like_the_accounts_gets_nothing() {
    let app = App::start().await;
    app.confirmed("mike", "mike@example.com").await;
    let before = app.mails().await.len();
    for typed in
        ["m\u{131}ke@example.com", "MIKE@ex\u{e4}mple.com", "mike@example.com ", "mi\u{212a}e@example.com"]
    {
        assert_eq!(app.post("/password-reset", json!({"email": typed})).await.status, 202);
    }
    assert_eq!(app.mails().await.len(), before);
}

// SEC-4
#[tokio::test]
async fn the_rules_of_a_sign_up_hold_and_a_refusal_leaves_the_link_good() {
    let app = App::start().await;
    app.confirmed("lovelace", "ada@example.com").await;
    let mail = app.forgotten("ada@example.com").await;
    for (bad, code) in [
        ("short", "password_too_short"),
        ("password123", "password_too_common"),
        ("74620938471", "password_entirely_numeric"),
        ("lovelace-1", "password_too_similar"),
    ] {
        let refused = app.reset(mail.token(), bad).await;
        assert_eq!(codes_of(&refused, "password"), [code], "{refused:?}");
    }
    let refused = app.post("/password-reset/confirm", json!({"token": mail.token()})).await;
    assert_eq!(codes_of(&refused, "password"), ["required"]);
    assert_eq!(app.reset(mail.token(), OTHER).await.status, 204);
}

// SEC-83
#[tokio::test]
async fn a_newer_link_or_half_an_hour_makes_a_link_worthless() {
    let app = App::start().await;
    app.confirmed("ada", "ada@example.com").await;
    let first = app.forgotten("ada@example.com").await;
    app.advance(MINUTE);
    let second = app.forgotten("ada@example.com").await;
    assert_eq!(app.reset(first.token(), OTHER).await.code(), "invalid_token");
    app.advance(30 * MINUTE);
    let refused = app.reset(second.token(), OTHER).await;
    assert_eq!((refused.status, refused.code()), (400, "expired_token"));
}

// SEC-85
#[tokio::test]
async fn a_link_for_one_purpose_is_nothing_for_the_other() {
    let app = App::start().await;
    app.confirmed("ada", "ada@example.com").await;
    let reset = app.forgotten("ada@example.com").await;
    assert_eq!(app.post("/verify-email", json!({"token": reset.token()})).await.code(), "invalid_token");
    assert_eq!(app.reset(reset.token(), OTHER).await.status, 204, "nor was it spent by that");
}

// SEC-86
#[tokio::test]
async fn a_closed_account_stays_closed() {
    let app = App::start().await;
    app.confirmed("ada", "ada@example.com").await;
    let mail = app.forgotten("ada@example.com").await;
    let id = app.cell("SELECT id FROM users").parse().unwrap();
    countersign::operator::disable(&app.service, id).await.unwrap();
    assert_eq!(app.reset(mail.token(), OTHER).await.code(), "invalid_token");
    let before = app.mails().await.len();
    app.post("/password-reset", json!({"email": "ada@example.com"})).await;
    assert_eq!(app.mails().await.len(), before);
    assert_eq!(app.authenticate("ada", PASSWORD).await.status, 401);
}

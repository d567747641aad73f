//! `POST /verify-email/request` and `POST /verify-email`.

use reqwest::Method;
use serde_json::json;

use crate::app::{App, MINUTE, PASSWORD, codes_of, problem};
use crate::postbox::new_email;

const OTHER: &str = "a wholly other staple";

#[tokio::test]
async fn an_address_is_confirmed_by_the_link_that_is_mailed_to_it() {
    let app = App::start().await;
    let body = json!({"username": "ada", "password": PASSWORD, "email": "ada@example.com"});
    assert_eq!(app.post("/users", body).await.body["email_verified"], false);
    let token = app.sign_in("ada").await.access_token;
    assert_eq!(app.mails().await.len(), 0, "nobody asked for one yet");
    let asked = app.ask_for_link(&token).await;
    assert_eq!((asked.status, asked.text.as_str()), (202, ""));
    let mail = app.last_mail().await;
    assert_eq!((mail.to.as_str(), mail.language.as_str()), ("ada@example.com", "en"));
    assert_eq!(mail.subject, "Confirm your e-mail address for localhost");
    assert!(mail.link().starts_with("http://localhost:8000/verify-email#token="), "{}", mail.link());
    let confirmed = app.post("/verify-email", json!({"token": mail.token()})).await;
    assert_eq!((confirmed.status, confirmed.text.as_str()), (204, ""));
    assert_eq!(app.me(&token).await.body["email_verified"], true);
    let detail = "This link was used before, or a newer one was sent: ask for another one";
    let again = app.post("/verify-email", json!({"token": mail.token()})).await;
    assert_eq!((again.status, again.body), (400, problem(400, "Bad Request", "invalid_token", detail)));
    assert_eq!(app.ask_for_link(&token).await.code(), "already_verified");
}

#[tokio::test]
async fn refusals_say_what_is_missing() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    let refused = app.ask_for_link(&token).await;
    assert_eq!((refused.status, refused.code()), (400, "email_missing"));
    for body in [json!({}), json!({"token": 5}), json!({"token": null}), json!({"token": "x", "y": 1})] {
        let refused = app.post("/verify-email", body).await;
        assert_eq!((refused.status, refused.code()), (400, "validation_failed"), "{refused:?}");
    }
    for junk in ["", "x", "\u{1f642}", &"x".repeat(10_000)] {
        assert_eq!(
            app.post("/verify-email", json!({"token": junk})).await.code(),
            "invalid_token",
            "{junk:?}"
        );
    }
}

#[tokio::test]
async fn a_link_expires_and_says_so() {
    let app = App::start().await;
    let created = json!({"username": "ada", "password": PASSWORD, "email": "ada@example.com"});
    app.post("/users", created).await;
    let token = app.sign_in("ada").await.access_token;
    app.ask_for_link(&token).await;
    let link = app.last_mail().await.token().to_owned();
    app.advance(30 * MINUTE);
    let refused = app.post("/verify-email", json!({"token": link})).await;
    assert_eq!((refused.status, refused.code()), (400, "expired_token"));
}

// SEC-81
#[tokio::test]
async fn an_address_that_another_account_has_confirmed_is_in_use() {
    let app = App::start().await;
    let created = json!({"username": "eve", "password": PASSWORD, "email": "ada@example.com"});
    assert_eq!(app.post("/users", created).await.status, 201);
    let eve = app.sign_in("eve").await.access_token;
    app.ask_for_link(&eve).await;
    let link = app.last_mail().await.token().to_owned();
    app.confirmed("ada", "Ada@Example.com").await;
    let refused = app.post("/verify-email", json!({"token": link})).await;
    assert_eq!((refused.status, refused.code()), (409, "email_in_use"));
    assert_eq!(app.me(&eve).await.body["email_verified"], false);
}

// SEC-15, SEC-82
#[tokio::test]
async fn a_new_address_waits_until_it_is_confirmed() {
    let app = App::start().await;
    let session = app.confirmed("ada", "old@example.com").await;
    let change =
        async |body| app.call(Method::PATCH, "/me").bearer(&session.access_token).json(&body).send().await;
    let answer = change(new_email("new@example.com")).await;
    assert_eq!((answer.status, &answer.body["email"]), (200, &json!("old@example.com")));
    assert_eq!(answer.body["email_verified"], true);
    let mails = app.mails().await;
    let link = mails.iter().find(|mail| mail.to == "new@example.com").unwrap();
    assert!(mails.iter().any(|mail| mail.to == "old@example.com" && mail.subject.contains("another e-mail")));
    assert_eq!(app.post("/verify-email", json!({"token": link.token()})).await.status, 204);
    let me = app.me(&session.access_token).await.body;
    assert_eq!((&me["email"], &me["email_verified"]), (&json!("new@example.com"), &json!(true)));
    assert_eq!(
        app.last_mail().await.to,
        "old@example.com",
        "it is told that it is not the account's any more"
    );
    let answer = change(new_email(serde_json::Value::Null)).await;
    assert_eq!((&answer.body["email"], &answer.body["email_verified"]), (&json!(null), &json!(false)));
    assert_eq!(app.last_mail().await.to, "new@example.com");
}

// SEC-12
#[tokio::test]
async fn a_new_password_takes_pending_links_back() {
    let app = App::start().await;
    let session = app.confirmed("ada", "ada@example.com").await;
    let forgotten = app.forgotten("ada@example.com").await.token().to_owned();
    let body = json!({"password": OTHER, "email": "new@example.com", "current_password": PASSWORD});
    let changed = app.call(Method::PATCH, "/me").bearer(&session.access_token).json(&body).send().await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(app.reset(&forgotten, "yet another staple").await.code(), "invalid_token");
    let mails = app.mails().await;
    let link = mails.iter().find(|mail| mail.to == "new@example.com").unwrap();
    let confirmed = app.post("/verify-email", json!({"token": link.token()})).await;
    assert_eq!(confirmed.status, 204, "that one came with the new password");
    assert!(mails.iter().any(|mail| mail.subject == "Your password for localhost was changed"));
}

#[tokio::test]
async fn an_address_can_be_too_odd_to_be_mailed_to_only_by_being_refused() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    for odd in ["a@x.com\r\nBcc: b@x.com", "a@x.com,b@x.com", "Ada <a@x.com>", "a@localhost"] {
        let answer = app.call(Method::PATCH, "/me").bearer(&token).json(&new_email(odd)).send().await;
        assert_eq!(codes_of(&answer, "email"), ["invalid_email"], "{odd:?}");
    }
}

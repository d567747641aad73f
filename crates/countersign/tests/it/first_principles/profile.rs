//! `GET`, `PATCH` and `DELETE /me`.

use countersign::jobs::{self, Table};
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App, DAY, MINUTE, PASSWORD, codes_of, problem};

const OTHER: &str = "a wholly other staple";

async fn change(app: &App, token: &str, body: Value) -> Answer {
    app.call(Method::PATCH, "/me").bearer(token).json(&body).send().await
}

async fn delete(app: &App, token: &str, body: Value) -> Answer {
    app.call(Method::DELETE, "/me").bearer(token).json(&body).send().await
}

#[tokio::test]
async fn what_is_left_out_stays_and_null_removes_the_address() {
    let app = App::start().await;
    let body = json!({"username": "ada", "password": PASSWORD, "email": "ada@example.com"});
    let mut expected = app.post("/users", body).await.body;
    let token = app.sign_in("ada").await.access_token;
    let answer = change(&app, &token, json!({"username": "ADA", "current_password": PASSWORD})).await;
    expected["username"] = json!("ADA");
    assert_eq!((answer.status, &answer.body), (200, &expected), "a change of case of one's own name");
    let answer = change(&app, &token, json!({"email": null, "current_password": PASSWORD})).await;
    expected["email"] = Value::Null;
    assert_eq!((answer.status, &answer.body), (200, &expected));
    let answer = change(&app, &token, json!({"current_password": PASSWORD})).await;
    assert_eq!((answer.status, &answer.body), (200, &expected), "nothing asked, nothing changed");
    assert_eq!(app.me(&token).await.body, expected);
}

#[tokio::test]
async fn an_old_name_is_free_at_once_and_anothers_is_not() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    app.sign_up("Bob").await;
    let answer = change(&app, &token, json!({"username": "bOB", "current_password": PASSWORD})).await;
    assert_eq!((answer.status, codes_of(&answer, "username")), (400, vec!["username_taken".to_owned()]));
    let answer = change(&app, &token, json!({"username": "countess", "current_password": PASSWORD})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(app.sign_up("ada").await.status, 201);
}

// SEC-11
#[tokio::test]
async fn nothing_changes_without_the_current_password() {
    let app = App::start().await;
    let before = app.sign_up("ada").await.body;
    let token = app.sign_in("ada").await.access_token;
    let answer = change(&app, &token, json!({"username": "eve"})).await;
    assert_eq!((answer.status, codes_of(&answer, "current_password")), (400, vec!["required".to_owned()]));
    for wrong in ["wrong horse battery", "", &"x".repeat(2_000)] {
        for answer in [
            change(&app, &token, json!({"username": "eve", "current_password": wrong})).await,
            delete(&app, &token, json!({"current_password": wrong})).await,
        ] {
            let expected = problem(403, "Forbidden", "wrong_password", "The current password is wrong");
            assert_eq!((answer.status, &answer.body), (403, &expected));
        }
    }
    assert_eq!(app.me(&token).await.body, before);
}

// SEC-13
#[tokio::test]
async fn every_failing_field_of_a_change_is_named_at_once() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    let body = json!({"username": "a b", "email": "x", "password": "1234", "id": "1", "email_verified": true,
                      "current_password": PASSWORD});
    let answer = change(&app, &token, body).await;
    assert_eq!(answer.status, 400);
    let fields: Vec<&String> = answer.body["errors"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["email", "email_verified", "id", "password", "username"]);
    let of_password = ["password_too_short", "password_too_common", "password_entirely_numeric"];
    assert_eq!(codes_of(&answer, "password"), of_password);
    let answer = change(&app, &token, json!({"username": null, "current_password": PASSWORD})).await;
    assert_eq!(codes_of(&answer, "username"), ["invalid_type"]);
}

// SEC-4
#[tokio::test]
async fn a_new_password_is_judged_beside_the_name_that_goes_with_it() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    let body = json!({"password": "lovelace-1", "username": "lovelace1", "current_password": PASSWORD});
    assert_eq!(codes_of(&change(&app, &token, body).await, "password"), ["password_too_similar"]);
    let body = json!({"password": "PASSWORD123", "current_password": PASSWORD});
    assert_eq!(codes_of(&change(&app, &token, body).await, "password"), ["password_too_common"]);
}

// SEC-12
#[tokio::test]
async fn a_new_password_ends_every_other_sign_in_and_this_one_goes_on() {
    let app = App::start().await;
    let here = app.somebody("ada").await;
    let there = app.sign_in("ada").await;
    let answer =
        change(&app, &here.access_token, json!({"password": OTHER, "current_password": PASSWORD})).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.text.contains(OTHER) && !answer.text.contains(PASSWORD));
    assert_eq!(app.me(&there.access_token).await.code(), "access_token_invalid");
    assert_eq!(app.refresh(&there.refresh_token).await.code(), "refresh_token_revoked");
    assert_eq!(app.me(&here.access_token).await.status, 200);
    assert_eq!(app.refresh(&here.refresh_token).await.status, 200);
    assert_eq!(app.authenticate("ada", PASSWORD).await.status, 401);
    assert_eq!(app.authenticate("ada", OTHER).await.status, 200);
}

#[tokio::test]
async fn another_change_than_the_passwords_ends_no_sign_in() {
    let app = App::start().await;
    let here = app.somebody("ada").await;
    let there = app.sign_in("ada").await;
    let body = json!({"username": "countess", "email": "a@b.example", "current_password": PASSWORD});
    assert_eq!(change(&app, &here.access_token, body).await.status, 200);
    assert_eq!(app.me(&there.access_token).await.body["username"], "countess");
}

#[tokio::test]
async fn a_deleted_account_is_gone_and_its_name_stays_reserved_until_the_purge() {
    let app = App::start().await;
    let here = app.somebody("ada").await;
    let there = app.sign_in("ada").await;
    let answer = delete(&app, &here.access_token, json!({"current_password": PASSWORD})).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(answer.refresh_cookie().as_deref(), Some(""), "the cookie goes");
    for session in [&here, &there] {
        assert_eq!(app.me(&session.access_token).await.code(), "access_token_invalid");
        assert_eq!(app.refresh(&session.refresh_token).await.code(), "refresh_token_revoked");
    }
    assert_eq!(app.authenticate("ada", PASSWORD).await.code(), "invalid_credentials");
    assert_eq!(codes_of(&app.sign_up("ada").await, "username"), ["username_taken"]);
    app.advance(30 * DAY + MINUTE);
    let swept = jobs::sweep(&app.service, |_| {}).await.unwrap().unwrap();
    let removed = |table| swept.of(table).removed;
    assert_eq!((removed(Table::Users), removed(Table::SignIns)), (1, 2));
    assert_eq!(app.sign_up("ada").await.status, 201);
}

#[tokio::test]
async fn deleting_asks_for_the_current_password() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    let bare = app.call(Method::DELETE, "/me").bearer(&token).send().await;
    assert_eq!((bare.status, codes_of(&bare, "current_password")), (400, vec!["required".to_owned()]));
    let answer = delete(&app, &token, json!({"current_password": PASSWORD, "really": true})).await;
    assert_eq!((answer.status, codes_of(&answer, "really")), (400, vec!["unknown_field".to_owned()]));
    assert_eq!(app.me(&token).await.status, 200);
}

#[tokio::test]
async fn an_account_without_a_password_proves_itself_by_a_fresh_sign_in() {
    let app = App::start().await;
    let old = app.somebody("ada").await;
    app.execute_sql("UPDATE users SET password_hash = NULL");
    app.advance(10 * MINUTE);
    let fresh = crate::app::Session::of(&app.refresh(&old.refresh_token).await);
    let answer = change(&app, &fresh.access_token, json!({"username": "countess"})).await;
    assert_eq!(answer.status, 200, "ten minutes are fresh: {answer:?}");
    app.advance(std::time::Duration::from_secs(1));
    for answer in [
        change(&app, &fresh.access_token, json!({"username": "ada"})).await,
        change(&app, &fresh.access_token, json!({"username": "ada", "current_password": PASSWORD})).await,
        delete(&app, &fresh.access_token, json!({})).await,
    ] {
        assert_eq!((answer.status, answer.code()), (403, "reauthentication_required"), "{answer:?}");
    }
}

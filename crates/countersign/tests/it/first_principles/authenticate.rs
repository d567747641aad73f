//! `POST /authenticate`: the password, traded once.

use reqwest::Method;
use serde_json::json;

use crate::actors::Browser;
use crate::app::{App, MINUTE, PASSWORD, Session, codes_of, problem};

#[tokio::test]
async fn the_answer_is_the_two_tokens() {
    let app = App::start().await;
    app.sign_up("ada").await;
    let answer = app.authenticate("ada", PASSWORD).await;
    let token = answer.body["access_token"].as_str().unwrap();
    let expected = json!({"access_token": token, "token_type": "Bearer", "expires_in": 600});
    assert_eq!((answer.status, &answer.body), (200, &expected));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let names = answer.set_cookies().into_iter().map(|line| line.split('=').next().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["refresh_token", "device"]);
}

// SEC-53
#[tokio::test]
async fn the_refresh_token_is_in_the_cookie_alone() {
    let app = App::start().await;
    app.sign_up("ada").await;
    let mut answer = app.authenticate("ada", PASSWORD).await;
    let token = answer.refresh_cookie().unwrap();
    assert!(!answer.text.contains(&token));
    answer.headers.remove("set-cookie");
    assert!(!format!("{:?}", answer.headers).contains(&token));
}

#[tokio::test]
async fn wrong_credentials_are_refused_in_two_words() {
    let app = App::start().await;
    app.sign_up("ada").await;
    let answer = app.authenticate("ada", "wrong horse battery").await;
    let expected = problem(401, "Unauthorized", "invalid_credentials", "Invalid credentials");
    assert_eq!((answer.status, answer.body.clone()), (401, expected));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    assert!(answer.set_cookies().is_empty());
}

#[tokio::test]
async fn a_form_that_is_wrong_is_a_400_that_names_the_fields() {
    let app = App::start().await;
    let answer = app.post("/authenticate", json!({"username": 1, "remember": true})).await;
    assert_eq!(answer.status, 400);
    assert_eq!(codes_of(&answer, "username"), ["invalid_type"]);
    assert_eq!(codes_of(&answer, "password"), ["required"]);
    assert_eq!(codes_of(&answer, "remember"), ["unknown_field"]);
    let body = json!({"username": "a", "password": "b", "refresh_token_transport": "pigeon"});
    assert_eq!(
        codes_of(&app.post("/authenticate", body).await, "refresh_token_transport"),
        ["invalid_choice"]
    );
}

// SEC-67
#[tokio::test]
async fn a_stale_authorization_header_does_not_disturb_signing_in() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    app.advance(11 * MINUTE);
    let body = json!({"username": "ada", "password": PASSWORD});
    for value in [format!("Bearer {}", session.access_token), "Bearer x".to_owned(), "Basic YTpi".to_owned()]
    {
        let call = app.call(Method::POST, "/authenticate").header("authorization", &value).json(&body);
        assert_eq!(call.send().await.status, 200, "{value}");
    }
}

// SEC-51
#[tokio::test]
async fn a_new_sign_in_takes_the_place_of_the_one_whose_cookie_came_along() {
    let app = App::start().await;
    let old = app.somebody("ada").await;
    let body = json!({"username": "ada", "password": PASSWORD});
    let call = app.call(Method::POST, "/authenticate").refresh_cookie(&old.refresh_token).json(&body);
    let new = Session::of(&call.send().await);
    assert_ne!(new.refresh_token, old.refresh_token);
    assert_eq!(app.refresh(&old.refresh_token).await.code(), "refresh_token_revoked");
    assert_eq!(app.me(&old.access_token).await.code(), "access_token_invalid");
    assert_eq!(app.refresh(&new.refresh_token).await.status, 200);
}

// SEC-51
#[tokio::test]
async fn a_refused_sign_in_ends_nothing_and_a_broken_cookie_disturbs_nothing() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let wrong = json!({"username": "ada", "password": "wrong horse battery"});
    let call = app.call(Method::POST, "/authenticate").refresh_cookie(&session.refresh_token).json(&wrong);
    assert_eq!(call.send().await.status, 401);
    assert_eq!(app.me(&session.access_token).await.status, 200);
    let right = json!({"username": "ada", "password": PASSWORD});
    let call = app.call(Method::POST, "/authenticate").refresh_cookie("nonsense").json(&right);
    assert_eq!(call.send().await.status, 200);
}

// SEC-51
#[tokio::test]
async fn each_sign_in_is_a_family_of_its_own() {
    let app = App::start().await;
    let first = app.somebody("ada").await;
    let second = app.sign_in("ada").await;
    assert_eq!(app.sign_out(&first.refresh_token).await.status, 204);
    assert_eq!(app.me(&first.access_token).await.status, 401);
    assert_eq!(app.me(&second.access_token).await.status, 200);
    assert_eq!(app.refresh(&second.refresh_token).await.status, 200);
}

#[tokio::test]
async fn lifetimes_follow_the_settings() {
    let app = App::start_with(|settings| countersign::Settings {
        access_token_lifetime: 3 * MINUTE,
        refresh_token_lifetime: 2 * crate::app::DAY,
        ..settings
    })
    .await;
    app.sign_up("ada").await;
    let answer = app.authenticate("ada", PASSWORD).await;
    assert_eq!(answer.body["expires_in"], 180);
    assert!(answer.header("set-cookie").unwrap().ends_with("; Max-Age=172800"), "{answer:?}");
}

#[tokio::test]
async fn a_browser_signs_in_reloads_its_page_and_signs_out() {
    let app = App::start().await;
    let mut browser = Browser::of(&app, "ada").await;
    assert_eq!(browser.me().await.status, 200);
    for _ in 0..3 {
        browser.access_token.clear();
        assert_eq!(browser.refresh().await.status, 200);
        assert_eq!(browser.me().await.status, 200);
    }
    assert_eq!(browser.sign_out().await.status, 204);
    assert_eq!(browser.refresh_token(), None);
    assert_eq!(browser.refresh().await.code(), "refresh_token_missing");
    assert_eq!(browser.me().await.code(), "access_token_invalid");
}

//! The thirteen steps of the flow, and the changes of one's own account: each conversation recorded in full.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::actors::Browser;
use crate::app::{App, MINUTE, PASSWORD, Session};
use crate::call::Call;
use crate::story::Story;

const RETRY_KEY: &str = "8e03978e-40d5-43e8-bc93-6894a57f9324";

async fn ask_as(browser: &mut Browser<'_>, story: &mut Story, call: Call<'_>) -> crate::app::Answer {
    let path = call.path.clone();
    let answer = story.ask(call).await;
    browser.learn(&path, &answer);
    answer
}

async fn signed_in<'a>(app: &'a App, story: &mut Story) -> Browser<'a> {
    let browser = Browser::of(app, "ada").await;
    story.name(&browser.access_token, "access token");
    story.name(browser.refresh_token().unwrap(), "refresh token");
    browser
}

#[tokio::test]
async fn step_1_sign_up() {
    let (app, mut story) = (App::start().await, Story::default());
    let body = json!({"username": "Ada", "password": PASSWORD, "email": "ada@example.com"});
    story.say("A person signs up.");
    story.ask(app.call(Method::POST, "/users").json(&body)).await;
    story.say("The name is theirs, in any case.");
    let body = json!({"username": "aDA", "password": PASSWORD});
    story.ask(app.call(Method::POST, "/users").json(&body)).await;
    insta::assert_snapshot!("step_1_sign_up", story.told());
}

#[tokio::test]
async fn step_2_bad_sign_ups_are_refused_with_every_reason_at_once() {
    let (app, mut story) = (App::start().await, Story::default());
    for body in [
        json!({"username": "a b", "password": "12345", "email": "nowhere", "is_admin": true}),
        json!({"username": "adalovelace", "password": "adalove", "email": null}),
        json!({"password": 5}),
    ] {
        story.ask(app.call(Method::POST, "/users").json(&body)).await;
    }
    insta::assert_snapshot!("step_2_bad_sign_ups", story.told());
}

#[tokio::test]
async fn step_3_authenticate() {
    let (app, mut story) = (App::start().await, Story::default());
    app.sign_up("ada").await;
    story.say("The password is traded once for two tokens.");
    let body = json!({"username": "ada", "password": PASSWORD});
    story.ask(app.call(Method::POST, "/authenticate").json(&body)).await;
    story.say("A wrong one buys nothing.");
    let body = json!({"username": "ada", "password": "correct horse batterx"});
    story.ask(app.call(Method::POST, "/authenticate").json(&body)).await;
    insta::assert_snapshot!("step_3_authenticate", story.told());
}

// SEC-41
#[tokio::test]
async fn step_4_what_the_token_says() {
    let app = App::start().await;
    let user = app.sign_up("ada").await.body["id"].as_str().unwrap().to_owned();
    let session = app.sign_in("ada").await;
    let parts: Vec<&str> = session.access_token.split('.').collect();
    let read =
        |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    let (mut header, mut claims) = (read(parts[0]), read(parts[1]));
    for (object, name) in [(&mut header, "kid"), (&mut claims, "jti")] {
        is_opaque(object, name);
    }
    is_opaque(&mut claims, "sid");
    assert_eq!(parts.len(), 3);
    let both = serde_json::to_string_pretty(&json!({"header": header, "claims": claims})).unwrap();
    let both = both.replace(&user, "<user id>");
    insta::assert_snapshot!("step_4_what_the_token_says", both);
}

fn is_opaque(object: &mut Value, name: &str) {
    assert!(object[name].as_str().is_some_and(|text| text.len() >= 8), "{name} in {object}");
    object[name] = json!(format!("<{name}>"));
}

#[tokio::test]
async fn step_5_use_it() {
    let (app, mut story) = (App::start().await, Story::default());
    let browser = signed_in(&app, &mut story).await;
    story.ask(app.get("/me").bearer(&browser.access_token)).await;
    insta::assert_snapshot!("step_5_use_it", story.told());
}

#[tokio::test]
async fn step_6_none_a_bad_one_an_expired_one() {
    let (app, mut story) = (App::start().await, Story::default());
    let browser = signed_in(&app, &mut story).await;
    story.say("None.");
    story.ask(app.get("/me")).await;
    story.say("A bad one.");
    let cut = &browser.access_token[..browser.access_token.len() - 1];
    story.name(cut, "access token, its last character cut off");
    story.ask(app.get("/me").bearer(cut)).await;
    app.advance(10 * MINUTE);
    story.say("Ten minutes later it has expired.");
    story.ask(app.get("/me").bearer(&browser.access_token)).await;
    insta::assert_snapshot!("step_6_refused_access_tokens", story.told());
}

#[tokio::test]
async fn step_7_refresh() {
    let (app, mut story) = (App::start().await, Story::default());
    let mut browser = signed_in(&app, &mut story).await;
    app.advance(10 * MINUTE);
    story.say("The refresh token is spent for its successor, and a new access token comes with it.");
    let call = browser.call(Method::POST, "/refresh");
    ask_as(&mut browser, &mut story, call).await;
    story.ask(app.get("/me").bearer(&browser.access_token)).await;
    insta::assert_snapshot!("step_7_refresh", story.told());
}

#[tokio::test]
async fn step_8_a_spent_token() {
    let (app, mut story) = (App::start().await, Story::default());
    let mut browser = signed_in(&app, &mut story).await;
    let first = browser.refresh_token().unwrap().to_owned();
    let call = browser.call(Method::POST, "/refresh");
    ask_as(&mut browser, &mut story, call).await;
    story.say("The spent token once more, at once.");
    story.ask(app.call(Method::POST, "/refresh").refresh_cookie(&first)).await;
    insta::assert_snapshot!("step_8_a_spent_token", story.told());
}

#[tokio::test]
async fn step_9_a_race_of_two_tabs() {
    let (app, mut story) = (App::start().await, Story::default());
    let mut browser = signed_in(&app, &mut story).await;
    story.say("Two tabs send the cookie that the jar holds at this moment.");
    let (one, other) = (browser.call(Method::POST, "/refresh"), browser.call(Method::POST, "/refresh"));
    ask_as(&mut browser, &mut story, one).await;
    app.advance(Duration::from_secs(10));
    ask_as(&mut browser, &mut story, other).await;
    story.say("The loser tries again with what the jar holds now.");
    let again = browser.call(Method::POST, "/refresh");
    ask_as(&mut browser, &mut story, again).await;
    insta::assert_snapshot!("step_9_a_race", story.told());
}

#[tokio::test]
async fn step_10_theft() {
    let (app, mut story) = (App::start().await, Story::default());
    let mut browser = signed_in(&app, &mut story).await;
    let stolen = browser.refresh_token().unwrap().to_owned();
    story.say("The owner refreshes.");
    let call = browser.call(Method::POST, "/refresh");
    ask_as(&mut browser, &mut story, call).await;
    app.advance(Duration::from_secs(11));
    story.say("Eleven seconds later a thief comes with a copy of the spent token: the sign-in ends.");
    story.ask(app.call(Method::POST, "/refresh").refresh_cookie(&stolen)).await;
    story.say("It ends for the owner too, who has to sign in again.");
    let call = browser.call(Method::POST, "/refresh");
    ask_as(&mut browser, &mut story, call).await;
    assert_eq!(browser.refresh_token(), None);
    story.ask(app.get("/me").bearer(&browser.access_token)).await;
    insta::assert_snapshot!("step_10_theft", story.told());
}

#[tokio::test]
async fn step_11_a_retry_with_a_key() {
    let (app, mut story) = (App::start().await, Story::default());
    let browser = signed_in(&app, &mut story).await;
    let call = browser.call(Method::POST, "/refresh").header("idempotency-key", RETRY_KEY);
    story.say("The answer is lost on its way.");
    story.ask(call.clone()).await;
    app.advance(60 * MINUTE);
    story.say("An hour later the same request gets the same successor, with what remains of its time.");
    story.ask(call).await;
    insta::assert_snapshot!("step_11_a_retry_with_a_key", story.told());
}

#[tokio::test]
async fn step_12_sign_out_here() {
    let (app, mut story) = (App::start().await, Story::default());
    let mut browser = signed_in(&app, &mut story).await;
    let kept = browser.refresh_token().unwrap().to_owned();
    let call = browser.call(Method::DELETE, "/refresh");
    ask_as(&mut browser, &mut story, call).await;
    assert_eq!(browser.refresh_token(), None);
    story.say("Neither token is good for anything.");
    story.ask(app.get("/me").bearer(&browser.access_token)).await;
    story.ask(app.call(Method::POST, "/refresh").refresh_cookie(&kept)).await;
    insta::assert_snapshot!("step_12_sign_out_here", story.told());
}

#[tokio::test]
async fn step_13_sign_out_everywhere() {
    let (app, mut story) = (App::start().await, Story::default());
    let mut browser = signed_in(&app, &mut story).await;
    let elsewhere: Session = app.sign_in("ada").await;
    story.name(&elsewhere.access_token, "access token of another device");
    story.name(&elsewhere.refresh_token, "refresh token of another device");
    let call = browser.call(Method::DELETE, "/refresh/all").bearer(&browser.access_token);
    ask_as(&mut browser, &mut story, call).await;
    story.say("The other device is signed out too.");
    story.ask(app.get("/me").bearer(&elsewhere.access_token)).await;
    story.ask(app.call(Method::POST, "/refresh").refresh_cookie(&elsewhere.refresh_token)).await;
    insta::assert_snapshot!("step_13_sign_out_everywhere", story.told());
}

#[tokio::test]
async fn changes_of_ones_own_account() {
    let (app, mut story) = (App::start().await, Story::default());
    let mut browser = signed_in(&app, &mut story).await;
    let token = browser.access_token.clone();
    let change = |body: Value| app.call(Method::PATCH, "/me").bearer(&token).json(&body);
    story.say("A new name and an address.");
    let body = json!({"username": "Countess", "email": "ada@example.com", "current_password": PASSWORD});
    story.ask(change(body)).await;
    story.say("Without the current password nothing changes, nor with a wrong one.");
    story.ask(change(json!({"username": "eve"}))).await;
    story.ask(change(json!({"username": "eve", "current_password": "wrong horse battery"}))).await;
    story.say("The address goes.");
    story.ask(change(json!({"email": null, "current_password": PASSWORD}))).await;
    story.say("A new password.");
    story.ask(change(json!({"password": "a wholly other staple", "current_password": PASSWORD}))).await;
    story.say("The account goes.");
    let body = json!({"current_password": "a wholly other staple"});
    let call = browser.call(Method::DELETE, "/me").bearer(&token).json(&body);
    ask_as(&mut browser, &mut story, call).await;
    story.ask(app.get("/me").bearer(&token)).await;
    insta::assert_snapshot!("changes_of_ones_own_account", story.told());
}

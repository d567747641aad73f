//! `GET /sessions` and `DELETE /sessions/{id}`: where one is signed in, and an end from afar.

use reqwest::Method;
use serde_json::{Value, json};

use crate::actors::{Browser, Native};
use crate::app::{Answer, App, MINUTE, PASSWORD, Session, problem};

const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0";

async fn sign_in_as(app: &App, user_agent: &[u8]) -> Session {
    let body = json!({"username": "ada", "password": PASSWORD});
    let call = app.call(Method::POST, "/authenticate").json(&body).raw_header("user-agent", user_agent);
    Session::of(&call.send().await)
}

async fn sessions(app: &App, token: &str) -> Vec<Value> {
    let answer = app.get("/sessions").bearer(token).send().await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
    answer.body["sessions"].as_array().unwrap().clone()
}

async fn end(app: &App, token: &str, id: &str) -> Answer {
    app.call(Method::DELETE, &format!("/sessions/{id}")).bearer(token).send().await
}

/// The id of the sign-in that the token belongs to.
async fn current(app: &App, token: &str) -> String {
    let sessions = sessions(app, token).await;
    id(sessions.iter().find(|one| one["current"] == true).unwrap()).to_owned()
}

fn id(session: &Value) -> &str {
    session["id"].as_str().unwrap()
}

// SEC-54
#[tokio::test]
async fn the_living_ones_are_listed_with_client_address_and_times() {
    let app = App::start().await;
    app.somebody("eve").await;
    app.sign_up("ada").await;
    let desk = sign_in_as(&app, FIREFOX.as_bytes()).await;
    app.advance(MINUTE);
    app.refresh(&desk.refresh_token).await;
    let script = sign_in_as(&app, b"curl/8.5.0").await;
    let listed = sessions(&app, &script.access_token).await;
    let names: Vec<(&Value, &Value)> =
        listed.iter().map(|one| (&one["user_agent"], &one["current"])).collect();
    let expected = [(&json!("curl 8.5"), &json!(true)), (&json!("Firefox on Windows"), &json!(false))];
    assert_eq!(names, expected);
    let expected = json!({
        "id": id(&listed[1]),
        "created_at": "2026-11-24T09:30:00.000Z",
        "last_used_at": "2026-11-24T09:31:00.000Z",
        "expires_at": "2026-12-24T09:31:00.000Z",
        "user_agent": "Firefox on Windows",
        "address": "127.0.0.1",
        "current": false,
    });
    assert_eq!(listed[1], expected);
    let same = sessions(&app, &desk.access_token).await;
    assert_eq!(same.iter().map(|one| one["current"] == true).collect::<Vec<_>>(), [false, true]);
}

// SEC-108
#[tokio::test]
async fn an_odd_client_is_shown_short_and_harmless_and_none_as_null() {
    let app = App::start().await;
    app.sign_up("ada").await;
    let session = sign_in_as(&app, "evil \u{202e}\t<script>".as_bytes()).await;
    let listed = sessions(&app, &session.access_token).await;
    assert_eq!(listed[0]["user_agent"], "evil \\u202e<script>");
    app.advance(MINUTE);
    let session = sign_in_as(&app, "x".repeat(900).as_bytes()).await;
    let listed = sessions(&app, &session.access_token).await;
    assert_eq!(listed[0]["user_agent"].as_str().unwrap().chars().count(), 61);
    app.advance(MINUTE);
    let session = app.sign_in("ada").await;
    assert_eq!(sessions(&app, &session.access_token).await[0]["user_agent"], Value::Null);
}

// SEC-38, SEC-54
#[tokio::test]
async fn ending_one_from_afar_acts_at_once_and_leaves_the_others() {
    let app = App::start().await;
    let (here, there) = (app.somebody("ada").await, app.sign_in("ada").await);
    let listed = sessions(&app, &here.access_token).await;
    let other = listed.iter().find(|one| one["current"] == false).unwrap();
    let ended = end(&app, &here.access_token, id(other)).await;
    assert_eq!((ended.status, ended.text.as_str()), (204, ""));
    assert!(ended.set_cookies().is_empty());
    assert_eq!(app.me(&there.access_token).await.code(), "access_token_invalid");
    let refused = app.refresh(&there.refresh_token).await;
    assert_eq!((refused.code(), &refused.body["session_ended"]), ("refresh_token_revoked", &json!(true)));
    assert_eq!(sessions(&app, &here.access_token).await.len(), 1);
    assert_eq!(app.refresh(&here.refresh_token).await.status, 200);
}

// SEC-54
#[tokio::test]
async fn anothers_an_ended_an_unknown_and_a_malformed_id_are_404() {
    let app = App::start().await;
    let (ada, eve) = (app.somebody("ada").await, app.somebody("eve").await);
    let hers = current(&app, &eve.access_token).await;
    let ended = app.sign_in("ada").await;
    let gone = current(&app, &ended.access_token).await;
    app.sign_out(&ended.refresh_token).await;
    let ids = [hers.as_str(), &gone, "1", "0", "01", "-1", "x", "%ff", "%00", "99999999999999999999"];
    for id in ids {
        let answer = end(&app, &ada.access_token, id).await;
        assert_eq!(answer.body, problem(404, "Not Found", "not_found", "Not found"), "{id}");
    }
    assert_eq!(app.me(&eve.access_token).await.status, 200);
    assert_eq!(app.refresh(&eve.refresh_token).await.status, 200, "nothing of hers has ended");
}

// The cookie is not sent to /sessions, and the jar may hold that of another sign-in by now.
#[tokio::test]
async fn ending_the_current_one_leaves_the_cookie_to_the_next_refresh() {
    let app = App::start().await;
    let mut browser = Browser::of(&app, "ada").await;
    let path = format!("/sessions/{}", current(&app, &browser.access_token).await);
    let ended = browser.send(browser.call(Method::DELETE, &path).bearer(&browser.access_token)).await;
    assert_eq!(ended.status, 204);
    assert!(browser.refresh_token().is_some());
    assert_eq!(browser.me().await.code(), "access_token_invalid");
    assert_eq!(browser.refresh().await.code(), "refresh_token_revoked");
    assert_eq!(browser.refresh_token(), None);
}

#[tokio::test]
async fn a_native_clients_sign_in_is_listed_and_ended_like_any_other() {
    let app = App::start().await;
    let mut phone = Native::of(&app, "ada").await;
    app.advance(MINUTE);
    let desk = app.sign_in("ada").await;
    let listed = sessions(&app, &desk.access_token).await;
    assert_eq!(end(&app, &desk.access_token, id(&listed[1])).await.status, 204);
    assert_eq!(phone.refresh().await.code(), "refresh_token_revoked");
}

#[tokio::test]
async fn both_need_an_access_token_of_a_living_sign_in() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let own = current(&app, &session.access_token).await;
    let path = format!("/sessions/{own}");
    for (method, path) in [(Method::GET, "/sessions"), (Method::DELETE, path.as_str())] {
        let bare = app.call(method.clone(), path).refresh_cookie(&session.refresh_token).send().await;
        assert_eq!(bare.code(), "access_token_missing");
        let forged = app.call(method, path).bearer("a.b.c").send().await;
        assert_eq!(forged.code(), "access_token_invalid");
    }
    app.sign_out(&session.refresh_token).await;
    assert_eq!(end(&app, &session.access_token, &own).await.code(), "access_token_invalid");
}

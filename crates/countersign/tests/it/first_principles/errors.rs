//! How refusals look: problem documents everywhere, with nothing of the inside.

use reqwest::Method;
use serde_json::json;

use crate::app::{Answer, App, PASSWORD, codes_of, problem};

fn is_a_problem(answer: &Answer) {
    assert_eq!(answer.media_type(), Some("application/problem+json"), "{answer:?}");
    assert_eq!(answer.body["status"], answer.status);
    assert_eq!(answer.body["type"], "about:blank");
    for member in ["title", "detail", "code"] {
        assert!(answer.body[member].as_str().is_some_and(|text| !text.is_empty()), "{member} in {answer:?}");
    }
    let code = answer.code();
    assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let inside = ["sqlite", "SELECT", "countersign::", ".rs:", "panicked", "RUST_", "tokio", "axum", "/src/"];
    assert!(inside.iter().all(|word| !answer.text.contains(word)), "the inside shows: {answer:?}");
}

// SEC-68
#[tokio::test]
async fn every_refusal_is_a_problem_document() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let too_large = "x".repeat(65_537);
    let calls = [
        app.get("/nowhere"),
        app.get("/users/1"),
        app.call(Method::DELETE, "/users"),
        app.get("/me"),
        app.call(Method::POST, "/users").json(&json!({})),
        app.call(Method::POST, "/users").body("text/plain", "x"),
        app.call(Method::POST, "/users").body("application/json", "{"),
        app.call(Method::POST, "/users").body("application/json", too_large),
        app.call(Method::POST, "/refresh"),
        app.call(Method::POST, "/refresh").header("origin", "null"),
        app.call(Method::PATCH, "/me").bearer(&session.access_token).json(&json!({"current_password": "x"})),
        app.get(&format!("/{}", "x".repeat(9_000))),
    ];
    let mut statuses = Vec::new();
    for call in calls {
        let answer = call.into_request().send().await.unwrap();
        let answer = Answer::of(answer).await;
        is_a_problem(&answer);
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [404, 404, 405, 401, 400, 415, 400, 413, 401, 403, 403, 414]);
}

#[tokio::test]
async fn an_unknown_route_is_a_404() {
    let app = App::start().await;
    for path in
        ["/", "/nowhere", "/users/", "/me/", "//me", "/Me", "/refresh/all/", "/%6de2", "/me%2F", "/../me2"]
    {
        let answer = app.get(path).send().await;
        assert_eq!(
            (answer.status, &answer.body),
            (404, &problem(404, "Not Found", "not_found", "Not found")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_does_not_parse_is_said_with_its_place() {
    let app = App::start().await;
    let answer = app.call(Method::POST, "/users").body("application/json", "{\n \"a\": }").send().await;
    let detail = answer.body["detail"].as_str().unwrap();
    assert_eq!((answer.status, answer.code()), (400, "invalid_json"));
    assert!(detail.ends_with("at line 2, column 7"), "{detail}");
}

#[tokio::test]
async fn unknown_doubled_and_mistyped_fields_are_each_named() {
    let app = App::start().await;
    let body =
        r#"{"username":"ada","username":"bob","password":["x"],"a":1,"a":2,"em\u0061il":"x","email":"y"}"#;
    let answer = app.call(Method::POST, "/users").body("application/json", body).send().await;
    assert_eq!(answer.status, 400);
    assert_eq!(codes_of(&answer, "username"), ["duplicate_field"]);
    assert_eq!(codes_of(&answer, "password"), ["invalid_type"]);
    assert_eq!(codes_of(&answer, "a"), ["unknown_field", "duplicate_field"]);
    assert_eq!(codes_of(&answer, "email"), ["duplicate_field"], "also by an escape");
}

// SEC-53, SEC-108
#[tokio::test]
async fn no_refusal_repeats_a_secret() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let secrets = [PASSWORD, session.access_token.as_str(), session.refresh_token.as_str()];
    let body = json!({"username": "a b", "password": PASSWORD, "email": PASSWORD});
    let broken = format!("{{\"password\": \"{PASSWORD}\" oops");
    let calls = [
        app.call(Method::POST, "/users").json(&body),
        app.call(Method::POST, "/users").body("application/json", broken),
        app.call(Method::POST, "/refresh").refresh_cookie(&format!("{}x", session.refresh_token)),
        app.call(Method::POST, "/refresh").json(&json!({"refresh_token": session.refresh_token})),
        app.get("/me").bearer(&format!("{}x", session.access_token)),
        app.get(&format!("/nowhere?token={}", session.access_token)),
    ];
    for call in calls {
        let answer = call.send().await;
        assert!(answer.status >= 400);
        let whole = format!("{:?} {}", answer.headers, answer.text);
        assert!(secrets.iter().all(|secret| !whole.contains(secret)), "{answer:?}");
    }
}

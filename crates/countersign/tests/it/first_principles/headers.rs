//! What every answer carries: a name, protection, and no leave to be stored.

use countersign::Settings;
use reqwest::Method;
use serde_json::json;

use crate::app::{Answer, App, PASSWORD};

/// One answer of each kind.
async fn answers(app: &App) -> Vec<Answer> {
    let session = app.somebody("ada").await;
    let other = app.sign_in("ada").await;
    vec![
        app.sign_up("bob").await,
        app.authenticate("ada", PASSWORD).await,
        app.authenticate("ada", "wrong horse battery").await,
        app.me(&session.access_token).await,
        app.get("/me").send().await,
        app.refresh(&session.refresh_token).await,
        app.refresh(&session.refresh_token).await,
        app.call(Method::DELETE, "/refresh/all").bearer(&other.access_token).send().await,
        app.get("/nowhere").send().await,
        app.call(Method::PUT, "/me").send().await,
        app.get("/health/live").send().await,
    ]
}

// SEC-62
#[tokio::test]
async fn nothing_with_a_token_a_cookie_or_user_data_may_be_stored() {
    let app = App::start().await;
    for answer in answers(&app).await {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    }
}

// SEC-63
#[tokio::test]
async fn every_answer_protects_itself() {
    let app = App::start().await;
    let policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
    for answer in answers(&app).await {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
        assert_eq!(answer.header("content-security-policy"), Some(policy), "{answer:?}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{answer:?}");
        assert_eq!(answer.header("strict-transport-security"), None, "plain http promises nothing");
        assert_eq!(answer.header("server"), None);
        assert_eq!(answer.header("x-powered-by"), None);
    }
}

// SEC-63
#[tokio::test]
async fn https_is_insisted_on_for_a_year_where_it_is_the_public_address() {
    let https = "https://id.example".parse().unwrap();
    let app = App::start_with(|settings| Settings { public_url: https, ..settings }).await;
    for path in ["/me", "/docs", "/nowhere"] {
        let answer = app.get(path).send().await;
        assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"), "{path}");
    }
}

// SEC-65
#[tokio::test]
async fn every_401_has_a_challenge_and_nothing_else_has_one() {
    let app = App::start().await;
    for answer in answers(&app).await {
        assert_eq!(answer.header("www-authenticate").is_some(), answer.status == 401, "{answer:?}");
    }
}

// SEC-74
#[tokio::test]
async fn a_fitting_request_id_comes_back_and_any_other_is_replaced() {
    let app = App::start().await;
    for path in ["/me", "/nowhere", "/health/live"] {
        let longest = "x".repeat(128);
        for id in ["a", "0195f1c4-7d1e.A_b", &longest] {
            let answer = app.get(path).header("x-request-id", id).send().await;
            assert_eq!(answer.header("x-request-id"), Some(id), "{path}");
        }
        let too_long = "x".repeat(129);
        for id in ["", "a b", "a;b", "<script>", &too_long] {
            let answer = app.get(path).header("x-request-id", id).send().await;
            let given = answer.header("x-request-id").unwrap();
            assert!(given != id && given.len() >= 16, "{path}: {given}");
        }
        let two = app.get(path).header("x-request-id", "a").header("x-request-id", "a").send().await;
        assert_ne!(two.header("x-request-id"), Some("a"));
    }
    let (one, other) = (app.get("/me").send().await, app.get("/me").send().await);
    assert_ne!(one.header("x-request-id"), other.header("x-request-id"));
}

// SEC-75
#[tokio::test]
async fn no_answer_redirects() {
    let app = App::start().await;
    for answer in answers(&app).await {
        assert!(!(300..400).contains(&answer.status) && answer.header("location").is_none());
    }
    let https = app.post("/authenticate", json!({"username": "ada", "password": PASSWORD})).await;
    assert_eq!(https.status, 200);
}

// SEC-87
#[tokio::test]
async fn the_host_that_a_request_names_changes_nothing() {
    let app = App::start().await;
    app.sign_up("ada").await;
    let body = json!({"username": "ada", "password": PASSWORD});
    let call = app.call(Method::POST, "/authenticate").json(&body).header("host", "evil.example");
    let forwarded = call.header("x-forwarded-host", "evil.example").header("forwarded", "host=evil.example");
    let answer = forwarded.send().await;
    assert_eq!(answer.status, 200);
    assert!(!format!("{:?}{}", answer.headers, answer.text).contains("evil"));
    let token = answer.body["access_token"].as_str().unwrap();
    let claims = jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(token).unwrap().claims;
    assert_eq!(claims["iss"], "http://localhost:8000");
}

/// The program wraps the routes in another way than an embedding application does.
#[tokio::test]
async fn the_programs_service_dresses_its_answers_alike() {
    use tower::Service as _;
    let app = App::start().await;
    for path in ["/me", "/nowhere", "/health/live", "/docs"] {
        let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let answer = countersign::app(&app.service).call(request).await.unwrap();
        let routed = app.get(path).send().await;
        assert_eq!(answer.status().as_u16(), routed.status, "{path}");
        for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "x-request-id") {
            assert_eq!(routed.headers.get(name), Some(value), "{path} {name}");
        }
    }
}

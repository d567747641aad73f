//! Requests that pages of other sites make a browser send.

use countersign::Settings;
use reqwest::Method;
use serde_json::json;

use crate::actors::Browser;
use crate::app::{App, PASSWORD, problem};

// SEC-59
#[tokio::test]
async fn another_sites_page_spends_and_ends_nothing_even_with_the_cookie() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let foreign: [&[(&str, &str)]; 8] = [
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://localhost:8001")],
        &[("origin", "https://localhost:8000")],
        &[("origin", "http://localhost:8000"), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
    ];
    for headers in foreign {
        for (method, path) in
            [(Method::POST, "/refresh"), (Method::DELETE, "/refresh"), (Method::DELETE, "/refresh/all")]
        {
            let call =
                app.call(method, path).refresh_cookie(&session.refresh_token).bearer(&session.access_token);
            let answer =
                headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send().await;
            let detail = "Requests from other sites are not accepted here";
            assert_eq!(answer.body, problem(403, "Forbidden", "cross_site_request", detail), "{headers:?}");
            assert_eq!((answer.status, answer.set_cookies().len()), (403, 0));
        }
    }
    assert_eq!(app.me(&session.access_token).await.status, 200);
    assert_eq!(app.refresh(&session.refresh_token).await.status, 200);
}

// SEC-59
#[tokio::test]
async fn pages_of_the_service_and_clients_that_are_no_browsers_pass() {
    let app = App::start().await;
    let mut token = app.somebody("ada").await.refresh_token;
    let own: [&[(&str, &str)]; 5] = [
        &[("origin", "http://localhost:8000"), ("sec-fetch-site", "same-origin")],
        &[("origin", "http://127.0.0.1:8000")],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        &[],
    ];
    for headers in own {
        let call = app.call(Method::POST, "/refresh").refresh_cookie(&token);
        let answer = headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send().await;
        assert_eq!(answer.status, 200, "{headers:?}");
        token = answer.refresh_cookie().unwrap();
    }
}

// SEC-59
#[tokio::test]
async fn a_browser_does_not_even_send_the_cookie_for_another_site() {
    let app = App::start().await;
    let browser = Browser::of(&app, "ada").await;
    let call = browser.call_from_another_site(Method::DELETE, "/refresh");
    assert!(!call.told().contains("refresh_token="));
    assert_eq!(call.send().await.code(), "cross_site_request");
}

// SEC-61
#[tokio::test]
async fn a_listed_origin_may_ask_and_no_other() {
    let listed = vec!["https://app.example".to_owned()];
    let app = App::start_with(|settings| Settings { cors_allowed_origins: listed, ..settings }).await;
    let session = app.somebody("ada").await;
    let preflight = |origin: &'static str| {
        let call = app.call(Method::OPTIONS, "/refresh").header("origin", origin);
        call.header("access-control-request-method", "POST").send()
    };
    let allowed = preflight("https://app.example").await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(allowed.header("access-control-allow-credentials"), Some("true"));
    assert!(allowed.header("vary").unwrap().to_lowercase().contains("origin"));
    for origin in ["https://evil.example", "null", "https://app.example.evil.example", "http://app.example"] {
        let refused = preflight(origin).await;
        assert_eq!(refused.header("access-control-allow-origin"), None, "{origin}");
    }
    let call = app.call(Method::POST, "/refresh").refresh_cookie(&session.refresh_token);
    let answer =
        call.header("origin", "https://app.example").header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
}

// SEC-61
#[tokio::test]
async fn without_a_list_no_page_of_another_origin_reads_anything() {
    let app = App::start().await;
    let answer = app.get("/me").header("origin", "https://app.example").send().await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

// SEC-60, SEC-64
#[tokio::test]
async fn a_form_of_another_site_signs_nobody_in_or_up() {
    let app = App::start().await;
    app.sign_up("ada").await;
    let body = json!({"username": "ada", "password": PASSWORD}).to_string();
    for path in ["/authenticate", "/users"] {
        for content_type in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
        {
            let call = app.call(Method::POST, path).header("origin", "https://evil.example");
            let answer = call.body(content_type, body.clone()).send().await;
            assert_eq!(
                (answer.status, answer.code()),
                (415, "unsupported_media_type"),
                "{path} {content_type}"
            );
            assert!(answer.set_cookies().is_empty());
        }
    }
}

//! Bodies: how large, of which type, and how they may arrive.

use reqwest::Method;
use serde_json::json;

use crate::app::{Answer, App, PASSWORD};

/// A sign-up of exactly so many bytes.
fn sign_up_of(bytes: usize, username: &str) -> String {
    let body = json!({"username": username, "password": PASSWORD}).to_string();
    let padding = " ".repeat(bytes - body.len());
    format!("{body}{padding}")
}

// SEC-70
#[tokio::test]
async fn a_body_of_65536_bytes_passes_and_one_more_byte_does_not() {
    let app = App::start().await;
    let post = |body: String| app.call(Method::POST, "/users").body("application/json", body).send();
    assert_eq!(post(sign_up_of(65_536, "ada")).await.status, 201);
    let answer = post(sign_up_of(65_537, "bob")).await;
    assert_eq!((answer.status, answer.code()), (413, "payload_too_large"));
    let answer = post(sign_up_of(1 << 20, "bob")).await;
    assert_eq!((answer.status, answer.code()), (413, "payload_too_large"));
}

// SEC-70
#[tokio::test]
async fn the_limit_holds_where_no_length_is_announced() {
    let app = App::start().await;
    for (bytes, name, status) in [(65_536, "ada", 201), (65_537, "bob", 413)] {
        let head = format!("POST /users HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", app.address);
        let head = format!("{head}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
        let body = sign_up_of(bytes, name);
        let chunks: String = body.as_bytes().chunks(1_000).fold(String::new(), |mut all, chunk| {
            all.push_str(&format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()));
            all
        });
        let answer = crate::malformed::raw(&app, format!("{head}{chunks}0\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

// SEC-60
#[tokio::test]
async fn only_json_by_its_parsed_media_type_is_read() {
    let app = App::start().await;
    let body = |name: &str| json!({"username": name, "password": PASSWORD}).to_string();
    let good = [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;x=\"y\"",
    ];
    for (at, content_type) in good.into_iter().enumerate() {
        let call = app.call(Method::POST, "/users").body(content_type, body(&format!("ada{at}")));
        assert_eq!(call.send().await.status, 201, "{content_type}");
    }
    for content_type in [
        "text/plain; x=application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonp",
        "application/json, text/plain",
        "application/problem+json",
        "json",
        "*/*",
        "",
    ] {
        let answer = app.call(Method::POST, "/users").body(content_type, body("eve")).send().await;
        is_unsupported(&answer, content_type);
    }
    is_unsupported(&app.call(Method::POST, "/users").untyped_body(body("eve")).send().await, "none");
    let twice = app.call(Method::POST, "/users").body("application/json", body("eve"));
    is_unsupported(&twice.header("content-type", "text/plain").send().await, "two types");
}

fn is_unsupported(answer: &Answer, what: &str) {
    assert_eq!((answer.status, answer.code()), (415, "unsupported_media_type"), "{what}");
}

// SEC-70
#[tokio::test]
async fn a_compressed_body_is_refused() {
    let app = App::start().await;
    for encoding in ["gzip", "br", "deflate", "identity, gzip"] {
        let call = app.call(Method::POST, "/users").body("application/json", "\x1f\u{8b}");
        is_unsupported(&call.header("content-encoding", encoding).send().await, encoding);
    }
}

#[tokio::test]
async fn every_route_with_a_body_keeps_to_the_same_rules() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    for (method, path) in [
        (Method::POST, "/users"),
        (Method::POST, "/authenticate"),
        (Method::POST, "/refresh"),
        (Method::DELETE, "/refresh"),
        (Method::PATCH, "/me"),
        (Method::DELETE, "/me"),
    ] {
        let call = || app.call(method.clone(), path).bearer(&token);
        is_unsupported(&call().body("text/plain", "{}").send().await, path);
        is_unsupported(&call().untyped_body("{}").send().await, path);
        let large = call().body("application/json", " ".repeat(65_537)).send().await;
        assert_eq!((large.status, large.code()), (413, "payload_too_large"), "{method} {path}");
        for broken in ["{", "[]", "null", "\"x\"", "{}{}", "\u{feff}{}"] {
            let answer = call().body("application/json", broken).send().await;
            assert_eq!((answer.status, answer.code()), (400, "invalid_json"), "{method} {path} {broken}");
        }
    }
}

#[tokio::test]
async fn no_body_where_one_is_needed_is_a_bad_request() {
    let app = App::start().await;
    for path in ["/users", "/authenticate"] {
        let answer = app.call(Method::POST, path).send().await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_json"), "{path}");
    }
}

//! Every route, by every method: 405 with `Allow`, and no effect.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use crate::app::{Answer, App, PASSWORD, problem};
use crate::documented::operations;

const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "REFRESH"];

fn routes() -> BTreeMap<&'static str, Vec<String>> {
    let mut routes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (method, path, _) in operations() {
        let methods = routes.entry(path).or_default();
        if method == "GET" {
            methods.push("HEAD".to_owned());
        }
        methods.push(method);
    }
    routes
}

// SEC-52, SEC-73
#[tokio::test]
async fn any_other_method_is_a_405_with_allow_and_without_effect() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let me = app.me(&session.access_token).await.body;
    let mut asked = 0;
    for (path, allowed) in routes() {
        for name in METHODS.iter().filter(|name| !allowed.contains(&(**name).to_owned())) {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            let body = json!({"username": "eve", "password": PASSWORD, "current_password": PASSWORD});
            let call = app.call(method, path).bearer(&session.access_token);
            let answer = call.refresh_cookie(&session.refresh_token).json(&body).send().await;
            is_not_allowed(&answer, name, path, &allowed);
            asked += 1;
        }
    }
    assert!(asked > 60, "{asked}");
    assert_eq!(app.me(&session.access_token).await.body, me);
    assert_eq!(app.refresh(&session.refresh_token).await.status, 200);
    assert_eq!(app.cell("SELECT count(*) FROM users"), "1");
}

fn is_not_allowed(answer: &Answer, method: &str, path: &str, allowed: &[String]) {
    assert_eq!(answer.status, 405, "{method} {path}");
    let mut listed: Vec<&str> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
    let mut expected: Vec<&str> = allowed.iter().map(String::as_str).collect();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected, "{method} {path}");
    if method != "HEAD" {
        let detail = "Method not allowed; see the Allow header";
        assert_eq!(answer.body, problem(405, "Method Not Allowed", "method_not_allowed", detail));
    }
    assert!(answer.set_cookies().is_empty());
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    let head = app.call(Method::HEAD, "/me").bearer(&token).send().await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-type"), Some("application/json"));
    assert_eq!(app.call(Method::HEAD, "/me").send().await.status, 401);
}

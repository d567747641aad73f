//! What the metrics never say: anything that a client sent, anything about a person, anything secret.

use std::collections::BTreeSet;

use countersign::secret::SecretString;
use http::Request;
use serde_json::json;

use super::{ask, exposed, routes_of};
use crate::app::{App, PASSWORD};
use crate::documented::operations;
use crate::embedding::shop;

const TOKEN: &str = "canary-metrics-token-91c";
const KEY: &str = "canary-secret-key-b7 Rk2vQ9xLp4sWm8t5Yz1";

// SEC-53, SEC-105, SEC-108
#[tokio::test]
async fn nothing_secret_and_nothing_of_anybody_is_in_them() {
    let app = App::start_with(|settings| countersign::Settings {
        metrics_token: Some(SecretString::from(TOKEN)),
        secret_key: Some(SecretString::from(KEY)),
        ..settings
    })
    .await;
    let (name, mail) = ("canary-name-5d", "canary@mail.example");
    let body = json!({"username": name, "email": mail, "password": PASSWORD});
    let id = app.post("/users", body).await.body["id"].as_str().unwrap().to_owned();
    let session = app.sign_in(name).await;
    app.authenticate(name, "canary wrong password").await;
    app.authenticate("canary-unknown-name", PASSWORD).await;
    let refreshed = app.refresh(&session.refresh_token).await.refresh_cookie().unwrap();
    app.refresh("canary-token").await;
    let odd = app.get(&format!("/canary-path/{id}?canary-query={}", session.refresh_token));
    odd.header("user-agent", "canary-agent").header("x-request-id", "canary-id").send().await;
    let secrets = [name, mail, &id, PASSWORD, &session.access_token, &session.refresh_token, &refreshed];
    let text = app.get("/metrics").bearer(TOKEN).send().await.text;
    assert!(text.contains("countersign_sign_ins_total{result=\"success\"} 1\n"), "{text}");
    for secret in secrets.iter().chain(&[TOKEN, KEY, "canary", "127.0.0.1", "argon2"]) {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[tokio::test]
async fn a_thousand_made_up_paths_and_methods_add_no_series_but_those_of_unmatched() {
    let app = App::start().await;
    let mut router = routes_of(&app.service);
    ask(&mut router, None, Request::get("/first")).await;
    ask(&mut router, None, Request::builder().method("MADE-UP").uri("/me")).await;
    let before = app.service.metrics().await.lines().count();
    for number in 0..1_000 {
        let path = format!("/made/up/{number}?query={number}");
        let odd = Request::builder().method(format!("M{number}").as_str());
        assert_eq!(ask(&mut router, None, odd.uri(path)).await.status, 404);
        let odd = Request::builder().method(format!("N{number}").as_str());
        assert_eq!(ask(&mut router, None, odd.uri("/me")).await.status, 405);
    }
    assert_eq!(app.service.metrics().await.lines().count(), before);
    let exposition = exposed(&app).await;
    let counted = |route, status| {
        let labels = [("method", "other"), ("route", route), ("status", status)];
        exposition.value("countersign_http_requests_total", &labels)
    };
    assert_eq!((counted("unmatched", "404"), counted("/me", "405")), (1_001.0, 1_001.0));
}

/// At the root and below a path, in the envelope around the whole and in the one around each route.
#[tokio::test]
async fn every_route_is_one_of_the_descriptions_templates_wherever_the_router_is_mounted() {
    let templates: BTreeSet<&str> =
        operations().into_iter().map(|(_, path, _)| path).chain(["unmatched"]).collect();
    for app in [App::start().await, shop().await] {
        let session = app.somebody("ada").await;
        app.me(&session.access_token).await;
        app.get("/nowhere").send().await;
        let exposition = exposed(&app).await;
        let requests = &exposition.family("countersign_http_requests_total").samples;
        for sample in requests {
            assert!(templates.contains(sample.labels["route"].as_str()), "{sample:?}");
        }
        let asked = [("GET", "/me", "200"), ("POST", "/users", "201"), ("other", "unmatched", "404")];
        for (method, route, status) in asked {
            let labels = [("method", method), ("route", route), ("status", status)];
            assert_eq!(exposition.value("countersign_http_requests_total", &labels), 1.0, "{route}");
        }
    }
}

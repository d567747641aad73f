//! One denial for each operation of the description: who may not do it, and what they are told.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;

use crate::app::{Answer, App, PASSWORD};
use crate::call::Call;
use crate::documented::operations;

/// What the operation answers to somebody who may not, by its id. Operations that anybody may use are denied their
/// one misuse: another method. `own` is a good access token, for denials that it doesn't prevent.
async fn denied(app: &App, operation: &str, own: &str) -> (Answer, u16, &'static str) {
    let wrong = json!({"username": "ada", "password": "wrong horse battery"});
    let forged = format!("refresh_token={}", "A".repeat(82));
    let evil = ("origin", "https://evil.example");
    let (call, status, code) = match operation {
        "create_user" => {
            let body = json!({"username": "ADA", "password": PASSWORD});
            (app.call(Method::POST, "/users").json(&body), 400, "validation_failed")
        }
        "authenticate" => (app.call(Method::POST, "/authenticate").json(&wrong), 401, "invalid_credentials"),
        "refresh" => {
            (app.call(Method::POST, "/refresh").header("cookie", &forged), 401, "refresh_token_invalid")
        }
        "sign_out" => {
            (app.call(Method::DELETE, "/refresh").header(evil.0, evil.1), 403, "cross_site_request")
        }
        "sign_out_everywhere" => (app.call(Method::DELETE, "/refresh/all"), 401, "access_token_missing"),
        "show_me" => (app.get("/me"), 401, "access_token_missing"),
        "change_me" => {
            let body = json!({"username": "eve", "current_password": PASSWORD});
            (app.call(Method::PATCH, "/me").bearer("a.b.c").json(&body), 401, "access_token_invalid")
        }
        "delete_me" => {
            let body = json!({"current_password": PASSWORD});
            (app.call(Method::DELETE, "/me").json(&body), 401, "access_token_missing")
        }
        "list_sessions" => (app.get("/sessions"), 401, "access_token_missing"),
        "end_session" => (app.call(Method::DELETE, "/sessions/1").bearer(own), 404, "not_found"),
        "verify" => (app.get("/verify").bearer(own).bearer(own), 401, "access_token_invalid"),
        "show_liveness" => (app.call(Method::POST, "/health/live"), 405, "method_not_allowed"),
        "show_readiness" => (app.call(Method::POST, "/health/ready"), 405, "method_not_allowed"),
        "show_metrics" => (app.get("/metrics").header("x-forwarded-for", "203.0.113.9"), 404, "not_found"),
        "show_openapi" => (app.call(Method::PUT, "/openapi.json"), 405, "method_not_allowed"),
        "show_docs" => (app.call(Method::POST, "/docs"), 405, "method_not_allowed"),
        "show_docs_script" => (app.call(Method::POST, "/docs/page.js"), 405, "method_not_allowed"),
        "show_docs_style" => (app.call(Method::POST, "/docs/page.css"), 405, "method_not_allowed"),
        "show_jwks" => (app.call(Method::POST, "/.well-known/jwks.json"), 405, "method_not_allowed"),
        "start_oauth" => (app.get("/oauth/nobody"), 404, "not_found"),
        "finish_oauth" => (app.get("/oauth/nobody/callback?state=x"), 400, "invalid_state"),
        "hand_on_oauth" => {
            (app.call(Method::POST, "/oauth/nobody/callback").json(&wrong), 415, "unsupported_media_type")
        }
        "list_identities" => (app.get("/me/identities"), 401, "access_token_missing"),
        "link_identity" => (app.call(Method::POST, "/me/identities/nobody").bearer(own), 404, "not_found"),
        "remove_identity" => (app.call(Method::DELETE, "/me/identities/1").bearer(own), 404, "not_found"),
        other => denied_of_mailed_links(app, other),
    };
    (call.send().await, status, code)
}

/// The same for what has to do with mailed links.
fn denied_of_mailed_links<'a>(app: &'a App, operation: &str) -> (Call<'a>, u16, &'static str) {
    match operation {
        "request_email_verification" => {
            (app.call(Method::POST, "/verify-email/request"), 401, "access_token_missing")
        }
        "verify_email" => {
            (app.call(Method::POST, "/verify-email").json(&json!({"token": "x"})), 400, "invalid_token")
        }
        "show_email_verification" => (app.call(Method::PUT, "/verify-email"), 405, "method_not_allowed"),
        "show_email_verification_script" => {
            (app.call(Method::POST, "/verify-email/page.js"), 405, "method_not_allowed")
        }
        "show_email_verification_style" => {
            (app.call(Method::POST, "/verify-email/page.css"), 405, "method_not_allowed")
        }
        "request_password_reset" => {
            (app.call(Method::POST, "/password-reset").json(&json!({"email": 5})), 400, "validation_failed")
        }
        "reset_password" => {
            let body = json!({"token": "x", "password": "a wholly other staple"});
            (app.call(Method::POST, "/password-reset/confirm").json(&body), 400, "invalid_token")
        }
        "show_password_reset" => (app.call(Method::PUT, "/password-reset"), 405, "method_not_allowed"),
        "show_password_reset_script" => {
            (app.call(Method::POST, "/password-reset/page.js"), 405, "method_not_allowed")
        }
        "show_password_reset_style" => {
            (app.call(Method::POST, "/password-reset/page.css"), 405, "method_not_allowed")
        }
        other => panic!("the operation {other} has no denial: add one to denials.rs"),
    }
}

/// The operations that `denied` knows, read from its own source: an entry without an operation is dead.
fn known() -> BTreeSet<String> {
    let source = include_str!("denials.rs");
    let tables = source.split("match operation {").skip(1).map(|rest| rest.split("other =>").next().unwrap());
    let lines = tables.flat_map(str::lines).map(str::trim);
    let arms = lines.filter(|line| line.starts_with('"') && line.contains("=>"));
    arms.map(|line| line.split('"').nth(1).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_operation_denies_what_it_has_to() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let mut described = BTreeSet::new();
    for (_, _, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap();
        let (answer, status, code) = denied(&app, id, &session.access_token).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{id}: {answer:?}");
        described.insert(id.to_owned());
    }
    assert_eq!(known(), described, "an entry of denials.rs has no operation");
    assert_eq!(app.me(&session.access_token).await.body["username"], "ada", "no denial had an effect");
}

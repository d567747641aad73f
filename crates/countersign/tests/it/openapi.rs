//! The API's description: sound in itself, the same as the committed one, and served as it is.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::app::App;
use crate::documented::{document, operations, resolve};

const MEND: &str = "UPDATE_OPENAPI=1 cargo test -p countersign --test it openapi";

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| match member.as_str() {
            Some(reference) if name == "$ref" => found.push(reference.to_owned()),
            _ => references(member, found),
        }),
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn it_is_openapi_3_1_and_every_reference_resolves() {
    assert!(document()["openapi"].as_str().unwrap().starts_with("3.1."));
    assert!(document()["info"]["title"].is_string() && document()["info"]["version"].is_string());
    let mut found = Vec::new();
    references(document(), &mut found);
    assert!(!found.is_empty());
    for reference in &found {
        assert!(resolve(reference).is_some(), "{reference} leads nowhere");
    }
    let schemas = document()["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        let used = format!("#/components/schemas/{name}");
        assert!(found.contains(&used), "nothing refers to the schema {name}");
    }
}

#[test]
fn every_operation_has_an_id_of_its_own_a_known_tag_a_summary_and_answers() {
    let tags: BTreeSet<&str> =
        document()["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && !id.is_empty(), "{path}");
        assert!(ids.insert(id), "{id} names two operations");
        let own_tags = operation["tags"].as_array().unwrap();
        assert!(own_tags.len() == 1 && tags.contains(own_tags[0].as_str().unwrap()), "{method} {path}");
        assert!(
            operation["summary"].as_str().is_some_and(|text| text.ends_with(['.', '?'])),
            "{method} {path}"
        );
        let responses = operation["responses"].as_object().unwrap();
        assert!(!responses.is_empty());
        for (status, response) in responses {
            assert!(
                status.parse::<u16>().is_ok_and(|status| (200..600).contains(&status)),
                "{path} {status}"
            );
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{path} {status}");
            is_a_problem_where_it_refuses(status, response, path);
        }
    }
}

fn is_a_problem_where_it_refuses(status: &str, response: &Value, path: &str) {
    if status.starts_with(['4', '5']) {
        let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
        assert_eq!(schema, "#/components/schemas/Problem", "{path} {status}");
    }
}

#[test]
fn whatever_needs_a_token_says_so_and_the_scheme_is_described() {
    let schemes = document()["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes["access_token"]["scheme"], "bearer");
    assert_eq!(schemes["refresh_cookie"]["in"], "cookie");
    for (method, path, operation) in operations() {
        let answers_401 = operation["responses"]["401"].is_object();
        let named: Vec<&String> = operation["security"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|one| one.as_object().unwrap().keys())
            .collect();
        assert!(named.iter().all(|name| schemes.contains_key(*name)), "{method} {path}");
        assert!(!answers_401 || !named.is_empty() || path == "/authenticate", "{method} {path}");
    }
}

#[test]
fn every_path_of_the_contract_is_described() {
    let described: BTreeSet<String> =
        operations().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    for operation in [
        "POST /users",
        "POST /authenticate",
        "GET /me",
        "PATCH /me",
        "DELETE /me",
        "POST /refresh",
        "DELETE /refresh",
        "DELETE /refresh/all",
        "GET /sessions",
        "DELETE /sessions/{id}",
        "GET /verify",
        "GET /health/live",
        "GET /health/ready",
        "GET /metrics",
        "GET /openapi.json",
        "GET /docs",
        "GET /.well-known/jwks.json",
        "GET /oauth/{provider}",
        "GET /oauth/{provider}/callback",
        "GET /me/identities",
    ] {
        assert!(described.contains(operation), "{operation}");
    }
}

fn snapshot() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json")
}

#[test]
fn it_equals_the_committed_description() {
    let mut current = countersign::openapi();
    current.push('\n');
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(snapshot(), &current).unwrap();
    }
    let committed = std::fs::read_to_string(snapshot()).unwrap_or_default();
    assert!(committed == current, "docs/openapi.json is behind the program; mend it with\n    {MEND}");
}

#[tokio::test]
async fn it_is_served_as_it_is() {
    let app = App::start().await;
    let answer = app.get("/openapi.json").send().await;
    assert_eq!((answer.status, answer.media_type()), (200, Some("application/json")));
    assert_eq!(answer.text, countersign::openapi());
}

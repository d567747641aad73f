//! Holds every answer that a test gets against `countersign::openapi()`: its status, its media type, its body.

use std::sync::LazyLock;

use reqwest::Method;
use serde_json::Value;

use crate::app::Answer;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&countersign::openapi()).expect("the description is JSON"));

/// The description, parsed.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// Every operation as (method in capitals, path, the operation).
pub fn operations() -> Vec<(String, &'static str, &'static Value)> {
    let paths = document()["paths"].as_object().unwrap();
    let of_path = |(path, methods): (&'static String, &'static Value)| {
        let methods = methods.as_object().unwrap();
        methods.iter().map(move |(method, operation)| (method.to_uppercase(), path.as_str(), operation))
    };
    paths.iter().flat_map(of_path).collect()
}

/// Panics where the description does not promise this answer.
pub fn check(method: &Method, path: &str, answer: &Answer) {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let of_path: Vec<_> = operations().into_iter().filter(|(_, known, _)| is_of(known, path)).collect();
    let asked = if method == Method::HEAD { "GET" } else { method.as_str() };
    let Some((_, _, operation)) = of_path.iter().find(|(known, _, _)| known == asked) else {
        let status = if of_path.is_empty() { 404 } else { 405 };
        let is_preflight = method == Method::OPTIONS && answer.status == 200;
        assert!(answer.status == status || is_preflight, "{method} {path} is in no document: {answer:?}");
        return;
    };
    let promised = &operation["responses"][answer.status.to_string()];
    assert!(promised.is_object(), "{method} {path} answers {} undocumented: {answer:?}", answer.status);
    let Some(contents) = promised["content"].as_object() else {
        assert!(answer.text.is_empty(), "{method} {path} {} has an undocumented body", answer.status);
        return;
    };
    let media_type = answer.media_type().unwrap_or_default();
    let content = contents.get(media_type);
    let content =
        content.unwrap_or_else(|| panic!("{method} {path} {}: {media_type:?} undocumented", answer.status));
    if method != Method::HEAD && media_type.ends_with("json") && content["schema"].is_object() {
        fits(&content["schema"], &answer.body, &format!("{method} {path} {}", answer.status));
    }
}

/// Whether the path is one of those that the description calls `/…/{name}`.
fn is_of(known: &str, path: &str) -> bool {
    let (known, path): (Vec<&str>, Vec<&str>) = (known.split('/').collect(), path.split('/').collect());
    let fits =
        |(known, asked): (&&str, &&str)| known == asked || (known.starts_with('{') && !asked.is_empty());
    known.len() == path.len() && known.iter().zip(&path).all(fits)
}

/// What the reference points to.
pub fn resolve(reference: &str) -> Option<&'static Value> {
    document().pointer(reference.strip_prefix('#')?)
}

fn fits(schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        return fits(resolve(reference).expect("the reference resolves"), value, place);
    }
    if let Some(fitting) = schema["oneOf"].as_array() {
        let chosen = fitting.iter().find(|one| (one["type"] == "null") == value.is_null());
        return fits(chosen.unwrap_or_else(|| panic!("{place}: {value} fits none of them")), value, place);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    assert!(kinds.is_empty() || kinds.contains(&kind_of(value)), "{place}: {value} is none of {kinds:?}");
    if let Some(items) = value.as_array() {
        items.iter().for_each(|item| fits(&schema["items"], item, &format!("{place}[]")));
    }
    let Some(members) = value.as_object() else { return };
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        assert!(members.contains_key(required), "{place}: {required} is missing in {value}");
    }
    for (name, member) in members {
        let property = &schema["properties"][name];
        let property = if property.is_object() { property } else { &schema["additionalProperties"] };
        assert!(property.is_object(), "{place}: {name} is not in the schema");
        fits(property, member, &format!("{place}.{name}"));
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A checker that lets everything through proves nothing.
#[test]
fn an_answer_that_the_description_does_not_promise_is_caught() {
    let me = |status, content_type: &'static str, text: &str| {
        let headers = [(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type))];
        let body = serde_json::from_str(text).unwrap_or(Value::Null);
        Answer { status, headers: headers.into_iter().collect(), text: text.to_owned(), body }
    };
    let caught = |answer: Answer| std::panic::catch_unwind(|| check(&Method::GET, "/me", &answer)).is_err();
    let good = r#"{"id":"1","username":"a","email":null,"email_verified":false,"created_at":"x"}"#;
    assert!(!caught(me(200, "application/json", good)));
    assert!(caught(me(201, "application/json", good)), "another status");
    assert!(caught(me(200, "text/plain", good)), "another media type");
    assert!(caught(me(200, "application/json", &good.replace("email_verified", "hash"))), "another field");
    assert!(caught(me(200, "application/json", &good.replace("false", "\"no\""))), "another type");
}

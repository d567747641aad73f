//! Pages for people, with their scripts and styles: nothing foreign in them, and nothing inline.

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};

use crate::language::Language;

pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(crate) const STYLE: &str = "text/css; charset=utf-8";

/// What changes only with the program.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// A page loads what this service serves, and nothing else (SEC-63, SEC-88).
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// A file that is the same for everybody.
pub(crate) fn file(content_type: &'static str, content: &'static str) -> Response {
    let mut response = answer(content_type, Body::from(content));
    response.headers_mut().insert(CACHE_CONTROL, CACHED);
    response
}

/// A page in the language that was asked for. The envelope says that nobody keeps it.
pub(crate) fn localised(language: Language, content: impl Into<Body>) -> Response {
    let mut response = answer(HTML, content.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.word()));
    headers.insert(VARY, HeaderValue::from_static("accept-language"));
    response
}

fn answer(content_type: &'static str, content: Body) -> Response {
    let mut response = Response::new(content);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}

/// The style of the pages that mailed links lead to.
pub(crate) const LINK_STYLE: &str = include_str!("page.css");

//! The API's description, for programs and for people.

use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};

/// It changes only with the program.
const CACHED: (HeaderName, &str) = (CACHE_CONTROL, "public, max-age=300");
/// The page loads what this service serves, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn file(content_type: &'static str, content: &'static str) -> Response {
    let mut response = Response::new(Body::from(content));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHED.0, HeaderValue::from_static(CACHED.1));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// This description, as OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "show_openapi", tag = "operations",
    responses((status = 200, description = "The description", content_type = "application/json"))
)]
pub(crate) async fn show_openapi() -> Response {
    static DESCRIPTION: LazyLock<String> = LazyLock::new(crate::router::openapi);
    file("application/json", DESCRIPTION.as_str())
}

/// This description, as a page for people.
#[utoipa::path(
    get, path = "/docs", operation_id = "show_docs", tag = "operations",
    responses((status = 200, description = "The page", content_type = "text/html"))
)]
pub(crate) async fn show_docs() -> Response {
    file("text/html; charset=utf-8", include_str!("page.html"))
}

/// The page's script.
#[utoipa::path(
    get, path = "/docs/page.js", operation_id = "show_docs_script", tag = "operations",
    responses((status = 200, description = "The script", content_type = "text/javascript"))
)]
pub(crate) async fn show_docs_script() -> Response {
    file("text/javascript; charset=utf-8", include_str!("page.js"))
}

/// The page's style.
#[utoipa::path(
    get, path = "/docs/page.css", operation_id = "show_docs_style", tag = "operations",
    responses((status = 200, description = "The style", content_type = "text/css"))
)]
pub(crate) async fn show_docs_style() -> Response {
    file("text/css; charset=utf-8", include_str!("page.css"))
}

//! The API's description, for programs and for people.

use std::sync::LazyLock;

use axum::response::Response;

use crate::web::page::{HTML, SCRIPT, STYLE, file};

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
    file(HTML, include_str!("page.html"))
}

/// The page's script.
#[utoipa::path(
    get, path = "/docs/page.js", operation_id = "show_docs_script", tag = "operations",
    responses((status = 200, description = "The script", content_type = "text/javascript"))
)]
pub(crate) async fn show_docs_script() -> Response {
    file(SCRIPT, include_str!("page.js"))
}

/// The page's style.
#[utoipa::path(
    get, path = "/docs/page.css", operation_id = "show_docs_style", tag = "operations",
    responses((status = 200, description = "The style", content_type = "text/css"))
)]
pub(crate) async fn show_docs_style() -> Response {
    file(STYLE, include_str!("page.css"))
}

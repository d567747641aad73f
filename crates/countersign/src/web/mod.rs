//! The ground that every HTTP handler stands on: how a request is read, who it comes from, and how a refusal looks.
//!
//! Nothing here knows the store or the flow. Settings come in as plain values.

pub mod problem;
pub(crate) mod answer;
pub(crate) mod schema;
pub(crate) mod page;
pub mod json;
pub mod cookie;
pub mod origin;
pub mod client_address;
pub(crate) mod proxy_watch;
pub mod request_id;
pub mod envelope;

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Method};
use tower_http::cors::CorsLayer;

use origin::Origin;
use problem::Problem;
use request_id::X_REQUEST_ID;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How long a browser may remember what a preflight allowed.
const PREFLIGHT_AGE: Duration = Duration::from_secs(600);

/// The answer where no route is: a router's `fallback`.
pub async fn not_found() -> Problem {
    Problem::not_found()
}

/// The answer where a route is, but not for this method: a router's `method_not_allowed_fallback`, set after the
/// routes. axum adds `Allow`.
pub async fn method_not_allowed() -> Problem {
    Problem::method_not_allowed()
}

/// Lets pages of exactly these origins call the service with credentials (SEC-61); `None` where there are none.
#[must_use]
pub fn cors(origins: &[Origin]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(Origin::header).collect();
    if origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, IDEMPOTENCY_KEY, X_REQUEST_ID])
        .expose_headers([X_REQUEST_ID, RETRY_AFTER])
        .max_age(PREFLIGHT_AGE);
    Some(layer)
}

#[cfg(test)]
mod tests;

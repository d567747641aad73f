//! Answers that are no refusals.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

use super::problem::Problem;

/// Room for most answers, so that they are written without moving.
const USUAL_BODY: usize = 512;
/// Room for the headers of an answer and for those that the envelope adds.
const USUAL_HEADERS: usize = 12;

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut bytes = Vec::with_capacity(USUAL_BODY);
    if serde_json::to_writer(&mut bytes, body).is_err() {
        return Problem::internal_error().into_response();
    }
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    *response.headers_mut() = HeaderMap::with_capacity(USUAL_HEADERS);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

//! The access token as an axum extractor, for any application that has a [`Verifier`] in its state.
//!
//! ```
//! use std::sync::Arc;
//! use axum_core::extract::FromRef;
//! use countersign_token::{Verifier, axum::AccessToken};
//!
//! struct App {
//!     verifier: Arc<Verifier>,
//! }
//!
//! impl FromRef<App> for Arc<Verifier> {
//!     fn from_ref(app: &App) -> Self {
//!         Arc::clone(&app.verifier)
//!     }
//! }
//!
//! async fn greet(AccessToken(claims): AccessToken) -> String {
//!     format!("Hello, user {}", claims.subject)
//! }
//! ```

use std::sync::Arc;

use axum_core::body::Body;
use axum_core::extract::{FromRef, FromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode, request};

use crate::authorization::from_authorization;
use crate::claims::Claims;
use crate::refusal::Refusal;
use crate::verifier::Verifier;

/// The claims of the request's access token, checked against the `Arc<Verifier>` of the state by the verifier's own
/// clock. A request without a good token never reaches the handler: see [`Rejection`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken(pub Claims);

impl<S> FromRequestParts<S> for AccessToken
where
    Arc<Verifier>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Rejection> {
        let verifier = Arc::<Verifier>::from_ref(state);
        let token = token_of(&parts.headers)?;
        Ok(Self(verifier.verify_now(token)?))
    }
}

/// The token of a request's headers.
///
/// # Errors
/// [`Rejection`] where there is none, or more than one `Authorization` header.
pub fn token_of(headers: &HeaderMap) -> Result<&str, Rejection> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::Missing)?;
    if values.next().is_some() {
        return Err(Rejection::MultipleHeaders);
    }
    Ok(from_authorization(value)?)
}

/// Why a request was turned away; as a response it is a problem document (RFC 9457).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// `401`: no token, or not a good one.
    Refused(Refusal),
    /// `400`: two `Authorization` headers, of which a proxy may have checked the other.
    MultipleHeaders,
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let (status, title, detail, code) = match self {
            Self::Refused(refusal) => {
                (StatusCode::UNAUTHORIZED, "Unauthorized", refusal.detail(), refusal.code())
            }
            Self::MultipleHeaders => (
                StatusCode::BAD_REQUEST,
                "Bad Request",
                "More than one Authorization header",
                "multiple_authorization_headers",
            ),
        };
        // None of these texts holds a character that JSON escapes.
        let body = format!(
            r#"{{"type":"about:blank","title":"{title}","status":{},"detail":"{detail}","code":"{code}"}}"#,
            status.as_u16()
        );
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Self::Refused(refusal) = self {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(refusal.www_authenticate()));
        }
        response
    }
}

#[cfg(test)]
mod tests;

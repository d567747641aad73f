//! The extractor behind every route that needs an access token.

use axum::extract::{FromRef, FromRequestParts};
use axum::response::{IntoResponse, Response};
use countersign_token::{JwkSet, Refusal, from_authorization};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::{CurrentUser, refused, resolve};
use crate::service::Countersign;
use crate::web::answer;
use crate::web::problem::Problem;

impl<S> FromRequestParts<S> for CurrentUser
where
    S: Send + Sync,
    Countersign: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let token = token_in(&parts.headers).map_err(|why| match why {
            NoToken::Refused(refusal) => refused(refusal).into_response(),
            NoToken::Several => two_headers().into_response(),
        })?;
        resolve(&Countersign::from_ref(state), token).await.map_err(IntoResponse::into_response)
    }
}

/// Why a request has no access token that could be judged.
pub(crate) enum NoToken {
    Refused(Refusal),
    /// Two `Authorization` headers.
    Several,
}

/// The access token in the one `Authorization` header.
pub(crate) fn token_in(headers: &HeaderMap) -> Result<&str, NoToken> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(NoToken::Several),
        (None, None) => Err(NoToken::Refused(Refusal::Missing)),
        (Some(value), None) => from_authorization(value).map_err(NoToken::Refused),
    }
}

/// SEC-66: whoever sends two may mean either.
fn two_headers() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "multiple_authorization_headers",
        "Send one Authorization header, not several",
    )
}

/// The public keys of access tokens; none where they are signed with a shared secret (HS256).
#[utoipa::path(
    get, path = "/.well-known/jwks.json", operation_id = "show_jwks", tag = "operations",
    responses((status = 200, description = "A JSON Web Key Set (RFC 7517 §5)", content_type = "application/json"))
)]
pub(crate) async fn show_jwks() -> Response {
    answer::json(StatusCode::OK, &JwkSet::default())
}

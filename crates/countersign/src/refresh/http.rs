//! `POST /refresh`.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::SET_COOKIE;
use http::request::Parts;
use utoipa::ToSchema;

use super::retry_key::refusal;
use super::{RetryKey, exchange};
use crate::authenticate::http::{TokensBody, hand_out};
use crate::caller::Address;
use crate::error::{Error, RefreshRefusal, Result};
use crate::service::Countersign;
use crate::sign_in::Transport;
use crate::web::json::Form;
use crate::web::problem::Problem;
use crate::web::schema::ProblemBody;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What a native client sends.
#[derive(ToSchema)]
#[schema(as = RefreshToken)]
#[expect(dead_code, reason = "describes the form that `Form` reads field by field")]
pub(crate) struct RefreshTokenBody {
    refresh_token: String,
}

/// Spend the refresh token for its successor and a new access token.
///
/// Browsers send the cookie and no body; a cookie wins over any body.
#[utoipa::path(
    post, path = "/refresh", operation_id = "refresh", tag = "flow",
    request_body(content = Option<RefreshTokenBody>, content_type = "application/json",
                 description = "Native clients only"),
    params(("Idempotency-Key" = Option<String>, Header,
            description = "A random UUID, or 22 and more URL-safe characters: repeat the request with it where the \
                           answer was lost, and the same successor comes again")),
    responses(
        (status = 200, description = "The tokens; the successor in the cookie", body = TokensBody),
        (status = 400, description = "Two live cookies, a short Idempotency-Key, or a wrong form",
         body = ProblemBody),
        (status = 401, description = "Missing, invalid, spent, reused, revoked or expired; `session_ended` says \
                                      whether to sign in again", body = ProblemBody),
        (status = 403, description = "A page of another site asked", body = ProblemBody),
        (status = 503, description = "The database is away: try again with the same token", body = ProblemBody),
    ),
    security(("refresh_cookie" = []))
)]
pub(crate) async fn refresh(
    State(service): State<Countersign>,
    Address(from): Address,
    request: Request,
) -> Result<Response, Problem> {
    let (Parts { headers, .. }, body) = request.into_parts();
    service.origins().check(&headers)?;
    let retry_key = retry_key(&headers)?;
    let cookies = service.refresh_cookie().values(&headers);
    if cookies.is_empty() {
        let token = token_in(&headers, body).await?;
        let tokens =
            exchange(&service, token.as_deref().as_slice(), Transport::Body, retry_key, from).await?;
        return Ok(hand_out(&service, &tokens, Transport::Body)?);
    }
    let tokens = exchange(&service, &cookies, Transport::Cookie, retry_key, from).await;
    let answer = tokens.and_then(|tokens| hand_out(&service, &tokens, Transport::Cookie));
    Ok(answer.unwrap_or_else(|error| refuse(&service, error)))
}

/// The cookie is deleted only where its token is dead for good: never on a race, a cross-site request or trouble.
fn refuse(service: &Countersign, error: Error) -> Response {
    use RefreshRefusal::{Expired, Invalid, Reused, Revoked};
    let is_dead = matches!(error, Error::RefreshToken(Invalid | Reused | Revoked | Expired));
    let mut response = error.into_response();
    if is_dead {
        response.headers_mut().append(SET_COOKIE, service.refresh_cookie().delete());
    }
    response
}

fn retry_key(headers: &HeaderMap) -> Result<Option<RetryKey>> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => RetryKey::parse(value.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(refusal()),
    }
}

/// The refresh token of a native client. No body, or an empty object, has none.
pub(crate) async fn token_in(headers: &HeaderMap, body: Body) -> Result<Option<String>, Problem> {
    let Some(mut form) = Form::optional(headers, body).await? else { return Ok(None) };
    let token = form.optional_text("refresh_token");
    form.finish().into_result()?;
    Ok(token)
}

//! `GET /verify`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::verify as judge;
use crate::access::http::token_in;
use crate::error::{Error, Internal, Result};
use crate::service::Countersign;
use crate::web::schema::ProblemBody;

const X_AUTH_USER_ID: HeaderName = HeaderName::from_static("x-auth-user-id");
const X_AUTH_USERNAME: HeaderName = HeaderName::from_static("x-auth-username");

/// Is the access token good, and whose is it? For reverse proxies.
///
/// Only `Authorization` is looked at; nothing that the client or the proxy says besides is copied or judged.
#[utoipa::path(
    get, path = "/verify", operation_id = "verify", tag = "operations",
    responses(
        (status = 204, description = "Let it through, with these two headers in place of the client's", headers(
            ("X-Auth-User-Id" = String, description = "The user's id"),
            ("X-Auth-Username" = String, description = "The username as typed"))),
        (status = 401, description = "No good access token: turn it away", body = ProblemBody),
        (status = 503, description = "The database is away: turn it away", body = ProblemBody),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn verify(State(service): State<Countersign>, headers: HeaderMap) -> Result<Response> {
    let user = judge(&service, token_in(&headers)).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(X_AUTH_USER_ID, HeaderValue::from(user.id.as_i64()));
    response.headers_mut().insert(X_AUTH_USERNAME, header(&user.username)?);
    Ok(response)
}

/// A username is letters, digits, `-` and `_`; a row that says otherwise opens nothing.
fn header(username: &str) -> Result<HeaderValue> {
    let is_plain = username.bytes().all(|byte| byte.is_ascii_graphic());
    let value = HeaderValue::from_str(username).ok().filter(|_| is_plain);
    value.ok_or_else(|| Error::Unavailable(Internal::new("a username that no header can carry")))
}

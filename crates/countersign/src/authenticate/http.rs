//! `POST /authenticate`, and the shape in which tokens leave the service.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Attempt, Tokens, authenticate as trade, device};
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::service::Countersign;
use crate::sign_in::{self, Client, Transport};
use crate::time::Timestamp;
use crate::web::answer;
use crate::web::json::Form;
use crate::web::schema::ProblemBody;

/// The tokens that a client gets. The refresh token is in the cookie, and here only for native clients.
#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
pub(crate) struct TokensBody<'t> {
    /// A JWT: send it as `Authorization: Bearer …`, and keep it in memory alone.
    access_token: &'t str,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    #[schema(example = 600)]
    expires_in: i64,
    /// Only with `refresh_token_transport: "body"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String)]
    refresh_token: Option<&'t str>,
}

/// What a sign-in sends.
#[derive(ToSchema)]
#[schema(as = Credentials)]
#[expect(dead_code, reason = "describes the form that `Form` reads field by field")]
pub(crate) struct CredentialsBody {
    #[schema(example = "ada")]
    username: String,
    #[schema(format = Password)]
    password: String,
    /// `body` for native clients that can't keep cookies; a sign-in keeps its transport for life.
    #[schema(required = false, value_type = String, default = "cookie", pattern = "^(cookie|body)$")]
    refresh_token_transport: Option<String>,
}

/// The answer that hands tokens out, with the refresh token where the client keeps it.
pub(crate) fn hand_out(service: &Countersign, tokens: &Tokens, transport: Transport) -> Result<Response> {
    let body = TokensBody {
        access_token: &tokens.access_token,
        token_type: "Bearer",
        expires_in: tokens.expires_in,
        refresh_token: (transport == Transport::Body).then_some(tokens.refresh_token.as_str()),
    };
    let mut response = answer::json(StatusCode::OK, &body);
    if transport == Transport::Cookie {
        let cookie = refresh_cookie(service, &tokens.refresh_token, tokens.refresh_expires_at)?;
        response.headers_mut().append(SET_COOKIE, cookie);
        if let Some(marks) = &tokens.device {
            let cookie = service.device_cookie().set(marks, device::LIFETIME)?;
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    Ok(response)
}

/// `Set-Cookie` of a refresh token.
pub(crate) fn refresh_cookie(
    service: &Countersign,
    token: &str,
    expires_at: Timestamp,
) -> Result<HeaderValue> {
    service.refresh_cookie().set(token, whole_seconds(expires_at.since(service.now())))
}

/// Rounded up: the milliseconds that an answer takes must not cost the cookie a second.
fn whole_seconds(remaining: Duration) -> Duration {
    Duration::from_secs(u64::try_from(remaining.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX))
}

/// Trade a password for an access token and a refresh token.
#[utoipa::path(
    post, path = "/authenticate", operation_id = "authenticate", tag = "flow",
    request_body(content = CredentialsBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The tokens; the refresh token in the cookie", body = TokensBody,
         headers(("Set-Cookie" = String, description = "Two of them: the refresh token, and the mark of a known \
                                                        device. HttpOnly; Secure; SameSite=Strict"))),
        (status = 400, description = "The form is wrong", body = ProblemBody),
        (status = 401, description = "Invalid credentials", body = ProblemBody),
        (status = 429, description = "Too many wrong passwords: try again after Retry-After", body = ProblemBody),
        (status = 503, description = "Overloaded, or the database is away: try again", body = ProblemBody),
    )
)]
pub(crate) async fn authenticate(
    State(service): State<Countersign>,
    headers: HeaderMap,
    caller: Caller,
    mut form: Form,
) -> Result<Response> {
    let username = form.text("username");
    let password = form.secret("password");
    let choices = [("cookie", Transport::Cookie), ("body", Transport::Body)];
    let transport = form.choice("refresh_token_transport", &choices).unwrap_or(Transport::Cookie);
    let errors = form.finish();
    let (Some(username), Some(password)) = (username, password) else {
        return Err(Error::Invalid(errors));
    };
    errors.into_result()?;
    let cookies = service.refresh_cookie().values(&headers);
    let came_along = sign_in::authentic(&service, &cookies);
    let replaced = came_along.iter().map(|token| token.sign_in).collect();
    let devices = device::authentic(&service, &service.device_cookie().values(&headers));
    let Caller { address, user_agent } = caller;
    let client = Client { user_agent, address, transport };
    let attempt = Attempt { username, password, client, replaced, devices };
    let tokens = trade(&service, attempt).await?;
    hand_out(&service, &tokens, transport)
}

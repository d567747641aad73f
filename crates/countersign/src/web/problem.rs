//! How a refusal looks from outside: the one map from [`Error`] to problem details (RFC 9457).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::error::{AccessRefusal, Error, FieldError, FieldErrors, Internal, RefreshRefusal, TokenRefusal};

/// The media type of every refusal.
pub const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// When a client may try again after the database, or the time for a request, ran out.
const SOON: Duration = Duration::from_secs(1);

/// What a `401` asks for (RFC 6750 §3): nothing is said of an error where no access token was sent (SEC-65).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Challenge {
    Bearer,
    InvalidToken,
    ExpiredToken,
}

/// A refusal as the client reads it: status, stable `code`, a sentence, and what some refusals say beside.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    errors: FieldErrors,
    session_ended: Option<bool>,
    retry_after: Option<Duration>,
    challenge: Option<Challenge>,
    internal: Option<Internal>,
}

/// The inside of a fault, on its way from the handler to the log. The envelope takes it off the response.
#[derive(Debug, Clone)]
pub struct ForTheLog(Arc<Internal>);

impl ForTheLog {
    /// The text, for the log alone.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.for_the_log()
    }
}

impl Problem {
    /// A refusal with its status, its stable word and a sentence for people.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: FieldErrors::new(),
            session_ended: None,
            retry_after: None,
            challenge: None,
            internal: None,
        }
    }

    /// Adds `Retry-After`, in whole seconds, rounded up, one at least.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable word.
    #[cfg(test)]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for people.
    #[cfg(test)]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Nothing answers at this path, or nothing that the caller may see.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found")
    }

    /// The path exists, the method doesn't. Whoever answers adds `Allow`.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "Method not allowed; see the Allow header",
        )
    }

    /// A fault of ours, of which nothing is said.
    #[must_use]
    pub fn internal_error() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong on our side")
    }

    /// The request took longer than the service gives it.
    #[must_use]
    pub fn timeout() -> Self {
        let detail = "The request took too long and was abandoned";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail).retry_after(SOON)
    }

    fn unauthorized(code: &'static str, detail: &'static str, challenge: Challenge) -> Self {
        Self { challenge: Some(challenge), ..Self::new(StatusCode::UNAUTHORIZED, code, detail) }
    }

    fn invalid(errors: FieldErrors) -> Self {
        let detail = "The request has invalid fields; see errors";
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, "validation_failed", detail) }
    }

    fn access_token(refusal: AccessRefusal) -> Self {
        let (code, detail, challenge) = match refusal {
            AccessRefusal::Missing => ("access_token_missing", "No access token", Challenge::Bearer),
            AccessRefusal::Invalid => {
                ("access_token_invalid", "Invalid access token", Challenge::InvalidToken)
            }
            AccessRefusal::Expired => {
                ("access_token_expired", "Access token has expired", Challenge::ExpiredToken)
            }
        };
        Self::unauthorized(code, detail, challenge)
    }

    fn refresh_token(refusal: RefreshRefusal) -> Self {
        let invalid = "Invalid refresh token";
        let (code, detail, session_ended) = match refusal {
            RefreshRefusal::Missing => ("refresh_token_missing", "No refresh token", false),
            RefreshRefusal::Invalid => ("refresh_token_invalid", invalid, false),
            RefreshRefusal::Spent => ("refresh_token_spent", invalid, false),
            RefreshRefusal::Reused => ("refresh_token_reused", invalid, true),
            RefreshRefusal::Revoked => ("refresh_token_revoked", invalid, true),
            RefreshRefusal::Expired => ("refresh_token_expired", "Refresh token has expired", true),
        };
        Self { session_ended: Some(session_ended), ..Self::unauthorized(code, detail, Challenge::Bearer) }
    }

    fn one_time_token(refusal: TokenRefusal) -> Self {
        let (code, detail) = match refusal {
            TokenRefusal::Invalid => {
                ("invalid_token", "This link was used before, or a newer one was sent: ask for another one")
            }
            TokenRefusal::Expired => ("expired_token", "This link has expired: ask for another one"),
        };
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    fn overloaded(retry_after: Duration) -> Self {
        let detail = "The service is busy; try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).retry_after(retry_after)
    }

    fn rate_limited(retry_after: Duration) -> Self {
        let detail = "Too many attempts; try again later";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail).retry_after(retry_after)
    }

    fn database_unavailable(internal: Internal) -> Self {
        let detail = "The service can't answer just now; try again in a moment";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable", detail);
        Self { internal: Some(internal), ..problem.retry_after(SOON) }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let forbidden = |code, detail| Self::new(StatusCode::FORBIDDEN, code, detail);
        match error {
            Error::Invalid(errors) => Self::invalid(errors),
            Error::InvalidCredentials => {
                Self::unauthorized("invalid_credentials", "Invalid credentials", Challenge::Bearer)
            }
            Error::AccessToken(refusal) => Self::access_token(refusal),
            Error::RefreshToken(refusal) => Self::refresh_token(refusal),
            Error::AmbiguousRefreshCookie => {
                let detail = "Several live refresh tokens came along; none was used";
                Self::new(StatusCode::BAD_REQUEST, "ambiguous_refresh_cookie", detail)
            }
            Error::WrongPassword => forbidden("wrong_password", "The current password is wrong"),
            Error::ReauthenticationRequired => {
                forbidden("reauthentication_required", "Sign in again before you change this account")
            }
            Error::CrossSiteRequest => {
                forbidden("cross_site_request", "Requests from other sites are not accepted here")
            }
            Error::OneTimeToken(refusal) => Self::one_time_token(refusal),
            Error::EmailMissing => {
                let detail = "This account has no e-mail address; set one first";
                Self::new(StatusCode::BAD_REQUEST, "email_missing", detail)
            }
            Error::AlreadyVerified => {
                let detail = "This e-mail address is verified already";
                Self::new(StatusCode::CONFLICT, "already_verified", detail)
            }
            Error::EmailInUse => {
                let detail = "Another account has verified this e-mail address";
                Self::new(StatusCode::CONFLICT, "email_in_use", detail)
            }
            Error::IdentityInUse => {
                let detail = "This identity opens another account already";
                Self::new(StatusCode::CONFLICT, "identity_in_use", detail)
            }
            Error::LastWayIn => {
                let detail = "Nothing else opens this account; set a password or link another identity first";
                Self::new(StatusCode::CONFLICT, "last_way_in", detail)
            }
            Error::OAuthState => {
                let detail = "This sign-in was finished before, began in another browser, or never began";
                Self::new(StatusCode::BAD_REQUEST, "invalid_state", detail)
            }
            Error::ProviderUnavailable => {
                let detail = "The provider does not answer just now; try again in a moment";
                let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "provider_unavailable", detail);
                problem.retry_after(SOON)
            }
            Error::NotFound => Self::not_found(),
            Error::Overloaded { retry_after } => Self::overloaded(retry_after),
            Error::RateLimited { retry_after } => Self::rate_limited(retry_after),
            Error::Unavailable(internal) => Self::database_unavailable(internal),
            Error::Fault(internal) => Self { internal: Some(internal), ..Self::internal_error() },
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, MEDIA_TYPE);
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, challenge.header());
        }
        if let Some(after) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        if let Some(internal) = self.internal {
            response.extensions_mut().insert(ForTheLog(Arc::new(internal)));
        }
        response
    }
}

impl Challenge {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Bearer => "Bearer",
            Self::InvalidToken => r#"Bearer error="invalid_token", error_description="Invalid access token""#,
            Self::ExpiredToken => {
                r#"Bearer error="invalid_token", error_description="Access token has expired""#
            }
        })
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)).max(1)
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "about:blank")?;
        map.serialize_entry("title", self.status.canonical_reason().unwrap_or("Refused"))?;
        map.serialize_entry("status", &self.status.as_u16())?;
        map.serialize_entry("detail", &self.detail)?;
        map.serialize_entry("code", self.code)?;
        if !self.errors.is_empty() {
            map.serialize_entry("errors", &ByField(&self.errors))?;
        }
        if let Some(ended) = self.session_ended {
            map.serialize_entry("session_ended", &ended)?;
        }
        map.end()
    }
}

struct ByField<'a>(&'a FieldErrors);

impl Serialize for ByField<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(field, errors)| (field, Reasons(errors))))
    }
}

struct Reasons<'a>(&'a [FieldError]);

impl Serialize for Reasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Reason<'a> {
            code: &'static str,
            message: &'a str,
        }
        serializer
            .collect_seq(self.0.iter().map(|error| Reason { code: error.code, message: &error.message }))
    }
}

#[cfg(test)]
mod tests;

//! `/me/identities`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Name, attempt_cookie, named};
use crate::access::CurrentUser;
use crate::caller::Address;
use crate::error::{Error, Result};
use crate::oauth::attempt::LIFETIME;
use crate::oauth::{Identity, Sent, begin_link, list, remove};
use crate::service::Countersign;
use crate::time::Timestamp;
use crate::web::answer;
use crate::web::json::Form;
use crate::web::problem::Problem;
use crate::web::schema::ProblemBody;

/// Where to send the browser.
#[derive(Serialize, ToSchema)]
#[schema(as = AuthorizationUrl)]
struct AuthorizationUrlBody<'u> {
    /// Navigate there.
    #[schema(example = "https://accounts.google.com/o/oauth2/v2/auth?state=…")]
    authorization_url: &'u str,
}

/// Where the person goes after an identity was linked.
#[derive(ToSchema)]
#[schema(as = NewLink)]
#[expect(dead_code, reason = "describes the form that `Form` reads field by field")]
pub(crate) struct NewLinkBody {
    /// `public_url`, or one of `allowed_return_urls`.
    #[schema(required = false, example = "https://app.example.com/settings")]
    return_to: Option<String>,
}

/// What opens the account beside a password.
#[derive(Serialize, ToSchema)]
#[schema(as = Identities)]
struct IdentitiesBody<'i> {
    identities: Vec<IdentityBody<'i>>,
}

/// An identity at a provider.
#[derive(Serialize, ToSchema)]
#[schema(as = Identity)]
struct IdentityBody<'i> {
    /// Opaque.
    #[schema(value_type = String, example = "464279034720813514")]
    id: String,
    #[schema(example = "google")]
    provider: &'i str,
    /// The address that the provider last gave; nothing is decided by it.
    #[schema(required, example = "ada@example.com")]
    email: Option<&'i str>,
    /// When it was linked: RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-11-24T09:30:00.125Z")]
    created_at: String,
    /// When it last opened a sign-in.
    #[schema(required, format = DateTime)]
    last_used_at: Option<String>,
}

impl<'i> From<&'i Identity> for IdentityBody<'i> {
    fn from(identity: &'i Identity) -> Self {
        Self {
            id: identity.id.to_string(),
            provider: &identity.provider,
            email: identity.email.as_deref(),
            created_at: identity.created_at.to_rfc3339(),
            last_used_at: identity.last_used_at.map(Timestamp::to_rfc3339),
        }
    }
}

/// Link an identity at a provider to my account.
#[utoipa::path(
    post, path = "/me/identities/{identity}", operation_id = "link_identity", tag = "account",
    params(("identity" = String, Path, description = "A provider of the settings", example = "google")),
    request_body(content = Option<NewLinkBody>, content_type = "application/json"),
    responses(
        (status = 200, description = "Where to send this browser: it keeps the cookie, and the identity is linked when \
                                      it comes back", body = AuthorizationUrlBody,
         headers(("Set-Cookie" = String, description = "oauth_…, which binds the attempt to this browser"))),
        (status = 400, description = "return_to is not allowed", body = ProblemBody),
        (status = 401, description = "No good access token", body = ProblemBody),
        (status = 403, description = "Sign in afresh: this sign-in is older than ten minutes", body = ProblemBody),
        (status = 404, description = "There is no such provider", body = ProblemBody),
        (status = 429, description = "Too many attempts: try again after Retry-After", body = ProblemBody),
        (status = 503, description = "The provider, or the database, is away: try again", body = ProblemBody),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn link_identity(
    State(service): State<Countersign>,
    who: CurrentUser,
    provider: Name,
    Address(from): Address,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let provider = named(provider)?;
    let return_to = match Form::optional(&headers, body).await? {
        Some(mut form) => {
            let return_to = form.optional_text("return_to");
            form.finish().into_result()?;
            return_to
        }
        None => None,
    };
    let Sent { url, cookie_name, mark } =
        begin_link(&service, &who, &provider, return_to.as_deref(), from).await?;
    let body = AuthorizationUrlBody { authorization_url: url.as_str() };
    let mut response = answer::json(StatusCode::OK, &body);
    let cookie = attempt_cookie(&service, &provider, &cookie_name)?.set(&mark, LIFETIME)?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

/// Which identities open my account?
#[utoipa::path(
    get, path = "/me/identities", operation_id = "list_identities", tag = "account",
    responses(
        (status = 200, description = "The identities, the oldest first", body = IdentitiesBody),
        (status = 401, description = "No good access token", body = ProblemBody),
        (status = 503, description = "The database is away: try again", body = ProblemBody),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn list_identities(
    State(service): State<Countersign>,
    who: CurrentUser,
) -> Result<Response> {
    let identities = list(&service, who.user.id).await?;
    let identities = identities.iter().map(IdentityBody::from).collect();
    Ok(answer::json(StatusCode::OK, &IdentitiesBody { identities }))
}

/// Remove an identity from my account.
#[utoipa::path(
    delete, path = "/me/identities/{identity}", operation_id = "remove_identity", tag = "account",
    params(("identity" = String, Path, description = "The `id` of an identity of one's own")),
    responses(
        (status = 204, description = "It opens nothing here any more, and every other sign-in has ended"),
        (status = 401, description = "No good access token", body = ProblemBody),
        (status = 403, description = "Sign in afresh: this sign-in is older than ten minutes", body = ProblemBody),
        (status = 404, description = "No identity of one's own has this id", body = ProblemBody),
        (status = 409, description = "Nothing else would open the account", body = ProblemBody),
        (status = 503, description = "The database is away: try again", body = ProblemBody),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn remove_identity(
    State(service): State<Countersign>,
    who: CurrentUser,
    Address(from): Address,
    id: Name,
) -> Result<Response> {
    // What can't be an id is nobody's.
    let id = id.ok().and_then(|Path(id)| id.parse().ok()).ok_or(Error::NotFound)?;
    remove(&service, &who, id, from).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

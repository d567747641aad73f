//! `GET /oauth/{provider}` and its callback.

pub(crate) mod identities;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::attempt::{COOKIE, LIFETIME};
use super::return_to::with_error;
use super::{Begun, Finished, Returned, Sent, begin, cookie_name, finish, page};
use crate::authenticate::http::refresh_cookie;
use crate::caller::{Address, Caller};
use crate::error::{Error, FieldError, FieldErrors, Internal, Result};
use crate::service::Countersign;
use crate::sign_in::{Client, Transport};
use crate::web::cookie::{self, Cookie};
use crate::web::json;
use crate::web::problem::Problem;
use crate::web::schema::ProblemBody;

/// How many attempts may be under way in one browser; the oldest ones' cookies go when somebody comes back.
const MOST_TABS: usize = 20;
/// The parameters of a callback that are handed on when a provider posts them.
const HANDED_ON: [&str; 4] = ["state", "code", "iss", "error"];
/// The largest parameter that is read. A code of some issuers is a token of several kilobytes.
const LONGEST: usize = 6_000;

type Name = Result<Path<String>, PathRejection>;

/// Send the person to a provider.
#[utoipa::path(
    get, path = "/oauth/{provider}", operation_id = "start_oauth", tag = "flow",
    params(
        ("provider" = String, Path, description = "A provider of the settings", example = "google"),
        ("return_to" = Option<String>, Query,
         description = "Where the person goes afterwards: public_url, or one of allowed_return_urls"),
    ),
    responses(
        (status = 303, description = "To the provider, or to return_to with ?error=",
         headers(("Location" = String, description = "Where to"),
                 ("Set-Cookie" = String, description = "oauth_…, which binds the attempt to this browser"))),
        (status = 400, description = "return_to is not allowed", content(
            (ProblemBody = "application/problem+json"), (String = "text/html"))),
        (status = 404, description = "There is no such provider", content(
            (ProblemBody = "application/problem+json"), (String = "text/html"))),
        (status = 429, description = "Too many attempts: try again after Retry-After", content(
            (ProblemBody = "application/problem+json"), (String = "text/html"))),
        (status = 503, description = "The database is away: try again", content(
            (ProblemBody = "application/problem+json"), (String = "text/html"))),
    )
)]
pub(crate) async fn start_oauth(
    State(service): State<Countersign>,
    provider: Name,
    RawQuery(query): RawQuery,
    Address(from): Address,
    headers: HeaderMap,
) -> Response {
    let begun = async {
        let provider = named(provider)?;
        let [return_to] = parameters(query.as_deref().unwrap_or_default(), ["return_to"])?;
        let begun = begin(&service, &provider, return_to.as_deref().map(String::as_str), from).await?;
        match begun {
            Begun::Sent(Sent { url, cookie_name, mark }) => {
                let mut response = see_other(&url)?;
                let cookie = attempt_cookie(&service, &provider, &cookie_name)?.set(&mark, LIFETIME)?;
                response.headers_mut().append(SET_COOKIE, cookie);
                Ok(response)
            }
            Begun::Refused { to, why } => see_other(&with_error(&to, why.word())),
        }
    };
    begun.await.unwrap_or_else(|error: Error| page::refuse(&service, &headers, error))
}

/// Come back from a provider.
#[utoipa::path(
    get, path = "/oauth/{provider}/callback", operation_id = "finish_oauth", tag = "flow",
    params(
        ("provider" = String, Path, description = "A provider of the settings", example = "google"),
        ("state" = Option<String>, Query, description = "As the person was sent with"),
        ("code" = Option<String>, Query, description = "What the provider gives for it"),
        ("iss" = Option<String>, Query, description = "Who the provider is (RFC 9207)"),
        ("error" = Option<String>, Query, description = "Why the provider gives none"),
    ),
    responses(
        (status = 303, description = "To return_to, signed in, or with ?error=",
         headers(("Location" = String, description = "Where to"),
                 ("Set-Cookie" = String, description = "The refresh token where the person was signed in; the \
                                                        attempt's cookie is deleted"))),
        (status = 400, description = "The state is not one of this browser's, or was used", content(
            (ProblemBody = "application/problem+json"), (String = "text/html"))),
        (status = 404, description = "There is no such provider", content(
            (ProblemBody = "application/problem+json"), (String = "text/html"))),
        (status = 503, description = "The database is away: try again", content(
            (ProblemBody = "application/problem+json"), (String = "text/html"))),
    )
)]
pub(crate) async fn finish_oauth(
    State(service): State<Countersign>,
    provider: Name,
    RawQuery(query): RawQuery,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let finished = async {
        let provider = named(provider)?;
        let returned = returned(query.as_deref().unwrap_or_default())?;
        let name = returned.state.as_ref().and_then(|state| cookie_name(&service, state));
        let name = name.ok_or(Error::OAuthState)?;
        let marks = cookie::values(&headers, &name);
        let Caller { address, user_agent } = caller;
        let client = Client { user_agent, address, transport: Transport::Cookie };
        let finished = finish(&service, &provider, returned, &marks, client).await?;
        let mut response = match finished {
            Finished::SignedIn { to, token, expires_at } => {
                let mut response = see_other(&to)?;
                let cookie = refresh_cookie(&service, &token, expires_at)?;
                response.headers_mut().append(SET_COOKIE, cookie);
                response
            }
            Finished::Linked { to } => see_other(&to)?,
            Finished::Refused { to, why } => see_other(&with_error(&to, why.word()))?,
        };
        for name in std::iter::once(name.as_str()).chain(surplus(&headers, &name)) {
            let deletion = attempt_cookie(&service, &provider, name)?.delete();
            response.headers_mut().append(SET_COOKIE, deletion);
        }
        Ok(response)
    };
    finished.await.unwrap_or_else(|error: Error| page::refuse(&service, &headers, error))
}

/// Come back from a provider that posts. The browser sends no `SameSite=Lax` cookie with a form of another site, so that
/// nothing can be decided here: it is sent on to the same address with the same parameters, by `GET`.
#[utoipa::path(
    post, path = "/oauth/{provider}/callback", operation_id = "hand_on_oauth", tag = "flow",
    params(("provider" = String, Path, description = "A provider of the settings", example = "apple")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
                 description = "response_mode=form_post: state, code, iss, error; all else is dropped"),
    responses(
        (status = 303, description = "To the same address by GET",
         headers(("Location" = String, description = "Where to"))),
        (status = 400, description = "The form is wrong", content(
            (ProblemBody = "application/problem+json"), (String = "text/html"))),
        (status = 404, description = "There is no such provider", content(
            (ProblemBody = "application/problem+json"), (String = "text/html"))),
        (status = 415, description = "The body is no form", body = ProblemBody),
    )
)]
pub(crate) async fn hand_on_oauth(
    State(service): State<Countersign>,
    provider: Name,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let bytes = match form(&headers, body).await {
        Ok(bytes) => bytes,
        Err(problem) => return problem.into_response(),
    };
    let handed_on = || {
        let provider = named(provider)?;
        service.identity_providers().get(&provider).ok_or(Error::NotFound)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::OAuthState)?;
        let given = parameters(text, HANDED_ON)?;
        let mut to = service.settings().redirect_uri(&provider);
        for (name, value) in HANDED_ON.into_iter().zip(given) {
            if let Some(value) = value {
                to.query_pairs_mut().append_pair(name, &value);
            }
        }
        see_other(&to)
    };
    handed_on().unwrap_or_else(|error: Error| page::refuse(&service, &headers, error))
}

async fn form(headers: &HeaderMap, body: Body) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let media_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if !essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        let detail = "Send the body with Content-Type: application/x-www-form-urlencoded";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    json::read(headers, body).await
}

fn named(provider: Name) -> Result<String> {
    provider.map(|Path(name)| name).map_err(|_| Error::NotFound)
}

/// The parameters of these names, each given once at most; all others are nobody's.
fn parameters<const N: usize>(
    text: &str,
    names: [&'static str; N],
) -> Result<[Option<Zeroizing<String>>; N]> {
    let mut found = [const { None }; N];
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let Some(place) = names.iter().position(|known| *known == name) else { continue };
        let refuse = |error| {
            let field = names.get(place).copied().unwrap_or_default();
            Err(Error::Invalid(FieldErrors::of(field, error)))
        };
        match found.get_mut(place) {
            _ if value.len() > LONGEST => return refuse(FieldError::new("too_long", "is too long")),
            Some(place @ None) => *place = Some(Zeroizing::new(value.into_owned())),
            _ => return refuse(FieldError::new("duplicate_field", "is given more than once")),
        }
    }
    Ok(found)
}

/// A callback that says anything twice has been tampered with: it has no state.
pub(super) fn returned(query: &str) -> Result<Returned> {
    let [state, code, iss, error] = parameters(query, HANDED_ON).map_err(|_| Error::OAuthState)?;
    let plain = |text: Option<Zeroizing<String>>| text.map(|text| text.to_string());
    Ok(Returned { state, code, iss: plain(iss), error: plain(error) })
}

/// The names of the attempts' cookies beyond those that may be under way at once. Browsers send the oldest first.
fn surplus<'h>(headers: &'h HeaderMap, but: &str) -> Vec<&'h str> {
    let mut names = cookie::names(headers, COOKIE);
    names.retain(|name| *name != but && name.len() == but.len());
    let most = names.len().saturating_sub(MOST_TABS);
    names.truncate(most);
    names
}

fn attempt_cookie(service: &Countersign, provider: &str, name: &str) -> Result<Cookie> {
    let settings = service.settings();
    let path = format!("{}/oauth/{provider}/callback", settings.path_prefix());
    Cookie::lax(name, &path, settings.cookie_secure).map_err(|fault| Error::Fault(Internal::new(fault)))
}

/// To a clean address by `GET`, whatever the method was (SEC-96).
fn see_other(to: &Url) -> Result<Response> {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let mut location = HeaderValue::try_from(to.as_str())
        .map_err(|_| Error::Fault(Internal::new("an address that no header takes")))?;
    location.set_sensitive(true);
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

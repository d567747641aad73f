//! `POST /verify-email/request`, `POST /verify-email`, and the page behind the link.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use utoipa::ToSchema;

use super::{confirm, request};
use crate::access::CurrentUser;
use crate::caller::Address;
use crate::error::{Error, Result};
use crate::language::Language;
use crate::service::Countersign;
use crate::web::json::Form;
use crate::web::page;
use crate::web::schema::ProblemBody;

/// What the link's page sends.
#[derive(ToSchema)]
#[schema(as = OneTimeToken)]
#[expect(dead_code, reason = "describes the form that `Form` reads field by field")]
pub(crate) struct TokenBody {
    /// What stands behind `#token=` in the link.
    #[schema(format = Password)]
    token: String,
}

/// Have a link mailed that confirms the account's address.
#[utoipa::path(
    post, path = "/verify-email/request", operation_id = "request_email_verification", tag = "account",
    responses(
        (status = 202, description = "The mail is on its way; links that were mailed before are dead"),
        (status = 400, description = "The account has no address", body = ProblemBody),
        (status = 401, description = "No good access token", body = ProblemBody),
        (status = 409, description = "The address is confirmed already", body = ProblemBody),
        (status = 429, description = "Too many mails: try again later", body = ProblemBody),
        (status = 503, description = "The database is away: try again", body = ProblemBody),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn request_email_verification(
    State(service): State<Countersign>,
    who: CurrentUser,
    Address(from): Address,
) -> Result<Response> {
    request(&service, &who, from).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// Confirm an address by the token of the link.
#[utoipa::path(
    post, path = "/verify-email", operation_id = "verify_email", tag = "account",
    request_body(content = TokenBody, content_type = "application/json"),
    responses(
        (status = 204, description = "The address is confirmed"),
        (status = 400, description = "The token is not good, or not any more", body = ProblemBody),
        (status = 409, description = "Another account has confirmed this address", body = ProblemBody),
        (status = 429, description = "Too many tokens from this address were not good", body = ProblemBody),
        (status = 503, description = "The database is away: try again", body = ProblemBody),
    )
)]
pub(crate) async fn verify_email(
    State(service): State<Countersign>,
    Address(from): Address,
    mut form: Form,
) -> Result<Response> {
    let token = form.secret("token");
    let errors = form.finish();
    let Some(token) = token else { return Err(Error::Invalid(errors)) };
    errors.into_result()?;
    confirm(&service, token, from).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The page behind the link. It does nothing until a person presses its button.
#[utoipa::path(
    get, path = "/verify-email", operation_id = "show_email_verification", tag = "account",
    responses((status = 200, description = "The page", content_type = "text/html"))
)]
pub(crate) async fn show_email_verification() -> Response {
    let language = Language::current();
    page::localised(
        language,
        match language {
            Language::English => include_str!("page.en.html"),
            Language::German => include_str!("page.de.html"),
        },
    )
}

/// The page's script.
#[utoipa::path(
    get, path = "/verify-email/page.js", operation_id = "show_email_verification_script", tag = "account",
    responses((status = 200, description = "The script", content_type = "text/javascript"))
)]
pub(crate) async fn show_email_verification_script() -> Response {
    page::file(page::SCRIPT, include_str!("page.js"))
}

/// The page's style.
#[utoipa::path(
    get, path = "/verify-email/page.css", operation_id = "show_email_verification_style", tag = "account",
    responses((status = 200, description = "The style", content_type = "text/css"))
)]
pub(crate) async fn show_email_verification_style() -> Response {
    page::file(page::STYLE, page::LINK_STYLE)
}

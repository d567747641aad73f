//! `POST /password-reset`, `POST /password-reset/confirm`, and the page behind the link.

use std::borrow::Cow;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use utoipa::ToSchema;

use super::{confirm, request};
use crate::caller::{Address, Caller};
use crate::error::{Error, Internal, Result};
use crate::language::Language;
use crate::service::Countersign;
use crate::template::Template;
use crate::web::json::Form;
use crate::web::page;
use crate::web::schema::ProblemBody;

/// Who forgot a password.
#[derive(ToSchema)]
#[schema(as = PasswordResetRequest)]
#[expect(dead_code, reason = "describes the form that `Form` reads field by field")]
pub(crate) struct RequestBody {
    #[schema(example = "ada@example.com")]
    email: String,
}

/// What the link's page sends.
#[derive(ToSchema)]
#[schema(as = PasswordReset)]
#[expect(dead_code, reason = "describes the form that `Form` reads field by field")]
pub(crate) struct ConfirmBody {
    /// What stands behind `#token=` in the link.
    #[schema(format = Password)]
    token: String,
    /// The rules are those of a sign-up.
    #[schema(format = Password)]
    password: String,
}

/// Have a link mailed that sets a new password.
///
/// The answer is the same, in the same time, whether an account has this address or not.
#[utoipa::path(
    post, path = "/password-reset", operation_id = "request_password_reset", tag = "account",
    request_body(content = RequestBody, content_type = "application/json"),
    responses(
        (status = 202, description = "If an account has confirmed this address, a mail is on its way"),
        (status = 400, description = "The form is wrong", body = ProblemBody),
        (status = 503, description = "The database is away: try again", body = ProblemBody),
    )
)]
pub(crate) async fn request_password_reset(
    State(service): State<Countersign>,
    Address(from): Address,
    mut form: Form,
) -> Result<Response> {
    let email = form.text("email");
    let errors = form.finish();
    let Some(email) = email else { return Err(Error::Invalid(errors)) };
    errors.into_result()?;
    request(&service, &email, from).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// Set a new password by the token of the link. Every sign-in ends, and none begins.
#[utoipa::path(
    post, path = "/password-reset/confirm", operation_id = "reset_password", tag = "account",
    request_body(content = ConfirmBody, content_type = "application/json"),
    responses(
        (status = 204, description = "The new password holds"),
        (status = 400, description = "The token is not good, or not any more; or the password breaks a rule",
         body = ProblemBody),
        (status = 429, description = "Too many tokens from this address were not good", body = ProblemBody),
        (status = 503, description = "Overloaded, or the database is away: try again", body = ProblemBody),
    )
)]
pub(crate) async fn reset_password(
    State(service): State<Countersign>,
    caller: Caller,
    mut form: Form,
) -> Result<Response> {
    let (token, password) = (form.secret("token"), form.secret("password"));
    let errors = form.finish();
    let (Some(token), Some(password)) = (token, password) else { return Err(Error::Invalid(errors)) };
    errors.into_result()?;
    confirm(&service, token, password, caller.address).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The page behind the link. It does nothing until a person presses its button.
#[utoipa::path(
    get, path = "/password-reset", operation_id = "show_password_reset", tag = "account",
    responses((status = 200, description = "The page", content_type = "text/html"))
)]
pub(crate) async fn show_password_reset(State(service): State<Countersign>) -> Result<Response> {
    let language = Language::current();
    let text = match language {
        Language::English => include_str!("page.en.html"),
        Language::German => include_str!("page.de.html"),
    };
    let page = Template::parse(text, &["rules", "min_length"], &[]);
    let page = page.map_err(|fault| Error::Fault(Internal::new(fault)))?;
    let rules = service.rules();
    let on = [
        (rules.length, "length"),
        (rules.common, "common"),
        (rules.numeric, "numeric"),
        (rules.similarity, "similarity"),
    ];
    let names: Vec<&str> = on.into_iter().filter(|(holds, _)| *holds).map(|(_, name)| name).collect();
    let filled = page.fill(|gap| {
        Some(Cow::Owned(match gap {
            "rules" => names.join(" "),
            _ => rules.min_length.to_string(),
        }))
    });
    Ok(page::localised(language, filled))
}

/// The page's script.
#[utoipa::path(
    get, path = "/password-reset/page.js", operation_id = "show_password_reset_script", tag = "account",
    responses((status = 200, description = "The script", content_type = "text/javascript"))
)]
pub(crate) async fn show_password_reset_script() -> Response {
    page::file(page::SCRIPT, include_str!("page.js"))
}

/// The page's style.
#[utoipa::path(
    get, path = "/password-reset/page.css", operation_id = "show_password_reset_style", tag = "account",
    responses((status = 200, description = "The style", content_type = "text/css"))
)]
pub(crate) async fn show_password_reset_style() -> Response {
    page::file(page::STYLE, page::LINK_STYLE)
}

//! `POST /users`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{NewUser, User, sign_up};
use crate::caller::Caller;
use crate::error::{FieldError, Result};
use crate::id::UserId;
use crate::service::Countersign;
use crate::time::Rfc3339;
use crate::web::answer;
use crate::web::json::Form;
use crate::web::schema::ProblemBody;

/// An account, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserBody<'u> {
    /// Opaque, never reused.
    #[schema(value_type = String, example = "464279034720813514")]
    id: UserId,
    #[schema(example = "ada")]
    username: &'u str,
    #[schema(required, example = "ada@example.com")]
    email: Option<&'u str>,
    email_verified: bool,
    /// RFC 3339, UTC.
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00.125Z")]
    created_at: Rfc3339,
}

impl<'u> From<&'u User> for UserBody<'u> {
    fn from(user: &'u User) -> Self {
        Self {
            id: user.id,
            username: &user.username,
            email: user.email.as_deref(),
            email_verified: user.email_verified,
            created_at: Rfc3339(user.created_at),
        }
    }
}

/// What a sign-up sends.
#[derive(ToSchema)]
#[schema(as = NewUser)]
#[expect(dead_code, reason = "describes the form that `Form` reads field by field")]
pub(crate) struct NewUserBody {
    /// 1 to 100 of A-Z a-z 0-9 _ -; unique without regard to case.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,100}$", example = "ada")]
    username: String,
    /// By default at least 8 characters, none of the common passwords, not entirely digits, not too similar to the
    /// username or the e-mail address; 1,024 bytes at most.
    #[schema(format = Password)]
    password: String,
    #[schema(required = false, example = "ada@example.com")]
    email: Option<String>,
}

/// Sign up.
#[utoipa::path(
    post, path = "/users", operation_id = "create_user", tag = "flow",
    request_body(content = NewUserBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The account", body = UserBody),
        (status = 400, description = "Every failing field with every failing reason", body = ProblemBody),
        (status = 429, description = "Too many sign-ups: try again after Retry-After", body = ProblemBody),
        (status = 503, description = "Overloaded, or the database is away: try again", body = ProblemBody),
    )
)]
pub(crate) async fn create_user(
    State(service): State<Countersign>,
    caller: Caller,
    mut form: Form,
) -> Result<Response> {
    let username = form.text("username");
    let password = form.secret("password");
    let email = form.nullable_text("email").flatten();
    let mut errors = form.finish();
    if service.settings().require_verified_email && email.is_none() && !errors.has("email") {
        let message = "Give an e-mail address: it has to be confirmed before you can sign in.";
        errors.add("email", FieldError::new("required", message));
    }
    let new = NewUser::judge(service.rules(), username.as_deref(), email.as_deref(), password, errors)?;
    let user = sign_up(&service, new, caller.address).await?;
    Ok(answer::json(StatusCode::CREATED, &UserBody::from(&user)))
}

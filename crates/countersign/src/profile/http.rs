//! `GET`, `PATCH` and `DELETE /me`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use utoipa::ToSchema;

use super::{Change, change, delete};
use crate::access::CurrentUser;
use crate::caller::Caller;
use crate::error::Result;
use crate::revoke::http::signed_out;
use crate::service::Countersign;
use crate::user::http::UserBody;
use crate::web::answer;
use crate::web::json::Form;
use crate::web::problem::Problem;
use crate::web::schema::ProblemBody;

/// What an owner may change; whatever is left out stays as it is.
#[derive(ToSchema)]
#[schema(as = Change)]
#[expect(dead_code, reason = "describes the form that `Form` reads field by field")]
pub(crate) struct ChangeBody {
    #[schema(required = false, pattern = "^[A-Za-z0-9_-]{1,100}$")]
    username: Option<String>,
    /// `null` removes it.
    #[schema(required = false)]
    email: Option<String>,
    /// Ends every other sign-in.
    #[schema(required = false, format = Password)]
    password: Option<String>,
    #[schema(format = Password)]
    current_password: String,
}

/// What an owner sends to delete the account.
#[derive(ToSchema)]
#[schema(as = CurrentPassword)]
#[expect(dead_code, reason = "describes the form that `Form` reads field by field")]
pub(crate) struct CurrentPasswordBody {
    #[schema(format = Password)]
    current_password: String,
}

/// Who am I?
#[utoipa::path(
    get, path = "/me", operation_id = "show_me", tag = "account",
    responses(
        (status = 200, description = "The account", body = UserBody),
        (status = 401, description = "No good access token", body = ProblemBody),
        (status = 503, description = "The database is away: try again", body = ProblemBody),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn show_me(who: CurrentUser) -> Response {
    answer::json(StatusCode::OK, &UserBody::from(&who.user))
}

/// Change the account.
#[utoipa::path(
    patch, path = "/me", operation_id = "change_me", tag = "account",
    request_body(content = ChangeBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The account as it is now", body = UserBody),
        (status = 400, description = "Every failing field with every failing reason", body = ProblemBody),
        (status = 401, description = "No good access token", body = ProblemBody),
        (status = 403, description = "The current password is wrong", body = ProblemBody),
        (status = 429, description = "Too many wrong passwords, or mails: try again after Retry-After", body = ProblemBody),
        (status = 503, description = "Overloaded, or the database is away: try again", body = ProblemBody),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn change_me(
    State(service): State<Countersign>,
    who: CurrentUser,
    caller: Caller,
    mut form: Form,
) -> Result<Response> {
    let username = form.optional_text("username");
    let email = form.nullable_text("email");
    let password = form.optional_secret("password");
    let current_password = form.optional_secret("current_password");
    let email = email.as_ref().map(Option::as_deref);
    let asked = Change::judge(&service, &who.user, username.as_deref(), email, password, form.finish())?;
    let user = change(&service, &who, asked, current_password, caller.address).await?;
    Ok(answer::json(StatusCode::OK, &UserBody::from(&user)))
}

/// Delete the account.
#[utoipa::path(
    delete, path = "/me", operation_id = "delete_me", tag = "account",
    request_body(content = CurrentPasswordBody, content_type = "application/json"),
    responses(
        (status = 204, description = "Deleted: every sign-in has ended"),
        (status = 400, description = "The current password is missing", body = ProblemBody),
        (status = 401, description = "No good access token", body = ProblemBody),
        (status = 403, description = "The current password is wrong", body = ProblemBody),
        (status = 429, description = "Too many wrong passwords: try again after Retry-After", body = ProblemBody),
        (status = 503, description = "Overloaded, or the database is away: try again", body = ProblemBody),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn delete_me(
    State(service): State<Countersign>,
    who: CurrentUser,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let current_password = match Form::optional(&headers, body).await? {
        Some(mut form) => {
            let password = form.optional_secret("current_password");
            form.finish().into_result()?;
            password
        }
        None => None,
    };
    delete(&service, &who, current_password, caller.address).await?;
    Ok(signed_out(&service))
}

//! `GET /sessions` and `DELETE /sessions/{id}`.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{end, list};
use crate::access::CurrentUser;
use crate::caller::Address;
use crate::error::{Error, Result};
use crate::id::SignInId;
use crate::service::Countersign;
use crate::sign_in::SignIn;
use crate::user_agent::readable;
use crate::web::answer;
use crate::web::schema::ProblemBody;

/// One's living sign-ins, the newest first, 1,000 at most.
#[derive(Serialize, ToSchema)]
#[schema(as = Sessions)]
struct SessionsBody<'s> {
    sessions: Vec<SessionBody<'s>>,
}

/// A sign-in, as its owner sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionBody<'s> {
    /// Opaque: the `sid` of its access tokens.
    #[schema(value_type = String, example = "464279034720813514")]
    id: String,
    /// When it began: RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-11-24T09:30:00.125Z")]
    created_at: String,
    /// When it was last refreshed, or began.
    #[schema(format = DateTime)]
    last_used_at: String,
    /// When it ends unless it is refreshed.
    #[schema(format = DateTime)]
    expires_at: String,
    /// The client that signed in, as far as it said.
    #[schema(required, example = "Firefox on Windows")]
    user_agent: Option<String>,
    /// Where it signed in from.
    #[schema(required, example = "192.0.2.7")]
    address: Option<&'s str>,
    /// Whether this request came from it.
    current: bool,
}

impl<'s> SessionBody<'s> {
    fn of(sign_in: &'s SignIn, current: Option<SignInId>) -> Self {
        Self {
            id: sign_in.id.to_string(),
            created_at: sign_in.created_at.to_rfc3339(),
            last_used_at: sign_in.last_used_at.to_rfc3339(),
            expires_at: sign_in.expires_at.to_rfc3339(),
            user_agent: sign_in.user_agent.as_deref().map(readable),
            address: sign_in.address.as_deref(),
            current: current == Some(sign_in.id),
        }
    }
}

/// Where am I signed in?
#[utoipa::path(
    get, path = "/sessions", operation_id = "list_sessions", tag = "account",
    responses(
        (status = 200, description = "The living sign-ins, the newest first", body = SessionsBody),
        (status = 401, description = "No good access token", body = ProblemBody),
        (status = 503, description = "The database is away: try again", body = ProblemBody),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn list_sessions(State(service): State<Countersign>, who: CurrentUser) -> Result<Response> {
    let sign_ins = list(&service, &who).await?;
    let current = who.sign_in.map(|sign_in| sign_in.id);
    let sessions = sign_ins.iter().map(|sign_in| SessionBody::of(sign_in, current)).collect();
    Ok(answer::json(StatusCode::OK, &SessionsBody { sessions }))
}

/// End one of my sign-ins.
#[utoipa::path(
    delete, path = "/sessions/{id}", operation_id = "end_session", tag = "account",
    params(("id" = String, Path, description = "The `id` of a sign-in of one's own")),
    responses(
        (status = 204, description = "It has ended: no token of it opens anything here"),
        (status = 401, description = "No good access token", body = ProblemBody),
        (status = 404, description = "No living sign-in of one's own has this id", body = ProblemBody),
        (status = 503, description = "The database is away: try again", body = ProblemBody),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn end_session(
    State(service): State<Countersign>,
    who: CurrentUser,
    Address(from): Address,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response> {
    // What can't be an id is nobody's.
    let id = id.ok().and_then(|Path(id)| id.parse().ok()).ok_or(Error::NotFound)?;
    end(&service, &who, id, from).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

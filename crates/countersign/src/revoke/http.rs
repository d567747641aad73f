//! `DELETE /refresh` and `DELETE /refresh/all`.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use super::{leave, leave_everywhere};
use crate::access::CurrentUser;
use crate::caller::Address;
use crate::error::Result;
use crate::refresh::http::{RefreshTokenBody, token_in};
use crate::service::Countersign;
use crate::web::problem::Problem;
use crate::web::schema::ProblemBody;

/// Sign out here: the sign-in ends on both sides.
#[utoipa::path(
    delete, path = "/refresh", operation_id = "sign_out", tag = "flow",
    request_body(content = Option<RefreshTokenBody>, content_type = "application/json",
                 description = "Native clients only"),
    responses(
        (status = 204, description = "Signed out, whatever the cookie held"),
        (status = 403, description = "A page of another site asked", body = ProblemBody),
        (status = 503, description = "The database is away: try again", body = ProblemBody),
    ),
    security(("refresh_cookie" = []))
)]
pub(crate) async fn sign_out(
    State(service): State<Countersign>,
    headers: HeaderMap,
    Address(from): Address,
    body: Body,
) -> Result<Response, Problem> {
    service.origins().check(&headers)?;
    let cookies = service.refresh_cookie().values(&headers);
    if cookies.is_empty() {
        let token = token_in(&headers, body).await?;
        leave(&service, token.as_deref().as_slice(), from).await?;
    } else {
        leave(&service, &cookies, from).await?;
    }
    Ok(signed_out(&service))
}

/// Sign out everywhere: every sign-in of the user ends.
#[utoipa::path(
    delete, path = "/refresh/all", operation_id = "sign_out_everywhere", tag = "flow",
    responses(
        (status = 204, description = "Every sign-in is over, this one included"),
        (status = 401, description = "No good access token", body = ProblemBody),
        (status = 403, description = "A page of another site asked", body = ProblemBody),
        (status = 503, description = "The database is away: try again", body = ProblemBody),
    ),
    security(("access_token" = []))
)]
pub(crate) async fn sign_out_everywhere(
    State(service): State<Countersign>,
    headers: HeaderMap,
    Address(from): Address,
    who: CurrentUser,
) -> Result<Response> {
    service.origins().check(&headers)?;
    leave_everywhere(&service, &who, from).await?;
    Ok(signed_out(&service))
}

/// Nothing is left to say, and the browser forgets the cookie.
pub(crate) fn signed_out(service: &Countersign) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().append(SET_COOKIE, service.refresh_cookie().delete());
    response
}

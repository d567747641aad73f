//! Whether the service lives, and whether it can do its work.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Result;
use crate::service::Countersign;
use crate::web::answer;
use crate::web::schema::ProblemBody;

/// The state of the service.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
struct HealthBody {
    #[schema(example = "ok")]
    status: &'static str,
}

/// The process answers: restart it where this fails.
#[utoipa::path(
    get, path = "/health/live", operation_id = "show_liveness", tag = "operations",
    responses((status = 200, description = "The process answers", body = HealthBody))
)]
pub(crate) async fn show_liveness() -> Response {
    answer::json(StatusCode::OK, &HealthBody { status: "ok" })
}

/// The database can be read and written: send no requests while this fails.
#[utoipa::path(
    get, path = "/health/ready", operation_id = "show_readiness", tag = "operations",
    responses(
        (status = 200, description = "The service can do its work", body = HealthBody),
        (status = 503, description = "The database is away", body = ProblemBody),
    )
)]
pub(crate) async fn show_readiness(State(service): State<Countersign>) -> Result<Response> {
    service.ready().await?;
    Ok(answer::json(StatusCode::OK, &HealthBody { status: "ok" }))
}

//! The shape of a refusal, for the API's description.

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// Why a request was refused (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "describes what `Problem` writes")]
pub(crate) struct ProblemBody {
    #[schema(rename = "type", example = "about:blank")]
    r#type: String,
    #[schema(example = "Unauthorized")]
    title: String,
    /// The HTTP status.
    #[schema(example = 401)]
    status: u16,
    /// For people.
    #[schema(example = "Access token has expired")]
    detail: String,
    /// For programs: a stable word.
    #[schema(example = "access_token_expired")]
    code: String,
    /// The failing fields with every reason.
    #[schema(required = false)]
    errors: Option<BTreeMap<String, Vec<Reason>>>,
    /// Refusals of a refresh token: whether the person has to sign in again.
    #[schema(required = false)]
    session_ended: Option<bool>,
}

/// One reason why a field was refused.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `Problem` writes")]
pub(crate) struct Reason {
    /// For programs: a stable word.
    #[schema(example = "password_too_short")]
    code: String,
    /// For people: what is wrong, and the mend.
    message: String,
}

//! The shape of a refusal, for the API's description, and where it belongs in it.

use std::collections::BTreeMap;

use utoipa::ToSchema;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};

const PROBLEM: &str = "application/problem+json";
const PAGE: &str = "text/html";

/// The operation that answers proxies, which understand no other refusal than 401.
const REFUSES_BY_401_ALONE: &str = "verify";

/// Writes into every operation what none repeats by itself: refusals are problem documents, a body may be refused for
/// its form, and whatever reads an access token refuses two.
pub(crate) fn describe_refusals(description: &mut OpenApi) {
    for item in description.paths.paths.values_mut() {
        let methods = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        methods.into_iter().flatten().for_each(complete);
    }
}

fn complete(operation: &mut Operation) {
    let has_body = operation.request_body.is_some();
    let reads_token = operation.responses.responses.contains_key("401") && operation.security.is_some();
    let mut add = |status: &str, description: &str| {
        let responses = &mut operation.responses.responses;
        responses.entry(status.to_owned()).or_insert_with(|| refusal(description));
    };
    if has_body {
        add("400", "The form is wrong");
        add("408", "The body came too slowly");
        add("413", "The body is larger than 65,536 bytes");
        add("415", "The body is not application/json");
    } else if reads_token && operation.operation_id.as_deref() != Some(REFUSES_BY_401_ALONE) {
        add("400", "Two Authorization headers");
    }
    for (status, response) in &mut operation.responses.responses {
        if let (true, RefOr::T(response)) = (status.starts_with(['4', '5']), response) {
            let content = std::mem::take(&mut response.content);
            // What people navigate to may be refused by a page too.
            let named = |(kind, content)| (if kind == PAGE { kind } else { PROBLEM.to_owned() }, content);
            response.content = content.into_iter().map(named).collect();
        }
    }
}

fn refusal(description: &str) -> RefOr<Response> {
    let body = Content::new(Some(Ref::from_schema_name("Problem")));
    RefOr::T(ResponseBuilder::new().description(description).content(PROBLEM, body).build())
}

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

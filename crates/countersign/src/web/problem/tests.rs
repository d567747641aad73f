//! How every refusal looks, against the contract's words.

use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::*;

fn answer(error: Error) -> (Response, Value) {
    let (parts, body) = error.into_response().into_parts();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let bytes = runtime.block_on(body.collect()).unwrap().to_bytes();
    (Response::from_parts(parts, Body::empty()), serde_json::from_slice(&bytes).unwrap())
}

fn every_error() -> Vec<Error> {
    let inside = || Internal::new("SQLITE_FULL: /var/lib/countersign.db");
    let mut errors = vec![
        Error::Invalid(FieldErrors::of("username", FieldError::new("required", "is required"))),
        Error::InvalidCredentials,
        Error::AmbiguousRefreshCookie,
        Error::WrongPassword,
        Error::ReauthenticationRequired,
        Error::CrossSiteRequest,
        Error::NotFound,
        Error::Overloaded { retry_after: Duration::from_millis(2_100) },
        Error::RateLimited { retry_after: Duration::from_millis(899_001) },
        Error::Unavailable(inside()),
        Error::Fault(inside()),
    ];
    errors.extend(
        [AccessRefusal::Missing, AccessRefusal::Invalid, AccessRefusal::Expired].map(Error::AccessToken),
    );
    use RefreshRefusal::{Expired, Invalid, Missing, Reused, Revoked, Spent};
    errors.extend([Missing, Invalid, Spent, Reused, Revoked, Expired].map(Error::RefreshToken));
    errors
}

// SEC-68
#[test]
fn every_refusal_is_a_problem_whose_status_is_that_of_the_answer() {
    for error in every_error() {
        let (response, body) = answer(error);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(body["status"], response.status().as_u16());
        assert_eq!(body["type"], "about:blank");
        assert_eq!(body["title"], response.status().canonical_reason().unwrap());
        assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        assert!(!body.to_string().contains("SQLITE") && !body.to_string().contains("/var"), "{body}");
        assert!(!format!("{:?}", response.headers()).contains("SQLITE"));
    }
}

// SEC-65
#[test]
fn every_401_asks_for_a_bearer_and_names_an_error_only_where_a_token_was_sent() {
    for error in every_error() {
        let (response, body) = answer(error);
        let challenge = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap());
        assert_eq!(challenge.is_some(), response.status() == StatusCode::UNAUTHORIZED, "{body}");
        let sent_and_refused =
            [json!("access_token_invalid"), json!("access_token_expired")].contains(&body["code"]);
        assert_eq!(challenge.is_some_and(|text| text.contains("invalid_token")), sent_and_refused, "{body}");
        assert!(challenge.is_none_or(|text| text == "Bearer" || sent_and_refused));
    }
    let (response, _) = answer(Error::AccessToken(AccessRefusal::Expired));
    let expected = r#"Bearer error="invalid_token", error_description="Access token has expired""#;
    assert_eq!(response.headers()[WWW_AUTHENTICATE], expected);
}

#[test]
fn the_codes_and_details_are_those_of_the_contract() {
    let table: Vec<(u16, String, String)> = every_error()
        .into_iter()
        .map(Problem::from)
        .map(|problem| (problem.status.as_u16(), problem.code.to_owned(), problem.detail.into_owned()))
        .collect();
    for (status, code, detail) in [
        (400, "validation_failed", None),
        (401, "invalid_credentials", Some("Invalid credentials")),
        (400, "ambiguous_refresh_cookie", None),
        (403, "wrong_password", None),
        (403, "reauthentication_required", None),
        (403, "cross_site_request", None),
        (404, "not_found", None),
        (503, "overloaded", None),
        (429, "rate_limited", None),
        (503, "database_unavailable", None),
        (500, "internal_error", None),
        (401, "access_token_missing", Some("No access token")),
        (401, "access_token_invalid", Some("Invalid access token")),
        (401, "access_token_expired", Some("Access token has expired")),
        (401, "refresh_token_missing", Some("No refresh token")),
        (401, "refresh_token_invalid", Some("Invalid refresh token")),
        (401, "refresh_token_spent", Some("Invalid refresh token")),
        (401, "refresh_token_reused", Some("Invalid refresh token")),
        (401, "refresh_token_revoked", Some("Invalid refresh token")),
        (401, "refresh_token_expired", Some("Refresh token has expired")),
    ] {
        assert!(
            table
                .iter()
                .any(|row| row.0 == status && row.1 == code && detail.is_none_or(|detail| row.2 == detail)),
            "{status} {code} in {table:?}"
        );
    }
}

#[test]
fn only_refusals_of_refresh_tokens_say_whether_the_sign_in_ended() {
    for error in every_error() {
        let (_, body) = answer(error);
        let expected = match body["code"].as_str().unwrap() {
            "refresh_token_missing" | "refresh_token_invalid" | "refresh_token_spent" => json!(false),
            "refresh_token_reused" | "refresh_token_revoked" | "refresh_token_expired" => json!(true),
            _ => Value::Null,
        };
        assert_eq!(body["session_ended"], expected, "{body}");
    }
}

#[test]
fn invalid_fields_come_with_every_reason() {
    let mut errors = FieldErrors::of("password", FieldError::new("password_too_short", "too short"));
    errors.add("password", FieldError::new("password_too_common", "too common"));
    let (_, body) = answer(Error::Invalid(errors));
    let expected = json!({"password": [
        {"code": "password_too_short", "message": "too short"},
        {"code": "password_too_common", "message": "too common"},
    ]});
    assert_eq!(body["errors"], expected);
}

#[test]
fn waiting_times_are_whole_seconds_rounded_up_and_never_zero() {
    let after = |retry_after| answer(Error::Overloaded { retry_after }).0.headers()[RETRY_AFTER].clone();
    assert_eq!(after(Duration::from_millis(2_100)), "3");
    assert_eq!(after(Duration::from_secs(2)), "2");
    assert_eq!(after(Duration::ZERO), "1");
    let limited = answer(Error::RateLimited { retry_after: Duration::from_millis(899_001) }).0;
    assert_eq!(limited.headers()[RETRY_AFTER], "900");
    assert!(answer(Error::Unavailable(Internal::new("away"))).0.headers().contains_key(RETRY_AFTER));
}

#[test]
fn the_inside_of_a_fault_travels_beside_the_answer_for_the_log() {
    let response = Error::Fault(Internal::new("a broken invariant")).into_response();
    assert_eq!(response.extensions().get::<ForTheLog>().unwrap().text(), "a broken invariant");
    assert!(Error::NotFound.into_response().extensions().get::<ForTheLog>().is_none());
}

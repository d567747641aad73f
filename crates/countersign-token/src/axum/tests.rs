//! Tests of the extractor: what reaches the handler, and what the refused client sees.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use axum_core::extract::{FromRef, FromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::Request;
use http::header::HeaderValue;

use super::{AccessToken, Rejection};
use crate::key::HmacKey;
use crate::refusal::Refusal;
use crate::signer::{NewToken, Signer};
use crate::verifier::Verifier;

const NOW: i64 = 1_700_000_000;

struct App {
    verifier: Arc<Verifier>,
}

impl FromRef<App> for Arc<Verifier> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(&app.verifier)
    }
}

/// Nothing here waits for anything, so one poll is enough.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits"),
    }
}

fn extract(values: &[HeaderValue]) -> Result<AccessToken, Rejection> {
    let key = HmacKey::new(&[7; 32]).unwrap();
    let verifier = Verifier::builder().key(key).issuer("me").clock(|| NOW).build().unwrap();
    let mut request = Request::new(());
    for value in values {
        request.headers_mut().append("authorization", value.clone());
    }
    let (mut parts, ()) = request.into_parts();
    now(AccessToken::from_request_parts(&mut parts, &App { verifier: Arc::new(verifier) }))
}

fn bearer(expires_at: i64) -> HeaderValue {
    let signer = Signer::new(HmacKey::new(&[7; 32]).unwrap(), "me", None);
    let new = NewToken { subject: "42", sign_in: "s", token_id: "j", issued_at: NOW - 600, expires_at };
    format!("Bearer {}", signer.sign(&new)).parse().unwrap()
}

fn seen(response: Response) -> (u16, Vec<(String, String)>, serde_json::Value) {
    let status = response.status().as_u16();
    let mut headers: Vec<_> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    let mut body = pin!(response.into_body());
    let frame = now(std::future::poll_fn(|context| http_body::Body::poll_frame(body.as_mut(), context)));
    (status, headers, serde_json::from_slice(&frame.unwrap().unwrap().into_data().unwrap()).unwrap())
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn a_good_token_reaches_the_handler_as_claims() {
    let AccessToken(claims) = extract(&[bearer(NOW + 1)]).unwrap();
    assert_eq!((claims.subject.as_str(), claims.expires_at), ("42", NOW + 1));
}

#[test]
fn each_refusal_is_told_apart() {
    assert_eq!(extract(&[]), Err(Rejection::Refused(Refusal::Missing)));
    assert_eq!(extract(&[HeaderValue::from_static("Basic YTpi")]), Err(Rejection::Refused(Refusal::Missing)));
    assert_eq!(
        extract(&[HeaderValue::from_static("Bearer a.b.c")]),
        Err(Rejection::Refused(Refusal::Invalid))
    );
    assert_eq!(extract(&[bearer(NOW)]), Err(Rejection::Refused(Refusal::Expired)));
    let opaque = HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap();
    assert_eq!(extract(&[opaque]), Err(Rejection::Refused(Refusal::Invalid)));
}

// SEC-66
#[test]
fn two_authorization_headers_are_a_bad_request() {
    let good = bearer(NOW + 1);
    let rejection = extract(&[good.clone(), good]).unwrap_err();
    assert_eq!(rejection, Rejection::MultipleHeaders);
    let (status, headers, body) = seen(rejection.into_response());
    assert_eq!(status, 400);
    assert_eq!(
        headers,
        [header("cache-control", "no-store"), header("content-type", "application/problem+json")]
    );
    assert_eq!(
        body,
        serde_json::json!({
            "type": "about:blank", "title": "Bad Request", "status": 400,
            "detail": "More than one Authorization header", "code": "multiple_authorization_headers",
        })
    );
}

// SEC-65, SEC-68
#[test]
fn a_refusal_is_a_problem_document_with_a_challenge() {
    for (refusal, challenge, detail, code) in [
        (Refusal::Missing, "Bearer", "No access token", "access_token_missing"),
        (Refusal::Invalid, r#"Bearer error="invalid_token""#, "Invalid access token", "access_token_invalid"),
        (
            Refusal::Expired,
            r#"Bearer error="invalid_token""#,
            "Access token has expired",
            "access_token_expired",
        ),
    ] {
        let (status, headers, body) = seen(Rejection::from(refusal).into_response());
        assert_eq!(status, 401);
        assert_eq!(
            headers,
            [
                header("cache-control", "no-store"),
                header("content-type", "application/problem+json"),
                header("www-authenticate", challenge),
            ]
        );
        let expected = serde_json::json!({
            "type": "about:blank", "title": "Unauthorized", "status": 401, "detail": detail, "code": code,
        });
        assert_eq!(body, expected);
    }
}

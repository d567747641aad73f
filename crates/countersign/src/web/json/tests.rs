//! The form, field by field, and its parser against `serde_json`.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http::HeaderValue;
use http::header::HeaderName;
use hyper::body::{Frame, SizeHint};

use super::oracle::is_sound;
use super::*;
use crate::secret::ExposeSecret;

fn form(body: &str) -> Form {
    Form::parse(body.as_bytes()).unwrap()
}

fn refusal(body: impl AsRef<[u8]>) -> String {
    let problem = Form::parse(body.as_ref()).unwrap_err();
    assert_eq!((problem.status(), problem.code()), (StatusCode::BAD_REQUEST, "invalid_json"));
    problem.detail().to_owned()
}

fn codes(errors: &FieldErrors) -> Vec<(String, Vec<&'static str>)> {
    errors
        .iter()
        .map(|(field, errors)| (field.to_owned(), errors.iter().map(|it| it.code).collect()))
        .collect()
}

fn named(field: &str, codes: &[&'static str]) -> (String, Vec<&'static str>) {
    (field.to_owned(), codes.to_vec())
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers
            .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

async fn received(pairs: &[(&str, &str)], body: impl Into<Body>) -> Result<Option<Form>, u16> {
    Form::optional(&headers(pairs), body.into()).await.map_err(|problem| problem.status().as_u16())
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[test]
fn a_sound_form_gives_its_fields_and_no_errors() {
    let mut form = form(r#" {"username":"alice","password":"p\u00e4ss \ud83d\ude00","email":null} "#);
    assert_eq!(form.text("username").as_deref(), Some("alice"));
    assert_eq!(form.secret("password").unwrap().expose_secret(), "päss 😀");
    assert_eq!(form.nullable_text("email"), Some(None));
    assert_eq!(form.optional_text("nickname"), None);
    assert!(form.optional_secret("current_password").is_none());
    assert!(form.finish().is_empty());
}

#[test]
fn every_failing_field_is_named_at_once() {
    let mut form = form(r#"{"username":7,"email":[],"transport":"pigeon","is_admin":true,"password":null}"#);
    assert!(form.text("username").is_none());
    assert!(form.secret("password").is_none());
    assert!(form.text("token").is_none());
    assert!(form.nullable_text("email").is_none());
    assert!(form.choice("transport", &[("body", 1), ("cookie", 2)]).is_none());
    let expected = [
        named("email", &["invalid_type"]),
        named("is_admin", &["unknown_field"]),
        named("password", &["invalid_type"]),
        named("token", &["required"]),
        named("transport", &["invalid_choice"]),
        named("username", &["invalid_type"]),
    ];
    assert_eq!(codes(&form.finish()), expected);
}

#[test]
fn a_choice_is_one_of_its_words() {
    let choices = [("body", 1), ("cookie", 2)];
    assert_eq!(form(r#"{"t":"cookie"}"#).choice("t", &choices), Some(2));
    assert_eq!(form(r#"{"t":"Cookie"}"#).choice("t", &choices), None);
    let mut absent = form("{}");
    assert_eq!(absent.choice("t", &choices), None);
    assert!(absent.finish().is_empty());
}

// SEC-69
#[test]
fn a_field_given_twice_is_refused_also_where_escapes_hide_it() {
    let mut form = form(r#"{"password":"one","\u0070assword":"two","x":1,"x":2,"x":3}"#);
    assert!(form.secret("password").is_none());
    let expected =
        [named("password", &["duplicate_field"]), named("x", &["unknown_field", "duplicate_field"])];
    assert_eq!(codes(&form.finish()), expected);
}

// SEC-13
#[test]
fn a_field_that_nobody_asked_for_is_refused_and_named_within_bounds() {
    let long = "n".repeat(10_000);
    let errors = form(&format!(r#"{{"{long}":1,"b":{{"c":2}}}}"#)).finish();
    assert_eq!(codes(&errors), [named("b", &["unknown_field"]), named(&long[..64], &["unknown_field"])]);
}

// SEC-69
#[test]
fn what_is_no_json_object_is_refused_with_its_place() {
    assert!(
        refusal("{\n  \"a\": 1,\n}").ends_with("at line 3, column 1"),
        "{}",
        refusal("{\n  \"a\": 1,\n}")
    );
    assert!(refusal("{\"ä\" 1}").ends_with("expected ':', at line 1, column 6"));
    assert!(refusal(b"{\"a\":\"\xff\"}").ends_with("expected UTF-8, at line 1, column 7"));
    for body in [
        "",
        " ",
        "null",
        "[]",
        "\"text\"",
        "7",
        "\u{feff}{}",
        "{} {}",
        "{}x",
        "{}\0",
        "{'a':1}",
        "{a:1}",
        "{\"a\":1,}",
        "{\"a\":}",
        "{\"a\"}",
        "{,}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":1e400}",
        "{\"a\":-1e400}",
        "{\"a\":NaN}",
        "{\"a\":nul}",
        "{\"a\":True}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\0\"}",
        "{\"a\":\"\\x41\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u+123\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\\ud800\\u0000\"}",
        "{\"a\":\"unended",
        "{\"a\":\"\\",
        "{\"a\":[1,]}",
        "{\"a\":[1 2]}",
        "/* */ {}",
    ] {
        refusal(body);
        assert!(!is_sound(body), "{body}");
    }
}

// SEC-69
#[test]
fn nesting_is_bounded_at_64_levels() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(Form::parse(nested(parser::MAX_DEPTH).as_bytes()).is_ok());
    assert!(refusal(nested(parser::MAX_DEPTH + 1)).contains("nested too deep"));
    refusal("{\"a\":".repeat(100_000));
    refusal(format!("{{\"a\":{}", "[".repeat(60_000)));
}

#[test]
fn members_are_bounded() {
    let with = |count: usize| {
        let members: Vec<String> = (0..count).map(|n| format!("\"f{n}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(form(&with(parser::MAX_MEMBERS)).finish().iter().count(), parser::MAX_MEMBERS);
    assert!(refusal(with(parser::MAX_MEMBERS + 1)).contains("too many members"));
}

// SEC-60
#[tokio::test]
async fn only_application_json_is_read() {
    for media_type in [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json ; charset=\"u\\\"tf;-8\" ; a=b;",
    ] {
        assert!(received(&[("content-type", media_type)], "{}").await.unwrap().is_some(), "{media_type}");
    }
    for media_type in [
        "text/plain; x=application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "application/json, text/plain",
        "text/plain, application/json",
        "application/jsonp",
        "application/problem+json",
        "application/json charset=utf-8",
        "application/json; charset",
        "application/json; charset=\"utf-8",
        "application/json; =x",
        "json",
        "*/*",
        "",
    ] {
        assert_eq!(received(&[("content-type", media_type)], "{}").await.unwrap_err(), 415, "{media_type}");
    }
    assert_eq!(received(&[], "{}").await.unwrap_err(), 415);
    assert_eq!(received(&[JSON[0], JSON[0]], "{}").await.unwrap_err(), 415);
}

// SEC-70
#[tokio::test]
async fn a_compressed_body_is_refused() {
    for encoding in ["gzip", "br", "identity, gzip", ""] {
        assert_eq!(received(&[JSON[0], ("content-encoding", encoding)], "{}").await.unwrap_err(), 415);
    }
    assert!(received(&[JSON[0], ("content-encoding", "Identity")], "{}").await.is_ok());
}

// SEC-70
#[tokio::test]
async fn the_last_byte_that_fits_is_65536() {
    let body = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    assert!(received(JSON, body(MAX_BODY)).await.is_ok());
    assert_eq!(received(JSON, body(MAX_BODY + 1)).await.unwrap_err(), 413);
    let streamed = |length| {
        let chunks: Vec<_> = body(length).into_bytes().chunks(1_000).map(Bytes::copy_from_slice).collect();
        Body::new(ChunkBody(chunks.into_iter()))
    };
    assert!(received(JSON, streamed(MAX_BODY)).await.is_ok());
    assert_eq!(received(JSON, streamed(MAX_BODY + 1)).await.unwrap_err(), 413);
}

// SEC-70
#[tokio::test]
async fn a_body_that_is_too_large_is_thrown_away_within_bounds_and_never_invited() {
    let thrown = async |announced: usize, headers: &[(&str, &str)]| {
        let asked = Arc::new(AtomicUsize::new(0));
        let body = Body::new(AnnouncedBody { left: announced, asked: Arc::clone(&asked) });
        assert_eq!(received(headers, body).await.unwrap_err(), 413);
        asked.load(Ordering::Relaxed)
    };
    assert_eq!(thrown(300_000, JSON).await, 300_000);
    let of_a_gigabyte = thrown(1 << 30, JSON).await;
    assert!((DISCARDED_BODY..=DISCARDED_BODY + 1_000).contains(&of_a_gigabyte), "{of_a_gigabyte}");
    assert_eq!(thrown(300_000, &[JSON[0], ("expect", "100-continue")]).await, 0);
}

#[tokio::test]
async fn no_body_is_no_form_where_one_is_optional_and_a_400_where_it_is_not() {
    assert!(received(&[], Body::empty()).await.unwrap().is_none());
    assert!(received(&[], Body::new(ChunkBody(Vec::new().into_iter()))).await.unwrap().is_none());
    let required = |media_type: Option<&str>| {
        let mut request = Request::new(Body::empty());
        if let Some(media_type) = media_type {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(media_type).unwrap());
        }
        async { Form::from_request(request, &()).await.unwrap_err().status().as_u16() }
    };
    assert_eq!(required(None).await, 400);
    assert_eq!(required(Some("application/json")).await, 400);
    assert_eq!(required(Some("text/plain")).await, 415);
}

// SEC-72
#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_given_up() {
    let endless = Body::new(NeverBody);
    assert_eq!(received(JSON, endless).await.unwrap_err(), 408);
}

#[test]
fn a_form_does_not_print_what_it_holds() {
    assert!(!format!("{:?}", form(r#"{"password":"hunter2"}"#)).contains("hunter2"));
}

struct ChunkBody(std::vec::IntoIter<Bytes>);

impl HttpBody for ChunkBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.next().map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// A body that says how long it is, and notes how much of it was asked for.
struct AnnouncedBody {
    left: usize,
    asked: Arc<AtomicUsize>,
}

impl HttpBody for AnnouncedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let length = self.left.min(1_000);
        self.left -= length;
        self.asked.fetch_add(length, Ordering::Relaxed);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(Bytes::from(vec![b'x'; length])))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

struct NeverBody;

impl HttpBody for NeverBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Pending
    }
}

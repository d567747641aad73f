//! The room as a whole, over a real socket: a router in its envelope, and clients that write raw bytes.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::routing::{get, post};
use axum::{Router, ServiceExt};
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::Layer;

use super::envelope::{EnvelopeLayer, EnvelopeSettings};
use super::json::{Form, MAX_BODY};
use super::*;
use crate::error::Error;
use crate::metrics::Requests;

async fn echo(mut form: Form) -> Result<String, Error> {
    let text = form.text("text");
    form.finish().into_result()?;
    Ok(text.unwrap_or_default())
}

async fn faulty() -> String {
    panic!("a bug")
}

async fn served(origins: &[Origin]) -> SocketAddr {
    let mut router = Router::new()
        .route("/echo", post(echo))
        .route("/me", get(|| async { "me" }).delete(|| async { "gone" }))
        .route("/faulty", get(faulty))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed);
    if let Some(cors) = cors(origins) {
        router = router.layer(cors);
    }
    let service = EnvelopeLayer::new(EnvelopeSettings::default(), Requests::default()).layer(router);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = ServiceExt::<Request<Body>>::into_make_service(service);
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    address
}

struct Connection(TcpStream);

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// One answer: its head in lower case and as much body as it announces.
    async fn answer(&mut self, has_body: bool) -> (String, String) {
        let mut read = Vec::new();
        let end = loop {
            if let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") {
                break end + 4;
            }
            let mut byte = [0];
            let count = tokio::time::timeout(Duration::from_secs(20), self.0.read(&mut byte)).await;
            assert_eq!(count.unwrap().unwrap(), 1, "closed after {:?}", String::from_utf8_lossy(&read));
            read.push(byte[0]);
        };
        let head = String::from_utf8(read[..end].to_vec()).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; if has_body { length.map_or(0, |it| it.parse().unwrap()) } else { 0 }];
        self.0.read_exact(&mut body).await.unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    async fn ask(&mut self, head: &str, body: &str) -> (String, String) {
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        self.send(format!("{head}\r\nhost: x\r\n{length}\r\n{body}")).await;
        self.answer(!head.starts_with("HEAD")).await
    }

    async fn is_closed(&mut self) -> bool {
        let read = tokio::time::timeout(Duration::from_secs(20), self.0.read(&mut [0])).await;
        !matches!(read, Err(_) | Ok(Ok(1)))
    }
}

fn json(text: &str) -> String {
    format!("{{\"text\":\"{text}\"}}")
}

fn assert_problem(answer: &(String, String), status: u16, code: &str) {
    assert!(answer.0.starts_with(&format!("http/1.1 {status} ")), "{answer:?}");
    assert!(answer.0.contains("content-type: application/problem+json"), "{answer:?}");
    assert!(answer.0.contains("\r\nx-request-id: ") && answer.0.contains("no-store"), "{answer:?}");
    let body: serde_json::Value = serde_json::from_str(&answer.1).unwrap();
    assert_eq!((&body["status"], &body["code"]), (&status.into(), &code.into()));
}

const POST: &str = "POST /echo HTTP/1.1\r\ncontent-type: application/json";

#[tokio::test]
async fn a_sound_request_is_answered_and_the_connection_lives_on() {
    let mut connection = Connection::open(served(&[]).await).await;
    for _ in 0..2 {
        let (head, body) = connection.ask(POST, &json("hello")).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(body, "hello");
    }
}

// SEC-60, SEC-68
#[tokio::test]
async fn refusals_are_problems_over_the_wire() {
    let mut connection = Connection::open(served(&[]).await).await;
    let plain = "POST /echo HTTP/1.1\r\ncontent-type: text/plain; x=application/json";
    assert_problem(&connection.ask(plain, &json("x")).await, 415, "unsupported_media_type");
    assert_problem(&connection.ask("POST /echo HTTP/1.1", &json("x")).await, 415, "unsupported_media_type");
    assert_problem(&connection.ask(POST, "{").await, 400, "invalid_json");
    assert_problem(&connection.ask(POST, "").await, 400, "invalid_json");
    assert_problem(&connection.ask(POST, "{\"text\":1,\"more\":2}").await, 400, "validation_failed");
    assert_problem(&connection.ask("GET /nowhere HTTP/1.1", "").await, 404, "not_found");
    assert_problem(&connection.ask("GET /faulty HTTP/1.1", "").await, 500, "internal_error");
    let long = format!("GET /{} HTTP/1.1", "p".repeat(9_000));
    assert_problem(&connection.ask(&long, "").await, 414, "uri_too_long");
}

// SEC-70
#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_comes() {
    let address = served(&[]).await;
    let mut connection = Connection::open(address).await;
    connection.send(format!("{POST}\r\nhost: x\r\ncontent-length: 1073741824\r\n\r\n")).await;
    assert_problem(&connection.answer(true).await, 413, "payload_too_large");
    assert!(connection.is_closed().await);

    let mut polite = Connection::open(address).await;
    let head = format!("{POST}\r\nhost: x\r\ncontent-length: 70000\r\nexpect: 100-continue\r\n\r\n");
    polite.send(head).await;
    assert_problem(&polite.answer(true).await, 413, "payload_too_large");
}

// SEC-70
#[tokio::test]
async fn a_client_that_sends_too_much_at_once_still_reads_the_refusal() {
    let address = served(&[]).await;
    for excess in [1, 300_000] {
        let mut connection = Connection::open(address).await;
        let body = json(&"x".repeat(MAX_BODY - json("").len() + excess));
        assert_problem(&connection.ask(POST, &body).await, 413, "payload_too_large");
    }
    let mut connection = Connection::open(address).await;
    let (head, _) = connection.ask(POST, &json(&"x".repeat(MAX_BODY - json("").len()))).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
}

// SEC-70
#[tokio::test]
async fn a_chunked_body_is_counted_as_it_comes() {
    let mut connection = Connection::open(served(&[]).await).await;
    let head = format!("{POST}\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    connection.send(format!("{head}6\r\n{{\"text\r\n5\r\n\":\"a\"\r\n1\r\n}}\r\n0\r\n\r\n")).await;
    assert_eq!(connection.answer(true).await.1, "a");
    connection.send(&head).await;
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    for _ in 0..17 {
        connection.send(&chunk).await;
    }
    assert_problem(&connection.answer(true).await, 413, "payload_too_large");
}

// SEC-71
#[tokio::test]
async fn a_request_with_two_lengths_is_the_last_of_its_connection() {
    let address = served(&[]).await;
    for lengths in
        ["content-length: 3\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 3"]
    {
        let mut connection = Connection::open(address).await;
        let smuggled = "DELETE /me HTTP/1.1\r\nhost: x\r\n\r\n";
        connection.send(format!("{POST}\r\nhost: x\r\n{lengths}\r\n\r\n0\r\n\r\n{smuggled}")).await;
        let (head, _) = connection.answer(true).await;
        assert!(head.starts_with("http/1.1 400") && head.contains("connection: close"), "{head}");
        assert!(connection.is_closed().await, "{lengths}");
    }
}

// SEC-71
#[tokio::test]
async fn broken_framing_is_a_400_and_ends_the_connection() {
    let address = served(&[]).await;
    for broken in [
        "content-length: 3\r\ncontent-length: 4",
        "content-length: +3",
        "content-length: -1",
        "content-length: 3, 4",
        "content-length: 99999999999999999999999",
        "transfer-encoding: gzip",
        "transfer-encoding: chunked, identity",
        "x-a: b\r\n folded",
        "x-a: b\rc",
        "x-a: b\0c",
        "x a: b",
        "x-a : b",
        ": b",
        "no colon",
    ] {
        let mut connection = Connection::open(address).await;
        connection.send(format!("GET /me HTTP/1.1\r\nhost: x\r\n{broken}\r\n\r\n")).await;
        let (head, _) = connection.answer(true).await;
        assert!(head.starts_with("http/1.1 400"), "{broken:?}: {head}");
        assert!(connection.is_closed().await, "{broken:?}");
    }
}

// SEC-69
#[tokio::test]
async fn bytes_that_are_no_text_in_headers_and_bodies_are_never_a_fault_of_ours() {
    let address = served(&[]).await;
    for (header, body, status) in [
        (&b"cookie: refresh_token=\xff\xfe"[..], &b"{\"text\":\"a\"}"[..], 200),
        (b"x-request-id: \xff", b"{\"text\":\"a\"}", 200),
        (b"content-encoding: \xff", b"{\"text\":\"a\"}", 415),
        (b"content-type: \xff", b"{\"text\":\"a\"}", 415),
        (b"x-a: b", b"{\"text\":\"\xc3\x28\"}", 400),
        (b"x-a: b", b"\xff\xfe{\0}\0", 400),
    ] {
        let mut connection = Connection::open(address).await;
        let mut request = format!("{POST}\r\nhost: x\r\ncontent-length: {}\r\n", body.len()).into_bytes();
        request.extend_from_slice(&[header, b"\r\n\r\n", body].concat());
        connection.send(request).await;
        let (head, _) = connection.answer(true).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{header:?}: {head}");
    }
}

// SEC-52, SEC-73
#[tokio::test]
async fn a_method_that_a_route_lacks_is_a_405_with_the_methods_that_it_has() {
    let mut connection = Connection::open(served(&[]).await).await;
    for method in ["POST", "PUT", "PATCH", "OPTIONS", "TRACE", "CONNECTX", "get"] {
        let answer = connection.ask(&format!("{method} /me HTTP/1.1"), "").await;
        assert_problem(&answer, 405, "method_not_allowed");
        assert!(answer.0.contains("allow: get,head,delete"), "{}", answer.0);
    }
    let answer = connection.ask("GET /echo HTTP/1.1", "").await;
    assert_problem(&answer, 405, "method_not_allowed");
    assert!(answer.0.contains("allow: post\r\n"), "{}", answer.0);
    let (head, _) = connection.ask("HEAD /echo HTTP/1.1", "").await;
    assert!(head.starts_with("http/1.1 405") && head.contains("allow: post\r\n"), "{head}");
    let (head, _) = connection.ask("HEAD /me HTTP/1.1", "").await;
    assert!(head.starts_with("http/1.1 200") && head.contains("content-length: 2"), "{head}");
    assert_problem(&connection.ask("TRACE /nowhere HTTP/1.1", "").await, 404, "not_found");
}

// SEC-61
#[tokio::test]
async fn listed_origins_and_no_others_may_read_answers_with_credentials() {
    let listed = Origin::parse("https://app.example").unwrap();
    let mut connection = Connection::open(served(&[listed]).await).await;
    let (head, _) = connection.ask("GET /me HTTP/1.1\r\norigin: https://app.example", "").await;
    assert!(head.contains("access-control-allow-origin: https://app.example\r\n"), "{head}");
    assert!(head.contains("access-control-allow-credentials: true"), "{head}");
    assert!(head.contains("access-control-expose-headers: x-request-id,retry-after"), "{head}");
    assert!(head.lines().any(|line| line.starts_with("vary: ") && line.contains("origin")), "{head}");
    for foreign in ["null", "https://app.example.evil.example", "http://app.example", "https://evil.example"]
    {
        let (head, _) = connection.ask(&format!("GET /me HTTP/1.1\r\norigin: {foreign}"), "").await;
        assert!(!head.contains("access-control-allow-origin"), "{head}");
        assert!(head.lines().any(|line| line.starts_with("vary: ") && line.contains("origin")), "{head}");
    }
    let preflight =
        "OPTIONS /me HTTP/1.1\r\norigin: https://app.example\r\naccess-control-request-method: PATCH";
    let (head, _) = connection.ask(preflight, "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("access-control-allow-methods: get,post,patch,delete"), "{head}");
    let allowed = "access-control-allow-headers: authorization,content-type,idempotency-key,x-request-id";
    assert!(head.contains(allowed) && head.contains("access-control-max-age: 600"), "{head}");
}

#[tokio::test]
async fn a_router_inside_somebody_elses_keeps_its_envelope() {
    let ours = Router::new()
        .route("/me", get(|| async { "me" }))
        .route("/faulty", get(faulty))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(EnvelopeLayer::new(EnvelopeSettings::default(), Requests::default()));
    let theirs = Router::new().route("/", get(|| async { "theirs" })).nest("/auth", ours);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, theirs).await.unwrap() });
    let mut connection = Connection::open(address).await;
    assert_problem(&connection.ask("GET /auth/faulty HTTP/1.1", "").await, 500, "internal_error");
    let answer = connection.ask("POST /auth/me HTTP/1.1", "").await;
    assert_problem(&answer, 405, "method_not_allowed");
    assert!(answer.0.contains("allow: get,head"), "{}", answer.0);
    let (head, _) = connection.ask("GET / HTTP/1.1", "").await;
    assert!(!head.contains("x-request-id"), "{head}");
}

#[test]
fn without_listed_origins_there_is_no_cors() {
    assert!(cors(&[]).is_none());
}

//! What no honest client sends: broken framing, oversized parts, hostile JSON and names, and thousands of requests
//! with a few bytes changed. Nothing of it makes the service fail, hang or let anything through.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{App, PASSWORD};

/// How long the service may think before a test calls it hung; it gives up on a slow body after ten seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends bytes on a connection of their own and reads until it is closed.
pub async fn raw(app: &App, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    // A refusal may come, and the connection close, before all is written.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = async {
        let mut chunk = [0; 4_096];
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            answer.extend_from_slice(&chunk[..count]);
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the service hangs");
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
}

// SEC-71
#[tokio::test]
async fn ambiguous_framing_is_refused_and_smuggles_nothing() {
    let app = App::start().await;
    let token = app.somebody("ada").await.refresh_token;
    let smuggled = format!("DELETE /refresh HTTP/1.1\r\nhost: x\r\ncookie: refresh_token={token}\r\n\r\n");
    let length = smuggled.len();
    let chunked = "transfer-encoding: chunked\r\n";
    let heads = [
        format!("content-length: {length}\r\n{chunked}"),
        format!("{chunked}content-length: {length}\r\n"),
        format!("content-length: 2\r\ncontent-length: {length}\r\n"),
        format!("content-length: 2, {length}\r\n"),
        format!("content-length: +{length}\r\n"),
        "content-length: -1\r\n".to_owned(),
        "content-length: 2 2\r\n".to_owned(),
        "transfer-encoding: xchunked\r\n".to_owned(),
        "transfer-encoding: chunked, identity\r\n".to_owned(),
        "content-length\u{b}: 2\r\n".to_owned(),
        "x: a\r\n b\r\n".to_owned(),
        "x: a\rb\r\n".to_owned(),
        "x: a\0b\r\n".to_owned(),
        " x: a\r\n".to_owned(),
        "x y: a\r\n".to_owned(),
    ];
    for head in heads {
        let head = format!("POST /users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{head}\r\n");
        let answer = raw_until_quiet(&app, format!("{head}0\r\n\r\n{smuggled}").as_bytes()).await;
        assert!((400..500).contains(&status(&answer)), "{head:?}: {answer}");
        assert!(answer.matches("HTTP/1.1 ").count() == 1, "{head:?} was read as two: {answer}");
    }
    assert_eq!(app.refresh(&token).await.status, 200, "the smuggled sign-out happened");
}

/// Like `raw`, for connections that may stay open: whatever has come when nothing has for a while.
async fn raw_until_quiet(app: &App, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let (mut answer, mut chunk) = (Vec::new(), [0; 4_096]);
    while let Ok(Ok(count @ 1..)) =
        tokio::time::timeout(Duration::from_millis(500), stream.read(&mut chunk)).await
    {
        answer.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

// SEC-70
#[tokio::test]
async fn oversized_parts_are_refused_early() {
    let app = App::start().await;
    let close = "host: x\r\nconnection: close\r\n";
    let many: String = (0..10_000).map(|n| format!("x-{n}: y\r\n")).collect();
    let (url, cookie) = ("a".repeat(1 << 20), "c".repeat(1 << 20));
    for (what, request, expected) in [
        ("10,000 headers", format!("GET /me HTTP/1.1\r\n{close}{many}\r\n"), vec![431]),
        ("1 MiB of URL", format!("GET /{url} HTTP/1.1\r\n{close}\r\n"), vec![414, 431]),
        ("9 KiB of URL", format!("GET /{} HTTP/1.1\r\n{close}\r\n", &url[..9_000]), vec![414]),
        ("1 MiB of cookie", format!("POST /refresh HTTP/1.1\r\n{close}cookie: {cookie}\r\n\r\n"), vec![431]),
    ] {
        let answer = raw(&app, request.as_bytes()).await;
        assert!(expected.contains(&status(&answer)), "{what}: {:?}", answer.lines().next());
    }
    assert_eq!(app.get("/health/live").send().await.status, 200);
}

// SEC-70
#[tokio::test]
async fn an_announced_gigabyte_is_refused_without_being_read() {
    let app = App::start().await;
    let head =
        "POST /users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1073741824\r\n";
    let answer = raw_until_quiet(&app, format!("{head}expect: 100-continue\r\n\r\n").as_bytes()).await;
    assert_eq!(status(&answer), 413, "{answer}");
    assert!(!answer.contains("100 Continue"), "it was invited");
    let endless: String =
        std::iter::repeat_n("10000\r\n".to_owned() + &"x".repeat(65_536) + "\r\n", 40).collect();
    let head = "POST /users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = raw_until_quiet(&app, format!("{head}{endless}").as_bytes()).await;
    assert!(status(&answer) == 413 || answer.is_empty(), "{answer}");
}

// SEC-69
#[tokio::test]
async fn hostile_json_gets_the_same_400() {
    let app = App::start().await;
    let good = format!(r#"{{"username":"ada","password":"{PASSWORD}"}}"#);
    let deep = "[".repeat(30_000);
    let deep_in_a_field = format!(r#"{{"username":{}"x"{}}}"#, "[".repeat(100), "]".repeat(100));
    let broken: Vec<Vec<u8>> = vec![
        deep.into_bytes(),
        deep_in_a_field.into_bytes(),
        format!("\u{feff}{good}").into_bytes(),
        format!("{good}x").into_bytes(),
        format!("{good}{good}").into_bytes(),
        format!("x{good}").into_bytes(),
        good.replace('}', ",}").into_bytes(),
        good.replace('"', "'").into_bytes(),
        good.replace("ada", "a\u{1}").into_bytes(),
        good.replace("ada", r"\ud800").into_bytes(),
        good.replace("ada", r"\udc00\ud800").into_bytes(),
        good.replace("ada", r"\x41").into_bytes(),
        good.replace("\"ada\"", "1e400").into_bytes(),
        good.replace("\"ada\"", "1e999x").into_bytes(),
        good.replace("\"ada\"", "NaN").into_bytes(),
        good.replace("\"ada\"", "01").into_bytes(),
        good.replace("\"ada\"", "+1").into_bytes(),
        good.replace("ada", "\u{0}").into_bytes(),
        [b"{\"username\":\"\xff\xfe\",\"password\":\"".as_slice(), PASSWORD.as_bytes(), b"\"}"].concat(),
        b"\xff\xfe{\0}\0".to_vec(),
        b"//\n{}".to_vec(),
        vec![b' '; 65_536],
    ];
    for body in broken {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = app.call(Method::POST, "/users").body("application/json", body).send().await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_json"), "{shown}");
    }
    for value in ["-0", "99999999999999999999999999", "0.1", "true", "[[]]", "{}"] {
        let body = good.replace("\"ada\"", value);
        let answer = app.call(Method::POST, "/users").body("application/json", body).send().await;
        assert_eq!((answer.status, answer.code()), (400, "validation_failed"), "{value}");
    }
}

// SEC-69
#[tokio::test]
async fn nul_and_broken_text_in_any_field_or_header_are_refused_and_stored_nowhere() {
    let app = App::start().await;
    for (field, text) in [("username", "a\u{0}b"), ("email", "a\u{0}@b.example"), ("username", "\u{0}")] {
        let mut body = json!({"username": "ada", "password": PASSWORD});
        body[field] = json!(text);
        assert_eq!(app.post("/users", body).await.status, 400, "{field}");
    }
    app.sign_up("ada").await;
    let body = json!({"username": "ada", "password": PASSWORD});
    for agent in [b"\xff\xfe\xfd".as_slice(), b"caf\xc3\xa9 \xe2\x80\xae", &[b'x'; 8_000]] {
        let call = app.call(Method::POST, "/authenticate").json(&body).raw_header("user-agent", agent);
        assert_eq!(call.raw_header("cookie", agent).send().await.status, 200);
    }
    let call = app
        .call(Method::POST, "/refresh")
        .raw_header("cookie", b"refresh_token=\xff; refresh_token=\xc3\x28");
    assert_eq!(call.send().await.code(), "refresh_token_missing");
    assert_eq!(app.get("/me").raw_header("authorization", b"Bearer \xff\xfe").send().await.status, 401);
    // A NUL would end `length` on one database and be refused by the other.
    assert_eq!(app.cell("SELECT max(length(user_agent)) FROM sign_ins"), "256");
}

/// A generator that a failing run can be repeated with: SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides.max(1) as u64).unwrap()
    }
}

const SPICE: [&[u8]; 22] = [
    b"\0",
    b"\r\n",
    b"\n",
    b"\xff",
    b"\"",
    b"{",
    b"}",
    b",",
    b":",
    b";",
    b"=",
    b"%00",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"1e999",
    b"Bearer ",
    b"refresh_token=",
    b"content-length: 7\r\n",
    b"HTTP/1.1",
    b"/refresh",
    b"\xe2\x80\xae",
];

fn mutate(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len() + 1);
        match dice.roll(5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            1 if at < bytes.len() => drop(bytes.drain(at..(at + 1 + dice.roll(12)).min(bytes.len()))),
            2 => drop(bytes.splice(at..at, SPICE[dice.roll(SPICE.len())].iter().copied())),
            3 => {
                let copied = bytes[at..(at + dice.roll(40)).min(bytes.len())].to_vec();
                drop(bytes.splice(at..at, copied));
            }
            _ if at < bytes.len() => bytes[at] = u8::try_from(dice.roll(256)).unwrap(),
            _ => {}
        }
    }
    bytes
}

/// A request with its body changed and its length put right, or with anything at all changed.
fn request(head: &str, body: &str, dice: &mut Dice) -> Vec<u8> {
    if dice.roll(3) == 0 {
        let whole = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        return mutate(whole.as_bytes(), dice);
    }
    let (head, body) = match dice.roll(2) {
        0 => (mutate(head.as_bytes(), dice), body.as_bytes().to_vec()),
        _ => (head.as_bytes().to_vec(), mutate(body.as_bytes(), dice)),
    };
    [head, format!("content-length: {}\r\n\r\n", body.len()).into_bytes(), body].concat()
}

/// Waits for an answer a while, then closes the sending half, which ends the wait for what was announced.
async fn poke(app: &App, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let (mut answer, mut chunk) = (Vec::new(), [0; 4_096]);
    if let Ok(Ok(count @ 1..)) =
        tokio::time::timeout(Duration::from_millis(400), stream.read(&mut chunk)).await
    {
        answer.extend_from_slice(&chunk[..count]);
    }
    let _ = stream.shutdown().await;
    let rest = async {
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            answer.extend_from_slice(&chunk[..count]);
        }
    };
    tokio::time::timeout(PATIENCE, rest).await.expect("the service hangs");
    String::from_utf8_lossy(&answer).into_owned()
}

// SEC-69
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_changed_requests_never_make_it_fail_or_hang() {
    const REQUESTS: usize = 3_000;
    const AT_ONCE: usize = 12;
    let seed = 0x00c0_ffee_u64;
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let cookie = format!("cookie: refresh_token={}\r\n", session.refresh_token);
    let bearer = format!("authorization: Bearer {}\r\n", session.access_token);
    let json = "host: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let short = "{\"username\":\"eve\",\"password\":\"12345\",\"email\":\"e@example.com\"}";
    let seeds = [
        (format!("POST /users HTTP/1.1\r\n{json}"), short),
        (format!("POST /authenticate HTTP/1.1\r\n{json}"), "{\"username\":1,\"password\":\"\"}"),
        (format!("POST /refresh HTTP/1.1\r\n{json}{cookie}idempotency-key: 0123456789abcdefghijkl\r\n"), ""),
        (format!("POST /refresh HTTP/1.1\r\n{json}"), "{\"refresh_token\":\"AQAAAAAAAAAA\"}"),
        (format!("DELETE /refresh HTTP/1.1\r\n{json}origin: http://localhost:8000\r\n"), "{}"),
        (format!("PATCH /me HTTP/1.1\r\n{json}{bearer}"), "{\"username\":\"a b\",\"email\":null}"),
        (format!("GET /me HTTP/1.1\r\n{json}{bearer}x-request-id: abc\r\n"), ""),
        (format!("DELETE /me HTTP/1.1\r\n{json}{bearer}"), "{\"current_password\":null}"),
    ];
    let mut dice = Dice(seed);
    let requests: Vec<Vec<u8>> = (0..REQUESTS)
        .map(|_| {
            let (head, body) = &seeds[dice.roll(seeds.len())];
            request(head, body, &mut dice)
        })
        .collect();
    let share = |requests: Vec<Vec<u8>>| {
        let app = &app;
        async move {
            let mut answered = 0;
            for bytes in requests {
                let answer = poke(app, &bytes).await;
                let told = String::from_utf8_lossy(&bytes);
                assert!(status(&answer) < 500, "seed {seed:#x}: {told}\n=> {answer}");
                answered += usize::from(status(&answer) > 0);
            }
            answered
        }
    };
    let shares = requests.chunks(REQUESTS / AT_ONCE).map(<[_]>::to_vec).map(share);
    let answered: usize = crate::call::join_all(shares).await.iter().sum();
    assert!(answered > REQUESTS * 7 / 10, "only {answered} of {REQUESTS} were answered");
    assert_eq!(app.sign_in("ada").await.refresh_token.len(), session.refresh_token.len());
}

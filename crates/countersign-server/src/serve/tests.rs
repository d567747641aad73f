use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use super::*;

/// Short, so that tests need not wait; far apart, so that each can be told from the others.
const PATIENCE: Patience = Patience {
    head: Duration::from_millis(200),
    idle: Duration::from_millis(1_500),
    crowded: Duration::from_millis(1_500),
    body: Duration::from_millis(400),
    answer: Duration::from_millis(400),
    parting: Duration::from_millis(400),
};

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<usize>,
    /// Says that a request to `/slow` has begun; what is sent back lets it end.
    begun: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
}

impl App for Router {
    fn for_one_connection(&self) -> Self {
        self.clone()
    }
}

type Begun = mpsc::UnboundedSender<oneshot::Sender<()>>;

fn start(room: Room) -> Running {
    async fn slow(State(begun): State<Begun>) -> &'static str {
        let (go_on, wait) = oneshot::channel();
        begun.send(go_on).unwrap();
        wait.await.unwrap();
        "slow"
    }
    let (sender, begun) = mpsc::unbounded_channel();
    let router = Router::new()
        .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }))
        .route("/echo", post(|body: String| async move { body }))
        .route("/large", get(|| async { vec![b'x'; 64 << 20] }))
        .route("/slow", get(slow))
        .with_state(sender);
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(run(listener, router, PATIENCE, room, async move {
        let _ = stopped.await;
    }));
    Running { address, stop, ended, begun }
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Everything until the server closes, and how long that took.
async fn rest(stream: &mut TcpStream) -> (String, Duration) {
    let begin = Instant::now();
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes));
    let _ = read.await.expect("the server keeps the connection for ever");
    (String::from_utf8_lossy(&bytes).into_owned(), begin.elapsed())
}

#[tokio::test]
async fn the_peers_address_reaches_the_handler() {
    let server = start(Room::of(10));
    let mut client = TcpStream::connect(server.address).await.unwrap();
    send(&mut client, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let (answer, _) = rest(&mut client).await;
    assert!(answer.ends_with(&client.local_addr().unwrap().to_string()), "{answer}");
}

// SEC-72
#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut_off() {
    let server = start(Room::of(10));
    let client = TcpStream::connect(server.address).await.unwrap();
    let (mut reading, mut writing) = client.into_split();
    let dripping = tokio::spawn(async move {
        for byte in b"GET / HTTP/1.1\r\nX-Slow: ".iter().chain([b'a'; 500].iter()) {
            if writing.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let begin = Instant::now();
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), reading.read_to_end(&mut bytes)).await.unwrap();
    assert!(begin.elapsed() >= PATIENCE.head && begin.elapsed() < PATIENCE.idle, "{:?}", begin.elapsed());
    assert!(bytes.is_empty());
    dripping.abort();
}

// SEC-72
#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let server = start(Room::of(10));
    let mut client = TcpStream::connect(server.address).await.unwrap();
    let (_, took) = rest(&mut client).await;
    assert!(took < PATIENCE.idle, "{took:?}");
}

// SEC-72
#[tokio::test]
async fn an_idle_connection_is_kept_longer_than_a_slow_head_but_not_for_ever() {
    let server = start(Room::of(10));
    let mut client = TcpStream::connect(server.address).await.unwrap();
    send(&mut client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (answer, took) = rest(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(took >= PATIENCE.idle, "{took:?}");
    // After the pause that an idle connection is granted, a slow head is still cut off early.
    let mut client = TcpStream::connect(server.address).await.unwrap();
    send(&mut client, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT").await;
    let (_, took) = rest(&mut client).await;
    assert!(took <= PATIENCE.idle + Duration::from_millis(500), "{took:?}");
}

// SEC-72
#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = start(Room::of(10));
    let mut client = TcpStream::connect(server.address).await.unwrap();
    send(&mut client, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345").await;
    let (_, took) = rest(&mut client).await;
    assert!(took >= PATIENCE.body && took < PATIENCE.idle, "{took:?}");
}

// SEC-72
#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_left() {
    let server = start(Room::of(1));
    let mut client = TcpStream::connect(server.address).await.unwrap();
    send(&mut client, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    // The only place is free again once the client that doesn't read has been given up.
    let mut next = TcpStream::connect(server.address).await.unwrap();
    send(&mut next, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let (answer, _) = rest(&mut next).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

// SEC-72
#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let mut server = start(Room::of(1));
    let mut first = TcpStream::connect(server.address).await.unwrap();
    send(&mut first, "GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let go_on = server.begun.recv().await.unwrap();
    let mut second = TcpStream::connect(server.address).await.unwrap();
    send(&mut second, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(100), second.read(&mut byte)).await;
    assert!(early.is_err(), "the second connection was served beside the first");
    go_on.send(()).unwrap();
    assert!(rest(&mut first).await.0.ends_with("slow"));
    assert!(rest(&mut second).await.0.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn the_end_waits_for_running_requests_and_not_for_idle_connections() {
    let mut server = start(Room::of(10));
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    send(&mut idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    send(&mut busy, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let go_on = server.begun.recv().await.unwrap();
    server.stop.send(()).unwrap();
    let (_, took) = rest(&mut idle).await;
    assert!(took < PATIENCE.idle, "{took:?}");
    assert!(TcpStream::connect(server.address).await.is_err(), "a stopping server still listens");
    assert!(!server.ended.is_finished());
    go_on.send(()).unwrap();
    let (answer, _) = rest(&mut busy).await;
    assert!(answer.ends_with("slow") && answer.contains("connection: close"), "{answer}");
    assert_eq!(server.ended.await.unwrap(), 0);
}

// SEC-70
#[tokio::test]
async fn a_head_or_an_address_that_is_too_long_is_refused() {
    let server = start(Room::of(10));
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(40_000)), "431"),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "X: a\r\n".repeat(200)), "431"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20)), "431"),
    ] {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        send(&mut client, &request).await;
        let (answer, _) = rest(&mut client).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{}…: {answer}",
            request.chars().take(40).collect::<String>()
        );
    }
}

// SEC-71
#[tokio::test]
async fn requests_that_two_servers_could_read_differently_end_the_connection() {
    let server = start(Room::of(10));
    for (name, head) in [
        ("two lengths", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ("a signed length", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nabcde"),
        ("a folded line", "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n"),
        ("a bare CR", "GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n"),
        ("a NUL", "GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n"),
        ("a blank before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n"),
    ] {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        send(&mut client, head).await;
        let (answer, took) = rest(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{name}: {answer}");
        assert!(answer.contains("application/problem+json"), "{name}: {answer}");
        assert!(took < PATIENCE.head, "{name}: {took:?}");
    }
    // After a good request too, and after its answer.
    let mut client = TcpStream::connect(server.address).await.unwrap();
    send(&mut client, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost : x\r\n\r\n").await;
    let (answer, _) = rest(&mut client).await;
    let (good, bad) = answer.split_at(answer.rfind("HTTP/1.1 ").unwrap());
    assert!(good.starts_with("HTTP/1.1 200") && bad.starts_with("HTTP/1.1 400"), "{answer}");
    let mut client = TcpStream::connect(server.address).await.unwrap();
    let smuggled = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
                    0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    send(&mut client, smuggled).await;
    let (answer, _) = rest(&mut client).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "what was smuggled in got an answer: {answer}");
}

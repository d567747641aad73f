//! One connection: HTTP/1.1 with limits, from its first byte to its last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::Service;

use super::patience::{Patience, PatientStream, Phase};
use super::room::Room;

/// The most bytes of a request's head, its address included: more is answered `431` (SEC-70).
const HEAD_MOST: usize = 32 * 1024;

/// The most bytes that are read ahead.
const BUFFER_MOST: usize = 64 * 1024;

/// What answers requests: the service, whole.
pub(crate) trait App:
    Service<Request<Incoming>, Response = http::Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
    /// The same, with what the requests of one connection share.
    fn for_one_connection(&self) -> Self;
}

impl App for countersign::App {
    fn for_one_connection(&self) -> Self {
        self.for_one_connection()
    }
}

/// What every connection of a server shares.
#[derive(Debug, Clone)]
pub(crate) struct Shared<A> {
    pub(crate) app: A,
    pub(crate) patience: Patience,
    pub(crate) room: Arc<Room>,
    /// Turns `true` when the server is to stop.
    pub(crate) draining: watch::Receiver<bool>,
}

/// Answers requests until the client leaves, takes too long, or the server stops: then the running one is
/// answered.
pub(crate) async fn serve<A: App>(stream: TcpStream, peer: SocketAddr, shared: Shared<A>) {
    let Shared { app, patience, room, draining } = shared;
    let app = app.for_one_connection();
    // Answers are small and complete: waiting for more bytes would only delay them.
    let _ = stream.set_nodelay(true);
    // A listener on [::] sees IPv4 peers as ::ffff:a.b.c.d.
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let phase = Phase::default();
    let io = TokioIo::new(PatientStream::new(stream, patience, room, phase.clone()));
    let service = service_fn(move |request: Request<Incoming>| {
        phase.request();
        let answer = answer(app.clone(), peer, request);
        let phase = phase.clone();
        async move {
            let answer = answer.await;
            phase.answered();
            answer
        }
    });
    let mut http = http1::Builder::new();
    http.max_header_size(HEAD_MOST).max_buf_size(BUFFER_MOST).half_close(true);
    // Answers are small: one copy into one buffer costs less than a system call with several.
    http.writev(false);
    let mut connection = pin!(http.serve_connection(io, service));
    let ended = tokio::select! {
        // First, so that a request that has already come is read before the server's end is heard of.
        biased;
        ended = &mut connection => ended,
        () = drained(draining) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

/// Waits until the server is to stop. It is asked at every turn of its connection, and always by the same task: the first
/// time it leaves word whom to wake, and afterwards looks at one number.
async fn drained(draining: watch::Receiver<bool>) {
    let mut waiting = draining.clone();
    // An error says that the server has gone: that is an end too.
    let mut told = pin!(waiting.wait_for(|draining| *draining));
    let mut has_left_word = false;
    poll_fn(|context| {
        if has_left_word && matches!(draining.has_changed(), Ok(false)) {
            return Poll::Pending;
        }
        has_left_word = true;
        told.as_mut().poll(context).map(drop)
    })
    .await;
}

async fn answer<A: App>(
    mut app: A,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<http::Response<Body>, Infallible> {
    request.extensions_mut().insert(ConnectInfo(peer));
    app.call(request).await
}

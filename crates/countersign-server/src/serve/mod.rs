//! The server: a listener, a loop that accepts, and an end in which every accepted request is answered.
//!
//! An own loop of HTTP/1.1 because it costs a tenth less than axum's (docs/decisions), and because time-outs,
//! the number of connections and the end are ours to decide.

mod connection;
mod patience;
mod refusal;
mod room;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use connection::{App, Shared};
pub(crate) use patience::Patience;
pub(crate) use room::Room;

/// As many connections wait in the kernel's queue to be accepted.
const BACKLOG: i32 = 1_024;

/// How long running requests are waited for at the end.
const DRAIN: Duration = Duration::from_secs(10);

/// Takes the address. A port that a former process of ours has just left is taken over.
///
/// # Errors
/// The operating system's reason.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Answers until `stop`, then answers what was accepted, for at most [`DRAIN`]. Says how many were left
/// unanswered.
pub(crate) async fn run<A: App>(
    listener: TcpListener,
    app: A,
    patience: Patience,
    room: Room,
    stop: impl Future<Output = ()>,
) -> usize {
    let room = Arc::new(room);
    let (drain, draining) = watch::channel(false);
    let shared = Shared { app, patience, room: Arc::clone(&room), draining };
    accept_until(&listener, &shared, stop).await;
    accept_what_waits(&listener, &shared);
    drop(listener);
    // The sender is alive, and so are the receivers that anybody waits with.
    let _ = drain.send(true);
    let emptied = tokio::time::timeout(DRAIN, room.empty()).await;
    if emptied.is_err() { room.taken() } else { 0 }
}

async fn accept_until<A: App>(listener: &TcpListener, shared: &Shared<A>, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let mut faults = Faults::default();
    loop {
        let next = async {
            // The place comes first: who can't be served stays in the kernel's queue.
            let place = shared.room.enter().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = &mut stop => return,
        };
        match accepted {
            Ok((stream, peer)) => begin(stream, peer, place, shared),
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                drop(place);
                faults.note(&error);
                tokio::select! {
                    () = tokio::time::sleep(Faults::PAUSE) => {}
                    () = &mut stop => return,
                }
            }
        }
    }
}

/// Takes the connections that the kernel completed before the end.
fn accept_what_waits<A: App>(listener: &TcpListener, shared: &Shared<A>) {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    while let Poll::Ready(Ok((stream, peer))) = listener.poll_accept(&mut cx) {
        let mut entering = pin!(shared.room.enter());
        let Poll::Ready(place) = entering.as_mut().poll(&mut cx) else { return };
        begin(stream, peer, place, shared);
    }
}

fn begin<A: App>(
    stream: TcpStream,
    peer: SocketAddr,
    place: Option<OwnedSemaphorePermit>,
    shared: &Shared<A>,
) {
    let shared = shared.clone();
    tokio::spawn(async move {
        connection::serve(stream, peer, shared).await;
        drop(place);
    });
}

/// Whether an accept failed only because its connection had gone again.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Faults of accepting that concern us all: too many open files, no memory. They pass; until then the loop
/// waits.
#[derive(Default)]
struct Faults {
    told: Option<Instant>,
}

impl Faults {
    const PAUSE: Duration = Duration::from_millis(100);
    const SILENCE: Duration = Duration::from_secs(10);

    /// Logs it, unless the last one was logged a moment ago.
    fn note(&mut self, error: &io::Error) {
        if self.told.is_none_or(|told| told.elapsed() > Self::SILENCE) {
            tracing::warn!(%error, "no connection can be accepted at the moment");
            self.told = Some(Instant::now());
        }
    }
}

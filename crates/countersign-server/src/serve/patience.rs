//! How long a client is waited for: a connection that reads and writes, but not for ever (SEC-72).
//!
//! hyper has one time-out, which would have to be short for a slow head and long for an idle connection. So
//! the waiting is judged here, where every byte passes, by what the connection is doing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::refusal;
use super::room::Room;

/// How long a client may take for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For the head of a request: from its first byte, or from the connection's beginning.
    pub(crate) head: Duration,
    /// For the next request on a connection that stays open.
    pub(crate) idle: Duration,
    /// The same while connections are scarce.
    pub(crate) crowded: Duration,
    /// For the body of a request, from its head.
    pub(crate) body: Duration,
    /// For taking a piece of the answer.
    pub(crate) answer: Duration,
    /// For closing its side, once ours is closed.
    pub(crate) parting: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        // Load balancers keep idle connections for 60 seconds: ours must outlast theirs, else they meet a
        // closed one.
        Self {
            head: seconds(10),
            idle: seconds(75),
            crowded: seconds(5),
            body: seconds(30),
            answer: seconds(30),
            parting: seconds(1),
        }
    }
}

/// What a connection is doing, told by the service and by the bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Phase(Arc<AtomicU8>);

const FRESH: u8 = 0;
const IDLE: u8 = 1;
const HEAD: u8 = 2;
const REQUEST: u8 = 3;
const ANSWERED: u8 = 4;

impl Phase {
    /// A head was read: the service has a request.
    pub(crate) fn request(&self) {
        self.set(REQUEST);
    }

    /// The service has answered.
    pub(crate) fn answered(&self) {
        self.set(ANSWERED);
    }

    fn set(&self, phase: u8) {
        // Reader and service are polled by one task, one after the other.
        self.0.store(phase, Ordering::Relaxed);
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection that is given up when its client takes too long.
pub(crate) struct PatientStream {
    stream: TcpStream,
    patience: Patience,
    room: Arc<Room>,
    phase: Phase,
    /// The phase that was met last, and since when it has been waited in: most phases end without a wait, and then
    /// nobody need ask for the time.
    met: u8,
    since: Option<Instant>,
    reading: Alarm,
    writing: Alarm,
    parting: Option<Parting>,
    /// What goes out in place of hyper's own refusal, as far as it has not gone out yet.
    instead: Vec<u8>,
}

/// What is left to do once our side is closed.
struct Parting {
    until: Instant,
    bytes: usize,
}

impl PatientStream {
    pub(crate) fn new(stream: TcpStream, patience: Patience, room: Arc<Room>, phase: Phase) -> Self {
        Self {
            stream,
            patience,
            room,
            phase,
            met: FRESH,
            since: Some(Instant::now()),
            reading: Alarm::default(),
            writing: Alarm::default(),
            parting: None,
            instead: Vec::new(),
        }
    }

    /// Follows the phase; what waits for the next request after an answer is idle.
    fn meet(&mut self, phase: u8) {
        let phase = if phase == ANSWERED { IDLE } else { phase };
        if phase != self.met {
            self.met = phase;
            self.since = None;
            self.phase.set(phase);
        }
    }

    fn deadline(&mut self) -> Instant {
        let patience = match self.met {
            IDLE if self.room.is_crowded() => self.patience.crowded,
            IDLE => self.patience.idle,
            REQUEST => self.patience.body,
            _ => self.patience.head,
        };
        *self.since.get_or_insert_with(Instant::now) + patience
    }

    /// Waits on for a read, or gives up.
    fn wait_for_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        /// How soon an idle connection notices that connections have become scarce.
        const GLANCE: Duration = Duration::from_secs(5);
        loop {
            let deadline = self.deadline();
            if !self.reading.rings_before(deadline) {
                self.reading.set(deadline.min(Instant::now() + GLANCE));
            }
            ready!(self.reading.poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
    }

    /// Whether these bytes are a refusal of hyper's own, as only the bytes after a head can be. Then ours
    /// stands ready in its place; hyper sends nothing after it.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        if self.met != HEAD {
            return false;
        }
        match refusal::instead_of(bytes) {
            Some(refusal) => {
                self.instead = refusal;
                true
            }
            None => false,
        }
    }

    fn write_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.instead);
            let count = ready!(self.wait_for_write(cx, written))?;
            self.instead.drain(..count);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads and forgets until the client has closed too, for a bounded time and amount.
    fn read_the_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        const MOST: usize = 1 << 20;
        let Some(Parting { until, bytes }) = &mut self.parting else { return Poll::Ready(()) };
        let mut scratch = [0; 4096];
        while *bytes < MOST && Instant::now() < *until {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => *bytes += buf.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => ready!(self.reading.poll(cx)),
            }
        }
        Poll::Ready(())
    }

    /// Waits on for a write, or gives up; a piece that went out ends the waiting.
    fn wait_for_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing.stop();
            return written;
        }
        if !self.writing.is_set() {
            self.writing.set(Instant::now() + self.patience.answer);
        }
        ready!(self.writing.poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for PatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.meet(this.phase.get());
        let before = buf.filled().len();
        let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buf) else {
            return this.wait_for_read(cx);
        };
        if buf.filled().len() > before && (this.met == FRESH || this.met == IDLE) {
            this.meet(HEAD);
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.replaces(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wait_for_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = pieces.first().filter(|first| self.replaces(first)) {
            return Poll::Ready(Ok(first.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.wait_for_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_instead(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Closes our side and reads the rest. A socket that is closed with unread bytes in it is reset, and the
    /// reset overtakes the answer: who sends too much would never learn that it was too much.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.write_instead(cx))?;
        if this.parting.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            let until = Instant::now() + this.patience.parting;
            this.reading.set(until);
            this.parting = Some(Parting { until, bytes: 0 });
        }
        this.read_the_rest(cx).map(Ok)
    }
}

/// A timer that is made when first needed and then used again.
#[derive(Default)]
struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    set: bool,
}

impl Alarm {
    fn set(&mut self, at: Instant) {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.sleep = Some(Box::pin(sleep_until(at))),
        }
        self.set = true;
    }

    fn is_set(&self) -> bool {
        self.set
    }

    fn rings_before(&self, deadline: Instant) -> bool {
        self.set && self.sleep.as_ref().is_some_and(|sleep| sleep.deadline() <= deadline)
    }

    /// What it wakes the task for is over; it may still ring.
    fn stop(&mut self) {
        self.set = false;
    }

    /// Rings once.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
        }
        self.set = false;
        Poll::Ready(())
    }
}

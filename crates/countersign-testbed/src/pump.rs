//! Carries bytes through the proxy: one pump for each direction of a connection.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::proxy::{Direction, LOOK, Mode, Shared, When};

/// Both sides of a connection. It is reset when the last pump lets go of it.
pub(crate) struct Connection {
    client: TcpStream,
    server: TcpStream,
    is_over: AtomicBool,
    /// What the server says next is lost, and the connection with it.
    is_muted: AtomicBool,
}

impl Connection {
    pub(crate) fn new(client: TcpStream, server: TcpStream) -> Self {
        for stream in [&client, &server] {
            stream.set_nonblocking(false).expect("a socket that blocks");
            stream.set_read_timeout(Some(LOOK)).expect("a socket with a time limit");
            stream.set_nodelay(true).expect("a socket without delay");
        }
        Self { client, server, is_over: AtomicBool::new(false), is_muted: AtomicBool::new(false) }
    }

    /// The client and the server each see a reset, not an end.
    pub(crate) fn reset(&self) {
        for stream in [&self.client, &self.server] {
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        self.is_over.store(true, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

type Parcel = (Instant, Vec<u8>);

pub(crate) struct Pump {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    direction: Direction,
}

impl Pump {
    /// Reads on one thread and writes on another, so that what is delayed holds up nothing behind it.
    pub(crate) fn start(shared: Arc<Shared>, connection: Arc<Connection>, direction: Direction) {
        let (parcels, arrivals) = channel();
        let writer = Self { shared: Arc::clone(&shared), connection: Arc::clone(&connection), direction };
        let reader = Self { shared, connection, direction };
        std::thread::spawn(move || reader.read(&parcels));
        std::thread::spawn(move || writer.write(&arrivals));
    }

    fn from(&self) -> &TcpStream {
        match self.direction {
            Direction::ToServer => &self.connection.client,
            Direction::ToClient => &self.connection.server,
        }
    }

    fn to(&self) -> &TcpStream {
        match self.direction {
            Direction::ToServer => &self.connection.server,
            Direction::ToClient => &self.connection.client,
        }
    }

    fn read(&self, parcels: &Sender<Parcel>) {
        let mut buffer = vec![0; 64 * 1024];
        while !self.connection.is_over() {
            match self.from().read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => {
                    let delay = match self.shared.mode() {
                        Mode::Delay(by) => by,
                        _ => Duration::ZERO,
                    };
                    let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                    if parcels.send((Instant::now() + delay, bytes)).is_err() {
                        return;
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return self.connection.reset(),
            }
        }
    }

    fn write(&self, arrivals: &Receiver<Parcel>) {
        while !self.connection.is_over() {
            match arrivals.recv_timeout(LOOK) {
                Ok((due, bytes)) => {
                    self.wait(due);
                    if self.connection.is_over() || !self.deliver(&bytes) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.to().shutdown(Shutdown::Write);
                    return;
                }
            }
        }
    }

    /// Until the parcel is due and no black hole is in the way.
    fn wait(&self, due: Instant) {
        while !self.connection.is_over() && (Instant::now() < due || self.shared.mode() == Mode::BlackHole) {
            std::thread::sleep(LOOK.min(due.saturating_duration_since(Instant::now()).max(LOOK / 5)));
        }
    }

    /// `false`: the connection is over.
    fn deliver(&self, bytes: &[u8]) -> bool {
        if self.direction == Direction::ToClient && self.connection.is_muted.load(Ordering::SeqCst) {
            self.connection.reset();
            return false;
        }
        match self.shared.spring(self.direction, bytes) {
            Some(When::BeforeForwarding) => {
                self.connection.reset();
                return false;
            }
            Some(When::AfterForwarding) => self.connection.is_muted.store(true, Ordering::SeqCst),
            None => {}
        }
        if self.to().write_all(bytes).is_err() {
            self.connection.reset();
        }
        !self.connection.is_over()
    }
}

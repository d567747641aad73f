//! The two sockets of a connection, and how both are reset.

use std::io::{self, ErrorKind, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::SockRef;

use crate::wait::LIMIT;

/// How often whoever writes to a peer that doesn't read looks whether it should go on.
const LOOK: Duration = Duration::from_millis(20);

pub(super) struct Line {
    client: TcpStream,
    server: OnceLock<TcpStream>,
    is_reset: AtomicBool,
    is_muted: AtomicBool,
    has_client_left: AtomicBool,
}

impl Line {
    pub(super) fn new(client: TcpStream) -> io::Result<Self> {
        client.set_nonblocking(false)?;
        Ok(Self {
            client: prepared(client)?,
            server: OnceLock::new(),
            is_reset: AtomicBool::new(false),
            is_muted: AtomicBool::new(false),
            has_client_left: AtomicBool::new(false),
        })
    }

    pub(super) fn client(&self) -> &TcpStream {
        &self.client
    }

    /// Connects to the server.
    pub(super) fn reach(&self, server: SocketAddr) -> io::Result<&TcpStream> {
        let server = prepared(TcpStream::connect_timeout(&server, LIMIT)?)?;
        Ok(self.server.get_or_init(|| server))
    }

    /// Ends all reading and writing. When the last who holds the line lets go, both peers see a reset.
    pub(super) fn reset(&self) {
        self.is_reset.store(true, Ordering::SeqCst);
        for stream in self.streams() {
            // They fail where the peer was faster. Nothing of it is heard outside: it wakes whoever reads here.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
            let _ = stream.shutdown(Shutdown::Read);
        }
    }

    pub(super) fn is_reset(&self) -> bool {
        self.is_reset.load(Ordering::SeqCst)
    }

    /// A trap has sprung: the server finishes what it has, and neither side hears the other any more.
    pub(super) fn mute(&self) {
        self.is_muted.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_muted(&self) -> bool {
        self.is_muted.load(Ordering::SeqCst)
    }

    pub(super) fn client_left(&self) {
        self.has_client_left.store(true, Ordering::SeqCst);
    }

    pub(super) fn has_client_left(&self) -> bool {
        self.has_client_left.load(Ordering::SeqCst)
    }

    /// Writes all of it to one of the peers, unless the line is reset meanwhile.
    pub(super) fn write(&self, mut to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match to.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if is_pause(&error) && !self.is_reset() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn streams(&self) -> impl Iterator<Item = &TcpStream> {
        std::iter::once(&self.client).chain(self.server.get())
    }
}

fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(LOOK))?;
    Ok(stream)
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

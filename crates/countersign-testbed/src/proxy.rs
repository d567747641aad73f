//! A network that fails on demand: a TCP proxy that passes, delays, swallows, refuses, cuts and forgets.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::pump::{Connection, Pump};

/// How often an acceptor or a pump looks at what it was told meanwhile.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    ToServer,
    /// From the server.
    ToClient,
}

/// When a trap resets the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The bytes that sprang it never arrive.
    BeforeForwarding,
    /// They arrive, and what the server answers to them is lost. Only on the way to the server.
    AfterForwarding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    Delay(Duration),
    BlackHole,
    Refuse,
}

/// Resets the connection on which it is sprung, once.
pub(crate) struct Trap {
    pub(crate) direction: Direction,
    pub(crate) needle: Vec<u8>,
    pub(crate) when: When,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    sprung: AtomicUsize,
}

struct State {
    mode: Mode,
    target: SocketAddr,
    trap: Option<Trap>,
    connections: Vec<Weak<Connection>>,
    is_over: bool,
}

/// A proxy before one server. Dropping it resets what is left.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Proxy {
    /// A proxy on a free port of loopback, which passes everything on to `target`.
    ///
    /// # Panics
    ///
    /// Where no port or thread can be had.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = State { mode: Mode::Pass, target, trap: None, connections: Vec::new(), is_over: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), sprung: AtomicUsize::new(0) });
        let acceptor = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("proxy".into());
        thread.spawn(move || accept(&acceptor, listener, address)).expect("a thread");
        Self { shared, address }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same address of a database, through this proxy.
    ///
    /// # Panics
    ///
    /// Where `url` names no host on loopback with a port.
    pub fn url(&self, url: &str) -> String {
        let (before, rest) = url.split_once("127.0.0.1:").expect("a server on loopback");
        let behind = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
        format!("{before}{}{behind}", self.address)
    }

    /// Everything passes.
    pub fn pass(&self) {
        self.shared.lock().mode = Mode::Pass;
    }

    /// Each chunk, either way, arrives so much later; as many as come are on their way at once.
    pub fn delay(&self, by: Duration) {
        self.shared.lock().mode = Mode::Delay(by);
    }

    /// Connections are accepted and kept, and nothing comes through.
    pub fn black_hole(&self) {
        self.shared.lock().mode = Mode::BlackHole;
    }

    /// New connections are refused.
    pub fn refuse(&self) {
        self.shared.lock().mode = Mode::Refuse;
    }

    /// Resets all present connections.
    pub fn cut(&self) {
        let connections = std::mem::take(&mut self.shared.lock().connections);
        connections.iter().filter_map(Weak::upgrade).for_each(|connection| connection.reset());
    }

    /// New connections go to another server.
    pub fn retarget(&self, target: SocketAddr) {
        self.shared.lock().target = target;
    }

    /// Sets a trap for the next chunk with these bytes; it takes the place of the one before.
    pub fn cut_when(&self, direction: Direction, needle: &[u8], when: When) {
        self.shared.lock().trap = Some(Trap { direction, needle: needle.to_vec(), when });
    }

    /// How many traps have been sprung.
    pub fn times_sprung(&self) -> usize {
        self.shared.sprung.load(Ordering::SeqCst)
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections.iter().filter(|connection| connection.strong_count() > 0).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.cut();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mode(&self) -> Mode {
        self.lock().mode
    }

    /// The trap that these bytes spring, if they do.
    pub(crate) fn spring(&self, direction: Direction, bytes: &[u8]) -> Option<When> {
        let mut state = self.lock();
        let trap = state.trap.as_ref().filter(|trap| trap.direction == direction)?;
        if !bytes.windows(trap.needle.len()).any(|window| window == trap.needle) {
            return None;
        }
        let when = trap.when;
        state.trap = None;
        self.sprung.fetch_add(1, Ordering::SeqCst);
        Some(when)
    }
}

/// Accepts for as long as the proxy lives. While it refuses, nobody listens on the port.
fn accept(shared: &Arc<Shared>, listener: TcpListener, address: SocketAddr) {
    let mut listener = Some(listener);
    loop {
        let (mode, is_over) = {
            let state = shared.lock();
            (state.mode, state.is_over)
        };
        if is_over {
            return;
        }
        if mode == Mode::Refuse {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).ok();
        }
        match listener.as_ref().map(next) {
            Some(Some(client)) => connect(shared, client),
            Some(None) | None => std::thread::sleep(LOOK),
        }
    }
}

fn next(listener: &TcpListener) -> Option<TcpStream> {
    listener.set_nonblocking(true).expect("a listener that doesn't block");
    match listener.accept() {
        Ok((client, _)) => Some(client),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(_) => None,
    }
}

fn connect(shared: &Arc<Shared>, client: TcpStream) {
    let target = shared.lock().target;
    // Nobody listens there: the client's connection is closed, as a host without the service would.
    let Ok(server) = TcpStream::connect(target) else { return };
    let connection = Arc::new(Connection::new(client, server));
    shared.lock().connections.push(Arc::downgrade(&connection));
    for direction in [Direction::ToServer, Direction::ToClient] {
        Pump::start(Arc::clone(shared), Arc::clone(&connection), direction);
    }
}

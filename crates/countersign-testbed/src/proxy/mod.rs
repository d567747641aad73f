//! A network that fails when it is told to: a TCP proxy in front of a server.

mod trap;
mod line;
mod network;
mod connection;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::server::free_port;
use crate::wait::{LIMIT, poll};
use network::{Mode, Network};

pub use trap::{Direction, When};

/// A TCP proxy on a port of 127.0.0.1, which can be told at any time how to treat the connections that go through it.
/// It begins with [`pass`](Self::pass). Dropped, it resets what is left.
pub struct Proxy {
    address: SocketAddr,
    network: Arc<Network>,
    orders: UnboundedSender<(Order, mpsc::Sender<u64>)>,
}

/// What the accepting task is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Listen,
    Refuse,
    Cut,
    End,
}

impl Proxy {
    /// Starts a proxy that leads to the target.
    pub fn start(target: SocketAddr) -> Self {
        let listener = listen();
        let address = listener.local_addr().expect("the address of a listener");
        let network = Arc::new(Network::new(target));
        let (orders, received) = unbounded_channel();
        let theirs = Arc::clone(&network);
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener that doesn't block");
                let acceptor = Acceptor { address, network: theirs, listener: Some(listener), next: 0 };
                acceptor.run(received).await;
            });
        });
        Self { address, network, orders }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same URL, but through the proxy: `postgres://user@HOST:PORT/database?…` keeps all but host and port.
    pub fn url(&self, url: &str) -> String {
        let start = url.find("://").map_or(0, |at| at + 3);
        let (scheme, rest) = url.split_at(start);
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let user = authority.rfind('@').map_or("", |at| authority.split_at(at + 1).0);
        format!("{scheme}{user}{}{rest}", self.address)
    }

    /// Everything goes through at once, what was held back first. Listens again if it refused before; so do
    /// [`delay`](Self::delay) and [`black_hole`](Self::black_hole).
    pub fn pass(&self) {
        self.treat(Mode::Pass);
    }

    /// Whatever is read from now on waits that long before it goes on, in each direction. Later data don't wait for
    /// earlier ones to arrive: the bandwidth stays.
    pub fn delay(&self, delay: Duration) {
        self.treat(Mode::Delay(delay));
    }

    /// Nothing goes through, and nobody is told: connections are accepted and kept, present ones fall silent. What
    /// they send is held back until [`pass`](Self::pass), as when a broken network heals.
    pub fn black_hole(&self) {
        self.treat(Mode::BlackHole);
    }

    /// New connections are refused, as by a machine whose server is down. Present ones go on.
    pub fn refuse(&self) {
        self.order(Order::Refuse);
    }

    /// Resets all present connections, on both sides. When this returns, they are gone.
    pub fn cut(&self) {
        let next = self.order(Order::Cut);
        poll(|| self.network.all_living_are_from(next).then_some(())).expect("the end of what was cut");
    }

    /// New connections go to another server, as after a failover. Present ones stay where they are.
    pub fn retarget(&self, target: SocketAddr) {
        self.network.change(|manners| manners.target = target);
    }

    /// Sets a trap that springs once: on the first data in this direction that have the needle, which may span two
    /// chunks. It replaces a trap that has not sprung. What is encrypted is never found.
    ///
    /// # Panics
    ///
    /// On a needle that is empty or longer than 256 bytes.
    pub fn cut_when(&self, direction: Direction, needle: &[u8], when: When) {
        self.network.trap.set(direction, needle, when);
    }

    /// How many traps have sprung.
    pub fn times_sprung(&self) -> usize {
        self.network.trap.times_sprung()
    }

    /// How many connections there are whose client has not closed them. One is counted as soon as the proxy has
    /// accepted it, which is a moment after the client's `connect` returns.
    pub fn connections(&self) -> usize {
        self.network.living()
    }

    fn treat(&self, mode: Mode) {
        self.network.change(|manners| manners.mode = mode);
        self.order(Order::Listen);
    }

    /// Gives an order and waits until it is carried out. Returns the number of the connection that will come next.
    fn order(&self, order: Order) -> u64 {
        let (done, carried_out) = mpsc::channel();
        self.orders.send((order, done)).expect("the proxy's thread");
        carried_out.recv_timeout(LIMIT).expect("the proxy's thread")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let (done, ended) = mpsc::channel();
        // Where its thread has panicked, it has ended too.
        if self.orders.send((Order::End, done)).is_ok() {
            let _ = ended.recv_timeout(LIMIT);
        }
    }
}

/// The task that accepts connections and carries out orders.
struct Acceptor {
    address: SocketAddr,
    network: Arc<Network>,
    listener: Option<TcpListener>,
    /// The number of the next connection.
    next: u64,
}

impl Acceptor {
    async fn run(mut self, mut orders: UnboundedReceiver<(Order, mpsc::Sender<u64>)>) {
        loop {
            tokio::select! {
                // Connections first: an order is about those that are there already.
                biased;
                client = accept(self.listener.as_ref()) => self.take(client),
                order = orders.recv() => {
                    let Some((order, done)) = order else { return };
                    self.carry_out(order).await;
                    // Nobody has to wait for it.
                    let _ = done.send(self.next);
                    if order == Order::End {
                        return;
                    }
                }
            }
        }
    }

    async fn carry_out(&mut self, order: Order) {
        match order {
            Order::Listen if self.listener.is_none() => {
                let listener = TcpListener::bind(self.address).await;
                self.listener = Some(listener.expect("the port that was free, or ours before"));
            }
            Order::Listen => {}
            Order::Refuse => self.listener = None,
            Order::Cut => self.network.reset_all(),
            Order::End => {
                self.listener = None;
                self.network.reset_all();
            }
        }
    }

    fn take(&mut self, client: TcpStream) {
        connection::serve(&self.network, self.next, client.into_std().expect("a socket of its own"));
        self.next += 1;
    }
}

/// Between the choice of a port and its use somebody else may take it.
fn listen() -> std::net::TcpListener {
    let bind = || std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, free_port()));
    let listener = std::iter::repeat_with(bind).take(5).find_map(Result::ok).expect("a port that stays free");
    listener.set_nonblocking(true).expect("a listener that doesn't block");
    listener
}

/// The next client; none comes where nobody listens.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    listener.accept().await.expect("a connection").0
}

//! One connection through the proxy: two streams of data, each held up as the network says.
//!
//! Each direction has one thread that reads and one that writes, so that what is late holds up nothing behind it. Threads
//! and no runtime: on a busy machine a single thread for all connections gets too little of it.

use std::io::{self, Read as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::line::Line;
use super::network::{Living, Mode, Network};
use super::trap::{Direction, When};

/// What was read, an end where it is empty, and when it may go on.
type Chunk = (Instant, io::Result<Vec<u8>>);

const CHUNK: usize = 16 * 1024;

/// How many chunks are under way before the sender is held up: 32 MiB at most in each direction.
const UNDER_WAY: usize = 2_048;

/// Serves a client until both sides have said all, or one breaks, or the connection is reset.
pub(super) fn serve(network: &Arc<Network>, number: u64, client: TcpStream) {
    // It fails for a client that has left already.
    let Ok(line) = Line::new(client).map(Arc::new) else { return };
    let living = Living::new(network, number, &line);
    std::thread::spawn(move || {
        relay(&living.network, &line);
        drop(line);
        drop(living);
    });
}

fn relay(network: &Network, line: &Line) {
    let there = Way { network, line, direction: Direction::ToServer };
    let back = Way { network, line, direction: Direction::ToClient };
    std::thread::scope(|scope| {
        let (sender, to_server) = sync_channel(UNDER_WAY);
        scope.spawn(|| there.take_in(line.client(), sender));
        if !network.lets_through(line, Instant::now()) {
            return;
        }
        let Ok(server) = line.reach(network.manners().target) else { return network.reset(line) };
        if line.is_reset() {
            // It came too early to find the server's side.
            return line.reset();
        }
        let (sender, to_client) = sync_channel(UNDER_WAY);
        scope.spawn(|| there.give_out(to_server, server));
        scope.spawn(|| back.take_in(server, sender));
        back.give_out(to_client, line.client());
    });
}

/// One direction of a connection.
struct Way<'a> {
    network: &'a Network,
    line: &'a Line,
    direction: Direction,
}

impl Way<'_> {
    /// Reads all there is, whatever the network does with it: so the end of a client is seen in any case.
    fn take_in(&self, mut from: &TcpStream, queue: SyncSender<Chunk>) {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = from.read(&mut buffer);
            let is_end = !matches!(read, Ok(1..));
            if is_end && self.direction == Direction::ToServer {
                self.line.client_left();
            }
            let delay = match self.network.manners().mode {
                Mode::Delay(delay) => delay,
                Mode::Pass | Mode::BlackHole => Duration::ZERO,
            };
            let sent = queue.send((Instant::now() + delay, read.map(|length| buffer[..length].to_owned())));
            if is_end || sent.is_err() {
                return;
            }
        }
    }

    fn give_out(&self, queue: Receiver<Chunk>, to: &TcpStream) {
        let mut before = Vec::new();
        for (due, chunk) in queue {
            if !self.network.lets_through(self.line, due) {
                return;
            }
            if !self.line.is_muted() && self.forward(chunk, to, &mut before).is_err() {
                return self.network.reset(self.line);
            }
        }
        // The server has acted on what sprang the trap, and closed.
        if self.line.is_muted() && self.direction == Direction::ToClient {
            self.network.reset(self.line);
        }
    }

    /// An error is the end of the connection.
    fn forward(&self, chunk: io::Result<Vec<u8>>, to: &TcpStream, before: &mut Vec<u8>) -> io::Result<()> {
        let chunk = chunk?;
        if chunk.is_empty() {
            return to.shutdown(Shutdown::Write);
        }
        let cut = || Err(io::ErrorKind::ConnectionReset.into());
        match (self.network.trap.springs(self.direction, before, &chunk), self.direction) {
            (None, _) => self.line.write(to, &chunk),
            (Some(When::BeforeForwarding), _) => cut(),
            (Some(When::AfterForwarding), Direction::ToServer) => {
                self.line.mute();
                self.line.write(to, &chunk)?;
                to.shutdown(Shutdown::Write)
            }
            (Some(When::AfterForwarding), Direction::ToClient) => {
                self.line.write(to, &chunk)?;
                cut()
            }
        }
    }
}

//! What all connections of a proxy obey, and which of them live.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::line::Line;
use super::trap::Trap;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Pass,
    Delay(Duration),
    BlackHole,
}

#[derive(Clone, Copy)]
pub(super) struct Manners {
    pub(super) mode: Mode,
    /// Where new connections go.
    pub(super) target: SocketAddr,
}

pub(super) struct Network {
    manners: Mutex<Manners>,
    /// The manners are others, or a connection has been reset.
    changed: Condvar,
    pub(super) trap: Trap,
    lines: Mutex<BTreeMap<u64, Weak<Line>>>,
}

impl Network {
    pub(super) fn new(target: SocketAddr) -> Self {
        let manners = Mutex::new(Manners { mode: Mode::Pass, target });
        Self { manners, changed: Condvar::new(), trap: Trap::default(), lines: Mutex::default() }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    pub(super) fn manners(&self) -> Manners {
        *self.lock()
    }

    /// Waits until what is due then may go on. `false`: its connection has been reset.
    pub(super) fn lets_through(&self, line: &Line, due: Instant) -> bool {
        let mut manners = self.lock();
        while !line.is_reset() {
            let early = due.saturating_duration_since(Instant::now());
            manners = match manners.mode {
                Mode::BlackHole => self.changed.wait(manners).unwrap_or_else(PoisonError::into_inner),
                _ if early.is_zero() => return true,
                _ => self.changed.wait_timeout(manners, early).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        false
    }

    /// Tells a connection to end, and those who wait for it.
    pub(super) fn reset(&self, line: &Line) {
        line.reset();
        // Whoever found it not reset waits by now, or holds the lock.
        drop(self.lock());
        self.changed.notify_all();
    }

    pub(super) fn reset_all(&self) {
        let lines: Vec<_> = self.lines().values().filter_map(Weak::upgrade).collect();
        lines.iter().for_each(|line| self.reset(line));
    }

    pub(super) fn living(&self) -> usize {
        let lines: Vec<_> = self.lines().values().filter_map(Weak::upgrade).collect();
        lines.iter().filter(|line| !line.has_client_left()).count()
    }

    pub(super) fn all_living_are_from(&self, number: u64) -> bool {
        self.lines().first_key_value().is_none_or(|(first, _)| *first >= number)
    }

    fn lock(&self) -> MutexGuard<'_, Manners> {
        self.manners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<u64, Weak<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place in the list of the living. To be dropped after the connection itself.
pub(super) struct Living {
    pub(super) network: Arc<Network>,
    number: u64,
}

impl Living {
    pub(super) fn new(network: &Arc<Network>, number: u64, line: &Arc<Line>) -> Self {
        network.lines().insert(number, Arc::downgrade(line));
        Self { network: Arc::clone(network), number }
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.network.lines().remove(&self.number);
    }
}

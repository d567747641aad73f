//! The turnstile: of the guesses that arrive together no more are hashed at once than could still be answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Mutex as Line, Notify};

/// Guesses under way on this node, by the key of the budget that they draw on. It saves hashes; what is answered is the database's to decide.
#[derive(Default)]
pub(crate) struct Turnstile(Mutex<HashMap<i64, Gate>>);

#[derive(Default)]
struct Gate {
    under_way: i64,
    turned: Arc<Notify>,
    line: Arc<Line<()>>,
}

/// There is no room just now.
pub(crate) struct Full {
    /// Whoever holds it is the first in line, and the only one to look again.
    pub(crate) line: Arc<Line<()>>,
    /// Ready when somebody has left.
    pub(crate) turned: OwnedNotified,
}

/// A guess under way; dropping it lets the next one in.
#[derive(Default)]
pub(crate) struct Pass {
    turnstile: Arc<Turnstile>,
    keys: Vec<i64>,
}

impl Turnstile {
    /// Lets a guess in where each budget has room for it beside those under way; else says where to wait.
    pub(crate) fn enter(self: &Arc<Self>, rooms: &[(i64, i64)]) -> Result<Pass, Full> {
        let mut gates = self.lock();
        let full = |(key, room): &&(i64, i64)| gates.get(key).is_some_and(|gate| gate.under_way >= *room);
        if let Some(gate) = rooms.iter().find(full).and_then(|(key, _)| gates.get(key)) {
            // Made under the lock: no turn can be missed.
            let turned = Arc::clone(&gate.turned).notified_owned();
            return Err(Full { line: Arc::clone(&gate.line), turned });
        }
        for (key, _) in rooms {
            gates.entry(*key).or_default().under_way += 1;
        }
        Ok(Pass { turnstile: Arc::clone(self), keys: rooms.iter().map(|(key, _)| *key).collect() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Gate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut gates = self.turnstile.lock();
        for key in &self.keys {
            let Some(gate) = gates.get_mut(key) else { continue };
            gate.under_way -= 1;
            gate.turned.notify_waiters();
            if gate.under_way == 0 {
                gates.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_ready(mut waiting: std::pin::Pin<&mut OwnedNotified>) -> bool {
        waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn whoever_finds_no_room_waits_for_one_to_leave() {
        let turnstile = Arc::new(Turnstile::default());
        let rooms = [(1, 2), (2, 9)];
        let first = turnstile.enter(&rooms).ok().unwrap();
        let second = turnstile.enter(&rooms).ok().unwrap();
        let mut waiting = pin!(turnstile.enter(&rooms).err().unwrap().turned);
        assert!(turnstile.enter(&[(2, 9)]).is_ok(), "another account");
        assert!(!is_ready(waiting.as_mut()));
        drop(first);
        assert!(is_ready(waiting));
        assert!(turnstile.enter(&rooms).is_ok());
        drop(second);
    }

    #[test]
    fn nothing_is_kept_of_those_who_have_left() {
        let turnstile = Arc::new(Turnstile::default());
        let passes: Vec<_> = (0..100).map(|key| turnstile.enter(&[(key, 1)]).ok().unwrap()).collect();
        assert_eq!(turnstile.lock().len(), 100);
        drop(passes);
        assert!(turnstile.lock().is_empty());
    }
}

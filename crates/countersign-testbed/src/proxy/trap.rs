//! The trap: a connection that breaks at one chosen moment of the conversation.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which way data go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client: statements.
    ToServer,
    /// From the server: answers.
    ToClient,
}

/// At which side of the needle a connection is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// What has the needle never arrives.
    BeforeForwarding,
    /// What has the needle arrives. Towards the server: it is given time to act on it, hears that the client has
    /// nothing more to say, and when it has closed the connection, the client's is reset without any answer. What it
    /// did is done by then.
    AfterForwarding,
}

const LONGEST: usize = 256;

#[derive(Default)]
pub(super) struct Trap {
    set: Mutex<Option<Set>>,
    sprung: AtomicUsize,
}

struct Set {
    direction: Direction,
    needle: Vec<u8>,
    when: When,
}

impl Trap {
    pub(super) fn set(&self, direction: Direction, needle: &[u8], when: When) {
        assert!((1..=LONGEST).contains(&needle.len()), "a needle has 1 to {LONGEST} bytes");
        *self.lock() = Some(Set { direction, needle: needle.to_owned(), when });
    }

    pub(super) fn times_sprung(&self) -> usize {
        self.sprung.load(Ordering::SeqCst)
    }

    /// Whether the chunk springs the trap. `before` has the end of what went this way before, and is carried on.
    pub(super) fn springs(&self, direction: Direction, before: &mut Vec<u8>, chunk: &[u8]) -> Option<When> {
        let mut set = self.lock();
        let when = set.as_ref().filter(|set| set.direction == direction).and_then(|set| {
            let overlap = before.len().min(set.needle.len() - 1);
            let window = [before.split_at(before.len() - overlap).1, chunk].concat();
            window.windows(set.needle.len()).any(|part| part == set.needle).then_some(set.when)
        });
        if when.is_some() {
            *set = None;
            self.sprung.fetch_add(1, Ordering::SeqCst);
        }
        before.extend_from_slice(chunk);
        before.drain(..before.len().saturating_sub(LONGEST));
        when
    }

    fn lock(&self) -> MutexGuard<'_, Option<Set>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_is_found_across_chunks_once_and_in_its_direction() {
        let trap = Trap::default();
        let (mut there, mut back) = (Vec::new(), Vec::new());
        assert_eq!(trap.springs(Direction::ToServer, &mut there, b"COMMIT"), None);
        trap.set(Direction::ToServer, b"COMMIT", When::BeforeForwarding);
        // What went by before the trap was set doesn't count, however short the chunk after it is.
        assert_eq!(trap.springs(Direction::ToServer, &mut there, b";"), None);
        assert_eq!(trap.springs(Direction::ToClient, &mut back, b"COMMIT"), None);
        assert_eq!(trap.springs(Direction::ToServer, &mut there, b"COM"), None);
        assert_eq!(trap.springs(Direction::ToServer, &mut there, b"MIT"), Some(When::BeforeForwarding));
        assert_eq!(trap.springs(Direction::ToServer, &mut there, b"COMMIT"), None);
        assert_eq!(trap.times_sprung(), 1);
    }
}

//! How many connections there may be, and how many there are.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Files that are open for other reasons than connections: the database, the log, the poller.
const OTHER_FILES: u64 = 64;

/// More connections than this are left waiting in the kernel's queue.
const MOST: u64 = 10_000;

/// The places for connections. Each connection holds one while it lives.
#[derive(Debug)]
pub(crate) struct Room {
    places: Arc<Semaphore>,
    size: u32,
}

impl Room {
    /// As many places as the open files allow, up to the limit.
    pub(crate) fn within(open_files: u64) -> Self {
        let size = open_files.saturating_sub(OTHER_FILES).clamp(1, MOST);
        Self::of(u32::try_from(size).unwrap_or(1))
    }

    /// So many places.
    pub(crate) fn of(size: u32) -> Self {
        let places = usize::try_from(size).unwrap_or(1);
        Self { places: Arc::new(Semaphore::new(places)), size }
    }

    /// A place, once one is free.
    pub(crate) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// Whether fewer than a fifth of the places are free, so that idle connections have to leave sooner.
    pub(crate) fn is_crowded(&self) -> bool {
        self.places.available_permits() * 5 < usize::try_from(self.size).unwrap_or(usize::MAX)
    }

    /// How many places are taken.
    pub(crate) fn taken(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX).saturating_sub(self.places.available_permits())
    }

    /// Waits until everybody has left.
    pub(crate) async fn empty(&self) {
        // The semaphore is never closed.
        let _ = self.places.acquire_many(self.size).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_leave_files_for_others_and_have_an_end() {
        assert_eq!(Room::within(1_024).size, 960);
        assert_eq!(Room::within(u64::MAX).size, 10_000);
        assert_eq!(Room::within(10).size, 1);
    }

    #[tokio::test]
    async fn the_last_fifth_is_crowded() {
        let room = Room::of(5);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(room.enter().await.unwrap());
        }
        assert!(!room.is_crowded());
        held.push(room.enter().await.unwrap());
        assert!(room.is_crowded());
        assert_eq!(room.taken(), 5);
    }
}

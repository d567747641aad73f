//! What the pool and the batchers tell of themselves.

use super::link::Pool;
use crate::metrics::{Gauge, Histogram, Meters, Reading};

/// A batcher's meters. Clones share them.
#[derive(Clone)]
pub(super) struct Figures {
    /// Questions that wait for a worker.
    pub(super) waiting: Gauge,
    /// How many questions travelled together.
    pub(super) batches: Histogram,
    /// How long the way to the database and back took, with whatever had to be tried again.
    pub(super) durations: Histogram,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            waiting: Gauge::default(),
            batches: Histogram::of_batches(),
            durations: Histogram::of_durations(),
        }
    }
}

impl Figures {
    pub(super) fn report(&self, of: &str, to: &mut Meters) {
        let name = |what: &str| format!("store_{of}_{what}");
        to.keep(&name("queue_length"), "Questions that wait to travel to the database", self.waiting.clone());
        to.keep(&name("batch_size"), "Questions that travelled together", self.batches.clone());
        let durations = "From a batch's leaving to its answer, in seconds; of spendings with their commit";
        to.keep(&name("batch_duration_seconds"), durations, self.durations.clone());
    }
}

pub(super) fn report(pool: &Pool, to: &mut Meters) {
    let read = |figure: fn(deadpool::Status) -> usize| {
        let pool = pool.clone();
        Reading(move || figure(pool.status()) as f64)
    };
    let most = "Connections that the pool may have; the batchers have their own";
    to.keep("store_pool_max_connections", most, read(|status| status.max_size));
    let used = "Connections that transactions use at this moment";
    to.keep("store_pool_used_connections", used, read(|status| status.size.saturating_sub(status.available)));
    to.keep("store_pool_waiting", "Transactions that wait for a connection", read(|status| status.waiting));
}

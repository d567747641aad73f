//! What the writer tells of itself.

use crate::metrics::{Counter, Gauge, Histogram, Meters};

/// The writer's meters. Clones share them.
#[derive(Clone)]
pub(super) struct Figures {
    /// Jobs that wait for the writer.
    pub(super) waiting: Gauge,
    /// How many jobs shared a commit.
    pub(super) batches: Histogram,
    /// How long commits took: the fsync, for the most part.
    pub(super) commits: Histogram,
    /// Batches that could not be committed.
    pub(super) lost: Counter,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            waiting: Gauge::default(),
            batches: Histogram::of_batches(),
            commits: Histogram::of_durations(),
            lost: Counter::default(),
        }
    }
}

impl Figures {
    /// Notes how a batch of so many jobs ended.
    pub(super) fn ended(&self, jobs: usize, committed: bool) {
        if committed {
            self.batches.observe(jobs as u64);
        } else {
            self.lost.inc();
        }
    }

    pub(super) fn report(&self, to: &mut Meters) {
        to.keep("store_queue_length", "Transactions that wait to be written", self.waiting.clone());
        to.keep("store_batch_size", "Transactions that shared one commit", self.batches.clone());
        let commits = "How long commits took, in seconds: the fsync, for the most part";
        to.keep("store_commit_duration_seconds", commits, self.commits.clone());
        let lost = "Batches of which nothing was written; each of their requests was answered 503";
        to.keep("store_lost_batches", lost, self.lost.clone());
    }
}

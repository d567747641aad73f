//! What the lanes tell of themselves.

use super::{Counts, HashLanes};
use crate::metrics::{self, Meters, Reading};

impl HashLanes {
    /// Hands the lanes' figures in.
    pub(crate) fn report(&self, to: &mut Meters) {
        let read = |figure: fn(&Self) -> f64| {
            let lanes = self.clone();
            Reading(move || figure(&lanes))
        };
        to.keep("hash_lanes", "Threads that hash", read(|lanes| lanes.lanes().into()));
        let capacity = "Passwords that all lanes together verify in a second, by a running average";
        to.keep("hash_capacity_per_second", capacity, read(Self::rate));
        to.keep("hash_queue_length", "Hashes that wait for a lane", read(|lanes| lanes.queue_depth() as f64));
        let estimate = "How long a hash that came now would wait, in seconds";
        to.keep("hash_queue_delay_seconds", estimate, read(|lanes| lanes.estimated_wait().as_secs_f64()));
        let waits = "How long hashes waited for a lane, in seconds";
        to.keep("hash_queue_wait_seconds", waits, self.0.queue.waits.clone());
        let memory = "Memory that the lanes hold";
        to.keep("hash_memory_bytes", memory, read(|lanes| lanes.memory_kib() as f64 * 1_024.0));
        let lanes = self.clone();
        let jobs = metrics::Counts(move || {
            let Counts { started, refused, abandoned } = lanes.counts();
            [("started", started), ("refused", refused), ("abandoned", abandoned)]
        });
        to.keep("hash_jobs", "Hashes by what became of them", jobs);
    }
}

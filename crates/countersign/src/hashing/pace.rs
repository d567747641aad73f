//! How fast hashes are here: a running average, on which admission and the reported rate rest.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::password::phc::WORK_OF_DEFAULT;

/// Before anything is measured: slower than any machine of today.
const FIRST_GUESS_NANOS: u64 = 20_000_000;
/// One sample's weight is one eighth: a hiccup passes, a change is believed within a second of load.
const MEMORY: u64 = 8;
/// A sample counts for at most so many times the mean.
const MOST_AT_ONCE: u64 = 4;

/// Nanoseconds for one Argon2id hash at the default parameters, on one lane.
pub(super) struct Pace {
    nanos: AtomicU64,
    samples: AtomicU64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { nanos: AtomicU64::new(FIRST_GUESS_NANOS), samples: AtomicU64::new(0) }
    }
}

impl Pace {
    /// Learns that so much work took so long.
    pub(super) fn learn(&self, work: u64, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let sample = nanos.saturating_mul(WORK_OF_DEFAULT) / work.max(1);
        let first = self.samples.fetch_add(1, Ordering::Relaxed) == 0;
        let mean = |old: u64| {
            // A lane that was not given a core for seconds says nothing about the next hash: a single stall must not
            // turn sign-ins away. A machine that has really become slower is believed after a few more samples.
            let sample = sample.min(old.saturating_mul(MOST_AT_ONCE));
            if first { sample } else { old - old / MEMORY + sample / MEMORY }
        };
        let _ = self.nanos.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| Some(mean(old).max(1)));
    }

    /// Forgets what it has learnt at the next sample.
    pub(super) fn begin_anew(&self) {
        self.samples.store(0, Ordering::Relaxed);
    }

    /// How many hashes have been learnt from.
    #[cfg(test)]
    pub(super) fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// How long one lane needs for so much work.
    pub(super) fn time_for(&self, work: u64) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed).saturating_mul(work) / WORK_OF_DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stall_moves_the_mean_a_little_and_lasting_slowness_is_believed() {
        let pace = Pace::default();
        pace.learn(1_000, Duration::from_millis(8));
        pace.learn(1_000, Duration::from_secs(60));
        assert_eq!(pace.time_for(1_000), Duration::from_millis(11));
        for _ in 0..40 {
            pace.learn(1_000, Duration::from_secs(1));
        }
        assert!(pace.time_for(1_000) > Duration::from_millis(900));
    }

    #[test]
    fn the_first_sample_replaces_the_guess_and_later_ones_move_the_mean() {
        let pace = Pace::default();
        assert_eq!(pace.time_for(1_000), Duration::from_millis(20));
        pace.learn(500, Duration::from_millis(4));
        assert_eq!(pace.time_for(1_000), Duration::from_millis(8));
        pace.learn(1_000, Duration::from_millis(16));
        assert_eq!(pace.time_for(1_000), Duration::from_millis(9));
        assert_eq!(pace.time_for(15_000), Duration::from_millis(135));
    }
}

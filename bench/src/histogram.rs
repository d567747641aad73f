//! Latencies, counted in buckets whose width is at most 1/64 of their value.

use std::time::Duration;

/// Buckets to each doubling; below this many nanoseconds every value has its own.
const STEPS: u64 = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// One row of buckets below `STEPS`, and one for each further bit of a `u64`.
const BUCKETS: usize = (STEPS as usize) * (64 - STEP_BITS as usize + 1);

/// Counts of durations, exact to 1.6 %.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// Counts one duration.
    pub(crate) fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket_of(nanos)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Adds everything that `other` counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
    }

    /// How many durations were counted.
    pub(crate) fn count(&self) -> u64 {
        self.total
    }

    /// The duration that the share `part` (0 to 1) of all counted ones does not exceed; `None` where none was counted.
    pub(crate) fn quantile(&self, part: f64) -> Option<Duration> {
        if self.total == 0 {
            return None;
        }
        let wanted = ((self.total as f64 * part).ceil() as u64).clamp(1, self.total);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some(Duration::from_nanos(top_of(bucket)));
            }
        }
        None
    }
}

fn bucket_of(nanos: u64) -> usize {
    if nanos < STEPS {
        return nanos as usize;
    }
    let doublings = nanos.ilog2() - STEP_BITS;
    let step = (nanos >> doublings) - STEPS;
    ((u64::from(doublings) + 1) * STEPS + step) as usize
}

/// The largest value of a bucket: a latency is never reported better than it was.
fn top_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let doublings = bucket / STEPS - 1;
    let bottom = (STEPS + bucket % STEPS) << doublings;
    bottom + ((1 << doublings) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_its_bucket_and_the_bucket_is_narrow() {
        for nanos in [0, 1, 63, 64, 65, 127, 128, 1_000, 999_999, 7_500_000, 3_600_000_000_000, u64::MAX] {
            let top = top_of(bucket_of(nanos));
            assert!(top >= nanos, "{nanos} is reported as {top}");
            assert!(top - nanos <= nanos / STEPS, "{nanos} is reported as {top}");
        }
    }

    #[test]
    fn buckets_follow_one_another_without_a_gap() {
        for bucket in 0..BUCKETS - 1 {
            assert_eq!(bucket_of(top_of(bucket)), bucket);
            assert_eq!(bucket_of(top_of(bucket) + 1), bucket + 1);
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_list() {
        let mut histogram = Histogram::default();
        for millis in 1..=100 {
            histogram.record(Duration::from_millis(millis));
        }
        for (part, millis) in [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)] {
            let exact = Duration::from_millis(millis);
            let told = histogram.quantile(part).unwrap();
            assert!(told >= exact && told <= exact.mul_f64(1.0 + 1.0 / 64.0), "{part}: {told:?}");
        }
    }

    #[test]
    fn merging_counts_both_and_nothing_has_no_quantile() {
        let mut all = Histogram::default();
        assert_eq!(all.quantile(0.5), None);
        let mut other = Histogram::default();
        other.record(Duration::from_micros(5));
        all.merge(&other);
        all.merge(&other);
        assert_eq!(all.count(), 2);
        assert_eq!(all.quantile(0.5), other.quantile(0.5));
    }
}

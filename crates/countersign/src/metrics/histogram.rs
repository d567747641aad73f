//! A histogram that many threads write at once: two additions and no lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

pub(super) const NANOS_PER_SECOND: f64 = 1_000_000_000.0;

/// The upper bounds of every duration, in nanoseconds. One list for all, so that they can be laid over one another: from
/// what a check of an access token takes to the 30 seconds after which the envelope gives a request up, three steps to
/// a power of ten, so that a quantile is read to within a factor of 2.5 and mostly much closer.
pub(super) const DURATIONS: [u64; 17] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
];

/// The upper bounds of batches, up to the largest that the store makes.
const BATCHES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256];

/// The histogram. Clones share it.
///
/// The client library's own takes a lock for each observation, which threads that answer requests would wait for.
#[derive(Debug, Clone)]
pub(crate) struct Histogram(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bounds: &'static [u64],
    /// How many of what is counted are one of what is shown.
    scale: f64,
    /// One for each bound, and one for what lies above the last.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// A histogram of durations, shown in seconds.
    pub(crate) fn of_durations() -> Self {
        Self::new(&DURATIONS, NANOS_PER_SECOND)
    }

    /// A histogram of how many share one batch.
    pub(crate) fn of_batches() -> Self {
        Self::new(BATCHES, 1.0)
    }

    fn new(bounds: &'static [u64], scale: f64) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Inner { bounds, scale, buckets, sum: AtomicU64::new(0) }))
    }

    /// Takes a duration in.
    pub(crate) fn took(&self, duration: Duration) {
        self.observe(nanos(duration));
    }

    /// Takes a value in.
    pub(crate) fn observe(&self, value: u64) {
        if let Some(bucket) = self.0.buckets.get(bucket_of(self.0.bounds, value)) {
            bucket.fetch_add(1, Ordering::Relaxed);
            self.0.sum.fetch_add(value, Ordering::Relaxed);
        }
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Inner { bounds, scale, buckets, sum } = &*self.0;
        let counts = buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        encode(encoder, bounds, *scale, counts, sum.load(Ordering::Relaxed))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The bucket that a value falls into; the one after the last bound holds what lies above it.
pub(super) fn bucket_of(bounds: &[u64], value: u64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}

/// Writes a histogram. The count is the sum of the buckets that are shown, so that they agree whatever comes in meanwhile.
pub(super) fn encode(
    mut encoder: MetricEncoder<'_>,
    bounds: &[u64],
    scale: f64,
    counts: impl Iterator<Item = u64>,
    sum: u64,
) -> Result<(), std::fmt::Error> {
    let bounds = bounds.iter().map(|bound| *bound as f64 / scale).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
    let count = buckets.iter().map(|(_, count)| count).sum();
    encoder.encode_histogram::<NoLabelSet>(sum as f64 / scale, count, &buckets, None)
}

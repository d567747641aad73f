//! Figures that somebody else keeps, read when they are asked for.

use std::fmt;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// A gauge that is read from elsewhere.
pub(crate) struct Reading<F>(pub(crate) F);

impl<F> fmt::Debug for Reading<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading")
    }
}

impl<F: Fn() -> f64> EncodeMetric for Reading<F> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_gauge(&(self.0)())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

/// Counters that are read from elsewhere, each with the word of its result.
pub(crate) struct Counts<F>(pub(crate) F);

impl<F> fmt::Debug for Counts<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counts")
    }
}

impl<F: Fn() -> [(&'static str, u64); N], const N: usize> EncodeMetric for Counts<F> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (word, count) in (self.0)() {
            let labels = [("result", word)];
            encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

//! One figure for each word of a closed set: no label has a value that nobody thought of.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::{MetricType, TypedMetric};

use super::{Counter, Level};

/// A closed set of words.
pub(crate) trait Word: Copy + Eq + fmt::Debug + Send + Sync + 'static {
    /// Every one of them, in the order in which they are shown.
    const ALL: &'static [Self];

    /// The word as a label has it.
    fn word(self) -> &'static str;
}

/// A figure for each word, all of them there from the start: what has not happened yet reads 0, so that its first time
/// shows as an increase. Clones share the figures.
#[derive(Debug, Clone)]
pub(crate) struct Tally<W, M = Counter> {
    label: &'static str,
    figures: Arc<[(W, M)]>,
}

impl<W: Word, M: Default> Tally<W, M> {
    /// A tally whose words stand in this label.
    pub(crate) fn by(label: &'static str) -> Self {
        Self { label, figures: W::ALL.iter().map(|word| (*word, M::default())).collect() }
    }

    fn of(&self, word: W) -> Option<&M> {
        self.figures.iter().find(|(own, _)| *own == word).map(|(_, figure)| figure)
    }
}

impl<W: Word> Tally<W> {
    /// Counts one.
    pub(crate) fn count(&self, word: W) {
        self.add(word, 1);
    }

    /// Counts several.
    pub(crate) fn add(&self, word: W, many: u64) {
        if let Some(counter) = self.of(word) {
            counter.inc_by(many);
        }
    }
}

impl<W: Word> Tally<W, Level> {
    /// Notes how many there are; `None`: nobody knows.
    pub(crate) fn set(&self, word: W, many: Option<u64>) {
        if let Some(level) = self.of(word) {
            level.set(many.map_or(f64::NAN, |many| many as f64));
        }
    }
}

impl<W: Word, M: EncodeMetric + TypedMetric> EncodeMetric for Tally<W, M> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (word, figure) in self.figures.iter() {
            figure.encode(encoder.encode_family(&[(self.label, word.word())])?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }
}

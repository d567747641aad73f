//! The disk's own rate of durable writes, for context: no durable answer can be quicker than one of these.

use std::time::Duration;

use crate::Outcome;
use crate::ceilings::disk;
use crate::figures::Series;
use crate::lab::Lab;
use crate::report::{Row, Unit};

/// Measures the disk.
///
/// # Errors
/// When it refuses.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let (mut rates, mut medians, mut slowest) = (Series::default(), Series::default(), Series::default());
    for _ in lab.rounds("fsync") {
        let (latencies, rate) = disk::durable_writes(lab.dir(), lab.lasts.min(Duration::from_secs(1)))?;
        rates.push(rate);
        medians.push(millis(latencies.quantile(0.5)));
        slowest.push(millis(latencies.quantile(0.99)));
    }
    Ok(vec![
        Row::new("disk: overwrite 4 KiB, fdatasync", Unit::PerSecond, rates),
        Row::new("- p50", Unit::Millis, medians),
        Row::new("- p99", Unit::Millis, slowest),
    ])
}

/// A duration as the table shows it; not a number where there is none.
pub(crate) fn millis(duration: Option<Duration>) -> f64 {
    duration.map_or(f64::NAN, |duration| duration.as_secs_f64() * 1000.0)
}

//! The disk by itself: how often a second it can make 4 KiB durable.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::histogram::Histogram;

const BLOCK: usize = 4096;
/// Blocks written in turn: the file is as large before as after, so that no write pays for growing it.
const BLOCKS: u64 = 256;

/// Overwrites 4 KiB and waits for the disk, again and again; returns the latencies and the rate.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn durable_writes(dir: &Path, lasts: Duration) -> Outcome<(Histogram, f64)> {
    let file = File::options().create(true).truncate(true).write(true).open(dir.join("fsync-probe"))?;
    file.write_all_at(&vec![1; BLOCK * BLOCKS as usize], 0)?;
    file.sync_all()?;
    let (mut histogram, mut fill, mut turn) = (Histogram::default(), 0_u8, 0);
    let started = Instant::now();
    while started.elapsed() < lasts {
        let begun = Instant::now();
        fill = fill.wrapping_add(1);
        file.write_all_at(&[fill; BLOCK], (turn % BLOCKS) * BLOCK as u64)?;
        file.sync_data()?;
        histogram.record(begun.elapsed());
        turn += 1;
    }
    let rate = histogram.count() as f64 / started.elapsed().as_secs_f64();
    Ok((histogram, rate))
}

//! The time of the database: the one clock that all nodes share, whatever their own clocks say.
//!
//! A race of two tabs is told from a theft by how long ago a token was spent. Two nodes whose clocks differ by a minute
//! would judge that differently; the database's clock they have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use super::link::{Link, Pool};
use crate::error::Result;
use crate::time::{Clock, Steered, Timestamp};

/// How often it is compared. In between the machine's steady clock counts on, which no one sets.
const COMPARED_EVERY: Duration = Duration::from_secs(15);
/// A slow answer says too little about when it was given.
const LONGEST_ANSWER: Duration = Duration::from_secs(2);
/// From when on the difference to the machine's own clock is worth a warning.
const WORTH_A_WARNING: Duration = Duration::from_secs(5);

const NOW: &str = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";

#[derive(Debug, Clone)]
pub(super) struct SharedClock {
    steered: Arc<Steered>,
    /// By how much the machine's own clock was off when somebody was last told, in milliseconds.
    told: Arc<AtomicI64>,
}

impl SharedClock {
    pub(super) fn new() -> Self {
        Self { steered: Arc::new(Steered::new(Clock::System.now())), told: Arc::default() }
    }

    pub(super) fn as_clock(&self) -> Clock {
        Clock::Steered(Arc::clone(&self.steered))
    }

    /// Asks the database for the time. The answer was given half-way between the question and its arrival.
    pub(super) async fn compare(&self, link: &Link) -> std::result::Result<(), tokio_postgres::Error> {
        let asked = Instant::now();
        let row = link.client.query_one(NOW, &[]).await?;
        let took = asked.elapsed();
        if took <= LONGEST_ANSWER {
            self.set(Timestamp::from_millis(row.try_get(0)?).plus(took / 2));
        }
        Ok(())
    }

    fn set(&self, now: Timestamp) {
        self.steered.set(now);
        let own = Clock::System.now();
        let off = own.as_millis().saturating_sub(now.as_millis());
        let before = self.told.load(Ordering::Relaxed);
        let worth = i64::try_from(WORTH_A_WARNING.as_millis()).unwrap_or(i64::MAX);
        if off.saturating_sub(before).saturating_abs() > worth {
            self.told.store(off, Ordering::Relaxed);
            tracing::warn!(
                off_by_ms = off,
                "this machine's clock differs from the database's, whose time is used; see that both are set"
            );
        }
    }
}

/// Compares again and again for as long as the pool is open.
pub(super) fn keep_set(clock: &SharedClock, pool: &Pool) {
    let (clock, pool) = (clock.clone(), pool.downgrade());
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(COMPARED_EVERY).await;
            let Some(pool) = pool.upgrade() else { return };
            if pool.is_closed() {
                return;
            }
            // Where the database is away its time is not needed either.
            let _: Result<()> = async {
                let link = pool.get().await?;
                clock.compare(&link).await.map_err(|error| super::error::trouble(&error))
            }
            .await;
        }
    });
}

//! Clean-up: what can no longer matter is removed, in small batches that never hold up the flow.

use std::time::Duration;

use crate::error::Result;
use crate::metrics::Table;
use crate::service::Countersign;
use crate::{sign_in, trail, user};

/// Few enough that a refresh waits for a batch no longer than for a handful of its like.
const BATCH: u32 = 200;

/// A backlog that is longer is long enough: counting it must not cost what sweeping it does.
const MOST_COUNTED: u32 = 10_000;

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sign-ins a day past their end.
    pub sign_ins: u64,
    /// Deleted accounts whose retention is over.
    pub users: u64,
    /// Audit events whose retention is over.
    pub audit_events: u64,
}

impl Swept {
    /// How many rows in all.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.sign_ins.saturating_add(self.users).saturating_add(self.audit_events)
    }
}

/// Sweeps every table once. `progress` hears of what has been removed so far, after each batch.
///
/// # Errors
/// [`crate::error::Error::Unavailable`]: what is left waits for the next sweep.
pub async fn sweep(service: &Countersign, mut progress: impl FnMut(Swept)) -> Result<Swept> {
    let mut swept = Swept::default();
    loop {
        let batch = sign_in::sweep(service, BATCH).await?;
        swept.sign_ins = swept.sign_ins.saturating_add(batch.removed);
        service.meters().swept.add(Table::SignIns, batch.removed);
        progress(swept);
        if batch.seen < u64::from(BATCH) {
            break;
        }
    }
    loop {
        let removed = user::purge(service, BATCH).await?;
        swept.users = swept.users.saturating_add(removed);
        service.meters().swept.add(Table::Users, removed);
        progress(swept);
        if removed < u64::from(BATCH) {
            break;
        }
    }
    loop {
        let removed = trail::sweep(service, BATCH).await?;
        swept.audit_events = swept.audit_events.saturating_add(removed);
        progress(swept);
        if removed < u64::from(BATCH) {
            return Ok(swept);
        }
    }
}

/// Notes for the metrics how many rows wait for the next sweep; nobody knows while the database is away.
pub(crate) async fn weigh_backlog(service: &Countersign) {
    let backlog = &service.meters().backlog;
    backlog.set(Table::SignIns, sign_in::backlog(service, MOST_COUNTED).await.ok());
    backlog.set(Table::Users, user::backlog(service, MOST_COUNTED).await.ok());
}

/// Sweeps again and again, as often as `cleanup_interval` says, for as long as it is polled; at once returns where the
/// interval is off. Trouble is logged, and the next sweep tries again.
pub async fn run(service: &Countersign) {
    let Some(interval) = service.settings().cleanup_interval.filter(|interval| !interval.is_zero()) else {
        return;
    };
    loop {
        tokio::time::sleep(jittered(interval)).await;
        match sweep(service, |_| {}).await {
            Ok(swept) if swept.rows() > 0 => {
                let Swept { sign_ins, users, audit_events } = swept;
                tracing::info!(sign_ins, users, audit_events, "cleaned up");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(?error, "clean-up gave up until the next time"),
        }
    }
}

/// Up to a tenth later, so that nodes that started together don't sweep together.
fn jittered(interval: Duration) -> Duration {
    let [random] = crate::secret::random_bytes::<1>();
    interval.saturating_add(interval.mul_f64(f64::from(random) / 2_560.0))
}

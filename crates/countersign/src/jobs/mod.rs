//! Clean-up: what can no longer matter is removed, in small batches that never hold up the flow, by one node at a time.

mod lease;
mod sql;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::Result;
use crate::mail::Delivered;
use crate::service::Countersign;
use crate::{limits, oauth, one_time, password_reset, sign_in, trail, user};

use lease::Lease;

pub use crate::metrics::Table;

/// Few enough that a refresh waits for a batch no longer than for a handful of its like. Larger ones hardly get on faster:
/// what takes the time is the commit, which the flow shares.
const BATCH: u32 = 25;
/// A backlog that is longer is long enough: counting it must not cost what sweeping it does.
const MOST_COUNTED: u32 = 10_000;
/// After a batch the database belongs to the others for so many times as long as the batch took.
const REST: u32 = 4;
const SHORTEST_REST: Duration = Duration::from_millis(2);
const LONGEST_REST: Duration = Duration::from_secs(2);

/// How often somebody looks for mails that are due.
const MAIL_ROUND: Duration = Duration::from_secs(5);

/// What one round of sending mails came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mails {
    /// Taken by the mail server, or written to the folder.
    pub sent: u64,
    /// Not taken yet: they are tried again.
    pub postponed: u64,
    /// Not tried any more.
    pub failed: u64,
    /// Not sent, for a newer link took their place.
    pub dropped: u64,
}

/// What a batch, or a whole sweep, did to one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Rows that were due.
    pub seen: u64,
    /// Those of them that were removed; the others are due later.
    pub removed: u64,
}

impl Done {
    fn removed(rows: u64) -> Self {
        Self { seen: rows, removed: rows }
    }
}

impl Table {
    /// Sweeps one small batch. Nothing seen: nothing is due any more.
    async fn sweep(self, service: &Countersign) -> Result<Done> {
        match self {
            Self::SignIns => sign_in::sweep(service, BATCH)
                .await
                .map(|swept| Done { seen: swept.seen, removed: swept.removed }),
            Self::Users => user::purge(service, BATCH).await.map(Done::removed),
            Self::RateLimits => limits::sweep(service, BATCH).await.map(Done::removed),
            Self::AuditEvents => trail::sweep(service, BATCH).await.map(Done::removed),
            Self::OneTimeTokens => {
                one_time::sweep(service.store(), service.now(), BATCH).await.map(Done::removed)
            }
            Self::Mails => service.mailer().sweep(BATCH).await.map(Done::removed),
            Self::Changes => service.store().remove_changes(service.now(), BATCH).await.map(Done::removed),
            Self::OAuthAttempts => oauth::sweep(service, BATCH).await.map(Done::removed),
        }
    }

    /// How many rows are due, counted to `most`.
    ///
    /// # Errors
    /// [`crate::error::Error::Unavailable`].
    pub async fn backlog(self, service: &Countersign, most: u32) -> Result<u64> {
        match self {
            Self::SignIns => sign_in::backlog(service, most).await,
            Self::Users => user::backlog(service, most).await,
            Self::RateLimits => limits::backlog(service, most).await,
            Self::AuditEvents => trail::backlog(service, most).await,
            Self::OneTimeTokens => one_time::backlog(service.store(), service.now(), most).await,
            Self::Mails => service.mailer().backlog(most).await,
            Self::Changes => service.store().count_changes_due(service.now(), most).await,
            Self::OAuthAttempts => oauth::backlog(service, most).await,
        }
    }
}

/// What a sweep has done so far, table by table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept([Done; Table::ALL.len()]);

impl Swept {
    /// Each table with what was done to it.
    pub fn iter(&self) -> impl Iterator<Item = (Table, Done)> {
        Table::ALL.into_iter().zip(self.0)
    }

    /// What was done to this one.
    #[must_use]
    pub fn of(&self, table: Table) -> Done {
        self.iter().find(|(one, _)| *one == table).map(|(_, done)| done).unwrap_or_default()
    }

    /// The rows of all tables that were due.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.0.iter().map(|done| done.seen).sum()
    }

    /// The rows of all tables that were removed.
    #[must_use]
    pub fn removed(&self) -> u64 {
        self.0.iter().map(|done| done.removed).sum()
    }

    fn add(&mut self, table: Table, batch: Done) {
        let place = Table::ALL.into_iter().zip(&mut self.0).find(|(one, _)| *one == table);
        if let Some((_, done)) = place {
            done.seen = done.seen.saturating_add(batch.seen);
            done.removed = done.removed.saturating_add(batch.removed);
        }
    }
}

/// Notes for the metrics how many rows wait for the next sweep; nobody knows while the database is away.
pub(crate) async fn weigh_backlog(service: &Countersign) {
    for table in Table::ALL {
        service.meters().backlog.set(table, table.backlog(service, MOST_COUNTED).await.ok());
    }
    let waiting = service.mailer().waiting(MOST_COUNTED).await.ok();
    service.meters().mails_waiting.set(waiting.map_or(f64::NAN, |many| many as f64));
}

/// How many rows of all tables are due, counted to `most` in each.
///
/// # Errors
/// [`crate::error::Error::Unavailable`].
pub async fn backlog(service: &Countersign, most: u32) -> Result<u64> {
    let mut due = 0_u64;
    for table in Table::ALL {
        due = due.saturating_add(table.backlog(service, most).await?);
    }
    Ok(due)
}

/// Sweeps every table, unless another node is at it: `None`. `progress` hears of what has been done so far, after each
/// batch. It takes its time, most of which belongs to the flow.
///
/// # Errors
/// [`crate::error::Error::Unavailable`]: what is left waits for the next sweep.
pub async fn sweep(service: &Countersign, progress: impl FnMut(&Swept)) -> Result<Option<Swept>> {
    let Some(mut lease) = Lease::take(service).await? else { return Ok(None) };
    let swept = sweep_under(service, &mut lease, progress).await;
    // Where the lease can't be given back, it runs out by itself.
    let given_back = lease.give_back(service).await;
    let swept = swept?;
    given_back.map(|()| Some(swept))
}

async fn sweep_under(
    service: &Countersign,
    lease: &mut Lease,
    mut progress: impl FnMut(&Swept),
) -> Result<Swept> {
    let mut swept = Swept::default();
    for table in Table::ALL {
        loop {
            let begun = Instant::now();
            let batch = table.sweep(service).await?;
            if batch.seen == 0 {
                break;
            }
            swept.add(table, batch);
            service.meters().swept.add(table, batch.removed);
            progress(&swept);
            sleep((begun.elapsed() * REST).clamp(SHORTEST_REST, LONGEST_REST)).await;
            if !lease.keep(service).await? {
                // Somebody else believed us dead and goes on.
                return Ok(swept);
            }
        }
    }
    Ok(swept)
}

/// Does what has to be done beside answering, for as long as it is polled: cleans up, and sends mails.
pub async fn run(service: &Countersign) {
    tokio::join!(clean_up(service), post(service));
}

/// Sends mails when some were queued here, and looks now and then for those that other nodes have queued or left behind.
async fn post(service: &Countersign) {
    loop {
        if let Err(error) = send_mails(service).await {
            tracing::warn!(?error, "sending mails gave up until the next time");
        }
        let _ = tokio::time::timeout(jittered(MAIL_ROUND), service.mailer().rung()).await;
    }
}

/// One round of sending: all that is due.
///
/// # Errors
/// [`crate::error::Error::Unavailable`]: what is left waits for the next round.
pub async fn send_mails(service: &Countersign) -> Result<Mails> {
    password_reset::work_off(service).await?;
    let Delivered { sent, postponed, failed, dropped } = service.mailer().deliver().await?;
    Ok(Mails { sent, postponed, failed, dropped })
}

/// Sweeps again and again, as often as `cleanup_interval` says; at once returns where the interval is off. Trouble is
/// logged, and the next sweep tries again.
async fn clean_up(service: &Countersign) {
    let Some(interval) = service.settings().cleanup_interval.filter(|interval| !interval.is_zero()) else {
        return;
    };
    loop {
        sleep(jittered(interval)).await;
        match sweep(service, |_| {}).await {
            Ok(Some(swept)) => report(&swept),
            Ok(None) => tracing::debug!("another node cleans up"),
            Err(error) => tracing::warn!(?error, "clean-up gave up until the next time"),
        }
    }
}

fn report(swept: &Swept) {
    for (table, done) in swept.iter().filter(|(_, done)| done.removed > 0) {
        tracing::info!(table = table.word(), rows = done.removed, "cleaned up");
    }
}

/// Up to a tenth later, so that nodes that started together don't sweep together.
fn jittered(interval: Duration) -> Duration {
    let [random] = crate::secret::random_bytes::<1>();
    interval.saturating_add(interval.mul_f64(f64::from(random) / 2_560.0))
}

//! The audit trail as an operator reads it: listed, followed, and told in sentences.

mod explain;
mod follow;
mod sentence;
mod sql;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::error::Result;
use crate::id::{AuditId, SignInId, UserId};
use crate::service::Countersign;
use crate::time::Timestamp;

pub use crate::audit::{Event, Outcome};
pub use explain::{Told, explain_sign_in, explain_user};
pub use follow::Follower;
pub use sentence::DETAILS;

/// An event as it stands in the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Ordered by time.
    pub id: AuditId,
    /// When it happened.
    pub at: Timestamp,
    /// The event's word: one of [`Event`], or of another version.
    pub event: String,
    /// `success` or `failure`.
    pub outcome: String,
    /// How many alike it stands for; the rest is the first one's.
    pub times: u64,
    /// The request that brought it about; a command has none.
    pub request_id: Option<String>,
    /// Whose account it concerns.
    pub user: Option<UserId>,
    /// The name that the account has now, if it has not been purged.
    pub username: Option<String>,
    /// Which sign-in it concerns.
    pub sign_in: Option<SignInId>,
    /// Where it was asked for.
    pub address: Option<String>,
    /// A word or a text that says more; see [`DETAILS`].
    pub detail: Option<String>,
}

/// Whose events are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// All of them.
    Everybodys,
    /// Those of an account.
    User(UserId),
    /// Those of a sign-in.
    SignIn(SignInId),
}

/// From when on events are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// From so long ago.
    Ago(Duration),
    /// From this instant.
    At(Timestamp),
}

/// The newest events, at most `limit` of them, in the order in which they happened.
///
/// # Errors
/// [`crate::error::Error::Unavailable`].
pub async fn list(
    service: &Countersign,
    whose: Whose,
    since: Option<Since>,
    limit: u32,
) -> Result<Vec<Recorded>> {
    let after = match since {
        None => AuditId::from_i64(0),
        Some(Since::Ago(ago)) => AuditId::last_before(service.now().minus(ago)),
        Some(Since::At(at)) => AuditId::last_before(at),
    };
    let steps = service.store().read((whose, after, limit), |tx, (whose, after, limit)| {
        Box::pin(async move { tx.newest_events(*whose, *after, *limit).await })
    });
    let mut events = steps.await?;
    events.reverse();
    Ok(events)
}

/// The last id whose time of retention is over.
fn last_over(service: &Countersign) -> AuditId {
    AuditId::last_before(service.now().minus(service.settings().audit_retention))
}

/// How many events the next sweep will remove, counted to `most`.
pub(crate) async fn backlog(service: &Countersign, most: u32) -> Result<u64> {
    let steps = service.store().read((last_over(service), most), |tx, (last, most)| {
        Box::pin(async move { tx.count_events_up_to(*last, *most).await })
    });
    steps.await
}

/// Removes events whose time of retention is over, one small batch. Returns how many.
pub(crate) async fn sweep(service: &Countersign, batch: u32) -> Result<u64> {
    let steps = service.store().write((last_over(service), batch), |tx, (last, batch)| {
        Box::pin(async move { tx.remove_events_up_to(*last, *batch).await })
    });
    steps.await
}

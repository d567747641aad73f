//! Following the trail: every event once, those too that come late.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Recorded, Whose};
use crate::error::Result;
use crate::id::AuditId;
use crate::service::Countersign;

/// An event is filed under the time at which it happened: failures are written a little later, and another node's clock
/// may be behind. So far back is looked each time.
const LATE: Duration = Duration::from_secs(150);
const PAGE: u32 = 1_000;

/// Somebody who reads the trail as it is written.
#[derive(Debug)]
pub struct Follower {
    whose: Whose,
    seen: BTreeSet<AuditId>,
}

impl Follower {
    /// Begins with what happens from now on.
    ///
    /// # Errors
    /// [`crate::error::Error::Unavailable`].
    pub async fn begin(service: &Countersign, whose: Whose) -> Result<Self> {
        let mut follower = Self { whose, seen: BTreeSet::new() };
        follower.next(service).await?;
        Ok(follower)
    }

    /// Counts these as seen: whoever listed them has told them.
    pub fn skip(&mut self, events: &[Recorded]) {
        self.seen.extend(events.iter().map(|event| event.id));
    }

    /// What has been written since the last call, in the order in which it happened.
    ///
    /// # Errors
    /// [`crate::error::Error::Unavailable`].
    pub async fn next(&mut self, service: &Countersign) -> Result<Vec<Recorded>> {
        let begin = AuditId::last_before(service.now().minus(LATE));
        let (mut after, mut new) = (begin, Vec::new());
        loop {
            let steps = service.store().read((self.whose, after), |tx, (whose, after)| {
                Box::pin(async move { tx.events_after(*whose, *after, PAGE).await })
            });
            let page = steps.await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            new.extend(page.into_iter().filter(|event| self.seen.insert(event.id)));
        }
        self.seen = self.seen.split_off(&begin);
        Ok(new)
    }
}

//! The lease by which one node at a time cleans up. It spares work; nothing rests on it: two sweeps at once do no harm,
//! since each batch's guard stands in its own statement.

use std::time::Duration;

use crate::error::Result;
use crate::secret::random_bytes;
use crate::service::Countersign;
use crate::time::Timestamp;

const CLEANUP: &str = "cleanup";

/// A node that died holds others up for no longer than this.
const TERM: Duration = Duration::from_secs(300);
/// So often it is renewed: what is left of the term is more than clocks of different nodes differ by.
const RENEW_AFTER: Duration = Duration::from_secs(60);
/// A lease that ends later than any clock could have set it was set by one that has been put right since.
const LATEST: Duration = Duration::from_secs(900);

/// The right to clean up, for a while.
pub(super) struct Lease {
    pub(super) holder: String,
    pub(super) taken_at: Timestamp,
}

impl Lease {
    /// `None`: somebody else has it.
    pub(super) async fn take(service: &Countersign) -> Result<Option<Self>> {
        let holder = format!("{:032x}", u128::from_le_bytes(random_bytes()));
        let mut lease = Self { holder, taken_at: service.now() };
        Ok(lease.claim(service).await?.then_some(lease))
    }

    /// Renews it where that is due. `false`: it is somebody else's by now.
    pub(super) async fn keep(&mut self, service: &Countersign) -> Result<bool> {
        let now = service.now();
        let is_fresh = now >= self.taken_at && now.since(self.taken_at) < RENEW_AFTER;
        if is_fresh { Ok(true) } else { self.claim(service).await }
    }

    pub(super) async fn give_back(self, service: &Countersign) -> Result<()> {
        let steps = service.store().write(self.holder, |tx, holder| {
            Box::pin(async move { tx.give_lease_back(CLEANUP, holder).await })
        });
        steps.await
    }

    async fn claim(&mut self, service: &Countersign) -> Result<bool> {
        let now = service.now();
        let claimed = service.store().write((self.holder.clone(), now), |tx, (holder, now)| {
            Box::pin(
                async move { tx.claim_lease(CLEANUP, holder, *now, now.plus(TERM), now.plus(LATEST)).await },
            )
        });
        let claimed = claimed.await?;
        if claimed {
            self.taken_at = now;
        }
        Ok(claimed)
    }
}

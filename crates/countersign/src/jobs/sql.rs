//! The statements of the lease.

use crate::error::Result;
use crate::store::Tx;
use crate::time::Timestamp;

impl Tx<'_> {
    /// Takes the lease where it is free, over, impossibly far from over, or the holder's own. `false`: it is somebody
    /// else's.
    pub(super) async fn claim_lease(
        &mut self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        latest: Timestamp,
    ) -> Result<bool> {
        let sql = "
            INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, $3)
            ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
            WHERE leases.holder = excluded.holder OR leases.expires_at <= $4 OR leases.expires_at > $5";
        let values = [name.into(), holder.into(), until.into(), now.into(), latest.into()];
        Ok(self.execute(sql, &values).await? == 1)
    }

    pub(super) async fn give_lease_back(&mut self, name: &str, holder: &str) -> Result<()> {
        let sql = "DELETE FROM leases WHERE name = $1 AND holder = $2";
        self.execute(sql, &[name.into(), holder.into()]).await.map(drop)
    }
}

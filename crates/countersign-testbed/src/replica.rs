//! Streaming standbys and their promotion: what happens when a primary is lost.

use crate::cluster::Cluster;
use crate::server::Server;
use crate::wait::poll;

impl Cluster {
    /// A standby that streams from this cluster, which must run with `wal_level = replica` (the default) or more.
    ///
    /// # Panics
    ///
    /// With the log of whichever program failed.
    pub fn replica(&self) -> Self {
        Self::of(Server::standby_of(self.own_server()))
    }

    /// Waits until the standby has replayed all that this cluster has written.
    ///
    /// # Panics
    ///
    /// Where it does not come to that.
    pub fn wait_for_replica(&self, standby: &Self) {
        let written = self.query_text("SELECT pg_current_wal_lsn()")[0][0].clone().expect("a position");
        let is_there = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        let caught_up = poll(|| (standby.query_text(&is_there)[0][0].as_deref() == Some("t")).then_some(()));
        assert!(caught_up.is_some(), "the standby has not caught up:\n{}", standby.log());
    }

    /// Makes a primary of a standby, and waits until it takes writes.
    ///
    /// # Panics
    ///
    /// Where it does not come to that.
    pub fn promote(&self) {
        let promoted = self.query_text("SELECT pg_promote(true, 60)");
        assert_eq!(promoted[0][0].as_deref(), Some("t"), "not promoted:\n{}", self.log());
    }
}

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

    /// From now on no commit is answered before a standby has it too, whatever this cluster's own settings say.
    ///
    /// # Panics
    ///
    /// Where no standby streams from it.
    pub fn replicate_synchronously(&self) {
        for statement in [
            "ALTER SYSTEM SET synchronous_standby_names = '*'",
            "ALTER SYSTEM SET synchronous_commit = on",
            "SELECT pg_reload_conf()",
        ] {
            self.execute(statement);
        }
        let is_on = "SELECT current_setting('synchronous_standby_names') = '*'
            AND EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')";
        let on = poll(|| (self.query_text(is_on)[0][0].as_deref() == Some("t")).then_some(()));
        assert!(on.is_some(), "no standby streams:\n{}", self.log());
        // Commits wait once the checkpointer has read the settings, which it does before it serves anybody.
        self.execute("CHECKPOINT");
    }

    /// Waits until the standby has replayed all that was committed here before.
    ///
    /// # Panics
    ///
    /// Where it does not come to that.
    pub fn wait_for_replica(&self, standby: &Self) {
        // Asynchronous commits are not written yet; one that is flushed takes them along.
        self.execute("SET synchronous_commit = local; SELECT pg_logical_emit_message(true, 'flush', '')");
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

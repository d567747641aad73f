//! The programs of the installation at work on a cluster, and the cluster itself as a process of this machine.

use std::process::Command;

use crate::cluster::Cluster;

impl Cluster {
    /// One of the installation's programs (`psql`, `pgbench`), as the user that the server runs as, with the way to
    /// this cluster's database in its environment. Its output goes nowhere unless the caller says otherwise.
    ///
    /// # Panics
    ///
    /// Where the cluster is not ours.
    pub fn program(&self, name: &str) -> Command {
        let mut program = self.own_server().program(name);
        program.env("PGHOST", "127.0.0.1").env("PGPORT", self.port().to_string());
        program.env("PGUSER", "countersign").env("PGDATABASE", "countersign");
        program
    }

    /// The process id of the server that started all of its others.
    ///
    /// # Panics
    ///
    /// Where the cluster is stopped, or not ours.
    pub fn process_id(&self) -> u32 {
        self.own_server().process_id().expect("a running server")
    }
}

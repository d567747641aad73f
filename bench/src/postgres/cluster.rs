//! PostgreSQL as an operator runs it: an answered commit is on the disk, and the server looks after its tables.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use countersign_testbed::Cluster;

use crate::Outcome;

/// Durable as PostgreSQL is by itself, and room for a million users in memory.
const SETTINGS: [(&str, &str); 7] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("autovacuum", "on"),
    ("shared_buffers", "512MB"),
    ("max_wal_size", "4GB"),
    ("max_connections", "200"),
];

/// A cluster of our own, gone when dropped.
pub(crate) struct Postgres {
    cluster: Cluster,
}

impl Postgres {
    /// Starts one with its folder in `parent`.
    ///
    /// # Errors
    /// When PostgreSQL is not installed.
    pub(crate) fn start(parent: &Path) -> Outcome<Self> {
        countersign_testbed::available()?;
        Ok(Self { cluster: Cluster::start_in(parent, &SETTINGS) })
    }

    /// Where the program finds a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://countersign@127.0.0.1:{}/{database}", self.cluster.port())
    }

    /// The process id of the server, whose children its backends are.
    pub(crate) fn pid(&self) -> u32 {
        self.cluster.process_id()
    }

    /// Runs statements one by one, however long they take, and gives what they print.
    ///
    /// # Errors
    /// What the server said to the first that it refused.
    pub(crate) fn run(&self, database: &str, sql: &str) -> Outcome<String> {
        let mut psql = self.cluster.program("psql");
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
        feed(psql.args(["--dbname", database, "--file=-"]), sql)
    }

    /// Reads one number.
    ///
    /// # Errors
    /// As [`Postgres::run`].
    pub(crate) fn number(&self, database: &str, sql: &str) -> Outcome<i64> {
        let said = self.run(database, sql)?;
        said.trim().parse().map_err(|_| format!("not a number: {said}: {sql}").into())
    }

    /// Runs `pgbench` with a script.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn pgbench(&self, database: &str, words: &[String], script: &str) -> Outcome<String> {
        let mut pgbench = self.cluster.program("pgbench");
        feed(pgbench.args(words).args(["--file=-", database]), script)
    }
}

/// Runs a program on what it is to read, and gives what it printed.
fn feed(command: &mut Command, input: &str) -> Outcome<String> {
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let name = command.get_program().to_string_lossy().into_owned();
    let mut running = started.map_err(|error| format!("{name}: {error}"))?;
    let mut pipe = running.stdin.take().ok_or("no pipe to write to")?;
    // A program that ends early says why itself.
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    let output = running.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

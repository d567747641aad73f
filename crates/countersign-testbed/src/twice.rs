//! Tests that are written once and run twice: on SQLite, and in a second process of the same test program on PostgreSQL.

use std::process::Command;

use crate::cluster::Cluster;
use crate::schema::Schema;

/// `COUNTERSIGN_TEST_STORE=postgres cargo test …` runs the tests of services on PostgreSQL alone.
pub const STORE_VARIABLE: &str = "COUNTERSIGN_TEST_STORE";

/// A schema for a test's service, where this process runs its tests on PostgreSQL.
pub fn schema_if_asked() -> Option<Schema> {
    is_asked().then(|| Cluster::shared().schema())
}

fn is_asked() -> bool {
    std::env::var(STORE_VARIABLE).is_ok_and(|store| store == "postgres")
}

/// Runs the tests of this very program whose names contain one of `filters` and none of `skips` once more, on
/// PostgreSQL. To be called by one test of the program.
///
/// # Panics
///
/// With all that was said, where one of them fails or none ran; where `CI` is set and there is no PostgreSQL.
pub fn run_again_on_postgres(filters: &[&str], skips: &[&str]) {
    if is_asked() || !crate::postgres_or_skip() {
        return;
    }
    let program = std::env::current_exe().expect("the test program has a path");
    let mut again = Command::new(program);
    again.env(STORE_VARIABLE, "postgres").args(filters);
    for skip in skips {
        again.args(["--skip", skip]);
    }
    let output = again.output().expect("the test program can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "on PostgreSQL:\n{said}\n{complained}");
    let verdict = said.lines().find(|line| line.starts_with("test result: ok.")).unwrap_or_default();
    assert!(!verdict.is_empty() && !verdict.contains("ok. 0 passed"), "on PostgreSQL no test ran:\n{said}");
    eprintln!("on PostgreSQL: {verdict}");
}

//! The guardian: nothing is left of a cluster when its process is killed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use countersign_testbed::{Cluster, binaries_or_skip};

/// Set in the process that is to be killed.
const VICTIM: &str = "COUNTERSIGN_TESTBED_VICTIM";

const MARK: &str = "the data are in ";

/// Not a test of its own: what the victim of the next one does.
#[test]
fn victim() {
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let rows = Cluster::shared().query_text("SHOW data_directory");
    println!("\n{MARK}{} on {}", rows[0][0].as_deref().unwrap(), Cluster::shared().address());
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn a_killed_process_leaves_neither_a_server_nor_a_folder() {
    if !binaries_or_skip() {
        return;
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "guarded::victim", "--nocapture"])
        .env(VICTIM, "1")
        .env_remove(countersign_testbed::URL_VARIABLE)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told = lines.find_map(|line| line.strip_prefix(MARK).map(str::to_owned)).expect("where the data are");
    let (data, address) = told.split_once(" on ").unwrap();
    let folder = Path::new(data).parent().unwrap();
    assert!(folder.exists() && std::net::TcpStream::connect(address).is_ok());

    victim.kill().unwrap();
    victim.wait().unwrap();
    // The pipe's end: no server holds the victim's standard output open.
    assert_eq!(lines.next(), None);
    let begun = Instant::now();
    while folder.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} is still there", folder.display());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(std::net::TcpStream::connect(address).is_err());
}

//! An address with two hosts: whichever of them takes writes is found, at the start and after a promotion.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_testbed::{Cluster, Stop, binaries_or_skip};

use crate::checker::Log;
use crate::checker::witness::Witness;
use crate::program::Operator;
use crate::site::PASSWORD;

const KEY: &str = "6f1c0f0e-8c5e-4f5a-9d0b-0a6b1f3f2a77";

/// The primary, and a standby that confirms each commit.
fn pair() -> (Cluster, Cluster) {
    let primary = Cluster::start(&[("max_connections", "60"), ("wal_level", "replica")]);
    let standby = primary.replica();
    primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'");
    primary.execute("SELECT pg_reload_conf()");
    primary.wait_for_replica(&standby);
    (primary, standby)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hosts_the_one_that_takes_writes_is_found_before_and_after_a_promotion() {
    if !binaries_or_skip() {
        return;
    }
    let (primary, standby) = pair();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", standby.port(), primary.port());
    let url = format!("postgres://countersign@{hosts}/countersign");
    let node = Operator::new().serve_with(
        &["--database-url", &url, "--secret-key", "a-key-that-all-nodes-have-2b7e151628aed2a6"],
        &[("COUNTERSIGN_PUBLIC_URL", "http://localhost:8000")],
    );
    assert!(node.greeting.contains(&format!("postgres://{hosts}/countersign")), "{}", node.greeting);
    let witness = Witness::new(format!("http://{}", node.address), Arc::new(Log::default()));
    assert_eq!(witness.sign_up("ada", PASSWORD).await.status, 201);
    let held = witness.sign_in("ada", PASSWORD).await.held.unwrap();
    primary.stop(Stop::Immediate);
    assert_eq!(witness.refresh(&held.refresh, Some(KEY)).await.status, 503);
    standby.promote();
    let promoted = Instant::now();
    let reply = loop {
        let reply = witness.refresh(&held.refresh, Some(KEY)).await;
        if reply.status != 503 {
            break reply;
        }
        assert!(promoted.elapsed() < Duration::from_secs(20), "the new primary was not found");
    };
    assert_eq!(witness.me(&reply.held.unwrap()).await.status, 200);
    witness.log.assert_lawful("a promotion");
}

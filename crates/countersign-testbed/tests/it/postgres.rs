//! The faulty network and the standbys with PostgreSQL itself: what a commit's fate is, and that the testbed knows it.

use countersign_testbed::{Cluster, Direction, Proxy, Stop, Tls, When, binaries_or_skip, postgres_or_skip};
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn a_commit_that_is_cut_has_happened_or_not_as_the_trap_says() {
    if !postgres_or_skip() {
        return;
    }
    let schema = Cluster::shared().schema();
    schema.execute("CREATE TABLE kept (id int)");
    let proxy = Proxy::start(Cluster::shared().address());
    for (id, (direction, when, is_kept)) in [
        (Direction::ToServer, When::BeforeForwarding, false),
        (Direction::ToServer, When::AfterForwarding, true),
        (Direction::ToClient, When::BeforeForwarding, true),
    ]
    .into_iter()
    .enumerate()
    {
        let client = connect(&proxy.url(&schema.url())).await;
        client.batch_execute(&format!("BEGIN; INSERT INTO kept VALUES ({id})")).await.unwrap();
        proxy.cut_when(direction, b"COMMIT", when);
        let lost = client.batch_execute("COMMIT").await.unwrap_err();
        assert!(lost.as_db_error().is_none(), "{lost:?}");
        // No waiting: when the client has heard, the commit's fate is decided.
        let kept = schema.query_text(&format!("SELECT 1 FROM kept WHERE id = {id}"));
        assert_eq!(kept.len(), usize::from(is_kept), "{direction:?} {when:?}");
    }
    assert_eq!(proxy.times_sprung(), 3);
}

/// Also of a cluster whose commits don't wait for the disk.
#[test]
fn a_standby_has_what_was_committed_and_takes_writes_once_promoted() {
    if !binaries_or_skip() {
        return;
    }
    let primary = Cluster::start_fast();
    let standby = primary.replica();
    assert_ne!(standby.address(), primary.address());
    primary.execute("CREATE TABLE kept (id int)");
    for id in 1..=20 {
        primary.execute(&format!("INSERT INTO kept VALUES ({id})"));
        primary.wait_for_replica(&standby);
        assert_eq!(standby.query_text("SELECT id FROM kept").len(), id);
    }
    let refusal = standby.try_query("INSERT INTO kept VALUES (0)").unwrap_err();
    assert!(refusal.contains("25006"), "{refusal}");

    primary.replicate_synchronously();
    for id in 21..=40 {
        primary.execute(&format!("INSERT INTO kept VALUES ({id})"));
    }
    primary.stop(Stop::Immediate);
    standby.promote();
    assert_eq!(standby.query_text("SELECT id FROM kept").len(), 40, "all that was answered");
    standby.execute("INSERT INTO kept VALUES (0)");
}

#[test]
fn synchronous_commits_wait_for_a_standby_that_is_gone() {
    if !binaries_or_skip() {
        return;
    }
    let primary = Cluster::start_fast();
    let standby = primary.replica();
    primary.replicate_synchronously();
    standby.stop(Stop::Fast);
    let waiting = std::thread::scope(|scope| {
        let commit = scope.spawn(|| primary.try_query("CREATE TABLE kept (id int)"));
        let is_waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        let begun = std::time::Instant::now();
        while primary.query_text(is_waiting).is_empty() {
            assert!(begun.elapsed() < std::time::Duration::from_secs(30), "nobody waits");
        }
        standby.start_again();
        commit.join().unwrap()
    });
    assert!(waiting.is_ok(), "{waiting:?}");
}

#[test]
fn a_cluster_with_tls_has_it_on_and_shows_authorities() {
    if !binaries_or_skip() {
        return;
    }
    let tls = Tls::start();
    assert_eq!(tls.cluster.query_text("SHOW ssl"), [[Some("on".to_owned())]]);
    let [right, foreign] =
        [tls.authority(), tls.foreign_authority()].map(|path| std::fs::read_to_string(path).unwrap());
    assert!(
        right.starts_with("-----BEGIN CERTIFICATE-----")
            && foreign.starts_with("-----BEGIN CERTIFICATE-----")
    );
    assert_ne!(right, foreign);
}

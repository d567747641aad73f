//! Lost answers: the connection is reset after the server has heard, or before. Whoever asked is told the truth.

use countersign::names::Username;
use countersign::user;
use countersign_testbed::{Cluster, Direction, When, binaries_or_skip};

use super::site::{Crowd, Site};
use crate::races::harness::PASSWORD;

/// A transaction whose COMMIT went through is a success, although nobody heard so; one whose COMMIT never arrived
/// happens at the second attempt. In either case it happened once.
// SEC-106
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_fate_of_a_commit_is_found_out() {
    if !binaries_or_skip() {
        return;
    }
    let cluster = Cluster::start_fast();
    let site = Site::on(&cluster).await;
    for (number, when) in [When::AfterForwarding, When::BeforeForwarding].into_iter().enumerate() {
        let name = format!("ada-{number}");
        site.proxy.cut_when(Direction::ToServer, b"COMMIT", when);
        let created = site.witnesses[0].sign_up(&name, PASSWORD).await;
        assert_eq!(created.status, 201, "{created:?}");
        site.proxy.cut_when(Direction::ToServer, b"COMMIT", when);
        let held = site.witnesses[0].sign_in(&name, PASSWORD).await.held.expect("signed in");
        site.proxy.cut_when(Direction::ToServer, b"COMMIT", when);
        assert_eq!(site.witnesses[1].sign_out(&held.refresh).await.status, 204);
        assert_eq!(site.witnesses[0].me(&held).await.code, "access_token_invalid");
        assert_eq!(site.proxy.times_sprung(), 3 * (number + 1));
        let found = user::find_by_name(&site.services()[0], &Username::parse(&name).unwrap()).await.unwrap();
        assert_eq!(found.unwrap().user.username.as_ref(), name);
    }
    let sign_ins = site.schema.query_text("SELECT count(*) FROM sign_ins");
    assert_eq!(sign_ins[0][0].as_deref(), Some("2"), "each sign-in happened once");
    site.log.assert_lawful("lost commits");
}

/// A refresh whose answer was lost between database and node is a refresh all the same: no client needs a key for that.
// SEC-43, SEC-47
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_spending_whose_answer_was_lost_is_found_again() {
    if !binaries_or_skip() {
        return;
    }
    let cluster = Cluster::start_fast();
    let site = Site::on(&cluster).await;
    let mut held = site.somebody("ada").await;
    for round in 1..=20 {
        site.proxy.cut_when(Direction::ToClient, b"UPDATE 1", When::BeforeForwarding);
        let reply = site.witnesses[round % 2].refresh(&held.refresh, None).await;
        held = reply.held.clone().unwrap_or_else(|| panic!("{reply:?}"));
        assert_eq!(site.proxy.times_sprung(), round, "the answer was not lost");
    }
    site.log.assert_lawful("lost spendings");
}

/// The same under load, where batches are cut and each of many clients learns its own fate.
// SEC-43
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_that_are_cut_tell_each_client_its_own_fate() {
    if !binaries_or_skip() {
        return;
    }
    let cluster = Cluster::start_fast();
    let site = Site::on(&cluster).await;
    let crowd = Crowd::gather(&site, 24).await;
    for round in 0..30 {
        let (direction, needle): (_, &[u8]) = match round % 3 {
            0 => (Direction::ToClient, b"UPDATE "),
            1 => (Direction::ToServer, b"COMMIT"),
            _ => (Direction::ToClient, b"COMMIT"),
        };
        site.proxy.cut_when(direction, needle, When::BeforeForwarding);
        crowd.goes_on(30).await;
    }
    assert!(site.proxy.times_sprung() > 20, "{}", site.proxy.times_sprung());
    crowd.disperse(&site).await;
    site.log.assert_lawful("cut batches");
}

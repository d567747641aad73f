//! The way to the server: cut, black, refused, slow.

use std::time::Duration;

use countersign_testbed::{Cluster, binaries_or_skip};

use super::site::{Crowd, Site};

// SEC-106
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_network_that_fails_in_any_way_costs_a_pause() {
    if !binaries_or_skip() {
        return;
    }
    let cluster = Cluster::start_fast();
    let site = Site::on(&cluster).await;
    let held = site.somebody("ada").await;
    let crowd = Crowd::gather(&site, 6).await;
    for _ in 0..10 {
        crowd.goes_on(20).await;
        site.proxy.cut();
    }
    site.is_healed(&held).await;
    crowd.goes_on(20).await;
    site.proxy.refuse();
    site.proxy.cut();
    site.is_down(&held).await;
    site.proxy.pass();
    site.is_healed(&held).await;
    crowd.goes_on(20).await;
    site.proxy.black_hole();
    site.is_down(&held).await;
    site.proxy.pass();
    site.is_healed(&held).await;
    crowd.goes_on(20).await;
    crowd.disperse(&site).await;
    site.log.assert_lawful("a network that fails");
}

/// Whatever takes too long is refused in a bounded time, and what is answered holds.
// SEC-106
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_seconds_of_latency_are_borne() {
    if !binaries_or_skip() {
        return;
    }
    let cluster = Cluster::start_fast();
    let site = Site::on(&cluster).await;
    let held = site.somebody("ada").await;
    let crowd = Crowd::gather(&site, 4).await;
    crowd.goes_on(20).await;
    site.proxy.delay(Duration::from_secs(2));
    let slow = site.witnesses[0].get_with("/me", &held.access).await;
    assert!(matches!(slow.status, 200 | 503), "{slow:?}");
    assert_eq!(site.witnesses[0].get("/health/live").await.status, 200);
    site.proxy.pass();
    site.is_healed(&held).await;
    crowd.goes_on(20).await;
    crowd.disperse(&site).await;
    site.log.assert_lawful("latency");
}

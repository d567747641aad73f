//! The server itself: stopped, crashed, restarted, its backends killed.

use countersign_testbed::{Cluster, Stop, binaries_or_skip};

use super::site::{Crowd, Site};

/// As durable as in earnest, where the server is to crash.
fn durable() -> Cluster {
    Cluster::start(&[("max_connections", "60")])
}

// SEC-106
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_stops_or_crashes_and_comes_back_costs_a_pause() {
    if !binaries_or_skip() {
        return;
    }
    let cluster = durable();
    let site = Site::on(&cluster).await;
    let held = site.somebody("ada").await;
    let crowd = Crowd::gather(&site, 6).await;
    for how in [Stop::Fast, Stop::Immediate, Stop::Immediate] {
        crowd.goes_on(60).await;
        cluster.stop(how);
        site.is_down(&held).await;
        cluster.start_again();
        site.is_healed(&held).await;
    }
    crowd.goes_on(60).await;
    crowd.disperse(&site).await;
    site.log.assert_lawful("a server that stops and crashes");
}

// SEC-106
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_backends_cost_nobody_anything() {
    if !binaries_or_skip() {
        return;
    }
    let cluster = Cluster::start_fast();
    let site = Site::on(&cluster).await;
    let held = site.somebody("ada").await;
    let crowd = Crowd::gather(&site, 6).await;
    for round in 0..20 {
        crowd.goes_on(20).await;
        if round % 4 == 0 {
            cluster.terminate_backends();
        } else {
            cluster.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE application_name = 'countersign' ORDER BY random() LIMIT 1",
            );
        }
    }
    site.is_healed(&held).await;
    crowd.goes_on(20).await;
    crowd.disperse(&site).await;
    site.log.assert_lawful("killed backends");
}

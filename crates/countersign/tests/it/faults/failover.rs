//! Failover: the primary is gone, its synchronous standby takes over, and whatever was acknowledged is there.

use countersign_testbed::{Cluster, Stop, binaries_or_skip};

use super::site::{Crowd, Site};

// SEC-106
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_promoted_standby_has_everything_that_was_acknowledged() {
    if !binaries_or_skip() {
        return;
    }
    let primary = Cluster::start(&[("max_connections", "60"), ("wal_level", "replica")]);
    let standby = primary.replica();
    primary.replicate_synchronously();
    let site = Site::on(&primary).await;
    let held = site.somebody("ada").await;
    let crowd = Crowd::gather(&site, 6).await;
    crowd.goes_on(100).await;
    primary.stop(Stop::Immediate);
    site.is_down(&held).await;
    site.proxy.retarget(standby.address());
    // Until somebody promotes it, it is a standby: nothing may be written to it, and nothing is promised.
    site.is_down(&held).await;
    standby.promote();
    site.is_healed(&held).await;
    crowd.goes_on(100).await;
    crowd.disperse(&site).await;
    site.log.assert_lawful("failover");
}

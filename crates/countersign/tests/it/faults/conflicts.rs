//! Serialisation failures and deadlocks, which a database may report at any time: the transaction is tried again.

use countersign_testbed::{Cluster, binaries_or_skip};

use super::site::{Crowd, Site};

/// Every third write to a table is refused with this code. A sequence remembers across the roll-back.
fn inject(site: &Site, code: &str) {
    site.schema.execute(&format!(
        "CREATE SEQUENCE IF NOT EXISTS refusals;
         CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF nextval('refusals') % 3 = 0 THEN
                 RAISE EXCEPTION 'injected' USING ERRCODE = '{code}';
             END IF;
             RETURN NEW;
         END $$;"
    ));
    // One table at a time: whoever holds one lock and asks for another meets the crowd's own.
    for table in ["sign_ins", "users"] {
        site.schema.execute(&format!(
            "CREATE OR REPLACE TRIGGER refuse BEFORE UPDATE OR INSERT ON {table}
                 FOR EACH ROW EXECUTE FUNCTION refuse()"
        ));
    }
}

// SEC-106
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conflicts_are_tried_again_and_nothing_happens_twice() {
    if !binaries_or_skip() {
        return;
    }
    let cluster = Cluster::start_fast();
    let site = Site::on(&cluster).await;
    let held = site.somebody("ada").await;
    let crowd = Crowd::gather(&site, 8).await;
    for code in ["40001", "40P01"] {
        inject(&site, code);
        crowd.goes_on(150).await;
    }
    let refused = site.schema.query_text("SELECT last_value / 3 FROM refusals")[0][0].clone().unwrap();
    assert!(refused.parse::<u64>().unwrap() > 50, "{refused} refusals");
    for table in ["sign_ins", "users"] {
        site.schema.execute(&format!("DROP TRIGGER refuse ON {table}"));
    }
    site.is_healed(&held).await;
    crowd.disperse(&site).await;
    site.log.assert_lawful("conflicts");
}

/// The flow asks for READ COMMITTED; a database that insists on more by default changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_is_serializable_by_default_changes_nothing() {
    if !binaries_or_skip() {
        return;
    }
    let cluster = Cluster::start(&[
        ("default_transaction_isolation", "serializable"),
        ("fsync", "off"),
        ("max_connections", "60"),
    ]);
    let site = Site::on(&cluster).await;
    let crowd = Crowd::gather(&site, 8).await;
    crowd.goes_on(300).await;
    crowd.disperse(&site).await;
    site.log.assert_lawful("serializable by default");
}

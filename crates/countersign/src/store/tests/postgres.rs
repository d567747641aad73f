//! What only the engine on a server has: connections that break, answers that are lost, a clock in common.

use countersign_testbed::{Cluster, Schema, postgres_or_skip};

use super::*;
use crate::store::migrate::POSTGRES;

fn schema() -> Schema {
    Cluster::shared().schema()
}

async fn refusal(url: &str) -> String {
    open_postgres(url).await.err().unwrap().0
}

fn versions(schema: &Schema) -> usize {
    schema.query_text("SELECT version FROM schema_migrations").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_nodes_that_start_together_migrate_once() {
    if !postgres_or_skip() {
        return;
    }
    let schema = schema();
    let starts = futures_of(4, |_| {
        let url = schema.url();
        async move { open_postgres(&url).await.map(drop).map_err(|refusal| refusal.0) }
    })
    .await;
    starts.into_iter().for_each(|start| start.unwrap());
    assert_eq!(versions(&schema), POSTGRES.len());
}

#[tokio::test]
async fn a_newer_or_a_foreign_schema_is_refused_in_a_plain_sentence() {
    if !postgres_or_skip() {
        return;
    }
    let schema = schema();
    open_postgres(&schema.url()).await.unwrap();
    schema.execute("INSERT INTO schema_migrations VALUES (9999, 'later', 'x', 1)");
    let newer = refusal(&schema.url()).await;
    assert!(newer.contains("newer than this program"), "{newer}");
    schema.execute(
        "DELETE FROM schema_migrations WHERE version = 9999; UPDATE schema_migrations SET checksum = 'x'",
    );
    let foreign = refusal(&schema.url()).await;
    assert!(foreign.contains("differs from this program's"), "{foreign}");
}

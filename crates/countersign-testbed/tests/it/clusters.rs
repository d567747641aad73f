//! Clusters and schemas: they answer, stop, come back, and keep the tests of one cluster apart.

use std::time::{Duration, Instant};

use countersign_testbed::{Cluster, Stop, binaries_or_skip, postgres_or_skip};

fn one(rows: &[Vec<Option<String>>]) -> &str {
    rows[0][0].as_deref().unwrap()
}

#[test]
fn a_cluster_is_as_its_options_say_and_speaks_utf8() {
    if !binaries_or_skip() {
        return;
    }
    let cluster = Cluster::start(&[("application_name", "it's"), ("max_connections", "17")]);
    assert_eq!(cluster.url(), format!("postgres://countersign@127.0.0.1:{}/countersign", cluster.port()));
    let settings = cluster.query_text(
        "SELECT current_setting('fsync'), current_setting('max_connections'), current_setting('application_name'),
         current_setting('server_encoding'), current_user, current_database(), datcollate
         FROM pg_database WHERE datname = current_database()",
    );
    let settings: Vec<&str> = settings[0].iter().flatten().map(String::as_str).collect();
    assert_eq!(settings, ["on", "17", "it's", "UTF8", "countersign", "countersign", "C"]);
}

#[test]
fn a_refusal_is_told_with_its_sqlstate() {
    if !postgres_or_skip() {
        return;
    }
    let refusal = Cluster::shared().try_query("SELECT nothing_like_that()").unwrap_err();
    assert!(refusal.contains("nothing_like_that") && refusal.contains("42883"), "{refusal}");
}

#[test]
fn a_stopped_cluster_refuses_and_has_its_rows_when_it_is_started_again() {
    if !binaries_or_skip() {
        return;
    }
    let cluster = Cluster::start(&[]);
    cluster.execute("CREATE TABLE kept (it text); INSERT INTO kept VALUES ('kept')");
    let address = cluster.address();
    for how in [Stop::Smart, Stop::Fast, Stop::Immediate] {
        cluster.stop(how);
        let refused = std::net::TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "{how:?}");
        assert!(cluster.try_query("SELECT 1").is_err(), "{how:?}");
        cluster.start_again();
        assert_eq!(cluster.address(), address);
        assert_eq!(one(&cluster.query_text("SELECT it FROM kept")), "kept", "{how:?}");
    }
    assert!(
        cluster.log().contains("database system was not properly shut down"),
        "Immediate is no clean end"
    );
}

#[test]
fn a_dropped_cluster_leaves_neither_a_server_nor_a_folder() {
    if !binaries_or_skip() {
        return;
    }
    let cluster = Cluster::start_fast();
    let (address, folder) = (cluster.address(), one(&cluster.query_text("SHOW data_directory")).to_owned());
    assert!(std::path::Path::new(&folder).exists());
    drop(cluster);
    assert!(!std::path::Path::new(&folder).parent().unwrap().exists());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn the_shared_cluster_is_one_for_all_threads() {
    if !postgres_or_skip() {
        return;
    }
    let started = || one(&Cluster::shared().query_text("SELECT pg_postmaster_start_time()")).to_owned();
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(started)).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), started());
    }
}

#[test]
fn schemas_do_not_see_each_other() {
    if !postgres_or_skip() {
        return;
    }
    let (left, right) = (Cluster::shared().schema(), Cluster::shared().schema());
    assert_ne!(left.name(), right.name());
    for schema in [&left, &right] {
        schema.execute("CREATE TABLE users (id int, name text)");
    }
    left.execute("INSERT INTO users VALUES (1, NULL)");
    assert_eq!(left.query_text("SELECT * FROM users"), [[Some("1".to_owned()), None]]);
    assert!(right.query_text("SELECT * FROM users").is_empty());
    assert!(Cluster::shared().try_query("SELECT * FROM users").is_err());
}

/// The address alone must be enough, for a client that knows nothing of us, in the middle of a runtime.
#[tokio::test]
async fn the_address_of_a_schema_leads_into_it() {
    if !postgres_or_skip() {
        return;
    }
    let schema = Cluster::shared().schema();
    schema.execute("CREATE TABLE users (id int)");
    let (client, connection) = tokio_postgres::connect(&schema.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(client.execute("INSERT INTO users VALUES (1)", &[]).await.unwrap(), 1);
    assert_eq!(schema.query_text("SELECT id FROM users").len(), 1);
    let path: String = client.query_one("SELECT current_schema::text", &[]).await.unwrap().get(0);
    assert_eq!(path, schema.name());
}

/// Hundreds of tests make one each.
#[test]
fn a_schema_is_cheap() {
    if !postgres_or_skip() {
        return;
    }
    let cluster = Cluster::shared();
    let begun = Instant::now();
    let schemas: Vec<_> = (0..20).map(|_| cluster.schema()).collect();
    let each = begun.elapsed() / 20;
    println!("{each:?} for each schema");
    assert!(each < Duration::from_millis(250), "{each:?} for each of {}", schemas.len());
}

#[tokio::test]
async fn terminated_clients_hear_why() {
    if !binaries_or_skip() {
        return;
    }
    let cluster = Cluster::start_fast();
    let (client, connection) = tokio_postgres::connect(&cluster.url(), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.simple_query("SELECT 1").await.unwrap();
    cluster.terminate_backends();
    let end = connection.await.unwrap().unwrap_err();
    assert_eq!(end.code().unwrap().code(), "57P01");
    assert!(client.is_closed());
}

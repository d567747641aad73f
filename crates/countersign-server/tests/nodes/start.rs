//! How nodes start: together on an empty database, and not at all where something can't stand.

use std::thread;
use std::time::{Duration, Instant};

use countersign_testbed::{Cluster, binaries_or_skip, free_port, postgres_or_skip};

use crate::program::{Ended, Operator};
use crate::site::Site;

const KEY: &str = "a-key-that-all-nodes-have-2b7e151628aed2a6";

/// `migrate` opens the database as `serve` does, and ends.
fn migrate(database: &str) -> Ended {
    let public = "http://localhost:8000";
    let flags = ["migrate", "--database-url", database, "--secret-key", KEY, "--public-url", public];
    Operator::new().run(&flags)
}

#[track_caller]
fn refused(ended: &Ended, sentences: &[&str]) {
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.is_empty(), "{ended:?}");
    for sentence in sentences {
        assert!(ended.err.contains(sentence), "{sentence} is missing: {ended:?}");
    }
    assert!(!ended.err.contains("hunter2"), "{ended:?}");
}

#[test]
fn four_programs_that_start_at_once_on_an_empty_database_come_up_and_one_migrates() {
    if !postgres_or_skip() {
        return;
    }
    let site = Site::new();
    let nodes: Vec<_> = thread::scope(|scope| {
        let starting: Vec<_> = (0..4).map(|_| scope.spawn(|| site.node())).collect();
        starting.into_iter().map(|node| node.join().unwrap()).collect()
    });
    for node in &nodes {
        assert!(node.get("/health/ready").starts_with("HTTP/1.1 200"));
    }
    let ended: Vec<(i32, String)> = nodes.into_iter().map(crate::program::Service::stop).collect();
    assert!(ended.iter().all(|(code, _)| *code == 0), "{ended:?}");
    let migrated = ended.iter().filter(|(_, log)| log.contains("brought the database up to date"));
    assert_eq!(migrated.count(), 1, "{ended:#?}");
    site.left_nothing_behind();
}

#[test]
fn a_node_says_where_its_data_are_without_the_password_and_makes_no_folder() {
    if !postgres_or_skip() {
        return;
    }
    let site = Site::new();
    let url = site.schema.url().replace("countersign@", "countersign:hunter2@");
    let node = site.node_with(&[("COUNTERSIGN_DATABASE_URL", &url)]);
    let place = format!("postgres://127.0.0.1:{}/countersign", Cluster::shared().port());
    assert!(node.greeting.contains(&place) && node.greeting.contains("16 connections"), "{}", node.greeting);
    let (_, log) = node.stop();
    assert!(!log.contains("hunter2"), "{log}");
    site.left_nothing_behind();
}

// SEC-14
#[test]
fn without_a_key_and_an_address_in_common_it_refuses_to_start() {
    let operator = Operator::new();
    let refused = operator.run(&["serve", "--database-url", "postgres://me:hunter2@db.example/auth"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    for sentence in ["secret_key", "one common key", "openssl rand", "public_url", "one common address"] {
        assert!(refused.err.contains(sentence), "{sentence} is missing: {refused:?}");
    }
    assert!(!refused.err.contains("hunter2") && !operator.has("countersign-data"), "{refused:?}");
}

#[test]
fn a_wrong_password_or_user_is_said_plainly_and_at_once() {
    if !binaries_or_skip() {
        return;
    }
    let cluster = Cluster::start_fast();
    cluster.execute("CREATE ROLE guest LOGIN PASSWORD 'right'; CREATE SCHEMA guest AUTHORIZATION guest");
    let rules = cluster.query_text("SHOW hba_file")[0][0].clone().unwrap();
    let before = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, format!("host all guest 127.0.0.1/32 scram-sha-256\n{before}")).unwrap();
    cluster.execute("SELECT pg_reload_conf()");
    let begun = Instant::now();
    let address = |who: &str| cluster.url().replace("countersign@", &format!("{who}@"));
    let wrong = migrate(&address("guest:hunter2"));
    refused(&wrong, &["can't open the database postgres://127.0.0.1", "password authentication failed"]);
    refused(&migrate(&address("nobody:hunter2")), &["role \"nobody\" does not exist", "`database_url`"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "it waited: {:?}", begun.elapsed());
    // An ordinary user with a schema of their own needs no more than the right password.
    let right = migrate(&address("guest:right"));
    assert_eq!(right.code, 0, "{right:?}");
    assert_eq!(cluster.query_text("SELECT count(*) FROM guest.users").len(), 1);
}

#[test]
fn an_unknown_database_is_said_plainly_and_at_once() {
    if !postgres_or_skip() {
        return;
    }
    let url = Site::new().schema.url().replace("/countersign?", "/nowhere?");
    let begun = Instant::now();
    refused(&migrate(&url), &["/nowhere: ", "database \"nowhere\" does not exist", "`database_url`"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "it waited: {:?}", begun.elapsed());
}

/// It may be starting beside us, so it is waited for; but not for ever.
#[test]
fn a_server_that_nobody_reaches_is_waited_for_and_then_given_up() {
    let begun = Instant::now();
    let url = format!("postgres://me:hunter2@127.0.0.1:{}/auth", free_port());
    let unreachable = migrate(&url);
    refused(&unreachable, &["can't open the database postgres://127.0.0.1", "within 15 seconds", "runs"]);
    let waited = begun.elapsed().as_secs();
    assert!((15..25).contains(&waited), "{waited} seconds");
}

#[test]
fn a_newer_schema_is_refused_by_serve_and_by_every_command() {
    if !postgres_or_skip() {
        return;
    }
    let site = Site::new();
    site.does(&["migrate"], "");
    site.schema.execute("INSERT INTO schema_migrations VALUES (9999, 'later', 'x', 1)");
    for arguments in
        [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate"], &["cleanup"], &["user", "list"]]
    {
        let newer = site.run(arguments, "");
        refused(&newer, &["schema version 9999", "newer than this program's", "start the newer program"]);
    }
    site.left_nothing_behind();
}

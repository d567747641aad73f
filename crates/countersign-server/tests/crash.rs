//! The real program, killed without warning again and again while clients work: nothing that was answered is undone,
//! and nothing that was spent or ended is good again.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "the actors of tests: a panic is how they fail"
)]

#[expect(dead_code, reason = "the tests of the library use the rest of it")]
#[path = "../../countersign/tests/it/checker.rs"]
mod checker;
#[path = "crash/client.rs"]
mod client;
#[path = "crash/fsync.rs"]
mod fsync;
#[path = "crash/nodes.rs"]
mod nodes;
#[path = "crash/program.rs"]
mod program;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use checker::witness::Witness;
use checker::{Event, Heard, Log};
use client::{Chance, Client};
use program::Program;

const CLIENTS: usize = 16;

/// `COUNTERSIGN_CRASH_KILLS` raises it.
fn kills() -> usize {
    let asked = std::env::var("COUNTERSIGN_CRASH_KILLS").ok();
    asked.map_or(24, |asked| asked.parse().expect("COUNTERSIGN_CRASH_KILLS is a number"))
}

// SEC-43, SEC-45, SEC-46, SEC-47, SEC-48, SEC-103
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_answered_survives_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let (log, begun) = (Arc::new(Log::default()), Instant::now());
    let mut chance = Chance::of_this_run();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|number| Client::new(number, &mut chance)).collect();
    for life in 0..kills() {
        // In every other life whoever comes back with a spent token is a thief.
        let race = ["--refresh-race-seconds", if life % 2 == 0 { "10" } else { "0" }];
        let program = Program::start_with(folder.path(), &race);
        clients = until_the_kill(program, &log, clients, chance.below(900)).await;
    }
    // The last time nobody kills: everybody finds what they were promised.
    let program = Program::start(folder.path());
    for client in &mut clients {
        client.takes_stock(&Witness::new(program.base(), Arc::clone(&log))).await;
    }
    drop(program);
    let events = log.events();
    println!("{} kills, {} requests in {:?}: {:?}", kills(), events.len(), begun.elapsed(), heard(&events));
    log.assert_lawful("after the last kill");
    was_worth_it(&events);
    is_whole(&folder.path().join("data/countersign.db"));
}

/// One life of the program, with all clients at work, and its sudden end.
async fn until_the_kill(program: Program, log: &Arc<Log>, clients: Vec<Client>, millis: u64) -> Vec<Client> {
    let witness = Witness::new(program.base(), Arc::clone(log));
    let mut working = JoinSet::new();
    for mut client in clients {
        let witness = witness.clone();
        working.spawn(async move {
            client.works(&witness).await;
            client
        });
    }
    // The moment of the kill is the test's random input; nothing is waited for.
    tokio::time::sleep(Duration::from_millis(150 + millis)).await;
    program.kill();
    working.join_all().await
}

fn heard(events: &[Event]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for event in events {
        let word = match event.heard {
            Heard::Token(_) | Heard::Account(_) | Heard::Done => "worked".to_owned(),
            Heard::Refused(why) => format!("{why:?}"),
            Heard::Nothing => "unanswered".to_owned(),
        };
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// A run in which the kills met nobody at work would prove nothing.
fn was_worth_it(events: &[Event]) {
    let unanswered = events.iter().filter(|event| event.heard == Heard::Nothing).count();
    assert!(unanswered >= kills(), "the kills met only {unanswered} requests at work");
    let worked = events.len() - unanswered;
    assert!(worked >= 20 * kills(), "only {worked} requests were answered");
}

/// I6: every page and every reference is as it should be.
fn is_whole(file: &Path) {
    let database = rusqlite::Connection::open(file).unwrap();
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let mut orphans = database.prepare("PRAGMA foreign_key_check").unwrap();
    assert!(orphans.query([]).unwrap().next().unwrap().is_none(), "a row without its parent");
    let users: i64 = database.query_row("SELECT count(*) FROM users", [], |row| row.get(0)).unwrap();
    assert!(users >= 16, "{users} accounts");
}

//! Two nodes on PostgreSQL, of which now one, now the other is killed: whoever spoke to it goes on at the other one,
//! and finds everything that they were promised.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use countersign_testbed::{Cluster, Schema, postgres_or_skip};
use tokio::task::JoinSet;

use crate::checker::Log;
use crate::checker::witness::Witness;
use crate::client::{Chance, Client};
use crate::program::Program;
use crate::{CLIENTS, heard, kills, was_worth_it};

/// How long the node that is left works alone.
const ALONE: Duration = Duration::from_millis(150);

struct Node<'n> {
    folder: &'n Path,
    flags: [&'n str; 6],
    /// `None` while it is dead.
    program: Option<Program>,
}

impl<'n> Node<'n> {
    fn start(folder: &'n Path, database: &'n str, race: &'n str) -> Self {
        let key = "a-key-that-both-nodes-have-7c1f0e5b9d3a";
        let flags = ["--database-url", database, "--secret-key", key, "--refresh-race-seconds", race];
        let mut node = Self { folder, flags, program: None };
        node.start_again();
        node
    }

    fn start_again(&mut self) {
        self.program = Some(Program::start_with(self.folder, &self.flags));
    }

    fn witness(&self, log: &Arc<Log>) -> Witness {
        Witness::new(self.program.as_ref().expect("it runs").base(), Arc::clone(log))
    }

    fn kill(&mut self) {
        self.program.take().expect("it runs").kill();
    }
}

// SEC-43, SEC-45, SEC-46, SEC-47, SEC-48, SEC-103
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_killed_node_has_answered_holds_at_the_other() {
    if !postgres_or_skip() {
        return;
    }
    let (folder, schema) = (tempfile::tempdir().unwrap(), Cluster::shared().schema());
    let (log, begun, database) = (Arc::new(Log::default()), Instant::now(), schema.url());
    let mut chance = Chance::of_this_run();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|number| Client::new(number, &mut chance)).collect();
    // In the second half whoever comes back with a spent token is a thief.
    for race in ["10", "0"] {
        let mut nodes = [(); 2].map(|()| Node::start(folder.path(), &database, race));
        for _ in 0..kills() / 2 {
            let victim = usize::from(chance.below(2) == 0);
            let working = Duration::from_millis(150 + chance.below(500));
            clients = until_the_kill(&mut nodes, victim, &log, clients, working).await;
            nodes[victim].start_again();
        }
    }
    let last = Node::start(folder.path(), &database, "10");
    for client in &mut clients {
        client.takes_stock(&last.witness(&log)).await;
    }
    let events = log.events();
    println!("{} kills, {} requests in {:?}: {:?}", kills(), events.len(), begun.elapsed(), heard(&events));
    log.assert_lawful("after the last kill of a node");
    was_worth_it(&events);
    has_accounts(&schema);
    assert!(!folder.path().join("data").exists(), "nothing needs a folder");
}

/// All clients at work, half of them at each node, until one node dies without a word. Its clients go to the other.
async fn until_the_kill(
    nodes: &mut [Node<'_>; 2],
    victim: usize,
    log: &Arc<Log>,
    clients: Vec<Client>,
    working: Duration,
) -> Vec<Client> {
    let (dying, staying) = (nodes[victim].witness(log), nodes[1 - victim].witness(log));
    let (stop, mut at_work) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
    for (place, mut client) in clients.into_iter().enumerate() {
        let (dying, staying, stop) = (dying.clone(), staying.clone(), Arc::clone(&stop));
        at_work.spawn(async move {
            if place % 2 == 0 {
                client.works_until(&dying, &stop).await;
            }
            assert!(client.works_until(&staying, &stop).await, "the other node must not notice");
            client
        });
    }
    // The moment of the kill is the test's random input; nothing is waited for.
    tokio::time::sleep(working).await;
    nodes[victim].kill();
    tokio::time::sleep(ALONE).await;
    stop.store(true, Ordering::Relaxed);
    at_work.join_all().await
}

fn has_accounts(schema: &Schema) {
    let rows = schema.query_text("SELECT count(*) FROM users");
    let users: usize = rows[0][0].as_deref().unwrap().parse().unwrap();
    assert!(users >= CLIENTS, "{users} accounts");
}

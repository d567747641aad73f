//! Many guesses at the same moment, on two nodes, and across a restart.

use std::collections::HashMap;
use std::sync::Arc;

use countersign::settings::RateLimits;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{WRONG, quarter};
use crate::app::PASSWORD;
use crate::checker::witness::Reply;
use crate::races::harness::{Nodes, be_late, patiently};

const GUESSES: usize = 200;

fn room_for(sign_in: u32) -> RateLimits {
    let wide = quarter(100_000);
    RateLimits {
        sign_in: quarter(sign_in),
        sign_in_address: wide,
        sign_in_account: wide,
        ..RateLimits::default()
    }
}

/// So many sign-ins at once, on all nodes.
async fn storm(
    nodes: &mut Nodes,
    name: &str,
    password: &'static str,
    guesses: usize,
) -> HashMap<(u16, String), usize> {
    let barrier = Arc::new(Barrier::new(guesses));
    let mut clients = JoinSet::new();
    for number in 0..guesses {
        let (node, barrier, late) =
            (nodes.node(number).clone(), Arc::clone(&barrier), nodes.chance.lateness());
        let name = name.to_owned();
        clients.spawn(async move {
            barrier.wait().await;
            be_late(late).await;
            patiently(|| node.sign_in(&name, password)).await
        });
    }
    count(&clients.join_all().await)
}

fn count(replies: &[Reply]) -> HashMap<(u16, String), usize> {
    let mut counts = HashMap::new();
    for reply in replies {
        *counts.entry((reply.status, reply.code.clone())).or_default() += 1;
    }
    counts
}

fn told_and_limited(told: usize, limited: usize) -> HashMap<(u16, String), usize> {
    let entries =
        [((401, "invalid_credentials".to_owned()), told), ((429, "rate_limited".to_owned()), limited)];
    entries.into_iter().filter(|(_, count)| *count > 0).collect()
}

// SEC-19
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_parallel_guesses_on_two_nodes_exactly_the_budget_is_told_to_be_wrong() {
    let mut nodes = Nodes::start_limited(2, RateLimits::default()).await;
    nodes.sign_up("ada").await;
    for name in ["ada", "nobody"] {
        assert_eq!(
            storm(&mut nodes, name, WRONG, GUESSES).await,
            told_and_limited(10, GUESSES - 10),
            "{name}"
        );
        assert_eq!(storm(&mut nodes, name, PASSWORD, 20).await, told_and_limited(0, 20), "{name}");
    }
}

// SEC-19
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_parallel_guesses_on_two_nodes_use_exactly_two_hundred_units() {
    let mut nodes = Nodes::start_limited(2, room_for(230)).await;
    assert_eq!(storm(&mut nodes, "nobody", WRONG, GUESSES).await, told_and_limited(200, 0));
    assert_eq!(storm(&mut nodes, "nobody", WRONG, 60).await, told_and_limited(30, 30));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn right_passwords_are_never_limited_however_many_come_at_once() {
    let mut nodes = Nodes::start_limited(2, RateLimits::default()).await;
    nodes.sign_up("ada").await;
    for _ in 0..9 {
        nodes.node(0).sign_in("ada", WRONG).await;
    }
    let counts = storm(&mut nodes, "ada", PASSWORD, 100).await;
    assert_eq!(counts, HashMap::from([((200, String::new()), 100)]));
}

// SEC-24
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_used_on_one_node_is_used_on_the_other_and_after_a_restart() {
    let mut nodes = Nodes::start_limited(2, RateLimits::default()).await;
    nodes.sign_up("ada").await;
    for number in 0..10 {
        assert_eq!(nodes.node(number).sign_in("ada", WRONG).await.status, 401);
    }
    for number in 0..2 {
        assert_eq!(nodes.node(number).sign_in("ada", PASSWORD).await.status, 429);
    }
    nodes.restart().await;
    assert_eq!(nodes.node(0).sign_in("ada", PASSWORD).await.status, 429);
    nodes.clock.advance(quarter(1).period);
    assert_eq!(nodes.node(0).sign_in("ada", PASSWORD).await.status, 200);
}

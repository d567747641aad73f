//! Many requests with one token, at the same moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::harness::{Nodes, PASSWORD, be_late, trials};
use crate::checker::witness::{Held, Reply, Witness};

const STORM: usize = 256;
const KEY: &str = "8e03978e-40d5-43e8-bc93-6894a57f9324";

/// Presents one token `STORM` times at once, on all nodes.
async fn storm(nodes: &mut Nodes, token: &str, key: impl Fn(usize) -> Option<String>) -> Vec<Reply> {
    let barrier = Arc::new(Barrier::new(STORM));
    let mut clients = JoinSet::new();
    for number in 0..STORM {
        let (node, barrier, token) = (nodes.node(number).clone(), Arc::clone(&barrier), token.to_owned());
        let (key, late) = (key(number), nodes.chance.lateness());
        clients.spawn(async move {
            barrier.wait().await;
            be_late(late).await;
            node.refresh(&token, key.as_deref()).await
        });
    }
    clients.join_all().await
}

fn count(replies: &[Reply]) -> HashMap<(u16, &str), usize> {
    let mut counts = HashMap::new();
    for reply in replies {
        *counts.entry((reply.status, reply.code.as_str())).or_default() += 1;
    }
    counts
}

fn winner(replies: &[Reply]) -> Held {
    replies.iter().find_map(|reply| reply.held.clone()).expect("somebody won")
}

// SEC-44
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_256_refreshes_of_one_token_exactly_one_gets_the_successor() {
    let mut nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    let mut held = nodes.sign_in("ada", PASSWORD).await;
    for _ in 0..trials(8) {
        let replies = storm(&mut nodes, &held.refresh, |_| None).await;
        let expected = HashMap::from([((200, ""), 1), ((401, "refresh_token_spent"), STORM - 1)]);
        assert_eq!(count(&replies), expected);
        let losers = replies.iter().filter(|reply| reply.held.is_none());
        for loser in losers {
            assert_eq!((loser.session_ended, &loser.cookie), (Some(false), &None), "{loser:?}");
        }
        held = winner(&replies);
        for number in 0..2 {
            assert_eq!(nodes.node(number).me(&held).await.status, 200);
        }
    }
    nodes.log.assert_lawful("a storm without keys");
}

// SEC-47
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_256_refreshes_with_one_key_all_get_the_same_successor() {
    let mut nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    let mut held = nodes.sign_in("ada", PASSWORD).await;
    for _ in 0..trials(8) {
        let replies = storm(&mut nodes, &held.refresh, |_| Some(KEY.to_owned())).await;
        assert_eq!(count(&replies), HashMap::from([((200, ""), STORM)]));
        held = winner(&replies);
        for reply in &replies {
            assert_eq!(reply.cookie.as_ref(), Some(&held.refresh));
            assert_eq!(reply.max_age, Some(2_592_000));
        }
    }
    nodes.log.assert_lawful("a storm with one key");
}

// SEC-47: the key that won is good again, every other one is a race.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_keys_only_the_winners_gets_the_successor() {
    let mut nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    let held = nodes.sign_in("ada", PASSWORD).await;
    let key = |number: usize| format!("key-{}-0123456789abcdefghijkl", number % 4);
    let replies = storm(&mut nodes, &held.refresh, |number| Some(key(number))).await;
    let expected = HashMap::from([((200, ""), STORM / 4), ((401, "refresh_token_spent"), STORM - STORM / 4)]);
    assert_eq!(count(&replies), expected);
    nodes.log.assert_lawful("a storm with four keys");
}

/// The row remembers eight spendings. A straggler among them is a race; an older one can't be told from a thief, and
/// the sign-in ends rather than live with one.
// SEC-45
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_straggler_is_a_race_for_eight_spendings_and_a_theft_after_nine() {
    let nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    let mut held = nodes.sign_in("ada", PASSWORD).await;
    let mut spent = Vec::new();
    for number in 0..9 {
        let reply = nodes.node(number).refresh(&held.refresh, None).await;
        spent.push(std::mem::replace(&mut held, reply.held.expect("the current token is spent")));
    }
    for (age, old) in spent.iter().rev().take(8).enumerate() {
        let reply = nodes.node(age).refresh(&old.refresh, None).await;
        assert_eq!((reply.code.as_str(), reply.session_ended), ("refresh_token_spent", Some(false)), "{age}");
        assert_eq!(reply.cookie, None);
    }
    assert_eq!(nodes.node(0).me(&held).await.status, 200);
    let reply = nodes.node(1).refresh(&spent[0].refresh, None).await;
    assert_eq!((reply.code.as_str(), reply.session_ended), ("refresh_token_reused", Some(true)));
    assert!(reply.deletes_cookie());
    assert_eq!(nodes.node(0).me(&held).await.code, "access_token_invalid");
    nodes.log.assert_lawful("stragglers");
}

/// Tabs share one cookie jar and all refresh at the same moments. Whoever hears of a race tries once more with what the
/// jar holds by then; nobody is ever signed out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tabs_that_share_one_jar_stay_signed_in() {
    const TABS: usize = 4;
    let nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    let jar = Arc::new(Mutex::new(nodes.sign_in("ada", PASSWORD).await));
    let barrier = Arc::new(Barrier::new(TABS));
    let rounds = trials(100);
    let mut tabs = JoinSet::new();
    for tab in 0..TABS {
        let (node, jar, barrier) = (nodes.node(tab).clone(), Arc::clone(&jar), Arc::clone(&barrier));
        tabs.spawn(async move {
            for _ in 0..rounds {
                barrier.wait().await;
                while !refresh_jar(&node, &jar).await {}
            }
        });
    }
    tabs.join_all().await;
    let held = jar.lock().unwrap().clone();
    assert_eq!(nodes.node(0).refresh(&held.refresh, None).await.status, 200);
    nodes.log.assert_lawful("one jar");
}

/// `false`: another tab was quicker.
async fn refresh_jar(node: &Witness, jar: &Mutex<Held>) -> bool {
    let held = jar.lock().unwrap().clone();
    let reply = node.refresh(&held.refresh, None).await;
    match reply.held {
        Some(successor) => *jar.lock().unwrap() = successor,
        None => {
            assert_eq!((reply.code.as_str(), reply.cookie), ("refresh_token_spent", None));
            return false;
        }
    }
    true
}

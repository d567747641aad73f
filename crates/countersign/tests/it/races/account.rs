//! Races for an account: its name, its password, its life.

use std::sync::Arc;

use countersign::operator;
use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::harness::{Nodes, PASSWORD, be_late, patiently, trials};
use crate::checker::Act;
use crate::checker::witness::{Held, Reply, user};

/// The name in other cases: bit n says whether letter n is a capital.
fn in_case(name: &str, bits: usize) -> String {
    let letters = name.chars().enumerate();
    letters.map(|(at, it)| if bits >> at & 1 == 1 { it.to_ascii_uppercase() } else { it }).collect()
}

// SEC-78
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_100_sign_ups_of_one_name_in_any_case_one_wins_and_99_are_told() {
    const CLIENTS: usize = 100;
    let nodes = Nodes::start(2).await;
    for round in 0..trials(2) {
        let name = format!("ada-lovelace-{round}");
        let barrier = Arc::new(Barrier::new(CLIENTS));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let (node, barrier) = (nodes.node(number).clone(), Arc::clone(&barrier));
            let spelt = in_case(&name, number);
            clients.spawn(async move {
                barrier.wait().await;
                patiently(|| node.sign_up(&spelt, PASSWORD)).await
            });
        }
        let replies = clients.join_all().await;
        let created: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 201).collect();
        assert_eq!(created.len(), 1, "{created:?}");
        for reply in replies.iter().filter(|reply| reply.status != 201) {
            assert_eq!(reply.status, 400, "{reply:?}");
            assert_eq!(reply.body["errors"]["username"][0]["code"], "username_taken", "{reply:?}");
        }
        let name = created[0].body["username"].as_str().unwrap().to_owned();
        assert_eq!(nodes.account(&name).await.username.as_ref(), name);
        nodes.sign_in(&name, PASSWORD).await;
    }
    nodes.log.assert_lawful("sign-ups of one name");
}

/// Sign-ins whose passwords are being verified while `ends` closes the gate. Returns those that were let in.
async fn at_the_gate<End>(nodes: &mut Nodes, name: &str, password: &str, ends: End) -> Vec<Held>
where
    End: Future<Output = Reply>,
{
    let mut clients = JoinSet::new();
    for number in 0..6 {
        let (node, late) = (nodes.node(number).clone(), nodes.chance.below(400));
        let (name, password) = (name.to_owned(), password.to_owned());
        clients.spawn(async move {
            be_late(late).await;
            patiently(|| node.sign_in(&name, &password)).await
        });
    }
    be_late(nodes.chance.below(400)).await;
    let reply = ends.await;
    assert!(matches!(reply.status, 200 | 204), "{reply:?}");
    let replies = clients.join_all().await;
    for refused in replies.iter().filter(|reply| reply.held.is_none()) {
        assert_eq!(refused.code, "invalid_credentials", "{refused:?}");
    }
    replies.into_iter().filter_map(|reply| reply.held).collect()
}

async fn are_dead(nodes: &Nodes, admitted: &[Held], about: &str) {
    for (number, held) in admitted.iter().enumerate() {
        assert_eq!(nodes.node(number).me(held).await.code, "access_token_invalid", "{about}");
        let reply = nodes.node(number + 1).refresh(&held.refresh, None).await;
        assert_eq!(reply.code, "refresh_token_revoked", "{about}");
    }
}

/// The gate: a sign-in whose proof was made before the change never comes to life, however late it is answered.
// SEC-12
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_sign_in_by_the_former_password_outlives_its_change() {
    let mut nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    let mut password = PASSWORD.to_owned();
    let owner = nodes.sign_in("ada", PASSWORD).await;
    for trial in 0..trials(30) {
        let next = format!("battery horse correct {trial}");
        let (node, owner) = (nodes.node(trial).clone(), owner.clone());
        let (from, to) = (password.clone(), next.clone());
        let changes = async move { patiently(|| node.change_password("ada", &owner, &from, &to)).await };
        let admitted = at_the_gate(&mut nodes, "ada", &password, changes).await;
        are_dead(&nodes, &admitted, "password change").await;
        assert_eq!(nodes.node(trial).sign_in("ada", &password).await.code, "invalid_credentials");
        password = next;
    }
    nodes.sign_in("ada", &password).await;
    nodes.log.assert_lawful("password change against sign-ins");
}

// SEC-38, SEC-50
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_sign_in_that_was_being_verified_outlives_a_disabling() {
    let mut nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    let id = nodes.account("ada").await.id;
    for trial in 0..trials(30) {
        let (node, service) = (nodes.node(trial).clone(), nodes.services[trial % 2].clone());
        let disables = async move {
            node.operate(Act::Disable { user: user("ada") }, operator::disable(&service, id)).await;
            Reply::done()
        };
        let admitted = at_the_gate(&mut nodes, "ada", PASSWORD, disables).await;
        are_dead(&nodes, &admitted, "disabling").await;
        let enables = operator::enable(&nodes.services[0], id);
        nodes.node(0).operate(Act::Enable { user: user("ada") }, enables).await;
        are_dead(&nodes, &admitted, "disabling, and enabling again").await;
    }
    nodes.log.assert_lawful("disabling against sign-ins");
}

// SEC-12
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_password_changes_at_once_one_counts_and_ends_the_others_sign_in() {
    let nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    let mut password = PASSWORD.to_owned();
    for trial in 0..trials(30) {
        let held = [nodes.sign_in("ada", &password).await, nodes.sign_in("ada", &password).await];
        let next = [format!("battery horse one {trial}"), format!("battery horse two {trial}")];
        let change = async |at: usize| {
            patiently(|| nodes.node(trial + at).change_password("ada", &held[at], &password, &next[at])).await
        };
        let replies: [Reply; 2] = tokio::join!(change(0), change(1)).into();
        let winner = replies.iter().position(|reply| reply.status == 200).expect("one wins");
        let loser = 1 - winner;
        // It comes too late with its sign-in or with its password.
        let late = ["access_token_invalid", "wrong_password"].contains(&replies[loser].code.as_str());
        assert!(late, "{replies:?}");
        assert_eq!(nodes.node(trial).me(&held[winner]).await.status, 200);
        assert_eq!(nodes.node(trial).me(&held[loser]).await.code, "access_token_invalid");
        assert_eq!(nodes.node(trial).sign_in("ada", &next[loser]).await.code, "invalid_credentials");
        password = next[winner].clone();
    }
    nodes.sign_in("ada", &password).await;
    nodes.log.assert_lawful("two password changes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_changes_of_different_words_at_once_both_count() {
    let nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    let held = nodes.sign_in("ada", PASSWORD).await;
    for trial in 0..trials(30) {
        let name = json!({"username": format!("ada-{trial}"), "current_password": PASSWORD});
        let email = json!({"email": format!("ada-{trial}@example.com"), "current_password": PASSWORD});
        let change = async |form| patiently(|| nodes.node(trial).change_words(&held, &form)).await;
        let (one, other) = tokio::join!(change(name), change(email));
        assert_eq!((one.status, other.status), (200, 200), "{one:?} {other:?}");
        let account = nodes.account(&format!("ada-{trial}")).await;
        assert_eq!(account.email.as_deref(), Some(format!("ada-{trial}@example.com").as_str()));
    }
}

// SEC-78
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_accounts_that_take_one_name_at_once_one_gets_it() {
    let nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    nodes.sign_up("grace").await;
    let held = [nodes.sign_in("ada", PASSWORD).await, nodes.sign_in("grace", PASSWORD).await];
    for trial in 0..trials(30) {
        let names = [format!("Countess-{trial}"), format!("countesS-{trial}")];
        let take = async |at: usize| {
            let form = json!({"username": names[at], "current_password": PASSWORD});
            patiently(|| nodes.node(at).change_words(&held[at], &form)).await
        };
        let replies: [Reply; 2] = tokio::join!(take(0), take(1)).into();
        let winner = replies.iter().position(|reply| reply.status == 200).expect("one wins");
        let loser = &replies[1 - winner];
        assert_eq!(loser.body["errors"]["username"][0]["code"], "username_taken", "{loser:?}");
        assert_eq!(nodes.account(&names[0]).await.username.as_ref(), names[winner]);
    }
}

//! Refreshes against everything that ends a sign-in: once the end is answered, nothing of the sign-in works, what was
//! minted meanwhile included, on no node.

use std::time::Duration;

use countersign::{jobs, operator};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::harness::{Nodes, PASSWORD, be_late, trials};
use crate::checker::Act;
use crate::checker::witness::{Held, Reply, Witness, user};

/// A chain that is longer has not noticed its end.
const ENDLESS: usize = 5_000;

/// A client that refreshes without pause until it is refused.
struct Chain {
    links: watch::Receiver<usize>,
    client: JoinHandle<(Vec<Held>, Reply)>,
}

impl Chain {
    fn start(nodes: &Nodes, first: Held) -> Self {
        let (count, links) = watch::channel(0);
        let nodes: Vec<Witness> = nodes.witnesses.clone();
        let client = tokio::spawn(async move {
            let mut held = vec![first];
            for number in 0..ENDLESS {
                let node = &nodes[number % nodes.len()];
                let reply = node.refresh(&held[number].refresh, None).await;
                let Some(successor) = reply.held.clone() else { return (held, reply) };
                // The other node looks the sign-in up, and may keep what it finds for no longer than it is true.
                nodes[(number + 1) % nodes.len()].me(&successor).await;
                held.push(successor);
                count.send_replace(number);
            }
            panic!("{ENDLESS} refreshes after the end of the sign-in");
        });
        Self { links, client }
    }

    /// Returns in the midst of the refreshing.
    async fn reaches(&mut self, links: u64) {
        let _ = self.links.wait_for(|count| *count as u64 >= links).await;
    }

    /// Everything that was ever handed out, and the refusal that ended it.
    async fn end(self) -> (Vec<Held>, Reply) {
        self.client.await.unwrap()
    }
}

/// Refreshes race one end of the sign-in, in many trials; afterwards everything is tried, on every node.
async fn race<Ending>(nodes: &mut Nodes, about: &str, code: &str, first: Held, ending: Ending) -> usize
where
    Ending: AsyncFnOnce(&Nodes, &Held) -> Reply,
{
    for node in &nodes.witnesses {
        assert_eq!(node.me(&first).await.status, 200, "{about}");
    }
    let mut chain = Chain::start(nodes, first.clone());
    chain.reaches(nodes.chance.below(4)).await;
    be_late(nodes.chance.lateness()).await;
    let reply = ending(nodes, &first).await;
    assert!(reply.status == 204 || reply.status == 200 || reply.status == 401, "{about}: {reply:?}");
    let (held, refusal) = chain.end().await;
    assert_eq!((refusal.code.as_str(), refusal.session_ended), (code, Some(true)), "{about}");
    assert!(refusal.deletes_cookie(), "{about}");
    for node in &nodes.witnesses {
        for one in held.iter().rev().take(4).chain(held.first()) {
            assert_eq!(node.me(one).await.code, "access_token_invalid", "{about}");
        }
    }
    for (number, one) in held.iter().rev().take(4).chain(held.first()).enumerate() {
        let reply = nodes.node(number).refresh(&one.refresh, None).await;
        assert_eq!(
            (reply.code.as_str(), reply.session_ended),
            ("refresh_token_revoked", Some(true)),
            "{about}"
        );
    }
    held.len() - 1
}

// SEC-48
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sign_out_beats_every_refresh() {
    let mut nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    let mut links = 0;
    for trial in 0..trials(200) {
        let first = nodes.sign_in("ada", PASSWORD).await;
        let signs_out = async |nodes: &Nodes, held: &Held| nodes.node(trial).sign_out(&held.refresh).await;
        links += race(&mut nodes, "sign-out", "refresh_token_revoked", first, signs_out).await;
    }
    assert!(links > 0, "no refresh ever won");
    nodes.log.assert_lawful("refresh against sign-out");
}

// SEC-48
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sign_out_everywhere_beats_every_refresh() {
    let mut nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    for trial in 0..trials(200) {
        let first = nodes.sign_in("ada", PASSWORD).await;
        let leaves =
            async |nodes: &Nodes, held: &Held| nodes.node(trial).sign_out_everywhere("ada", held).await;
        race(&mut nodes, "sign-out everywhere", "refresh_token_revoked", first, leaves).await;
    }
    nodes.log.assert_lawful("refresh against sign-out everywhere");
}

// SEC-12, SEC-48: the sign-in that changes the password goes on, every other one is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_password_change_beats_every_refresh_of_another_sign_in() {
    let mut nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    let mut owner = nodes.sign_in("ada", PASSWORD).await;
    let mut password = PASSWORD.to_owned();
    for trial in 0..trials(50) {
        let next = format!("battery horse correct {trial}");
        let first = nodes.sign_in("ada", &password).await;
        let changes = async |nodes: &Nodes, _: &Held| {
            nodes.node(trial).change_password("ada", &owner, &password, &next).await
        };
        race(&mut nodes, "password change", "refresh_token_revoked", first, changes).await;
        assert_eq!(nodes.node(trial).me(&owner).await.status, 200);
        owner =
            nodes.node(trial).refresh(&owner.refresh, None).await.held.expect("the owner's sign-in goes on");
        password = next;
    }
    nodes.log.assert_lawful("refresh against password change");
}

// SEC-38, SEC-48
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deletion_beats_every_refresh() {
    let mut nodes = Nodes::start(2).await;
    for trial in 0..trials(50) {
        let name = format!("ada-{trial}");
        nodes.sign_up(&name).await;
        let first = nodes.sign_in(&name, PASSWORD).await;
        let deletes =
            async |nodes: &Nodes, held: &Held| nodes.node(trial).delete_account(&name, held, PASSWORD).await;
        race(&mut nodes, "deletion", "refresh_token_revoked", first, deletes).await;
        assert_eq!(nodes.node(trial).sign_in(&name, PASSWORD).await.code, "invalid_credentials");
    }
    nodes.log.assert_lawful("refresh against deletion");
}

// SEC-48, SEC-50
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disabling_beats_every_refresh() {
    let mut nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    let id = nodes.account("ada").await.id;
    for trial in 0..trials(200) {
        let first = nodes.sign_in("ada", PASSWORD).await;
        let service = nodes.services[trial % 2].clone();
        let disables = async |nodes: &Nodes, _: &Held| {
            let act = Act::Disable { user: user("ada") };
            nodes.node(0).operate(act, operator::disable(&service, id)).await;
            Reply::done()
        };
        race(&mut nodes, "disabling", "refresh_token_revoked", first, disables).await;
        let enables = operator::enable(&nodes.services[0], id);
        nodes.node(0).operate(Act::Enable { user: user("ada") }, enables).await;
    }
    nodes.log.assert_lawful("refresh against disabling");
}

// SEC-51: a sign-in in the same browser takes the old one's place.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sign_in_that_takes_the_place_of_another_beats_its_refreshes() {
    let mut nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    for trial in 0..trials(100) {
        let first = nodes.sign_in("ada", PASSWORD).await;
        let replaces = async |nodes: &Nodes, held: &Held| {
            nodes.node(trial).sign_in_over("ada", PASSWORD, &held.refresh).await
        };
        race(&mut nodes, "sign-in over another", "refresh_token_revoked", first, replaces).await;
    }
    nodes.log.assert_lawful("refresh against a new sign-in");
}

// SEC-45
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_theft_beats_every_refresh() {
    let mut nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    for trial in 0..trials(200) {
        let stolen = nodes.sign_in("ada", PASSWORD).await;
        let first = nodes.node(trial).refresh(&stolen.refresh, None).await.held.expect("spent once");
        nodes.clock.advance(Duration::from_secs(11));
        let steals = async |nodes: &Nodes, _: &Held| {
            let reply = nodes.node(trial).refresh(&stolen.refresh, None).await;
            assert_eq!((reply.code.as_str(), reply.session_ended), ("refresh_token_reused", Some(true)));
            assert!(reply.deletes_cookie());
            reply
        };
        race(&mut nodes, "theft", "refresh_token_revoked", first, steals).await;
    }
    nodes.log.assert_lawful("refresh against theft");
}

/// Clean-up on both nodes while every sign-in is refreshed: those that were used since go on, those past their end
/// stay dead, whichever comes first.
// SEC-46
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_clean_up_ends_nothing_that_lives_and_revives_nothing() {
    const DAY: Duration = Duration::from_secs(86_400);
    let mut nodes = Nodes::start(2).await;
    nodes.sign_up("ada").await;
    for _ in 0..trials(6) {
        let mut living = Vec::new();
        let mut idle = Vec::new();
        for _ in 0..8 {
            living.push(nodes.sign_in("ada", PASSWORD).await);
            idle.push(nodes.sign_in("ada", PASSWORD).await);
        }
        nodes.clock.advance(20 * DAY);
        for held in &mut living {
            *held = nodes.node(0).refresh(&held.refresh, None).await.held.expect("in time");
        }
        // The day on which clean-up looks at all of them; the idle ones' end is 13 days ago.
        nodes.clock.advance(23 * DAY);
        let sweeps: Vec<_> = nodes.services.iter().cloned().map(sweep_while_others_refresh).collect();
        let mut refreshes = tokio::task::JoinSet::new();
        for (number, (alive, dead)) in living.into_iter().zip(idle).enumerate() {
            let (node, late) = (nodes.node(number).clone(), nodes.chance.lateness());
            refreshes.spawn(async move {
                be_late(late).await;
                let dead = node.refresh(&dead.refresh, None).await;
                assert!(matches!(dead.code.as_str(), "refresh_token_expired" | "refresh_token_invalid"));
                assert!(dead.deletes_cookie());
                node.refresh(&alive.refresh, None).await.held.expect("a living sign-in goes on")
            });
        }
        let living = refreshes.join_all().await;
        for sweep in sweeps {
            sweep.await.unwrap();
        }
        for held in living {
            assert_eq!(nodes.node(1).me(&held).await.status, 200);
        }
    }
}

fn sweep_while_others_refresh(service: countersign::Countersign) -> JoinHandle<()> {
    tokio::spawn(async move {
        for _ in 0..4 {
            jobs::sweep(&service, |_| {}).await.unwrap();
            tokio::task::yield_now().await;
        }
    })
}

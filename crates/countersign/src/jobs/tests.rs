mod year;

use std::sync::Arc;

use super::*;
use crate::id::{SignInId, UserId};
use crate::sign_in::{Admission, Client, EndReason, NewSignIn, Proof, State, Transport};
use crate::testing::{START, TestService};
use crate::time::Clock;

const DAY: Duration = Duration::from_secs(86_400);

/// An account that only sign-ins belong to.
async fn user(service: &Countersign) -> UserId {
    loop {
        let id = UserId::fresh(service.now());
        let made = service.store().write((id, service.now()), |tx, (id, now)| {
            Box::pin(async move {
                let sql = "INSERT INTO users (id, username, username_key, epoch, tokens_after, created_at)
                           VALUES ($1, $3, $3, 0, 0, $2) ON CONFLICT DO NOTHING";
                let name = id.as_i64().to_string();
                tx.execute(sql, &[(*id).into(), (*now).into(), (&name).into()]).await
            })
        });
        if made.await.unwrap() == 1 {
            return id;
        }
    }
}

async fn sign_ins(service: &Countersign, user: UserId, many: usize) -> Vec<SignInId> {
    let client = Client { user_agent: None, address: None, transport: Transport::Cookie };
    let mut ids = Vec::new();
    while ids.len() < many {
        let new = NewSignIn::draw(service, Proof { user, epoch: 0 }, client.clone()).unwrap();
        let id = new.token.sign_in;
        let opened = service.store().write(new, |tx, new| Box::pin(sign_in::open(tx, new)));
        // Where the clock stands still, the random half of an id is drawn twice now and then.
        match opened.await.unwrap() {
            Admission::Opened => ids.push(id),
            other => assert_eq!(other, Admission::IdTaken),
        }
    }
    ids
}

async fn swept(service: &Countersign) -> Option<Swept> {
    sweep(service, |_| {}).await.unwrap()
}

/// Another node on the same files, whose clock is another one.
async fn node_with_clock(service: &TestService, clock: Clock) -> Countersign {
    Countersign::open_with_clock(service.settings().clone(), clock).await.unwrap()
}

#[tokio::test]
async fn a_sweep_goes_through_every_table_and_tells_how_far_it_is() {
    let service = TestService::start().await;
    let ada = user(&service).await;
    sign_ins(&service, ada, 250).await;
    sign_in::end_all(&service, ada, EndReason::SignedOutEverywhere).await.unwrap();
    let eve = user(&service).await;
    let living = sign_ins(&service, eve, 1).await;
    crate::operator::delete(&service, ada).await.unwrap();
    assert_eq!(backlog(&service, 1_000).await.unwrap(), 0);
    service.advance(100 * DAY);
    let still = sign_ins(&service, eve, 1).await;
    assert_eq!(backlog(&service, 1_000).await.unwrap(), 250 + 1 + 1 + 2);
    assert_eq!(backlog(&service, 100).await.unwrap(), 100 + 1 + 2, "counted so far in each table");
    let mut heard = Vec::new();
    let done = sweep(&service, |so_far| heard.push(so_far.seen())).await.unwrap().unwrap();
    let removed = Table::ALL.map(|table| done.of(table).removed);
    assert_eq!((removed, done.removed()), ([251, 1, 0, 2, 0, 0, 0, 0], 254));
    assert_eq!(heard.last(), Some(&254));
    assert!(heard.len() >= 5 && heard.is_sorted(), "{heard:?}");
    assert_eq!(swept(&service).await.unwrap().seen(), 0);
    let left = sign_in::list(&service, eve).await.unwrap();
    assert_eq!(left.iter().map(|one| one.id).collect::<Vec<_>>(), still);
    assert_ne!(living, still);
}

// SEC-109
#[tokio::test]
async fn one_node_sweeps_at_a_time_and_a_dead_ones_lease_runs_out() {
    let service = TestService::start().await;
    let other = service.second_node().await;
    let lease = Lease::take(&service).await.unwrap().unwrap();
    assert_eq!(swept(&other).await, None);
    lease.give_back(&service).await.unwrap();
    assert!(swept(&other).await.is_some());
    let _dead = Lease::take(&service).await.unwrap().unwrap();
    service.advance(Duration::from_secs(299));
    assert_eq!(swept(&other).await, None);
    service.advance(Duration::from_secs(1));
    assert!(swept(&other).await.is_some());
}

// SEC-109
#[tokio::test]
async fn clocks_that_differ_by_90_seconds_do_no_harm() {
    let service = TestService::start().await;
    let clocks =
        [START.plus(Duration::from_secs(90)), START.minus(Duration::from_secs(90))].map(Clock::fixed);
    let [ahead, behind] = clocks.clone();
    let (ahead, behind) = (node_with_clock(&service, ahead).await, node_with_clock(&service, behind).await);
    let mut lease = Lease::take(&service).await.unwrap().unwrap();
    for _ in 0..10 {
        for clock in [&service.clock, &clocks[0], &clocks[1]] {
            clock.advance(Duration::from_secs(55));
        }
        assert!(lease.keep(&service).await.unwrap());
        assert_eq!(
            (swept(&ahead).await, swept(&behind).await),
            (None, None),
            "whoever sweeps keeps the lease"
        );
    }
    lease.give_back(&service).await.unwrap();
    let _dead = Lease::take(&ahead).await.unwrap().unwrap();
    for clock in [&service.clock, &clocks[1]] {
        clock.advance(Duration::from_secs(300 + 180));
    }
    assert!(swept(&behind).await.is_some(), "a dead node holds up for its term and the difference at most");
}

#[tokio::test]
async fn a_lease_from_a_clock_that_was_a_year_ahead_holds_nobody_up() {
    let service = TestService::start().await;
    let wrong = node_with_clock(&service, Clock::fixed(START.plus(365 * DAY))).await;
    let _dead = Lease::take(&wrong).await.unwrap().unwrap();
    assert!(swept(&service).await.is_some());
}

#[tokio::test]
async fn whoever_lost_the_lease_stops() {
    let service = TestService::start().await;
    let ada = user(&service).await;
    sign_ins(&service, ada, 250).await;
    service.advance(100 * DAY);
    let mut lease = Lease::take(&service).await.unwrap().unwrap();
    service.advance(Duration::from_secs(600));
    let taken = Lease::take(&service.second_node().await).await.unwrap();
    assert!(taken.is_some());
    let done = sweep_under(&service, &mut lease, |_| {}).await.unwrap();
    assert_eq!(done.removed(), u64::from(BATCH));
}

// SEC-109
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sweeps_at_once_remove_each_row_once_and_no_living_one() {
    let service = Arc::new(TestService::start().await);
    let (old, new) = (user(&service).await, user(&service).await);
    sign_ins(&service, old, 500).await;
    service.advance(100 * DAY);
    let living = sign_ins(&service, new, 50).await;
    let nodes = [service.second_node().await, service.second_node().await];
    let sweeps = nodes.map(|node| {
        tokio::spawn(async move {
            let mut lease = Lease { holder: "nobody".to_owned(), taken_at: node.now() };
            sweep_under(&node, &mut lease, |_| {}).await.unwrap().of(Table::SignIns).removed
        })
    });
    let mut removed = 0;
    for sweep in sweeps {
        removed += sweep.await.unwrap();
    }
    assert_eq!(removed, 500);
    let left = sign_in::list(&service, new).await.unwrap();
    assert!(left.len() == living.len() && left.iter().all(|one| one.state == State::Live));
}

// What a sweep looks for it finds by an index: its cost follows what is due, not what is there.
#[tokio::test]
async fn a_batch_costs_the_same_among_many_rows_that_are_not_due() {
    let service = TestService::start().await;
    user(&service).await;
    let file = service.folder().join("data/countersign.db");
    let database = rusqlite::Connection::open(file).unwrap();
    for source in
        [include_str!("../sign_in/sql.rs"), include_str!("../user/sql.rs"), include_str!("../trail/sql.rs")]
    {
        let texts = source.split('"').filter(|text| text.contains("LIMIT $2)"));
        let mut seen = 0;
        for statement in texts {
            let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
            let many = plan.parameter_count();
            let rows =
                plan.query_map(rusqlite::params_from_iter(vec![1; many]), |row| row.get::<_, String>(3));
            let steps: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
            let scans = steps.iter().any(|step| step.starts_with("SCAN") && !step.contains("due"));
            assert!(!scans, "{statement}: {steps:#?}");
            seen += 1;
        }
        assert!(seen >= 2, "a sweep and its backlog");
    }
}

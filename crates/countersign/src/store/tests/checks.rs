//! The laws of the check: what is kept of former answers is never older than the question.

use countersign_testbed::postgres_or_skip;
use tokio::sync::oneshot;

use super::*;
use crate::metrics::Meters;

const NOW: Timestamp = Timestamp::from_millis(10);
const QUERY: LiveQuery = LiveQuery::SignIn(SIGN_IN);
const ENDING: &str = "UPDATE sign_ins SET ended_at = 3, ended_why = 'operator' WHERE id = 7";
const MENDING: &str = "UPDATE sign_ins SET ended_at = NULL, ended_why = NULL WHERE id = 7";

on_both_stores!(
    a_check_sees_at_once_what_another_node_has_committed,
    a_check_answers_with_the_account_as_it_is,
    a_check_that_begins_after_an_end_was_answered_finds_nothing,
    a_refresh_moves_the_end_of_what_is_kept,
);

async fn look(store: &Store) -> Option<Live> {
    store.check(QUERY, NOW).await.unwrap()
}

/// So often that every connection of both nodes has looked it up and then found it kept.
async fn warm_up(nodes: &[Store]) {
    for _ in 0..4 {
        for node in nodes {
            assert!(look(node).await.is_some());
        }
    }
}

async fn all_find_nothing(nodes: &[Store], after: &str) {
    for _ in 0..4 {
        for node in nodes {
            assert_eq!(look(node).await, None, "after {after}");
        }
    }
}

async fn two_nodes(scratch: &Scratch) -> [Store; 2] {
    seed(&scratch.store).await;
    [scratch.store.clone(), scratch.second_node().await]
}

// SEC-38, SEC-106
async fn a_check_sees_at_once_what_another_node_has_committed(scratch: Scratch) {
    let nodes = two_nodes(&scratch).await;
    for (ending, mending) in [
        (ENDING, MENDING),
        ("UPDATE sign_ins SET epoch = 1", "UPDATE sign_ins SET epoch = 0"),
        ("UPDATE users SET epoch = 1", "UPDATE users SET epoch = 0"),
        ("UPDATE users SET disabled_at = 3", "UPDATE users SET disabled_at = NULL"),
        ("UPDATE users SET deleted_at = 3", "UPDATE users SET deleted_at = NULL"),
    ] {
        for writer in &nodes {
            warm_up(&nodes).await;
            execute(writer, ending).await;
            all_find_nothing(&nodes, ending).await;
            execute(writer, mending).await;
        }
    }
    let live = scratch.store.check(LiveQuery::User(USER), NOW).await.unwrap().unwrap();
    assert_eq!((&*live.username, live.sign_in), ("Ada", None));
    warm_up(&nodes).await;
    execute(&nodes[1], "DELETE FROM sign_ins").await;
    all_find_nothing(&nodes, "the row is gone").await;
}

async fn a_check_answers_with_the_account_as_it_is(scratch: Scratch) {
    let nodes = two_nodes(&scratch).await;
    type Of = fn(Live) -> String;
    let email: Of = |live| live.email.unwrap_or_default().to_string();
    for (change, of, expected) in [
        ("UPDATE users SET username = 'Lovelace'", (|live| live.username.to_string()) as Of, "Lovelace"),
        ("UPDATE users SET email = 'a@b.example', email_key = 'a@b.example'", email, "a@b.example"),
        ("UPDATE users SET email_verified_at = 4", |live| live.email_verified.to_string(), "true"),
        ("UPDATE users SET email = 'A@b.example'", email, "A@b.example"),
        ("UPDATE users SET tokens_after = 8", |live| live.tokens_after.to_string(), "8"),
        (
            "UPDATE sign_ins SET expires_at = 500",
            |live| live.sign_in.unwrap().expires_at.as_millis().to_string(),
            "500",
        ),
    ] {
        warm_up(&nodes).await;
        execute(&nodes[0], change).await;
        for node in &nodes {
            assert_eq!(of(look(node).await.unwrap()), expected, "after {change}");
        }
    }
}

/// Others ask without pause, so that what is kept is always warm, and the end comes at every moment of their asking.
// SEC-38, SEC-48, SEC-106
async fn a_check_that_begins_after_an_end_was_answered_finds_nothing(scratch: Scratch) {
    let nodes = two_nodes(&scratch).await;
    let is_over = Arc::new(AtomicUsize::new(0));
    let askers: Vec<_> = (0..8_usize)
        .map(|number| {
            let (node, is_over) = (nodes[number % 2].clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut found = 0_usize;
                while is_over.load(Ordering::SeqCst) == 0 {
                    found += usize::from(look(&node).await.is_some());
                    tokio::task::yield_now().await;
                }
                found
            })
        })
        .collect();
    for trial in 0..150_usize {
        execute(&nodes[trial % 2], ENDING).await;
        let late = nodes.clone().map(|node| tokio::spawn(async move { look(&node).await }));
        for check in late {
            assert_eq!(check.await.unwrap(), None, "trial {trial}");
        }
        execute(&nodes[trial % 2], MENDING).await;
        warm_up(&nodes).await;
    }
    is_over.store(1, Ordering::SeqCst);
    for asker in askers {
        assert!(asker.await.unwrap() > 0, "it was never warm");
    }
}

async fn a_refresh_moves_the_end_of_what_is_kept(scratch: Scratch) {
    let nodes = two_nodes(&scratch).await;
    warm_up(&nodes).await;
    assert!(nodes[0].spend(spend(0, 0, 10)).await.unwrap().is_some());
    // It was kept with an end at 1,000, and has been refreshed since.
    let later = Timestamp::from_millis(1_500);
    for node in &nodes {
        let live = node.check(QUERY, later).await.unwrap().unwrap();
        assert_eq!(live.sign_in.unwrap().expires_at, Timestamp::from_millis(2_000));
    }
}

/// Two warm nodes on PostgreSQL.
async fn on_postgres() -> Option<(Scratch, [Store; 2])> {
    if !postgres_or_skip() {
        return None;
    }
    let scratch = Scratch::postgres().await;
    let nodes = two_nodes(&scratch).await;
    warm_up(&nodes).await;
    Some((scratch, nodes))
}

fn changes(scratch: &Scratch) -> i64 {
    let rows = scratch.schema().query_text("SELECT count(*) FROM changes WHERE noted_at IS NULL");
    rows[0][0].as_ref().unwrap().parse().unwrap()
}

/// However long it takes: transactions of other tests, on the same server, may hold it up. `minute` is when it begins.
async fn clean_up_until_nothing_is_left(scratch: &Scratch, mut minute: i64) {
    while changes(scratch) > 0 {
        let now = Timestamp::from_millis(minute * 60_000);
        while scratch.store.remove_changes(now, 25).await.unwrap() > 0 {}
        minute += 11;
        tokio::task::yield_now().await;
    }
}

/// How often a node has read rows for a check.
fn looked_up(node: &Store) -> u64 {
    let mut meters = Meters::new(NOW);
    node.report(&mut meters);
    let text = meters.text();
    let told = text.lines().find_map(|line| line.strip_prefix("countersign_store_check_lookups_total "));
    told.unwrap().parse().unwrap()
}

#[tokio::test]
async fn rows_are_read_once_until_something_changes() {
    let Some((_scratch, [node, _])) = on_postgres().await else { return };
    for _ in 0..20 {
        assert!(look(&node).await.is_some());
    }
    // A machine that is busy may bring the other connection in at any moment.
    let before = looked_up(&node);
    assert!((1..=2).contains(&before), "once a connection: {before}");
    execute(&node, "UPDATE users SET username = 'eve'").await;
    assert_eq!(look(&node).await.unwrap().username, "eve".into());
    assert!(looked_up(&node) > before);
}

/// What many refreshes write is paid for by each of them.
#[tokio::test]
async fn a_refresh_notes_no_change() {
    let Some((scratch, nodes)) = on_postgres().await else { return };
    assert!(nodes[0].spend(spend(0, 0, 10)).await.unwrap().is_some());
    execute(&nodes[0], "UPDATE users SET last_sign_in_at = 9, password_hash = 'x'").await;
    assert_eq!(changes(&scratch), 0);
}

/// Its number is older than that of many who come and go in the meantime, clean-up among them.
// SEC-38
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_stays_open_counts_when_it_ends() {
    let Some((scratch, nodes)) = on_postgres().await else { return };
    for commits in [true, false] {
        let ((begun, has_begun), (go_on, may_go_on)) = (oneshot::channel(), oneshot::channel::<()>());
        let signals = std::sync::Mutex::new(Some((begun, may_go_on)));
        let store = nodes[0].clone();
        let slow = tokio::spawn(async move {
            let steps = store.write((signals, commits), |tx, (signals, commits)| {
                Box::pin(async move {
                    tx.execute(ENDING, &[]).await?;
                    let (begun, may_go_on) = signals.lock().unwrap().take().unwrap();
                    begun.send(()).unwrap();
                    may_go_on.await.unwrap();
                    if *commits { Ok(()) } else { Err(Error::NotFound) }
                })
            });
            steps.await
        });
        has_begun.await.unwrap();
        for minutes in 0..6 {
            execute(&nodes[1], "UPDATE users SET tokens_after = tokens_after + 1").await;
            warm_up(&nodes).await;
            let now = Timestamp::from_millis(minutes * 11 * 60_000);
            while nodes[1].remove_changes(now, 25).await.unwrap() > 0 {}
        }
        go_on.send(()).unwrap();
        assert_eq!(slow.await.unwrap().is_ok(), commits);
        if commits {
            all_find_nothing(&nodes, "the commit").await;
            execute(&nodes[1], MENDING).await;
        }
        warm_up(&nodes).await;
    }
    clean_up_until_nothing_is_left(&scratch, 100).await;
}

/// An operator at `psql`, wherever the search path leads, and a replication that writes.
#[tokio::test]
async fn what_others_change_by_sql_counts() {
    let Some((scratch, nodes)) = on_postgres().await else { return };
    let schema = scratch.schema();
    for before in [
        "SET search_path = pg_catalog",
        "SET session_replication_role = replica",
        "BEGIN ISOLATION LEVEL SERIALIZABLE",
        "BEGIN; SAVEPOINT one; UPDATE sign_ins SET ended_at = 9, ended_why = 'x'; ROLLBACK TO one",
        "SET default_transaction_isolation = 'repeatable read'",
    ] {
        warm_up(&nodes).await;
        let commit = if before.starts_with("BEGIN") { "COMMIT" } else { "" };
        let ending = ENDING.replace("sign_ins", &format!("{}.sign_ins", schema.name()));
        schema.execute(&format!("{before}; {ending}; {commit}"));
        all_find_nothing(&nodes, before).await;
        schema.execute(MENDING);
    }
    for emptying in [
        "TRUNCATE sign_ins",
        "TRUNCATE changes; DELETE FROM sign_ins",
        "TRUNCATE users CASCADE",
        "DELETE FROM users",
    ] {
        warm_up(&nodes).await;
        schema.execute(emptying);
        all_find_nothing(&nodes, emptying).await;
        schema.execute("TRUNCATE users CASCADE");
        seed(&scratch.store).await;
    }
}

#[tokio::test]
async fn whoever_has_missed_very_much_forgets_everything() {
    let Some((scratch, nodes)) = on_postgres().await else { return };
    scratch.schema().execute(
        "INSERT INTO sign_ins SELECT 100 + n, user_id, epoch, generation, current_hash, NULL, NULL, spendings, transport,
             created_at, last_used_at, expires_at, ends_at, NULL, NULL, sweep_day
         FROM sign_ins, generate_series(1, 3000) n",
    );
    scratch.schema().execute("UPDATE sign_ins SET ended_at = 3, ended_why = 'operator'");
    assert_eq!(changes(&scratch), 3_001);
    all_find_nothing(&nodes, "all of them").await;
}

/// The server has crashed, or another one has taken its place: the table is empty, and what was kept may be old.
#[tokio::test]
async fn a_connection_that_is_replaced_knows_nothing() {
    let Some((scratch, _)) = on_postgres().await else { return };
    let url = format!("{}&application_name={}", scratch.schema().url(), scratch.schema().name());
    let nodes = [open_postgres(&url).await.map_err(|refusal| refusal.0).unwrap()];
    warm_up(&nodes).await;
    scratch.schema().execute(ENDING);
    scratch.schema().execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = current_schema()",
    );
    scratch.schema().execute("DELETE FROM changes");
    all_find_nothing(&nodes, "a crash").await;
}

/// Who was silent while clean-up removed what it had not seen.
#[tokio::test]
async fn whoever_was_silent_for_long_forgets_everything() {
    let Some((scratch, nodes)) = on_postgres().await else { return };
    let clean_up = async |minutes: i64| {
        let now = Timestamp::from_millis(minutes * 60_000);
        loop {
            let due = nodes[0].count_changes_due(now, 100).await.unwrap();
            let removed = nodes[0].remove_changes(now, 25).await.unwrap();
            assert_eq!(removed, due);
            if removed == 0 {
                return;
            }
        }
    };
    execute(&nodes[0], ENDING).await;
    clean_up(0).await;
    clean_up(9).await;
    assert_eq!(changes(&scratch), 1, "it is too early");
    clean_up_until_nothing_is_left(&scratch, 20).await;
    all_find_nothing(&nodes, "what nobody knows any more").await;
    // Without changes clean-up writes nothing, for ever.
    let rows = scratch.schema().query_text("SELECT * FROM changes").len();
    for hours in 1..9 {
        clean_up(hours * 60_000).await;
    }
    assert!(scratch.schema().query_text("SELECT * FROM changes").len() <= rows);
}

#[tokio::test]
async fn without_the_triggers_nothing_is_kept() {
    if !postgres_or_skip() {
        return;
    }
    let scratch = Scratch::postgres().await;
    seed(&scratch.store).await;
    for breaking in [
        "ALTER TABLE sign_ins DISABLE TRIGGER sign_ins_changed",
        "ALTER TABLE sign_ins ENABLE TRIGGER sign_ins_changed",
        "DROP TRIGGER sign_ins_changed ON sign_ins",
        "DROP TRIGGER sign_ins_shortened ON sign_ins",
    ] {
        scratch.schema().execute(breaking);
        let node = [scratch.second_node().await];
        warm_up(&node).await;
        assert_eq!(looked_up(&node[0]), 4, "each check");
        scratch.schema().execute(&format!("SET session_replication_role = replica; {ENDING}"));
        all_find_nothing(&node, breaking).await;
        scratch.schema().execute(MENDING);
    }
}

//! The laws: what every store promises, as plain functions that take one. `on_every_store!` holds each engine to each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::id::{SignInId, UserId};
use crate::time::Timestamp;

/// A store of its own for one test; dropping it removes the files.
struct Scratch {
    store: Store,
    _folder: tempfile::TempDir,
    file: std::path::PathBuf,
}

impl Scratch {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("law.db");
        let store = Store::open_sqlite(&file).unwrap();
        execute(&store, LAW).await;
        Self { store, _folder: folder, file }
    }

    /// Another node on the same database.
    fn second_node(&self) -> Store {
        Store::open_sqlite(&self.file).unwrap()
    }
}

const LAW: &str = "CREATE TABLE law (id BIGINT PRIMARY KEY, name TEXT UNIQUE, amount BIGINT, bytes BLOB)";

macro_rules! on_every_store {
    ($($law:ident),+ $(,)?) => {
        mod sqlite_keeps {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $law() {
                    super::$law(super::Scratch::sqlite().await).await;
                }
            )+
        }
    };
}

on_every_store!(
    an_error_undoes_the_whole_transaction,
    a_panic_undoes_the_transaction_and_harms_nobody_else,
    one_bad_transaction_leaves_its_neighbours_alone,
    a_taken_name_is_a_conflict_and_the_transaction_goes_on,
    of_many_guarded_updates_one_wins,
    text_numbers_and_bytes_come_back_as_they_went_in,
    a_read_sees_every_write_that_was_answered,
    a_read_is_one_unchanging_view,
    two_nodes_count_together,
    a_check_sees_at_once_what_another_node_has_committed,
    a_spending_is_won_once,
    a_closed_store_refuses,
    a_reopened_store_has_kept_everything,
);

async fn insert(store: &Store, id: i64, name: &str) -> Result<Attempt> {
    let input = (id, name.to_owned());
    let steps = store.write(input, |tx, (id, name)| {
        Box::pin(async move {
            let sql = "INSERT INTO law (id, name, amount) VALUES ($1, $2, 0)";
            tx.attempt(sql, &[(*id).into(), name.into()]).await
        })
    });
    steps.await
}

async fn count(store: &Store) -> i64 {
    let counted = store.read((), |tx, ()| {
        Box::pin(async move { tx.one("SELECT count(*) FROM law", &[], |row| row.int(0)).await })
    });
    counted.await.unwrap().unwrap()
}

async fn an_error_undoes_the_whole_transaction(scratch: Scratch) {
    let outcome: Result<()> = scratch
        .store
        .write((), |tx, ()| {
            Box::pin(async move {
                tx.execute("INSERT INTO law (id, name) VALUES (1, 'one')", &[]).await?;
                tx.execute("INSERT INTO law (id, name) VALUES (2, 'two')", &[]).await?;
                Err(Error::NotFound)
            })
        })
        .await;
    assert!(matches!(outcome, Err(Error::NotFound)));
    assert_eq!(count(&scratch.store).await, 0);
}

async fn a_panic_undoes_the_transaction_and_harms_nobody_else(scratch: Scratch) {
    let outcome: Result<()> = scratch
        .store
        .write((), |tx, ()| {
            Box::pin(async move {
                tx.execute("INSERT INTO law (id, name) VALUES (1, 'one')", &[]).await?;
                panic!("on purpose");
            })
        })
        .await;
    assert!(matches!(outcome, Err(Error::Fault(_))));
    assert_eq!(insert(&scratch.store, 2, "two").await.unwrap(), Attempt::Done(1));
    assert_eq!(count(&scratch.store).await, 1);
}

async fn one_bad_transaction_leaves_its_neighbours_alone(scratch: Scratch) {
    let outcomes = futures_of(60, {
        let store = scratch.store.clone();
        move |n| {
            let store = store.clone();
            async move {
                let steps = store.write(n, |tx, n| {
                    Box::pin(async move {
                        tx.execute("INSERT INTO law (id, name) VALUES ($1, 'x' || $1)", &[(*n).into()])
                            .await?;
                        if n % 3 == 0 { Err(Error::NotFound) } else { Ok(()) }
                    })
                });
                steps.await.is_ok()
            }
        }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|kept| **kept).count(), 40);
    assert_eq!(count(&scratch.store).await, 40);
}

async fn a_taken_name_is_a_conflict_and_the_transaction_goes_on(scratch: Scratch) {
    insert(&scratch.store, 1, "one").await.unwrap();
    let outcome = scratch.store.write((), |tx, ()| {
        Box::pin(async move {
            let taken = tx.attempt("INSERT INTO law (id, name) VALUES (2, 'one')", &[]).await?;
            let free = tx.attempt("INSERT INTO law (id, name) VALUES (2, 'two')", &[]).await?;
            Ok((taken, free))
        })
    });
    assert_eq!(outcome.await.unwrap(), (Attempt::Conflict, Attempt::Done(1)));
    assert_eq!(count(&scratch.store).await, 2);
}

async fn of_many_guarded_updates_one_wins(scratch: Scratch) {
    insert(&scratch.store, 1, "one").await.unwrap();
    let nodes = Arc::new([scratch.store.clone(), scratch.second_node()]);
    let wins = futures_of(200, move |n| {
        let nodes = Arc::clone(&nodes);
        async move {
            let node = &nodes[usize::try_from(n).unwrap() % 2];
            let sql = "UPDATE law SET amount = amount + 1 WHERE id = 1 AND amount = 0";
            let steps = node.write(sql, |tx, sql| Box::pin(async move { tx.execute(sql, &[]).await }));
            steps.await.unwrap()
        }
    })
    .await;
    assert_eq!(wins.iter().sum::<u64>(), 1);
}

async fn text_numbers_and_bytes_come_back_as_they_went_in(scratch: Scratch) {
    let text = "naïve ☃ 'quoted' \"twice\" \\ %s";
    let outcome = scratch.store.write(text.to_owned(), |tx, text| {
        Box::pin(async move {
            let sql = "INSERT INTO law (id, name, amount, bytes) VALUES ($3, $1, $4, $2)";
            let values = [
                text.into(),
                (&[0_u8, 255, 7, 0]).into(),
                i64::MAX.into(),
                Timestamp::from_millis(-1).into(),
            ];
            tx.execute(sql, &values).await?;
            tx.one("SELECT name, bytes, id, amount FROM law", &[], |row| {
                Ok((row.text(0)?, row.blob::<4>(1)?, row.int(2)?, row.time(3)?))
            })
            .await
        })
    });
    let expected = (text.to_owned(), [0, 255, 7, 0], i64::MAX, Timestamp::from_millis(-1));
    assert_eq!(outcome.await.unwrap(), Some(expected));
}

async fn a_read_sees_every_write_that_was_answered(scratch: Scratch) {
    let other = scratch.second_node();
    for n in 1..=50 {
        insert(&scratch.store, n, &n.to_string()).await.unwrap();
        assert_eq!(count(&scratch.store).await, n);
        assert_eq!(count(&other).await, n);
    }
}

async fn a_read_is_one_unchanging_view(scratch: Scratch) {
    static WRITES: AtomicUsize = AtomicUsize::new(0);
    let store = scratch.store.clone();
    let writing = tokio::spawn(async move {
        for n in 1..=300 {
            insert(&store, n, &n.to_string()).await.unwrap();
            WRITES.fetch_add(1, Ordering::SeqCst);
        }
    });
    while WRITES.load(Ordering::SeqCst) < 300 {
        let both = scratch.store.read((), |tx, ()| {
            Box::pin(async move {
                let first = tx.one("SELECT count(*) FROM law", &[], |row| row.int(0)).await?;
                let second = tx.one("SELECT count(*) FROM law", &[], |row| row.int(0)).await?;
                Ok((first, second))
            })
        });
        let (first, second) = both.await.unwrap();
        assert_eq!(first, second);
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
}

async fn two_nodes_count_together(scratch: Scratch) {
    insert(&scratch.store, 1, "one").await.unwrap();
    let nodes = Arc::new([scratch.store.clone(), scratch.second_node()]);
    futures_of(100, move |n| {
        let nodes = Arc::clone(&nodes);
        async move {
            let node = &nodes[usize::try_from(n).unwrap() % 2];
            let sql = "UPDATE law SET amount = amount + 1 WHERE id = 1";
            node.write(sql, |tx, sql| Box::pin(async move { tx.execute(sql, &[]).await })).await.unwrap();
        }
    })
    .await;
    let amount = scratch.store.read((), |tx, ()| {
        Box::pin(async move { tx.one("SELECT amount FROM law WHERE id = 1", &[], |row| row.int(0)).await })
    });
    assert_eq!(amount.await.unwrap(), Some(100));
}

const USER: UserId = UserId::from_i64(5);
const SIGN_IN: SignInId = SignInId::from_i64(7);

/// A user and a sign-in of generation 0, as the flow would make them.
async fn seed(store: &Store) {
    let seeded = store.write((), |tx, ()| {
        Box::pin(async move {
            let user = "INSERT INTO users (id, username, username_key, epoch, tokens_after, created_at)
                        VALUES (5, 'Ada', 'ada', 0, 0, 1)";
            tx.execute(user, &[]).await?;
            let sign_in =
                "INSERT INTO sign_ins (id, user_id, epoch, generation, current_hash, spendings, transport,
                               created_at, last_used_at, expires_at, ends_at, sweep_day)
                           VALUES (7, 5, 0, 0, $1, '', 'cookie', 1, 1, 1000, 2000, 0)";
            tx.execute(sign_in, &[(&[0_u8; 32]).into()]).await
        })
    });
    seeded.await.unwrap();
}

async fn execute(store: &Store, sql: &'static str) {
    store.write(sql, |tx, sql| Box::pin(async move { tx.execute(sql, &[]).await })).await.unwrap();
}

// SEC-38, SEC-106
async fn a_check_sees_at_once_what_another_node_has_committed(scratch: Scratch) {
    seed(&scratch.store).await;
    let other = scratch.second_node();
    let query = LiveQuery::SignIn(SIGN_IN);
    for (ending, mending) in [
        (
            "UPDATE sign_ins SET ended_at = 3, ended_why = 'operator'",
            "UPDATE sign_ins SET ended_at = NULL, ended_why = NULL",
        ),
        ("UPDATE users SET epoch = 1", "UPDATE users SET epoch = 0"),
        ("UPDATE users SET disabled_at = 3", "UPDATE users SET disabled_at = NULL"),
        ("UPDATE users SET deleted_at = 3", "UPDATE users SET deleted_at = NULL"),
    ] {
        for writer in [&scratch.store, &other] {
            assert!(scratch.store.check(query).await.unwrap().is_some(), "before {ending}");
            assert!(scratch.store.check(query).await.unwrap().is_some(), "from the cache, before {ending}");
            execute(writer, ending).await;
            assert_eq!(scratch.store.check(query).await.unwrap(), None, "after {ending}");
            execute(writer, mending).await;
        }
    }
    let live = scratch.store.check(LiveQuery::User(USER)).await.unwrap().unwrap();
    assert_eq!((&*live.username, live.sign_in), ("Ada", None));
}

fn spend(generation: i64, presented: u8, now: i64) -> Spend {
    Spend {
        sign_in: SIGN_IN,
        generation,
        presented_hash: [presented; 32],
        transport: "cookie",
        successor_hash: [presented + 1; 32],
        successor_salt: [9; 32],
        retry_key_hash: None,
        now: Timestamp::from_millis(now),
        expires_at: Timestamp::from_millis(5_000),
    }
}

// SEC-43
async fn a_spending_is_won_once(scratch: Scratch) {
    seed(&scratch.store).await;
    let nodes = Arc::new([scratch.store.clone(), scratch.second_node()]);
    let won = futures_of(256, move |n| {
        let nodes = Arc::clone(&nodes);
        async move { nodes[usize::try_from(n).unwrap() % 2].spend(spend(0, 0, 10)).await.unwrap() }
    })
    .await;
    let won: Vec<Spent> = won.into_iter().flatten().collect();
    let absolute_end = Timestamp::from_millis(2_000);
    assert_eq!(won, [Spent { user: USER, expires_at: absolute_end }]);

    let refused = [
        ("a wrong hash", spend(1, 7, 10)),
        ("a wrong generation", spend(0, 1, 10)),
        ("after its end", spend(1, 1, 2_000)),
        ("another transport", Spend { transport: "body", ..spend(1, 1, 10) }),
    ];
    for (why, attempt) in refused {
        assert_eq!(scratch.store.spend(attempt).await.unwrap(), None, "{why}");
    }
    assert!(scratch.store.spend(spend(1, 1, 10)).await.unwrap().is_some());
    execute(&scratch.store, "UPDATE users SET epoch = 1").await;
    assert_eq!(scratch.store.spend(spend(2, 2, 10)).await.unwrap(), None, "of a former epoch");
}

async fn a_closed_store_refuses(scratch: Scratch) {
    insert(&scratch.store, 1, "one").await.unwrap();
    scratch.store.close();
    assert!(matches!(insert(&scratch.store, 2, "two").await, Err(Error::Unavailable(_))));
}

async fn a_reopened_store_has_kept_everything(scratch: Scratch) {
    insert(&scratch.store, 1, "one").await.unwrap();
    scratch.store.close();
    assert_eq!(count(&scratch.second_node()).await, 1);
}

async fn futures_of<F, T>(many: i64, task: impl Fn(i64) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let tasks: Vec<_> = (0..many).map(|n| tokio::spawn(task(n))).collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

mod sqlite {
    //! What only the embedded engine has: its file.

    use super::*;
    use crate::store::migrate::{Migration, SQLITE, apply};
    use crate::store::sqlite::Connection;

    fn raw(file: &Path) -> rusqlite::Connection {
        rusqlite::Connection::open(file).unwrap()
    }

    #[tokio::test]
    async fn sixteen_programs_that_start_together_migrate_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new.db");
        std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..16).map(|_| scope.spawn(|| Store::open_sqlite(&file).map(drop))).collect();
            starts.into_iter().for_each(|start| start.join().unwrap().unwrap());
        });
        let count: i64 =
            raw(&file).query_row("SELECT count(*) FROM schema_migrations", [], |row| row.get(0)).unwrap();
        assert_eq!(count, i64::try_from(SQLITE.len()).unwrap());
    }

    // SEC-105
    #[tokio::test]
    async fn the_files_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = Scratch::sqlite().await;
        let folder = std::fs::read_dir(scratch.file.parent().unwrap()).unwrap();
        let modes: Vec<u32> =
            folder.map(|entry| entry.unwrap().metadata().unwrap().permissions().mode() & 0o777).collect();
        assert_eq!(modes, [0o600; 3], "the database, its log and the log's index");
    }

    #[tokio::test]
    async fn a_newer_or_a_foreign_schema_is_refused_in_a_plain_sentence() {
        let scratch = Scratch::sqlite().await;
        raw(&scratch.file)
            .execute("INSERT INTO schema_migrations VALUES (9999, 'later', 'x', 1)", [])
            .unwrap();
        let refusal = Store::open_sqlite(&scratch.file).err().unwrap().0;
        assert!(refusal.contains("newer than this program"), "{refusal}");

        let scratch = Scratch::sqlite().await;
        raw(&scratch.file).execute("UPDATE schema_migrations SET checksum = 'x'", []).unwrap();
        let refusal = Store::open_sqlite(&scratch.file).err().unwrap().0;
        assert!(refusal.contains("differs from this program's"), "{refusal}");
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(&folder.path().join("half.db")).unwrap();
        let broken = [
            Migration { version: 1, name: "good", sql: "CREATE TABLE good (id INTEGER)" },
            Migration { version: 2, name: "bad", sql: "CREATE TABLE bad (id INTEGER); NONSENSE" },
        ];
        assert!(apply(&mut connection, &broken).is_err());
        let tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('good', 'bad', 'schema_migrations')";
        assert_eq!(connection.one(tables, &[], |row| row.int(0)).unwrap(), Some(0));
    }

    // SEC-103
    #[test]
    fn commits_are_durable_and_foreign_keys_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(&folder.path().join("durable.db")).unwrap();
        let mut pragma = |sql| connection.one(sql, &[], |row| row.int(0)).unwrap().unwrap();
        const FULL: i64 = 2;
        assert_eq!(pragma("PRAGMA synchronous"), FULL);
        assert_eq!(pragma("PRAGMA foreign_keys"), 1);
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("letter.db");
        std::fs::write(&file, "Dear diary, ".repeat(1_000)).unwrap();
        let refusal = Store::open_sqlite(&file).err().unwrap().0;
        assert!(refusal.contains("letter.db"), "{refusal}");
        assert_eq!(std::fs::read(&file).unwrap(), "Dear diary, ".repeat(1_000).as_bytes());
    }

    #[tokio::test]
    async fn a_damaged_file_is_refused() {
        use std::os::unix::fs::FileExt as _;
        let scratch = Scratch::sqlite().await;
        for n in 1..200 {
            insert(&scratch.store, n, &format!("{n}{}", "x".repeat(500))).await.unwrap();
        }
        scratch.store.close();
        let Scratch { store, _folder, file } = scratch;
        drop(store);
        let length = std::fs::metadata(&file).unwrap().len();
        let raw = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
        for page in 2..length / 4096 {
            raw.write_all_at(&[0xAA; 64], page * 4096).unwrap();
        }
        let refusal = Store::open_sqlite(&file).err().unwrap().0;
        assert!(refusal.contains("damaged"), "{refusal}");
    }

    // SEC-106
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_locked_database_refuses_writes_in_bounded_time_and_goes_on_reading() {
        let scratch = Scratch::sqlite().await;
        seed(&scratch.store).await;
        let lock = raw(&scratch.file);
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let writing = tokio::spawn({
            let store = scratch.store.clone();
            async move { insert(&store, 1, "one").await }
        });
        assert!(scratch.store.check(LiveQuery::SignIn(SIGN_IN)).await.unwrap().is_some());
        assert_eq!(count(&scratch.store).await, 0);
        assert!(matches!(writing.await.unwrap(), Err(Error::Unavailable(_))));
        lock.execute_batch("ROLLBACK").unwrap();
        assert_eq!(insert(&scratch.store, 1, "one").await.unwrap(), Attempt::Done(1));
    }

    async fn limit_pages(store: &Store, sql: &'static str) {
        let limited =
            store.write(sql, |tx, sql| Box::pin(async move { tx.one(sql, &[], |row| row.int(0)).await }));
        limited.await.unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_refuses_writes_keeps_what_was_answered_and_recovers() {
        let scratch = Scratch::sqlite().await;
        limit_pages(&scratch.store, "PRAGMA max_page_count = 40").await;
        let blob = vec![7_u8; 8_000];
        let mut kept = 0;
        let refusal = loop {
            let steps = scratch.store.write((kept, blob.clone()), |tx, (n, blob)| {
                Box::pin(async move {
                    let sql = "INSERT INTO law (id, bytes) VALUES ($1, $2)";
                    tx.execute(sql, &[(*n).into(), blob.as_slice().into()]).await
                })
            });
            match steps.await {
                Ok(_) => kept += 1,
                Err(refusal) => break refusal,
            }
        };
        assert!(matches!(refusal, Error::Unavailable(_)), "{refusal:?}");
        assert_eq!(count(&scratch.store).await, kept);
        limit_pages(&scratch.store, "PRAGMA max_page_count = 4000").await;
        assert_eq!(insert(&scratch.store, 1_000, "after").await.unwrap(), Attempt::Done(1));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let scratch = Scratch::sqlite().await;
        let lock = raw(&scratch.file);
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let tasks: Vec<_> = (0..5_000)
            .map(|n| {
                let store = scratch.store.clone();
                tokio::spawn(async move { insert(&store, n, &n.to_string()).await })
            })
            .collect();
        let mut refused = 0;
        for task in tasks {
            refused += u32::from(matches!(task.await.unwrap(), Err(Error::Unavailable(_))));
            if refused == 1 {
                // One was refused while the writer was still held up: the queue was full.
                let _ = lock.execute_batch("ROLLBACK");
            }
        }
        assert!(refused >= 1);
    }

    #[test]
    fn every_statement_of_the_store_takes_its_parameters_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(&folder.path().join("names.db")).unwrap();
        let values: [Value<'_>; 2] = [1.into(), 2.into()];
        let swapped = connection.one("SELECT $2 * 10 + $1", &values, |row| row.int(0));
        assert_eq!(swapped.unwrap(), Some(21));
        assert!(connection.one("SELECT $1", &values, |row| row.int(0)).is_err(), "one value too many");
    }
}

//! The laws: what every store promises, as plain functions that take one. `on_both_stores!` holds each engine to each.

mod checks;
mod postgres;
mod sqlite;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::id::{SignInId, UserId};
use crate::time::Timestamp;

/// A store of its own for one test; dropping it removes the file or the schema.
struct Scratch {
    store: Store,
    place: Place,
}

enum Place {
    File { file: std::path::PathBuf, _folder: tempfile::TempDir },
    Schema(Box<countersign_testbed::Schema>),
}

impl Scratch {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("law.db");
        Self::at(Place::File { file, _folder: folder }, LAW_OF_SQLITE).await
    }

    async fn postgres() -> Self {
        Self::at(Place::Schema(Box::new(countersign_testbed::Cluster::shared().schema())), LAW_OF_POSTGRES)
            .await
    }

    async fn at(place: Place, law: &'static str) -> Self {
        let store = place.open().await;
        execute(&store, law).await;
        Self { store, place }
    }

    /// Another node on the same database.
    async fn second_node(&self) -> Store {
        self.place.open().await
    }

    fn schema(&self) -> &countersign_testbed::Schema {
        match &self.place {
            Place::File { .. } => panic!("it has no schema"),
            Place::Schema(schema) => schema,
        }
    }

    fn file(&self) -> &Path {
        match &self.place {
            Place::File { file, .. } => file,
            Place::Schema(_) => panic!("it has no file"),
        }
    }
}

impl Place {
    async fn open(&self) -> Store {
        match self {
            Self::File { file, .. } => Store::open_sqlite(file).unwrap(),
            Self::Schema(schema) => open_postgres(&schema.url()).await.unwrap(),
        }
    }
}

async fn open_postgres(url: &str) -> std::result::Result<Store, CannotOpen> {
    Store::open_postgres(&SecretString::from(url), 8).await
}

const LAW_OF_SQLITE: &str =
    "CREATE TABLE law (id BIGINT PRIMARY KEY, name TEXT UNIQUE, amount BIGINT, bytes BLOB)";
const LAW_OF_POSTGRES: &str =
    "CREATE TABLE law (id BIGINT PRIMARY KEY, name TEXT UNIQUE, amount BIGINT, bytes BYTEA)";

macro_rules! on_both_stores {
    ($($law:ident),+ $(,)?) => {
        mod sqlite_keeps {
            use crate::store::tests::Scratch;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $law() {
                    super::$law(Scratch::sqlite().await).await;
                }
            )+
        }
        mod postgres_keeps {
            use crate::store::tests::Scratch;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $law() {
                    if countersign_testbed::postgres_or_skip() {
                        super::$law(Scratch::postgres().await).await;
                    }
                }
            )+
        }
    };
}

use on_both_stores;

on_both_stores!(
    an_error_undoes_the_whole_transaction,
    a_panic_undoes_the_transaction_and_harms_nobody_else,
    one_bad_transaction_leaves_its_neighbours_alone,
    a_taken_name_is_a_conflict_and_the_transaction_goes_on,
    of_many_guarded_updates_one_wins,
    text_numbers_and_bytes_come_back_as_they_went_in,
    a_read_sees_every_write_that_was_answered,
    a_read_is_one_unchanging_view,
    two_nodes_count_together,
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
                        let name = format!("x{n}");
                        let sql = "INSERT INTO law (id, name) VALUES ($1, $2)";
                        tx.execute(sql, &[(*n).into(), (&name).into()]).await?;
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
    let nodes = Arc::new([scratch.store.clone(), scratch.second_node().await]);
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
    let other = scratch.second_node().await;
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
    let nodes = Arc::new([scratch.store.clone(), scratch.second_node().await]);
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
    let nodes = Arc::new([scratch.store.clone(), scratch.second_node().await]);
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
    assert_eq!(count(&scratch.second_node().await).await, 1);
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

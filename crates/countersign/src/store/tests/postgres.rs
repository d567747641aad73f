//! What only the engine on a server has: connections that break, answers that are lost, a clock in common.

use countersign_testbed::{Cluster, Schema, Tls, binaries_or_skip, postgres_or_skip};

use super::*;
use std::time::Duration;

use crate::store::migrate::POSTGRES;

fn schema() -> Schema {
    Cluster::shared().schema()
}

async fn refusal(url: &str) -> String {
    open_postgres(url).await.err().unwrap().0
}

fn versions(schema: &Schema) -> usize {
    schema.query_text("SELECT version FROM schema_migrations").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_nodes_that_start_together_migrate_once() {
    if !postgres_or_skip() {
        return;
    }
    let schema = schema();
    let starts = futures_of(4, |_| {
        let url = schema.url();
        async move { open_postgres(&url).await.map(drop).map_err(|refusal| refusal.0) }
    })
    .await;
    starts.into_iter().for_each(|start| start.unwrap());
    assert_eq!(versions(&schema), POSTGRES.len());
}

#[tokio::test]
async fn a_newer_or_a_foreign_schema_is_refused_in_a_plain_sentence() {
    if !postgres_or_skip() {
        return;
    }
    let schema = schema();
    open_postgres(&schema.url()).await.unwrap();
    schema.execute("INSERT INTO schema_migrations VALUES (9999, 'later', 'x', 1)");
    let newer = refusal(&schema.url()).await;
    assert!(newer.contains("newer than this program"), "{newer}");
    schema.execute(
        "DELETE FROM schema_migrations WHERE version = 9999; UPDATE schema_migrations SET checksum = 'x'",
    );
    let foreign = refusal(&schema.url()).await;
    assert!(foreign.contains("differs from this program's"), "{foreign}");
}

#[tokio::test]
async fn what_it_is_refused_for_is_said_in_a_plain_sentence_without_the_password() {
    if !postgres_or_skip() {
        return;
    }
    let url = schema().url();
    let elsewhere = url.replace("/countersign?", "/nowhere?").replace("countersign@", "countersign:hunter2@");
    let unknown = refusal(&elsewhere).await;
    assert!(unknown.contains("/nowhere") && unknown.contains("does not exist"), "{unknown}");
    assert!(unknown.contains("database_url") && !unknown.contains("hunter2"), "{unknown}");
    let untold = refusal(&format!("{url}&sslmode=sometimes")).await;
    assert!(untold.contains("sslmode=sometimes") && untold.contains("verify-full"), "{untold}");
}

/// A database whose clock is an hour ahead: the schema's own function stands before the system's.
async fn an_hour_ahead() -> (Schema, Store) {
    let schema = schema();
    schema.execute(
        "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql
         AS 'SELECT pg_catalog.clock_timestamp() + interval ''1 hour'''",
    );
    let url = schema.url().replace(schema.name(), &format!("{},pg_catalog", schema.name()));
    let store = open_postgres(&url).await.unwrap();
    (schema, store)
}

// SEC-46
#[tokio::test]
async fn the_time_is_the_databases() {
    if !postgres_or_skip() {
        return;
    }
    let (_schema, store) = an_hour_ahead().await;
    let (shared, own) = (store.clock().unwrap().now(), Clock::System.now());
    let ahead = shared.since(own).as_secs();
    assert!((3_590..3_610).contains(&ahead), "{ahead} seconds");
}

/// Of two entries of one batch that name the same row one wins, whatever else travels with them.
// SEC-43
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_names_a_row_twice_spends_it_once() {
    if !postgres_or_skip() {
        return;
    }
    let scratch = Scratch::postgres().await;
    seed(&scratch.store).await;
    for generation in 0..20_u8 {
        let store = scratch.store.clone();
        let outcomes = futures_of(40, move |n| {
            let store = store.clone();
            // Half of them present what nobody was given.
            let presented = if n % 2 == 0 { generation } else { 200 };
            async move { store.spend(spend(generation.into(), presented, 10)).await.unwrap() }
        });
        assert_eq!(outcomes.await.into_iter().flatten().count(), 1, "generation {generation}");
    }
}

/// Whatever travels together, each row gets what was meant for it, and each caller hears of their own.
// SEC-43
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_a_batch_writes_what_is_its_own() {
    if !postgres_or_skip() {
        return;
    }
    let scratch = Scratch::postgres().await;
    seed(&scratch.store).await;
    scratch.schema().execute(
        "INSERT INTO users (id, username, username_key, epoch, tokens_after, created_at)
         SELECT 1000 + n, 'person-' || n, 'person-' || n, 0, 0, 1 FROM generate_series(100, 139) n;
         INSERT INTO sign_ins (id, user_id, epoch, generation, current_hash, spendings, transport, created_at, last_used_at,
                               expires_at, ends_at, sweep_day)
         SELECT n, 1000 + n, 0, 0, decode(repeat('00', 32), 'hex'), '', CASE WHEN n % 3 = 0 THEN 'body' ELSE 'cookie' END,
                1, 1, 1000, 2000, 0 FROM generate_series(100, 139) n",
    );
    let store = scratch.store.clone();
    let outcomes = futures_of(40, move |n| {
        let store = store.clone();
        // In no order.
        let id = 100 + n * 17 % 40;
        let of = |number: i64| [u8::try_from(number).unwrap(); 32];
        let own = Spend {
            sign_in: SignInId::from_i64(id),
            transport: if id % 3 == 0 { "body" } else { "cookie" },
            successor_hash: of(id - 99),
            successor_salt: of(id - 50),
            retry_key_hash: (id % 2 == 0).then(|| of(id)),
            expires_at: Timestamp::from_millis(1_000 + id),
            ..spend(0, 0, id)
        };
        async move { (id, store.spend(own).await.unwrap()) }
    });
    for (id, spent) in outcomes.await {
        let own =
            Spent { user: UserId::from_i64(1_000 + id), expires_at: Timestamp::from_millis(1_000 + id) };
        assert_eq!(spent, Some(own), "{id}");
    }
    let wrong = scratch.schema().query_text(
        "SELECT id FROM sign_ins WHERE id >= 100 AND NOT (
             generation = 1 AND last_used_at = id AND expires_at = 1000 + id AND spendings = lpad(CAST(id AS TEXT), 13, '0')
             AND current_hash = decode(repeat(lpad(to_hex(id - 99), 2, '0'), 32), 'hex')
             AND successor_salt = decode(repeat(lpad(to_hex(id - 50), 2, '0'), 32), 'hex')
             AND retry_key_hash IS NOT DISTINCT FROM
                 CASE WHEN id % 2 = 0 THEN decode(repeat(lpad(to_hex(id), 2, '0'), 32), 'hex') END)",
    );
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The batch that waits for somebody's lock holds nobody up who comes after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_held_up_does_not_hold_up_the_next() {
    if !postgres_or_skip() {
        return;
    }
    let scratch = Scratch::postgres().await;
    seed(&scratch.store).await;
    execute(
        &scratch.store,
        "INSERT INTO sign_ins (id, user_id, epoch, generation, current_hash, spendings, transport, created_at, last_used_at,
                               expires_at, ends_at, sweep_day)
         SELECT 8, user_id, epoch, generation, current_hash, spendings, transport, created_at, last_used_at, expires_at,
                ends_at, sweep_day FROM sign_ins",
    )
    .await;
    let store = scratch.store.clone();
    let ((locked, is_locked), (unlock, may_end)) =
        (tokio::sync::oneshot::channel(), tokio::sync::oneshot::channel::<()>());
    let (waited_for, somebody_waits) = tokio::sync::oneshot::channel();
    let signals = std::sync::Mutex::new(Some((locked, waited_for, may_end)));
    let holder = tokio::spawn(async move {
        let steps = store.write(signals, |tx, signals| {
            Box::pin(async move {
                tx.execute("UPDATE sign_ins SET sweep_day = 1 WHERE id = 7", &[]).await?;
                let (locked, waited_for, may_end) = signals.lock().unwrap().take().unwrap();
                locked.send(()).unwrap();
                let waiting = "
                    SELECT count(*) FROM pg_locks
                    WHERE NOT granted AND transactionid = CAST(pg_current_xact_id() AS xid)";
                while tx.one(waiting, &[], |row| row.int(0)).await? == Some(0) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                waited_for.send(()).unwrap();
                may_end.await.map_err(|_| Error::NotFound)
            })
        });
        steps.await
    });
    is_locked.await.unwrap();
    let store = scratch.store.clone();
    let held_up = tokio::spawn(async move { store.spend(spend(0, 0, 10)).await });
    somebody_waits.await.unwrap();
    let other = SignInId::from_i64(8);
    for generation in 0..10 {
        let next = Spend { sign_in: other, ..spend(generation.into(), generation, 10) };
        assert!(scratch.store.spend(next).await.unwrap().is_some());
    }
    assert!(!held_up.is_finished());
    unlock.send(()).unwrap();
    holder.await.unwrap().unwrap();
    assert!(held_up.await.unwrap().unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_goes_away_leaves_no_transaction_and_no_lock_behind() {
    if !postgres_or_skip() {
        return;
    }
    let scratch = Scratch::postgres().await;
    insert(&scratch.store, 1, "one").await.unwrap();
    for _ in 0..20 {
        let store = scratch.store.clone();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let begun = std::sync::Mutex::new(Some(begun));
        let caller = tokio::spawn(async move {
            let steps = store.write(begun, |tx, begun| {
                Box::pin(async move {
                    tx.execute("UPDATE law SET amount = 7 WHERE id = 1", &[]).await?;
                    let _ = begun.lock().unwrap().take().map(|begun| begun.send(()));
                    std::future::pending::<Result<()>>().await
                })
            });
            steps.await
        });
        has_begun.await.unwrap();
        caller.abort();
        // It would wait for the lock until it is refused.
        execute(&scratch.store, "UPDATE law SET amount = amount + 1 WHERE id = 1").await;
    }
    let amount = scratch.store.read((), |tx, ()| {
        Box::pin(async move { tx.one("SELECT amount FROM law", &[], |row| row.int(0)).await })
    });
    assert_eq!(amount.await.unwrap(), Some(20));
}

/// A step that fails spoils its transaction, even where the steps go on as if nothing had been.
#[tokio::test]
async fn a_failure_that_was_swallowed_is_not_committed() {
    if !postgres_or_skip() {
        return;
    }
    let scratch = Scratch::postgres().await;
    let outcome = scratch.store.write((), |tx, ()| {
        Box::pin(async move {
            tx.execute("INSERT INTO law (id, name) VALUES (1, 'one')", &[]).await?;
            let failed = tx.execute("INSERT INTO law (id, name) VALUES (1, 'two')", &[]).await;
            assert!(failed.is_err());
            Ok(())
        })
    });
    assert!(outcome.await.is_err());
    assert_eq!(count(&scratch.store).await, 0);
}

async fn says_tls(store: &Store) -> String {
    let asked = store.read((), |tx, ()| {
        Box::pin(async move {
            let sql = "SELECT CASE WHEN ssl THEN version ELSE 'none' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            tx.one(sql, &[], |row| row.text(0)).await
        })
    });
    asked.await.unwrap().unwrap()
}

/// `verify-full` believes the right authority and the right host alone; the modes below say what they leave open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mode_of_tls_believes_whom_it_says() {
    if !binaries_or_skip() {
        return;
    }
    let tls = Tls::start();
    let schema = tls.cluster.schema();
    let (right, foreign) = (tls.authority(), tls.foreign_authority());
    let url = |mode: &str, authority: Option<&Path>, host: &str| {
        let authority = authority.map(|file| format!("&sslrootcert={}", file.display())).unwrap_or_default();
        format!("{}&sslmode={mode}{authority}", schema.url().replace("127.0.0.1", host))
    };
    for (mode, authority, host, version) in [
        ("disable", None, "127.0.0.1", "none"),
        ("prefer", None, "127.0.0.1", "TLSv1.3"),
        ("require", None, "127.0.0.1", "TLSv1.3"),
        ("require", Some(&*right), "localhost", "TLSv1.3"),
        ("verify-ca", Some(&*right), "localhost", "TLSv1.3"),
        ("verify-full", Some(&*right), "127.0.0.1", "TLSv1.3"),
    ] {
        let store = open_postgres(&url(mode, authority, host)).await.map_err(|refusal| refusal.0);
        assert_eq!(says_tls(&store.unwrap()).await, version, "{mode}");
    }
    for (mode, authority, host) in [
        ("require", Some(&*foreign), "127.0.0.1"),
        ("verify-ca", Some(&*foreign), "127.0.0.1"),
        ("verify-full", Some(&*foreign), "127.0.0.1"),
        ("verify-full", Some(&*right), "localhost"),
        ("verify-full", None, "127.0.0.1"),
    ] {
        let refusal = refusal(&url(mode, authority, host)).await;
        assert!(refusal.contains("certificate"), "{mode} {host}: {refusal}");
    }
}

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
        let starts: Vec<_> = (0..16).map(|_| scope.spawn(|| Store::open_sqlite(&file).map(drop))).collect();
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
    let folder = std::fs::read_dir(scratch.file().parent().unwrap()).unwrap();
    let modes: Vec<u32> =
        folder.map(|entry| entry.unwrap().metadata().unwrap().permissions().mode() & 0o777).collect();
    assert_eq!(modes, [0o600; 3], "the database, its log and the log's index");
}

#[tokio::test]
async fn a_newer_or_a_foreign_schema_is_refused_in_a_plain_sentence() {
    let scratch = Scratch::sqlite().await;
    raw(scratch.file()).execute("INSERT INTO schema_migrations VALUES (9999, 'later', 'x', 1)", []).unwrap();
    let refusal = Store::open_sqlite(scratch.file()).err().unwrap().0;
    assert!(refusal.contains("newer than this program"), "{refusal}");

    let scratch = Scratch::sqlite().await;
    raw(scratch.file()).execute("UPDATE schema_migrations SET checksum = 'x'", []).unwrap();
    let refusal = Store::open_sqlite(scratch.file()).err().unwrap().0;
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
    let file = scratch.file().to_owned();
    let Scratch { store, place: _folder } = scratch;
    drop(store);
    let length = std::fs::metadata(&file).unwrap().len();
    let raw = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    // The schema, at the front, has to be read before anything can be checked.
    for page in length / 8192..length / 4096 {
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
    let lock = raw(scratch.file());
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writing = tokio::spawn({
        let store = scratch.store.clone();
        async move { insert(&store, 1, "one").await }
    });
    assert!(
        scratch.store.check(LiveQuery::SignIn(SIGN_IN), Timestamp::from_millis(10)).await.unwrap().is_some()
    );
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
    let lock = raw(scratch.file());
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

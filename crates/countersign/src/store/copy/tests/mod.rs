//! Copies between real databases of both kinds: whole, broken off, disturbed and refused.

mod faults;
mod refusals;
mod schema;
mod site;

use self::site::{Site, copied, fill, pairs};
use super::*;
use crate::store::Store;

/// More than one page of accounts, and more than two of sign-ins.
const USERS: i64 = 5_000;
const SIGN_INS: i64 = 9_000;

/// A source of a kind with some accounts and sign-ins.
async fn filled_like(site: &Site) -> Site {
    let source = Site::sqlite();
    fill(&source, 100, 300);
    if site.is_sqlite() {
        return source;
    }
    let on_server = Site::postgres();
    copied(&source, &on_server).await.unwrap();
    on_server
}

#[tokio::test]
async fn everything_moves_from_kind_to_kind_and_back_row_by_row() {
    let first = Site::sqlite();
    fill(&first, USERS, SIGN_INS);
    let before = first.dump();
    let mut here = first;
    for next in site::route() {
        let copied = copied(&here, &next).await.unwrap();
        assert!(!copied.began_anew);
        let rows: Vec<u64> = copied.tables.iter().map(|table| table.rows).collect();
        assert_eq!(rows, before.iter().map(|(_, rows)| rows.len() as u64).collect::<Vec<_>>());
        assert!(next.dump() == before, "the rows differ");
        next.open().await.unwrap();
        here = next;
    }
}

/// The rows of every table, or a new one would move without ever having been tried.
#[test]
fn the_rows_that_are_moved_in_tests_fill_every_table() {
    let source = Site::sqlite();
    fill(&source, 40, 400);
    for (table, rows) in source.dump() {
        assert!(!rows.is_empty(), "site.rs puts no row into the table {table}: write some, of every kind");
        let columns = rows.first().map_or(0, Vec::len);
        for column in 0..columns {
            let is_used = rows.iter().any(|row| row[column].is_some());
            assert!(is_used, "site.rs leaves column {column} of the table {table} empty");
        }
    }
}

#[tokio::test]
async fn an_empty_database_moves_too() {
    for (from, to) in pairs() {
        from.open().await.unwrap();
        let copied = copied(&from, &to).await.unwrap();
        assert!(copied.tables.iter().all(|table| table.rows == 0));
        to.open().await.unwrap();
    }
}

#[tokio::test]
async fn a_target_that_was_opened_and_not_used_is_empty_too() {
    for (from, to) in pairs() {
        from.open().await.unwrap();
        to.open().await.unwrap();
        copied(&from, &to).await.unwrap();
    }
}

#[tokio::test]
async fn progress_counts_every_row_twice_and_ends_at_the_total() {
    let (from, to) = (Site::sqlite(), Site::sqlite());
    fill(&from, 10, 50);
    let mut told = Vec::new();
    copy(&from.place, &to.place, &mut |progress| told.push(progress)).await.unwrap();
    let of = |stage| told.iter().filter(move |progress| progress.stage == stage);
    for stage in [Stage::Copying, Stage::Verifying] {
        let last = of(stage).next_back().unwrap();
        assert_eq!(last.rows, last.total);
        assert!(of(stage).is_sorted_by_key(|progress| progress.rows));
        assert!(TABLES.iter().all(|table| of(stage).any(|progress| progress.table == table.name)));
    }
}

/// No table has such a key yet. Databases may sort text in different orders, but each must keep to its own.
#[tokio::test]
async fn the_rows_of_a_key_of_two_columns_are_read_once_each() {
    let columns = &[
        tables::Column { name: "name", kind: tables::Kind::Text },
        tables::Column { name: "number", kind: tables::Kind::Int },
    ];
    let pairs = Table { name: "pairs", key: 2, columns };
    let made = "CREATE TABLE pairs (name TEXT, number BIGINT, PRIMARY KEY (name, number))";
    let rows = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
                INSERT INTO pairs SELECT CASE n % 3 WHEN 0 THEN 'a_B' WHEN 1 THEN 'A-c' ELSE 'Ä' END, n FROM n";
    let mut sites = vec![Site::sqlite()];
    sites.extend(countersign_testbed::postgres_or_skip().then(Site::postgres));
    for site in sites {
        site.open().await.unwrap();
        site.execute(made);
        site.execute(rows);
        let found = match &site.place {
            Place::Sqlite(file) => all_of(&mut sqlite::CopyTarget::open(file).unwrap(), &pairs).await,
            Place::Postgres(url) => {
                all_of(&mut postgres::CopyTarget::open(url, None).await.unwrap(), &pairs).await
            }
        };
        let once: std::collections::HashSet<String> = found.iter().map(|row| format!("{row:?}")).collect();
        assert_eq!((found.len(), once.len()), (10_000, 10_000));
    }
}

async fn all_of(side: &mut impl Side, table: &Table) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let after = all.last().map(|last| key_of(table, last).to_vec());
        let page = side.page(table, after.as_deref()).await.unwrap();
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

/// Whatever its log holds stays there, and no mode changes.
#[tokio::test]
async fn the_source_stays_as_it_was_to_the_last_byte() {
    let (from, to) = (Site::sqlite(), Site::sqlite());
    fill(&from, 100, 500);
    // Somebody who was killed has left a log behind.
    let holder = from.connection();
    holder.execute_batch("PRAGMA wal_autocheckpoint = 0; UPDATE users SET epoch = 7").unwrap();
    let left_behind = Site::sqlite();
    for suffix in ["", "-wal"] {
        std::fs::copy(from.beside(suffix), left_behind.beside(suffix)).unwrap();
    }
    let bytes = || ["", "-wal"].map(|suffix| std::fs::read(left_behind.beside(suffix)).unwrap());
    let before = bytes();
    assert!(!before[1].is_empty());
    copied(&left_behind, &to).await.unwrap();
    assert!(bytes() == before, "the source has changed");
    assert!(to.dump() == from.dump(), "what stood in the log was not copied");
}

/// The run breaks off at one step after the other, until one comes to its end.
#[tokio::test]
async fn a_copy_that_breaks_off_anywhere_opens_for_nobody_and_is_begun_anew() {
    for (_, to) in pairs().into_iter().filter(|(from, _)| from.is_sqlite()) {
        let from = Site::sqlite();
        fill(&from, 4_200, 4_200);
        let mut broken_off = 0;
        loop {
            let place = [from.place.again(), to.place.again()];
            let run = tokio::spawn(async move {
                let mut steps = 0;
                let mut tell = |_| {
                    assert!(steps < broken_off, "the run breaks off");
                    steps += 1;
                };
                copy(&place[0], &place[1], &mut tell).await
            });
            match run.await {
                Err(_) => {
                    let refusal = to.open().await.unwrap_err();
                    assert!(refusal.contains("not finished"), "{refusal}");
                    broken_off += 1;
                }
                Ok(copied) => {
                    assert!(copied.unwrap().began_anew);
                    break;
                }
            }
        }
        assert!(broken_off > 10, "{broken_off} steps");
        assert!(to.dump() == from.dump(), "the rows differ");
        to.open().await.unwrap();
    }
}

#[tokio::test]
async fn a_program_that_knows_nothing_of_copies_refuses_an_unfinished_one_too() {
    let marked = super::super::migrate::Applied {
        version: marker::VERSION,
        name: marker::NAME.to_owned(),
        checksum: marker::new_run(),
    };
    let refusal = super::super::migrate::verify(&[marked], &[]).unwrap_err().0;
    assert!(refusal.contains("newer than this program"), "{refusal}");
}

impl Place {
    fn again(&self) -> Self {
        match self {
            Self::Sqlite(file) => Self::Sqlite(file.clone()),
            Self::Postgres(url) => Self::Postgres(url.clone()),
        }
    }

    async fn open(&self) -> std::result::Result<Store, CannotOpen> {
        match self {
            Self::Sqlite(file) => Store::open_sqlite(file),
            Self::Postgres(url) => Store::open_postgres(url, 8).await,
        }
    }
}

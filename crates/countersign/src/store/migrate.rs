//! Schema migrations: numbered files, embedded, applied once each, verified by checksum, never reversed.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::copy::marker;
use super::sqlite::Connection;
use super::{CannotOpen, Value};
use crate::error::{Error, Result};
use crate::time::Clock;

pub(super) struct Migration {
    pub(super) version: i64,
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

pub(super) const SQLITE: &[Migration] = &[
    Migration { version: 1, name: "flow", sql: include_str!("../../migrations/0001_flow.sqlite.sql") },
    Migration { version: 2, name: "audit", sql: include_str!("../../migrations/0002_audit.sqlite.sql") },
    Migration { version: 3, name: "limits", sql: include_str!("../../migrations/0003_limits.sqlite.sql") },
    Migration { version: 4, name: "mail", sql: include_str!("../../migrations/0004_mail.sqlite.sql") },
    Migration { version: 5, name: "changes", sql: include_str!("../../migrations/0005_changes.sqlite.sql") },
    Migration { version: 6, name: "oauth", sql: include_str!("../../migrations/0006_oauth.sqlite.sql") },
    Migration {
        version: 7,
        name: "refreshes",
        sql: include_str!("../../migrations/0007_refreshes.sqlite.sql"),
    },
];

pub(super) const POSTGRES: &[Migration] = &[
    Migration { version: 1, name: "flow", sql: include_str!("../../migrations/0001_flow.postgres.sql") },
    Migration { version: 2, name: "audit", sql: include_str!("../../migrations/0002_audit.postgres.sql") },
    Migration { version: 3, name: "limits", sql: include_str!("../../migrations/0003_limits.postgres.sql") },
    Migration { version: 4, name: "mail", sql: include_str!("../../migrations/0004_mail.postgres.sql") },
    Migration {
        version: 5,
        name: "changes",
        sql: include_str!("../../migrations/0005_changes.postgres.sql"),
    },
    Migration { version: 6, name: "oauth", sql: include_str!("../../migrations/0006_oauth.postgres.sql") },
    Migration {
        version: 7,
        name: "refreshes",
        sql: include_str!("../../migrations/0007_refreshes.postgres.sql"),
    },
];

pub(super) const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)";

/// The schema version that this program works with.
pub(super) fn newest_version() -> i64 {
    SQLITE.last().map_or(0, |migration| migration.version)
}

/// Brings the schema up to date. The write lock is held from the first look to the commit, so that of several
/// programs that start together one migrates and the others find it done.
pub(super) fn sqlite(connection: &mut Connection) -> std::result::Result<(), CannotOpen> {
    if sqlite_marker(connection).map_err(|error| failed(&error))?.is_some() {
        return Err(marker::refusal());
    }
    apply(connection, SQLITE)
}

/// What an unfinished copy is marked with, if the database is one.
pub(super) fn sqlite_marker(connection: &mut Connection) -> Result<Option<String>> {
    if !has_ledger(connection)? {
        return Ok(None);
    }
    connection.one(marker::FIND, &[marker::VERSION.into()], |row| row.text(0))
}

/// The database must be at this program's very version, and whole: it is only going to be read.
pub(super) fn demand_sqlite(connection: &mut Connection) -> std::result::Result<(), CannotOpen> {
    if sqlite_marker(connection).map_err(|error| failed(&error))?.is_some() {
        return Err(marker::refusal());
    }
    let has_ledger = has_ledger(connection).map_err(|error| failed(&error))?;
    let applied = if has_ledger { applied(connection).map_err(|error| failed(&error))? } else { vec![] };
    demand(&applied, SQLITE)
}

pub(super) fn demand(applied: &[Applied], known: &[Migration]) -> std::result::Result<(), CannotOpen> {
    verify(applied, known)?;
    match applied.last() {
        None => Err(CannotOpen("there is no Countersign database in it".to_owned())),
        Some(last) if applied.len() < known.len() => Err(CannotOpen(format!(
            "it has schema version {}, older than this program's {}: bring it up to date first, by `countersign \
             migrate --database-url` with its URL and the settings of its service",
            last.version,
            newest_version()
        ))),
        Some(_) => Ok(()),
    }
}

pub(super) fn apply(
    connection: &mut Connection,
    migrations: &[Migration],
) -> std::result::Result<(), CannotOpen> {
    if up_to_date(connection, migrations)? {
        return Ok(());
    }
    connection.batch("BEGIN IMMEDIATE").map_err(|error| failed(&error))?;
    let outcome = under_lock(connection, migrations);
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    connection.batch(end).map_err(|error| failed(&error))?;
    tell(outcome?);
    Ok(())
}

/// Of several programs that start together one says this.
pub(super) fn tell(applied: Vec<i64>) {
    if !applied.is_empty() {
        tracing::info!(versions = ?applied, "brought the database up to date");
    }
}

/// Most starts find nothing to do, and need no lock to see it.
fn up_to_date(
    connection: &mut Connection,
    migrations: &[Migration],
) -> std::result::Result<bool, CannotOpen> {
    if !has_ledger(connection).map_err(|error| failed(&error))? {
        return Ok(false);
    }
    let applied = applied(connection).map_err(|error| failed(&error))?;
    verify(&applied, migrations)?;
    Ok(applied.len() == migrations.len())
}

fn has_ledger(connection: &mut Connection) -> Result<bool> {
    let table = "SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'";
    connection.one(table, &[], |row| row.int(0)).map(|found| found.is_some())
}

/// Gives the versions that were applied.
fn under_lock(
    connection: &mut Connection,
    migrations: &[Migration],
) -> std::result::Result<Vec<i64>, CannotOpen> {
    connection.batch(LEDGER).map_err(|error| failed(&error))?;
    let done = applied(connection).map_err(|error| failed(&error))?;
    verify(&done, migrations)?;
    let due = migrations.iter().skip(done.len());
    for migration in due.clone() {
        run(connection, migration).map_err(|error| failed(&error))?;
    }
    Ok(due.map(|migration| migration.version).collect())
}

fn run(connection: &mut Connection, migration: &Migration) -> Result<()> {
    connection.batch(migration.sql)?;
    let checksum = checksum(migration.sql);
    let values: [Value<'_>; 4] =
        [migration.version.into(), migration.name.into(), (&checksum).into(), Clock::System.now().into()];
    let insert =
        "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)";
    connection.attempt(insert, &values).map(drop)
}

/// The mark on an unfinished copy is no migration.
pub(super) const APPLIED: &str =
    "SELECT version, name, checksum FROM schema_migrations WHERE version <> $1 ORDER BY version";

pub(super) struct Applied {
    pub(super) version: i64,
    pub(super) name: String,
    pub(super) checksum: String,
}

fn applied(connection: &mut Connection) -> Result<Vec<Applied>> {
    connection.all(APPLIED, &[marker::VERSION.into()], |row| {
        Ok(Applied { version: row.int(0)?, name: row.text(1)?, checksum: row.text(2)? })
    })
}

/// What was applied must be what this program knows, text for text.
pub(super) fn verify(applied: &[Applied], known: &[Migration]) -> std::result::Result<(), CannotOpen> {
    for (index, done) in applied.iter().enumerate() {
        let Some(migration) = known.get(index) else {
            return Err(CannotOpen(format!(
                "the database has schema version {}, newer than this program's {}: start the newer program",
                done.version,
                known.last().map_or(0, |migration| migration.version)
            )));
        };
        if done.version != migration.version || done.checksum != checksum(migration.sql) {
            return Err(CannotOpen(format!(
                "migration {} ({}) of the database differs from this program's {} ({}): it was made by another \
                 build; start that one, or restore a backup",
                done.version, done.name, migration.version, migration.name
            )));
        }
    }
    Ok(())
}

pub(super) fn checksum(sql: &str) -> String {
    Sha256::digest(sql.as_bytes()).iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn failed(error: &Error) -> CannotOpen {
    match error {
        Error::Unavailable(internal) | Error::Fault(internal) => {
            CannotOpen(format!("can't bring the database up to date: {}", internal.for_the_log()))
        }
        other => CannotOpen(format!("can't bring the database up to date: {other:?}")),
    }
}

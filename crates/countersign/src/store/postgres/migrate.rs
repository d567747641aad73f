//! Bringing the schema up to date under a lock, so that of several nodes that start together one migrates.

use super::address::cause;
use super::error::describe;
use super::link::Link;
use crate::store::CannotOpen;
use crate::store::copy::marker;
use crate::store::migrate::{APPLIED, Applied, LEDGER, Migration, POSTGRES, checksum, demand, tell, verify};
use crate::time::Clock;

/// Held to the end of the transaction. The first number is ours alone ("coun"), the second stands for the schema.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1668248942, hashtext(current_schema()))";
const HAS_LEDGER: &str = "SELECT to_regclass('schema_migrations') IS NOT NULL";
const NOTE: &str =
    "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)";

pub(super) async fn run(link: &mut Link) -> Result<(), CannotOpen> {
    if find_marker(link).await?.is_some() {
        return Err(marker::refusal());
    }
    apply(link, POSTGRES).await
}

/// What an unfinished copy is marked with, if the database is one.
pub(super) async fn find_marker(link: &Link) -> Result<Option<String>, CannotOpen> {
    if !has_ledger(link).await? {
        return Ok(None);
    }
    let found = link.client.query_opt(marker::FIND, &[&marker::VERSION]).await.map_err(failed)?;
    found.map(|row| row.try_get(0)).transpose().map_err(failed)
}

/// The database must be at this program's very version, and whole: it is only going to be read.
pub(super) async fn demand_current(link: &Link) -> Result<(), CannotOpen> {
    if find_marker(link).await?.is_some() {
        return Err(marker::refusal());
    }
    let done = if has_ledger(link).await? { applied(link).await? } else { vec![] };
    demand(&done, POSTGRES)
}

pub(in crate::store) async fn apply(link: &mut Link, migrations: &[Migration]) -> Result<(), CannotOpen> {
    // Most starts find nothing to do, and need no lock to see it.
    if has_ledger(link).await? && is_up_to_date(&applied(link).await?, migrations)? {
        return Ok(());
    }
    // Other nodes may hold the lock for as long as their migration takes.
    link.client
        .batch_execute("BEGIN; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
        .await
        .map_err(failed)?;
    let outcome = under_lock(link, migrations).await;
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    link.client.batch_execute(end).await.map_err(failed)?;
    tell(outcome?);
    Ok(())
}

/// Gives the versions that were applied.
async fn under_lock(link: &Link, migrations: &[Migration]) -> Result<Vec<i64>, CannotOpen> {
    link.client.query_one(LOCK, &[]).await.map_err(failed)?;
    link.client.batch_execute(LEDGER).await.map_err(failed)?;
    let done = applied(link).await?;
    verify(&done, migrations)?;
    let due = migrations.iter().skip(done.len());
    for migration in due.clone() {
        link.client.batch_execute(migration.sql).await.map_err(failed)?;
        let (sum, now) = (checksum(migration.sql), Clock::System.now().as_millis());
        link.client
            .execute(NOTE, &[&migration.version, &migration.name, &sum, &now])
            .await
            .map_err(failed)?;
    }
    Ok(due.map(|migration| migration.version).collect())
}

async fn has_ledger(link: &Link) -> Result<bool, CannotOpen> {
    link.client.query_one(HAS_LEDGER, &[]).await.and_then(|row| row.try_get(0)).map_err(failed)
}

fn is_up_to_date(done: &[Applied], migrations: &[Migration]) -> Result<bool, CannotOpen> {
    verify(done, migrations)?;
    Ok(done.len() == migrations.len())
}

async fn applied(link: &Link) -> Result<Vec<Applied>, CannotOpen> {
    let rows = link.client.query(APPLIED, &[&marker::VERSION]).await.map_err(failed)?;
    let read = rows.iter().map(|row| {
        Ok(Applied { version: row.try_get(0)?, name: row.try_get(1)?, checksum: row.try_get(2)? })
    });
    read.collect::<Result<_, _>>().map_err(failed)
}

fn failed(error: tokio_postgres::Error) -> CannotOpen {
    let what = if error.as_db_error().is_some() { describe(&error) } else { cause(&error) };
    CannotOpen(format!("can't bring the database up to date: {what}"))
}

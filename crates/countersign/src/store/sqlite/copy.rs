//! The two ends of a copy in a SQLite file: a source that is left as it is, and a target that is filled.

use std::path::Path;

use rusqlite::types::ValueRef;

use super::connection::trouble;
use super::{Connection, explain, make_private, refuse_foreign_file};
use crate::error::Error;
use crate::store::copy::record::{Cell, Record, locate, misplaced};
use crate::store::copy::tables::{Column, Kind, TABLES, Table};
use crate::store::copy::{Lock, Refusal, Side, marker, statements};
use crate::store::{Attempt, Value, copy, migrate};
use crate::time::Clock;

/// Batches need no flush to the disk each: in WAL mode what is committed later makes all of it durable. The cache is for
/// the indexes, which are written to all over.
const WHILE_FILLING: &str = "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536";

pub(in crate::store) struct Source {
    /// One transaction from beginning to end.
    reading: Connection,
    /// It sees when anybody commits.
    watching: Connection,
    seen: i64,
}

impl Source {
    pub(in crate::store) fn open(file: &Path) -> Result<Self, Refusal> {
        if !file.exists() {
            return Err(Refusal::Failed(format!("there is no database at sqlite://{}", file.display())));
        }
        refuse_foreign_file(file)?;
        let explain = |error: Error| Refusal::from(explain(file, &error));
        let mut watching = Connection::open_untouched(file).map_err(explain)?;
        let seen = data_version(&mut watching).map_err(explain)?;
        let mut reading = Connection::open_untouched(file).map_err(explain)?;
        // The snapshot is taken by the first statement that reads.
        reading.batch("BEGIN").map_err(explain)?;
        migrate::demand_sqlite(&mut reading)
            .map_err(|refusal| Refusal::Failed(format!("the source {}: {}", file.display(), refusal.0)))?;
        Ok(Self { reading, watching, seen })
    }
}

/// Another number means that another connection has committed since.
fn data_version(connection: &mut Connection) -> crate::error::Result<i64> {
    Ok(connection.one("PRAGMA data_version", &[], |row| row.int(0))?.unwrap_or_default())
}

impl Side for Source {
    async fn page(&mut self, table: &Table, after: Option<&[Cell]>) -> Result<Vec<Record>, Refusal> {
        page(&self.reading, table, after)
    }
}

impl copy::Source for Source {
    fn lock(&self) -> Option<Lock> {
        None
    }

    async fn count(&mut self, table: &Table) -> Result<u64, Refusal> {
        let mut statement = self.reading.statement(&statements::count(table))?;
        let rows: i64 = statement.query_row([], |row| row.get(0)).map_err(trouble)?;
        Ok(u64::try_from(rows).unwrap_or_default())
    }

    async fn is_unchanged(&mut self) -> Result<bool, Refusal> {
        Ok(data_version(&mut self.watching)? == self.seen)
    }
}

pub(in crate::store) struct Target(Connection);

impl Target {
    pub(in crate::store) fn open(file: &Path) -> Result<Self, Refusal> {
        refuse_foreign_file(file)?;
        make_private(file)?;
        let connection = Connection::open(file).map_err(|error| explain(file, &error))?;
        connection.batch(WHILE_FILLING)?;
        Ok(Self(connection))
    }

    /// Runs the steps as one transaction, which is undone where they fail or say `false`.
    fn transaction(
        &mut self,
        steps: impl FnOnce(&mut Connection) -> Result<bool, Refusal>,
    ) -> Result<bool, Refusal> {
        self.0.batch("BEGIN IMMEDIATE")?;
        let outcome = steps(&mut self.0);
        let keep = matches!(outcome, Ok(true));
        let ended = self.0.batch(if keep { "COMMIT" } else { "ROLLBACK" });
        // Why the steps failed says more than that their transaction was lost.
        let outcome = outcome?;
        ended?;
        Ok(outcome)
    }
}

impl Side for Target {
    async fn page(&mut self, table: &Table, after: Option<&[Cell]>) -> Result<Vec<Record>, Refusal> {
        page(&self.0, table, after)
    }
}

impl copy::Target for Target {
    async fn marker(&mut self) -> Result<Option<String>, Refusal> {
        Ok(migrate::sqlite_marker(&mut self.0)?)
    }

    async fn has_rows(&mut self, table: &Table) -> Result<bool, Refusal> {
        let known = "SELECT 1 FROM sqlite_schema WHERE name = $1";
        if self.0.one(known, &[table.name.into()], |row| row.int(0))?.is_none() {
            return Ok(false);
        }
        let mut statement = self.0.statement(&statements::any(table))?;
        statement.exists([]).map_err(|error| trouble(error).into())
    }

    async fn migrate(&mut self) -> Result<(), Refusal> {
        Ok(migrate::apply(&mut self.0, migrate::SQLITE)?)
    }

    async fn mark(&mut self, run: &str) -> Result<bool, Refusal> {
        let values: [Value<'_>; 4] =
            [marker::VERSION.into(), marker::NAME.into(), run.into(), Clock::System.now().into()];
        Ok(self.0.attempt(marker::SET, &values)? == Attempt::Done(1))
    }

    async fn take_over(&mut self, former: &str, run: &str) -> Result<bool, Refusal> {
        let values: [Value<'_>; 4] =
            [marker::VERSION.into(), former.into(), run.into(), Clock::System.now().into()];
        // Without foreign keys to keep, a table is emptied at once instead of row by row.
        self.0.batch("PRAGMA foreign_keys = OFF")?;
        let outcome = self.transaction(|connection| {
            if connection.attempt(marker::TAKE_OVER, &values)? != Attempt::Done(1) {
                return Ok(false);
            }
            for table in TABLES.iter().rev() {
                connection.batch(&statements::empty(table))?;
            }
            Ok(true)
        });
        self.0.batch("PRAGMA foreign_keys = ON")?;
        outcome
    }

    async fn write(&mut self, run: &str, table: &Table, page: &[Record]) -> Result<bool, Refusal> {
        self.transaction(|connection| {
            let found = connection.one(marker::FIND, &[marker::VERSION.into()], |row| row.text(0))?;
            if found.as_deref() != Some(run) {
                return Ok(false);
            }
            insert(connection, table, page)?;
            Ok(true)
        })
    }

    async fn settle(&mut self, _: &Table) -> Result<(), Refusal> {
        Ok(())
    }

    async fn finish(&mut self, run: &str) -> Result<bool, Refusal> {
        // This commit flushes the log, and with it every batch before.
        self.0.batch("PRAGMA synchronous = FULL")?;
        let is_done = self.transaction(|connection| {
            let removed = connection.attempt(marker::REMOVE, &[marker::VERSION.into(), run.into()])?;
            Ok(removed == Attempt::Done(1))
        })?;
        self.0.batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(is_done)
    }
}

fn page(connection: &Connection, table: &Table, after: Option<&[Cell]>) -> Result<Vec<Record>, Refusal> {
    let sql = if after.is_some() { statements::next_page(table) } else { statements::first_page(table) };
    let mut statement = connection.statement(&sql)?;
    bind(&mut statement, after.unwrap_or_default())?;
    let mut rows = statement.raw_query();
    let mut page = Vec::new();
    while let Some(row) = rows.next().map_err(trouble)? {
        page.push(record(table, row)?);
    }
    Ok(page)
}

fn insert(connection: &Connection, table: &Table, page: &[Record]) -> Result<(), Refusal> {
    let mut statement = connection.statement(&statements::insert(table))?;
    for record in page {
        bind(&mut statement, record)?;
        statement.raw_execute().map_err(|error| {
            Refusal::Failed(format!("the target refuses {}: {error}", locate(table, record)))
        })?;
    }
    Ok(())
}

fn bind(statement: &mut rusqlite::CachedStatement<'_>, cells: &[Cell]) -> Result<(), Refusal> {
    for (place, cell) in (1..).zip(cells) {
        statement.raw_bind_parameter(place, Value::from(cell)).map_err(trouble)?;
    }
    Ok(())
}

fn record(table: &Table, row: &rusqlite::Row<'_>) -> Result<Record, Refusal> {
    let mut record = Record::with_capacity(table.columns.len());
    for (place, column) in table.columns.iter().enumerate() {
        let value = row.get_ref(place).map_err(trouble)?;
        let cell = cell(column, value).map_err(|what| misplaced(table, &record, column, what))?;
        record.push(cell);
    }
    Ok(record)
}

/// # Errors
/// What was found instead of a value of the column's kind.
fn cell(column: &Column, value: ValueRef<'_>) -> Result<Cell, &'static str> {
    match (column.kind, value) {
        (_, ValueRef::Null) => Ok(Cell::Null),
        (Kind::Int, ValueRef::Integer(number)) => Ok(Cell::Int(number)),
        (Kind::Text, ValueRef::Text(bytes)) => {
            let text = std::str::from_utf8(bytes).map_err(|_| "bytes that are not UTF-8")?;
            Ok(Cell::Text(text.to_owned()))
        }
        (Kind::Blob, ValueRef::Blob(bytes)) => Ok(Cell::Blob(bytes.to_vec())),
        (_, ValueRef::Integer(_)) => Err("a number"),
        (_, ValueRef::Real(_)) => Err("a fraction"),
        (_, ValueRef::Text(_)) => Err("text"),
        (_, ValueRef::Blob(_)) => Err("bytes"),
    }
}

//! One SQLite connection: its pragmas, the binding of `$1…`, and what its errors mean.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, ErrorCode, OpenFlags, ffi};

use crate::error::{Error, Internal, Result};
use crate::store::row::Source;
use crate::store::{Attempt, Row, Value};

/// How long a write waits for another process before it is refused.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const CACHED_STATEMENTS: usize = 128;
const PARAMETERS: [&str; 16] =
    ["$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$16"];

/// SEC-103: WAL with FULL survives a power cut without undoing what was answered; NORMAL does not.
const PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cache_size = -16384;
    PRAGMA secure_delete = FAST;";

/// Between two tries of what SQLite does not wait for by itself.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) struct Connection {
    sqlite: rusqlite::Connection,
    /// Where SQLite counts `$1`, `$2`, … of a statement, found once: by the text's address, since texts are static.
    places: RefCell<HashMap<(usize, usize), Vec<usize>>>,
}

impl Connection {
    /// Opens the file for writing, creating it where it does not exist.
    pub(in crate::store) fn open(file: &Path) -> Result<Self> {
        let connection = rusqlite::Connection::open(file).map_err(trouble)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(trouble)?;
        make_ready(&connection).map_err(trouble)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        let mode: String =
            connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(trouble)?;
        if mode != "wal" {
            return Err(Error::Unavailable(Internal::new(format!("journal mode {mode} instead of wal"))));
        }
        Ok(Self { sqlite: connection, places: RefCell::default() })
    }

    /// Opens the file for reading alone.
    pub(super) fn open_for_reading(file: &Path) -> Result<Self> {
        let connection = Self::open(file)?;
        connection.batch("PRAGMA query_only = ON")?;
        Ok(connection)
    }

    /// Opens a file that is there, and leaves it as it is, to the last byte: without a change of its mode, and without
    /// the checkpoint at the end that would move what stands in its write-ahead log.
    pub(super) fn open_untouched(file: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(file, flags).map_err(trouble)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(trouble)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(trouble)?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF").map_err(trouble)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        Ok(Self { sqlite: connection, places: RefCell::default() })
    }

    /// A statement whose text is not static, and whose parameters are bound by their place.
    pub(super) fn statement(&self, sql: &str) -> Result<CachedStatement<'_>> {
        self.sqlite.prepare_cached(sql).map_err(trouble)
    }

    /// Runs statements without parameters: transaction control and migrations.
    pub(in crate::store) fn batch(&self, sql: &str) -> Result<()> {
        self.sqlite.execute_batch(sql).map_err(trouble)
    }

    /// Whether no transaction is open: SQLite gives one up by itself when the disk is full, say.
    pub(super) fn is_idle(&self) -> bool {
        self.sqlite.is_autocommit()
    }

    /// What is wrong with the file, if anything.
    pub(super) fn quick_check(&mut self) -> Result<Option<String>> {
        let verdict = self.one("PRAGMA quick_check(1)", &[], |row| row.text(0))?;
        Ok(verdict.filter(|finding| finding != "ok"))
    }

    pub(in crate::store) fn attempt(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Attempt> {
        let mut statement = self.bound(sql, values)?;
        match statement.raw_execute() {
            Ok(rows) => Ok(Attempt::Done(rows as u64)),
            Err(error) if is_unique_violation(&error) => Ok(Attempt::Conflict),
            Err(error) => Err(trouble(error)),
        }
    }

    pub(in crate::store) fn one<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut statement = self.bound(sql, values)?;
        let mut rows = statement.raw_query();
        rows.next().map_err(trouble)?.map(|row| read(&Row(Source::Sqlite(row)))).transpose()
    }

    pub(in crate::store) fn all<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.bound(sql, values)?;
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(trouble)? {
            found.push(read(&Row(Source::Sqlite(row)))?);
        }
        Ok(found)
    }

    /// SQLite takes `$1` for a name, so it is bound by name: the text stays that of PostgreSQL.
    fn bound(&self, sql: &'static str, values: &[Value<'_>]) -> Result<CachedStatement<'_>> {
        let mut statement = self.sqlite.prepare_cached(sql).map_err(trouble)?;
        let mut known = self.places.borrow_mut();
        let places = match known.entry((sql.as_ptr().addr(), sql.len())) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => place.insert(places_in(&statement, sql, values.len())?),
        };
        if places.len() != values.len() {
            return Err(Error::Fault(Internal::new(format!("{} values for: {sql}", values.len()))));
        }
        for (value, place) in values.iter().zip(places) {
            statement.raw_bind_parameter(*place, value).map_err(trouble)?;
        }
        drop(known);
        Ok(statement)
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn places_in(statement: &rusqlite::Statement<'_>, sql: &str, values: usize) -> Result<Vec<usize>> {
    let missing = |name: &str| Error::Fault(Internal::new(format!("no {name} in: {sql}")));
    let place = |name: &&str| statement.parameter_index(name).map_err(trouble)?.ok_or_else(|| missing(name));
    let places: Vec<usize> = PARAMETERS.iter().take(values).map(place).collect::<Result<_>>()?;
    if statement.parameter_count() == places.len() {
        Ok(places)
    } else {
        Err(Error::Fault(Internal::new(format!("{values} values for: {sql}"))))
    }
}

/// Changing the mode of a new file to WAL takes it for oneself, and SQLite refuses that at once where another program is at
/// the same: waiting could be for ever, since both may hold what the other wants. Each try lets go of everything.
fn make_ready(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match connection.execute_batch(PRAGMAS) {
            Err(error) if is_busy(&error) && begun.elapsed() < BUSY_TIMEOUT => std::thread::sleep(PAUSE),
            done => return done,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

fn is_unique_violation(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|failure| failure.extended_code);
    matches!(extended, Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY))
}

/// A database in trouble is an expected state; a statement that can't be right is a fault of ours.
pub(super) fn trouble(error: rusqlite::Error) -> Error {
    use ErrorCode as Code;
    let internal = Internal::new(format!("SQLite: {error}"));
    match error.sqlite_error_code() {
        Some(
            Code::DatabaseBusy
            | Code::DatabaseLocked
            | Code::DiskFull
            | Code::CannotOpen
            | Code::ReadOnly
            | Code::SystemIoFailure
            | Code::DatabaseCorrupt
            | Code::NotADatabase
            | Code::OutOfMemory
            | Code::FileLockingProtocolFailed
            | Code::PermissionDenied
            | Code::OperationInterrupted
            | Code::OperationAborted,
        ) => Error::Unavailable(internal),
        _ => Error::Fault(internal),
    }
}

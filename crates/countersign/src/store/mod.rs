//! The store: transactions as values, one story for every database.
//!
//! # What a transaction promises
//! * **All or nothing.** The writes of one [`Store::write`] happen together. An error, a panic or a dropped caller
//!   before the commit undoes every one of them.
//! * **Durable before answered.** When `write` returns `Ok`, the change is on the disk.
//! * **One winner.** A guarded `UPDATE`/`DELETE` sees rows as they are at that instant; of any number of
//!   transactions with the same guard one has a row count of 1. No transaction may rest a decision to write on an
//!   earlier `SELECT`: the guard stands in the write.
//! * **Reads see what was answered.** A [`Store::read`] or [`Store::check`] that starts after a write was answered
//!   sees that write, on every connection, made by this process or another.
//! * **Trouble is an expected state.** Locked, full, broken or away is [`Error::Unavailable`]; nothing waits for ever.
//!
//! The closures given to `write` and `read` may await nothing but the transaction they are given, and may run more
//! than once. Mails and hashes happen outside. SQL is static text with `$1…`, the same for every database.

mod check;
pub(crate) mod copy;
mod migrate;
mod postgres;
mod row;
mod server_url;
mod spend;
mod sqlite;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::pin::Pin;

pub(crate) use check::{Live, LiveQuery};
pub(crate) use row::{Row, Value};
pub(crate) use server_url::ServerUrl;
pub(crate) use spend::{REMEMBERED_SPENDINGS, SPENDING_DIGITS, Spend, Spent};

use crate::error::{Error, Internal, Result};
use crate::metrics::Meters;
use crate::secret::SecretString;
use crate::time::{Clock, Timestamp};

/// What a transaction's closure returns: a future that borrows the transaction and its input.
pub(crate) type Work<'t, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 't>>;

/// A transaction's closure: it takes the transaction and its input, and captures nothing.
pub(crate) type Steps<I, T> = for<'t> fn(&'t mut Tx<'t>, &'t I) -> Work<'t, T>;

/// Why a store could not be opened: a sentence for the operator.
#[derive(Debug)]
pub(crate) struct CannotOpen(pub(crate) String);

/// The database. Clones share it.
#[derive(Clone)]
pub(crate) struct Store(Engine);

/// Which database it is: nobody outside of this module asks.
#[derive(Clone)]
enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

/// A transaction on PostgreSQL goes to the server several times, and keeps much on its way. Where it may have to, it is
/// boxed: else each request for which it might be needed would carry the room for it, from its first byte to its last.
impl Store {
    /// Opens the SQLite file, creating and migrating it where that is due.
    pub(crate) fn open_sqlite(file: &Path) -> std::result::Result<Self, CannotOpen> {
        sqlite::Sqlite::open(file).map(|sqlite| Self(Engine::Sqlite(sqlite)))
    }

    /// Connects to PostgreSQL and migrates it where that is due. `connections` bounds those of this node.
    pub(crate) async fn open_postgres(
        url: &SecretString,
        connections: u32,
    ) -> std::result::Result<Self, CannotOpen> {
        postgres::Postgres::open(url, connections).await.map(|postgres| Self(Engine::Postgres(postgres)))
    }

    /// The clock that all nodes on this database share, where there is one.
    pub(crate) fn clock(&self) -> Option<Clock> {
        match &self.0 {
            Engine::Sqlite(_) => None,
            Engine::Postgres(postgres) => Some(postgres.clock()),
        }
    }

    /// Runs the steps as one transaction and returns when they are durable.
    pub(crate) async fn write<I, T>(&self, input: I, steps: Steps<I, T>) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        match &self.0 {
            Engine::Sqlite(sqlite) => sqlite.write(input, steps).await,
            Engine::Postgres(postgres) => Box::pin(postgres.write(&input, steps)).await,
        }
    }

    /// Runs the steps on one unchanging view of the database; they must not write.
    pub(crate) async fn read<I, T>(&self, input: I, steps: Steps<I, T>) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        match &self.0 {
            Engine::Sqlite(sqlite) => sqlite.read(&input, steps),
            Engine::Postgres(postgres) => Box::pin(postgres.read(&input, steps)).await,
        }
    }

    /// Spends one generation of a sign-in: one guarded statement, durable when it returns. `None`: nothing was
    /// spent, and the row tells why.
    pub(crate) async fn spend(&self, spend: Spend) -> Result<Option<Spent>> {
        match &self.0 {
            Engine::Sqlite(sqlite) => sqlite.spend(spend).await,
            Engine::Postgres(postgres) => postgres.spend(spend).await,
        }
    }

    /// Looks up a user through a living sign-in, or without one. A sign-in that is over by `now` is surely over, and of one
    /// that is not the end may have moved away since.
    pub(crate) async fn check(&self, query: LiveQuery, now: Timestamp) -> Result<Option<Live>> {
        match &self.0 {
            Engine::Sqlite(sqlite) => sqlite.check(query),
            Engine::Postgres(postgres) => postgres.check(query, now).await,
        }
    }

    /// Removes a batch of what checks needed to be told and have been; gives how many rows. Only PostgreSQL keeps such.
    pub(crate) async fn remove_changes(&self, now: Timestamp, batch: u32) -> Result<u64> {
        match &self.0 {
            Engine::Sqlite(_) => Ok(0),
            Engine::Postgres(postgres) => postgres.remove_changes(now, batch).await,
        }
    }

    /// How many rows wait for [`Store::remove_changes`], counted to `most`.
    pub(crate) async fn count_changes_due(&self, now: Timestamp, most: u32) -> Result<u64> {
        match &self.0 {
            Engine::Sqlite(_) => Ok(0),
            Engine::Postgres(postgres) => postgres.count_changes_due(now, most).await,
        }
    }

    /// The schema version that this program works with.
    pub(crate) fn schema_version() -> i64 {
        migrate::newest_version()
    }

    /// Whether the database answers and can be written to.
    pub(crate) async fn ping(&self) -> Result<()> {
        self.write((), |tx, ()| Box::pin(async { tx.one("SELECT 1", &[], |row| row.int(0)).await.map(drop) }))
            .await
    }

    /// Hands the engine's figures in.
    pub(crate) fn report(&self, to: &mut Meters) {
        match &self.0 {
            Engine::Sqlite(sqlite) => sqlite.report(to),
            Engine::Postgres(postgres) => postgres.report(to),
        }
    }

    /// Answers what is queued, then closes the database. Everything asked afterwards is refused.
    pub(crate) fn close(&self) {
        match &self.0 {
            Engine::Sqlite(sqlite) => sqlite.close(),
            Engine::Postgres(postgres) => postgres.close(),
        }
    }
}

/// An open transaction: the only way to the tables. Chapters add their statements to it in their `sql.rs`.
pub(crate) struct Tx<'c>(Connection<'c>);

enum Connection<'c> {
    Sqlite(&'c mut sqlite::Connection),
    Postgres(&'c mut postgres::Transaction),
}

/// What became of a statement that a unique index may refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// So many rows were written.
    Done(u64),
    /// A unique index already holds such a row; nothing was written, and the transaction goes on.
    Conflict,
}

impl<'c> Tx<'c> {
    fn of_sqlite(connection: &'c mut sqlite::Connection) -> Self {
        Self(Connection::Sqlite(connection))
    }
}

impl Tx<'_> {
    /// Runs a statement and returns how many rows it wrote.
    pub(crate) async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64> {
        match &mut self.0 {
            Connection::Sqlite(sqlite) => match sqlite.attempt(sql, values)? {
                Attempt::Done(rows) => Ok(rows),
                Attempt::Conflict => {
                    Err(Error::Fault(Internal::new(format!("unforeseen conflict in: {sql}"))))
                }
            },
            Connection::Postgres(postgres) => postgres.execute(sql, values).await,
        }
    }

    /// Like [`Tx::execute`], for a statement that a unique index may refuse.
    pub(crate) async fn attempt(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Attempt> {
        match &mut self.0 {
            Connection::Sqlite(sqlite) => sqlite.attempt(sql, values),
            Connection::Postgres(postgres) => postgres.attempt(sql, values).await,
        }
    }

    /// Runs a statement that yields at most one row of interest.
    pub(crate) async fn one<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        match &mut self.0 {
            Connection::Sqlite(sqlite) => sqlite.one(sql, values, read),
            Connection::Postgres(postgres) => postgres.one(sql, values, read).await,
        }
    }

    /// Runs a statement and collects its rows.
    pub(crate) async fn all<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        match &mut self.0 {
            Connection::Sqlite(sqlite) => sqlite.all(sql, values, read),
            Connection::Postgres(postgres) => postgres.all(sql, values, read).await,
        }
    }
}

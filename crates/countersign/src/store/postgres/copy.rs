//! The two ends of a copy on a PostgreSQL server: a source that is only read, and a target that is filled.

use std::pin::pin;

use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

use super::address::Address;
use super::clock::SharedClock;
use super::error::describe;
use super::link::{Link, Links};
use super::{migrate, patiently_connect};
use crate::secret::{ExposeSecret as _, SecretString, random_bytes};
use crate::store::copy::record::{Cell, Record, locate, misplaced};
use crate::store::copy::tables::{Column, Kind, TABLES, Table};
use crate::store::copy::{Lock, Refusal, Side, marker, one_place, statements};
use crate::store::migrate::POSTGRES;
use crate::store::{Value, copy};
use crate::time::Clock;

/// What may take long here, and must not wait for locks for ever. Pages come by the index of the key even where the planner
/// knows nothing of a table yet.
const FOR_A_COPY: &str = "
    SET statement_timeout = 0;
    SET idle_in_transaction_session_timeout = 0;
    SET lock_timeout = '30s';
    SET enable_sort = off";
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Batches need no flush to the disk each: the commit that takes the mark away makes all of them durable.
const BEGIN_BATCH: &str = "BEGIN; SET LOCAL synchronous_commit = off";

/// Locks belong to a database; whoever finds it taken is in the same one.
const LOCK: &str = "SELECT pg_try_advisory_xact_lock($1), CAST(current_schema() AS TEXT)";
const HAS_TABLE: &str = "SELECT to_regclass(CAST($1 AS TEXT)) IS NOT NULL";
/// It keeps its mark until the batch is committed.
const HOLD: &str = "SELECT 1 FROM schema_migrations WHERE version = $1 AND checksum = $2 FOR SHARE";

async fn connect(url: &SecretString, which: &str) -> Result<Link, Refusal> {
    let url = url.expose_secret();
    Address::parse(url).map_err(|what| Refusal::Usage(format!("the URL of the {which}: {what}")))?;
    let links = Links::new(url, SharedClock::new())?;
    let link = patiently_connect(&links).await?;
    link.client.batch_execute(FOR_A_COPY).await.map_err(failed)?;
    Ok(link)
}

fn failed(error: tokio_postgres::Error) -> Refusal {
    Refusal::Failed(describe(&error))
}

pub(in crate::store) struct Source {
    /// One transaction from beginning to end.
    link: Link,
    /// It sees what was committed since.
    watching: Link,
    lock: Lock,
    seen: Vec<(i64, String)>,
}

impl Source {
    pub(in crate::store) async fn open(url: &SecretString) -> Result<Self, Refusal> {
        let (link, watching) = (connect(url, "source").await?, connect(url, "source").await?);
        let number = i64::from_ne_bytes(random_bytes());
        link.client.batch_execute(BEGIN_SNAPSHOT).await.map_err(failed)?;
        let (_, schema) = try_lock(&link, number).await?;
        let lock = Lock { number, schema };
        migrate::demand_current(&link)
            .await
            .map_err(|refusal| Refusal::Failed(format!("the source: {}", refusal.0)))?;
        let seen = testimony(&link).await?;
        Ok(Self { link, watching, lock, seen })
    }
}

async fn testimony(link: &Link) -> Result<Vec<(i64, String)>, Refusal> {
    let mut said = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let row = link.client.query_one(&statements::testimony(table), &[]).await.map_err(failed)?;
        said.push((row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?));
    }
    Ok(said)
}

impl Side for Source {
    async fn page(&mut self, table: &Table, after: Option<&[Cell]>) -> Result<Vec<Record>, Refusal> {
        page(&self.link, table, after).await
    }
}

impl copy::Source for Source {
    fn lock(&self) -> Option<Lock> {
        Some(self.lock.clone())
    }

    async fn count(&mut self, table: &Table) -> Result<u64, Refusal> {
        let place = TABLES.iter().position(|known| known.name == table.name);
        let rows = place.and_then(|place| self.seen.get(place)).map_or(0, |(rows, _)| *rows);
        Ok(u64::try_from(rows).unwrap_or_default())
    }

    async fn is_unchanged(&mut self) -> Result<bool, Refusal> {
        self.watching.client.batch_execute(BEGIN_SNAPSHOT).await.map_err(failed)?;
        Ok(testimony(&self.watching).await? == self.seen)
    }
}

pub(in crate::store) struct Target(Link);

impl Target {
    pub(in crate::store) async fn open(url: &SecretString, source: Option<Lock>) -> Result<Self, Refusal> {
        let link = connect(url, "target").await?;
        if let Some(source) = source {
            let (is_free, schema) = try_lock(&link, source.number).await?;
            if !is_free && schema == source.schema {
                return Err(one_place());
            }
        }
        Ok(Self(link))
    }

    async fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, Refusal> {
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        self.0.client.execute(sql, &values).await.map_err(failed)
    }

    async fn batch(&self, sql: &str) -> Result<(), Refusal> {
        self.0.client.batch_execute(sql).await.map_err(failed)
    }

    /// Whether the mark is that of this run. It can't be taken away before the transaction ends.
    async fn hold(&self, run: &str) -> Result<bool, Refusal> {
        let found = self.0.client.query_opt(HOLD, &[&marker::VERSION, &run]).await.map_err(failed)?;
        Ok(found.is_some())
    }

    async fn load(&self, table: &Table, page: &[Record]) -> Result<(), tokio_postgres::Error> {
        let types: Vec<Type> = table.columns.iter().map(|column| type_of(column.kind)).collect();
        let sink = self.0.client.copy_in(&statements::load(table)).await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        for record in page {
            let values: Vec<Value<'_>> = record.iter().map(Value::from).collect();
            writer.as_mut().write_raw(&values).await?;
        }
        writer.finish().await.map(drop)
    }
}

impl Side for Target {
    async fn page(&mut self, table: &Table, after: Option<&[Cell]>) -> Result<Vec<Record>, Refusal> {
        page(&self.0, table, after).await
    }
}

impl copy::Target for Target {
    async fn marker(&mut self) -> Result<Option<String>, Refusal> {
        Ok(migrate::find_marker(&self.0).await?)
    }

    async fn has_rows(&mut self, table: &Table) -> Result<bool, Refusal> {
        let known = self.0.client.query_one(HAS_TABLE, &[&table.name]).await;
        if !known.and_then(|row| row.try_get(0)).map_err(failed)? {
            return Ok(false);
        }
        let found = self.0.client.query_opt(&statements::any(table), &[]).await.map_err(failed)?;
        Ok(found.is_some())
    }

    async fn migrate(&mut self) -> Result<(), Refusal> {
        Ok(migrate::apply(&mut self.0, POSTGRES).await?)
    }

    async fn mark(&mut self, run: &str) -> Result<bool, Refusal> {
        let now = Clock::System.now();
        let values = [marker::VERSION.into(), marker::NAME.into(), run.into(), now.into()];
        Ok(self.execute(marker::SET, &values).await? == 1)
    }

    async fn take_over(&mut self, former: &str, run: &str) -> Result<bool, Refusal> {
        self.batch("BEGIN").await?;
        let now = Clock::System.now();
        let values = [marker::VERSION.into(), former.into(), run.into(), now.into()];
        let is_ours = self.execute(marker::TAKE_OVER, &values).await? == 1;
        if is_ours {
            self.batch(&statements::empty_all()).await?;
        }
        self.batch("COMMIT").await?;
        Ok(is_ours)
    }

    /// A transaction that fails ends with its connection: nothing goes on after it.
    async fn write(&mut self, run: &str, table: &Table, page: &[Record]) -> Result<bool, Refusal> {
        refuse_nul(table, page)?;
        self.batch(BEGIN_BATCH).await?;
        if !self.hold(run).await? {
            return Ok(false);
        }
        self.load(table, page).await.map_err(|error| refused(table, page, &error))?;
        self.batch("COMMIT")
            .await
            .map_err(|refusal| Refusal::Failed(format!("a batch of rows: {refusal}")))?;
        Ok(true)
    }

    async fn settle(&mut self, table: &Table) -> Result<(), Refusal> {
        self.batch(&statements::analyze(table)).await
    }

    async fn finish(&mut self, run: &str) -> Result<bool, Refusal> {
        Ok(self.execute(marker::REMOVE, &[marker::VERSION.into(), run.into()]).await? == 1)
    }
}

/// Whether the lock was free, and the schema that this connection works in.
async fn try_lock(link: &Link, number: i64) -> Result<(bool, Option<String>), Refusal> {
    let row = link.client.query_one(LOCK, &[&number]).await.map_err(failed)?;
    Ok((row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?))
}

/// PostgreSQL does not say which row of a batch it refuses.
fn refused(table: &Table, page: &[Record], error: &tokio_postgres::Error) -> Refusal {
    let [first, last] = [page.first(), page.last()]
        .map(|record| locate(table, record.map(Vec::as_slice).unwrap_or_default()));
    Refusal::Failed(format!("the target refuses a row from {first} to {last}: {}", describe(error)))
}

/// The one letter that SQLite's texts can have and PostgreSQL's can't. The service takes none in.
fn refuse_nul(table: &Table, page: &[Record]) -> Result<(), Refusal> {
    for record in page {
        for (column, cell) in table.columns.iter().zip(record) {
            if matches!(cell, Cell::Text(text) if text.contains('\0')) {
                let what = "the character NUL, which PostgreSQL can't store,";
                return Err(misplaced(table, record, column, what));
            }
        }
    }
    Ok(())
}

fn type_of(kind: Kind) -> Type {
    match kind {
        Kind::Int => Type::INT8,
        Kind::Text => Type::TEXT,
        Kind::Blob => Type::BYTEA,
    }
}

async fn page(link: &Link, table: &Table, after: Option<&[Cell]>) -> Result<Vec<Record>, Refusal> {
    let sql = if after.is_some() { statements::next_page(table) } else { statements::first_page(table) };
    let key: Vec<Value<'_>> = after.unwrap_or_default().iter().map(Value::from).collect();
    let key: Vec<&(dyn ToSql + Sync)> = key.iter().map(|value| value as _).collect();
    let rows = link.client.query(&sql, &key).await.map_err(failed)?;
    rows.iter().map(|row| record(table, row)).collect()
}

fn record(table: &Table, row: &tokio_postgres::Row) -> Result<Record, Refusal> {
    let mut record = Record::with_capacity(table.columns.len());
    for (place, column) in table.columns.iter().enumerate() {
        let cell = cell(column, row, place);
        let cell = cell.map_err(|_| misplaced(table, &record, column, "a value of another type"))?;
        record.push(cell);
    }
    Ok(record)
}

fn cell(column: &Column, row: &tokio_postgres::Row, place: usize) -> Result<Cell, tokio_postgres::Error> {
    let cell = match column.kind {
        Kind::Int => row.try_get::<_, Option<i64>>(place)?.map(Cell::Int),
        Kind::Text => row.try_get::<_, Option<String>>(place)?.map(Cell::Text),
        Kind::Blob => row.try_get::<_, Option<Vec<u8>>>(place)?.map(Cell::Blob),
    };
    Ok(cell.unwrap_or(Cell::Null))
}

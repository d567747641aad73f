//! Moving house: everything of one database into an empty other one, from one snapshot, held against it afterwards.
//!
//! The target is marked before its first row is written and until both sides were found to agree, and nobody opens a
//! marked database. So a copy that is killed leaves something that can't be taken for the whole, and the next run begins
//! anew: what the killed one had read was another snapshot.

pub(in crate::store) mod marker;
pub(in crate::store) mod record;
pub(in crate::store) mod statements;
pub(in crate::store) mod tables;
#[cfg(test)]
mod tests;

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use self::record::{Cell, Record, Tally, key_of};
use self::statements::PAGE;
use self::tables::{TABLES, Table};
use super::{CannotOpen, postgres, sqlite};
use crate::error::Error;
use crate::secret::SecretString;

/// Where one side of a copy is.
#[derive(Debug)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(SecretString),
}

/// Why a copy did not come about, or did not come to its end: a sentence for the operator.
#[derive(Debug)]
pub enum Refusal {
    /// What was asked for makes no sense: source and target are one.
    Usage(String),
    /// The target isn't empty. It is as it was.
    Taken(String),
    /// It went wrong. The source is as it was; a target that was begun is marked, and opens for nobody but another copy.
    Failed(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(sentence) | Self::Taken(sentence) | Self::Failed(sentence)) = self;
        f.write_str(sentence)
    }
}

impl std::error::Error for Refusal {}

impl From<CannotOpen> for Refusal {
    fn from(refusal: CannotOpen) -> Self {
        Self::Failed(refusal.0)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(internal) | Error::Fault(internal) => {
                failed(internal.for_the_log().to_owned())
            }
            other => failed(format!("{other:?}")),
        }
    }
}

fn failed(sentence: String) -> Refusal {
    Refusal::Failed(sentence)
}

/// What a copy does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It reads rows from the source and writes them to the target.
    Copying,
    /// It reads the target back.
    Verifying,
}

/// How far a copy is. It is told at the beginning of each table and after each batch of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it does.
    pub stage: Stage,
    /// With which table.
    pub table: &'static str,
    /// The rows of this stage that are done, of all tables.
    pub rows: u64,
    /// As many as there are.
    pub total: u64,
}

/// What a finished copy has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Each table, in the order in which they were copied.
    pub tables: Vec<CopiedTable>,
    /// Whether an unfinished copy was thrown away first.
    pub began_anew: bool,
}

/// A table that is the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedTable {
    /// Its name.
    pub name: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// The checksum of its rows in any order, as hexadecimal digits.
    pub checksum: String,
}

/// One side, read in the order of a table's primary key.
pub(in crate::store) trait Side {
    /// At most [`PAGE`] rows that follow the key, or the first ones.
    async fn page(&mut self, table: &Table, after: Option<&[Cell]>) -> Result<Vec<Record>, Refusal>;
}

/// A lock that a source holds in its database until it is dropped, if databases of its kind have such locks: a target that
/// can't take it is in the same database, and is the same if it is in the same schema.
#[derive(Debug, Clone)]
pub(in crate::store) struct Lock {
    pub(in crate::store) number: i64,
    pub(in crate::store) schema: Option<String>,
}

/// The side that is read: one snapshot, and nothing is ever written.
pub(in crate::store) trait Source: Side {
    fn lock(&self) -> Option<Lock>;
    async fn count(&mut self, table: &Table) -> Result<u64, Refusal>;
    /// Whether nobody has written since the snapshot was taken.
    async fn is_unchanged(&mut self) -> Result<bool, Refusal>;
}

/// The side that is filled.
pub(in crate::store) trait Target: Side {
    /// Of an unfinished copy, if it is one: the number of the run.
    async fn marker(&mut self) -> Result<Option<String>, Refusal>;
    /// Whether the table is there and has a row.
    async fn has_rows(&mut self, table: &Table) -> Result<bool, Refusal>;
    async fn migrate(&mut self) -> Result<(), Refusal>;
    /// Marks it as an unfinished copy of this run. `false`: somebody else was faster.
    async fn mark(&mut self, run: &str) -> Result<bool, Refusal>;
    /// Makes an unfinished copy that of this run, and empties it. `false`: somebody else was faster.
    async fn take_over(&mut self, former: &str, run: &str) -> Result<bool, Refusal>;
    /// Writes rows, all or none. `false`: the mark is not that of this run.
    async fn write(&mut self, run: &str, table: &Table, page: &[Record]) -> Result<bool, Refusal>;
    /// Called once a table is filled.
    async fn settle(&mut self, table: &Table) -> Result<(), Refusal>;
    /// Removes the mark, when everything is on the disk. `false`: it is not that of this run.
    async fn finish(&mut self, run: &str) -> Result<bool, Refusal>;
}

pub(crate) async fn copy(
    from: &Place,
    to: &Place,
    tell: &mut impl FnMut(Progress),
) -> Result<Copied, Refusal> {
    refuse_one_file(from, to)?;
    match from {
        Place::Sqlite(file) => copy_from(sqlite::CopySource::open(file)?, to, tell).await,
        Place::Postgres(url) => copy_from(postgres::CopySource::open(url).await?, to, tell).await,
    }
}

async fn copy_from(
    source: impl Source,
    to: &Place,
    tell: &mut impl FnMut(Progress),
) -> Result<Copied, Refusal> {
    match to {
        Place::Sqlite(file) => copy_to(source, sqlite::CopyTarget::open(file)?, tell).await,
        Place::Postgres(url) => {
            let target = postgres::CopyTarget::open(url, source.lock()).await?;
            copy_to(source, target, tell).await
        }
    }
}

/// The whole story.
async fn copy_to(
    mut source: impl Source,
    mut target: impl Target,
    tell: &mut impl FnMut(Progress),
) -> Result<Copied, Refusal> {
    let run = marker::new_run();
    let mut total = 0_u64;
    for table in TABLES {
        total = total.saturating_add(source.count(table).await?);
    }
    let began_anew = begin(&mut target, &run).await?;
    let mut meter = Meter { tell, stage: Stage::Copying, rows: 0, total };
    let tallies = fill(&mut source, &mut target, &run, &mut meter).await?;
    (meter.stage, meter.rows) = (Stage::Verifying, 0);
    verify(&mut target, &tallies, &mut meter).await?;
    if !source.is_unchanged().await? {
        return Err(failed(
            "the source has changed since the copy began, and what was written there meanwhile is not in the copy: \
             stop every service that uses it, and copy again"
                .to_owned(),
        ));
    }
    if !target.finish(&run).await? {
        return Err(marker::overtaken());
    }
    let tables = TABLES.iter().zip(tallies).map(|(table, tally)| CopiedTable {
        name: table.name,
        rows: tally.rows,
        checksum: tally.checksum(),
    });
    Ok(Copied { tables: tables.collect(), began_anew })
}

/// Two names of one file are one file.
fn refuse_one_file(from: &Place, to: &Place) -> Result<(), Refusal> {
    let (Place::Sqlite(from), Place::Sqlite(to)) = (from, to) else { return Ok(()) };
    let identity = |file: &Path| std::fs::metadata(file).ok().map(|about| (about.dev(), about.ino()));
    if identity(from).is_some_and(|source| identity(to) == Some(source)) { Err(one_place()) } else { Ok(()) }
}

pub(in crate::store) fn one_place() -> Refusal {
    Refusal::Usage("the source and the target are the same database".to_owned())
}

/// Makes the target ready: empty, at this program's schema, and marked. `true`: it was an unfinished copy.
async fn begin(target: &mut impl Target, run: &str) -> Result<bool, Refusal> {
    let former = target.marker().await?;
    if former.is_none() {
        refuse_rows(target).await?;
    }
    target.migrate().await?;
    let is_ours = match &former {
        Some(former) => target.take_over(former, run).await?,
        None => target.mark(run).await?,
    };
    if is_ours { Ok(former.is_some()) } else { Err(marker::overtaken()) }
}

/// Before anything is changed, its schema included.
async fn refuse_rows(target: &mut impl Target) -> Result<(), Refusal> {
    for table in TABLES {
        if target.has_rows(table).await? {
            return Err(Refusal::Taken(format!(
                "the target is not empty: its table {} has rows. Name a new database, or empty this one if nobody \
                 needs what is in it",
                table.name
            )));
        }
    }
    Ok(())
}

/// Copies every table and tells what was read of each.
async fn fill(
    source: &mut impl Source,
    target: &mut impl Target,
    run: &str,
    meter: &mut Meter<'_, impl FnMut(Progress)>,
) -> Result<Vec<Tally>, Refusal> {
    let mut tallies = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let mut tally = Tally::default();
        let mut after = None;
        meter.advance(table, 0);
        loop {
            let page = source.page(table, after.as_deref()).await?;
            tally.add(&page);
            if !page.is_empty() && !target.write(run, table, &page).await? {
                return Err(marker::overtaken());
            }
            meter.advance(table, page.len());
            after = page.last().map(|last| key_of(table, last).to_vec());
            if page.len() < PAGE {
                break;
            }
        }
        target.settle(table).await?;
        tallies.push(tally);
    }
    Ok(tallies)
}

/// Reads every table back and holds it against what was read from the source.
async fn verify(
    target: &mut impl Target,
    tallies: &[Tally],
    meter: &mut Meter<'_, impl FnMut(Progress)>,
) -> Result<(), Refusal> {
    for (table, expected) in TABLES.iter().zip(tallies) {
        let found = read_back(target, table, meter).await?;
        if found != *expected {
            return Err(failed(format!(
                "the table {} is not what was copied: {} rows with the checksum {} instead of {} with {}. Has somebody \
                 written to the target? See to that, and copy again",
                table.name,
                found.rows,
                found.checksum(),
                expected.rows,
                expected.checksum()
            )));
        }
    }
    Ok(())
}

async fn read_back(
    target: &mut impl Target,
    table: &'static Table,
    meter: &mut Meter<'_, impl FnMut(Progress)>,
) -> Result<Tally, Refusal> {
    let mut tally = Tally::default();
    let mut after = None;
    meter.advance(table, 0);
    loop {
        let page = target.page(table, after.as_deref()).await?;
        tally.add(&page);
        meter.advance(table, page.len());
        after = page.last().map(|last| key_of(table, last).to_vec());
        if page.len() < PAGE {
            return Ok(tally);
        }
    }
}

/// Tells how far it is.
struct Meter<'t, F> {
    tell: &'t mut F,
    stage: Stage,
    rows: u64,
    total: u64,
}

impl<F: FnMut(Progress)> Meter<'_, F> {
    fn advance(&mut self, table: &'static Table, rows: usize) {
        self.rows = self.rows.saturating_add(rows as u64);
        let Self { stage, rows, total, .. } = *self;
        (self.tell)(Progress { stage, table: table.name, rows, total });
    }
}

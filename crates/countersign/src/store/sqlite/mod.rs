//! The embedded engine: one thread writes, in groups that share one fsync; reads happen in place.

mod connection;
mod copy;
mod figures;
mod readers;
mod witness;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

pub(super) use connection::Connection;
pub(super) use copy::{Source as CopySource, Target as CopyTarget};

use super::{CannotOpen, Live, LiveQuery, Spend, Spent, Steps, Work, migrate};
use crate::error::{Error, Internal, Result};
use crate::metrics::Meters;

/// Checking every page at the start is only affordable while the file is small.
const QUICK_CHECK_UP_TO_BYTES: u64 = 16 << 20;

#[derive(Clone)]
pub(super) struct Sqlite(Arc<Engine>);

struct Engine {
    writer: writer::Writer,
    readers: readers::Readers,
}

impl Sqlite {
    pub(super) fn open(file: &Path) -> std::result::Result<Self, CannotOpen> {
        let explain = |error: &Error| explain(file, error);
        refuse_foreign_file(file)?;
        make_private(file)?;
        let mut writing = Connection::open(file).map_err(|error| explain(&error))?;
        check_small_file(file, &mut writing)?;
        migrate::sqlite(&mut writing)?;
        let readers = readers::Readers::open(file).map_err(|error| explain(&error))?;
        let writer = writer::Writer::start(writing).map_err(|fault| CannotOpen(fault.to_string()))?;
        Ok(Self(Arc::new(Engine { writer, readers })))
    }

    pub(super) async fn write<I, T>(&self, input: I, steps: Steps<I, T>) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.0.writer.write(input, steps).await
    }

    pub(super) fn read<I, T>(&self, input: &I, steps: Steps<I, T>) -> Result<T> {
        self.0.readers.read(input, steps)
    }

    pub(super) async fn spend(&self, spend: Spend) -> Result<Option<Spent>> {
        self.0.writer.spend(spend).await
    }

    pub(super) fn check(&self, query: LiveQuery) -> Result<Option<Live>> {
        self.0.readers.check(query)
    }

    pub(super) fn report(&self, to: &mut Meters) {
        self.0.writer.figures().report(to);
    }

    pub(super) fn close(&self) {
        self.0.writer.stop();
    }
}

/// Polls a transaction's closure straight through: on this engine every call of `Tx` is ready at once.
fn straight_through<T>(mut work: Work<'_, T>) -> Result<T> {
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(Error::Fault(Internal::new("a transaction awaited something else than itself"))),
    }
}

/// A file that isn't ours must never be mistaken for an empty database.
fn refuse_foreign_file(file: &Path) -> std::result::Result<(), CannotOpen> {
    match std::fs::metadata(file) {
        Ok(about) if about.len() == 0 && wal_of(file).exists() => Err(CannotOpen(format!(
            "{} is empty although its write-ahead log is there: restore the file from a backup",
            file.display()
        ))),
        _ => Ok(()),
    }
}

/// SQLite gives its files the mode of the first one, so that one is made for its owner alone (SEC-105).
fn make_private(file: &Path) -> std::result::Result<(), CannotOpen> {
    use std::os::unix::fs::OpenOptionsExt as _;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Err(fault) if fault.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(explain(file, &Error::Unavailable(Internal::new(fault.to_string()))))
        }
        _ => Ok(()),
    }
}

fn wal_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

fn check_small_file(file: &Path, connection: &mut Connection) -> std::result::Result<(), CannotOpen> {
    if std::fs::metadata(file).is_ok_and(|about| about.len() > QUICK_CHECK_UP_TO_BYTES) {
        return Ok(());
    }
    match connection.quick_check() {
        Ok(None) => Ok(()),
        Ok(Some(finding)) => Err(damaged(file, &finding)),
        Err(error) => Err(explain(file, &error)),
    }
}

fn damaged(file: &Path, finding: &str) -> CannotOpen {
    CannotOpen(format!(
        "the database {} is damaged ({finding}): restore it from a backup, or rescue what is left with \
         `sqlite3 {} .recover`",
        file.display(),
        file.display()
    ))
}

fn explain(file: &Path, error: &Error) -> CannotOpen {
    let reason = match error {
        Error::Unavailable(internal) | Error::Fault(internal) => internal.for_the_log().to_owned(),
        other => format!("{other:?}"),
    };
    // The schema itself can't be read: SQLite says so before anybody could check the pages.
    if reason.contains("malformed") {
        return damaged(file, &reason);
    }
    CannotOpen(format!(
        "can't open the database {}: {reason}. See that the file and its folder belong to this user, are writable, \
         and that the disk has room",
        file.display()
    ))
}

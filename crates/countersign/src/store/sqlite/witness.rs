//! The witness of commits: it tells, for the price of one small read, whether anybody has committed since it was last
//! asked, in this process or another.
//!
//! In WAL mode a commit becomes visible at the instant at which the header of the `-shm` file changes: readers take
//! their snapshot from it (the WAL-index header, <https://www.sqlite.org/walformat.html#the_wal_index_header>). So two
//! equal headers mean that nothing became visible between them. `PRAGMA data_version` says the same, but takes and
//! gives back two file locks and a mutex that all connections share; reading the file costs a system call, a twentieth
//! of all that `GET /me` costs. So the header is mapped into memory, as SQLite itself does, and this file is the one
//! room of the project with `unsafe` code in it.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::error::{Error, Internal, Result};

/// Both copies of the header, 48 bytes each: while one is being written, the two together differ from any finished state.
const WORDS: usize = 24;

type Header = [AtomicU32; WORDS];

/// The header as it stood at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Testimony([u32; WORDS]);

#[derive(Debug, Clone, Copy)]
pub(super) struct Witness(&'static Header);

impl Witness {
    /// Opens the `-shm` file of a database that a connection has open.
    pub(super) fn of(database: &Path) -> Result<Self> {
        let path = shm_of(database);
        let about = std::fs::metadata(&path).map_err(|fault| trouble(&fault))?;
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_default();
        if let Some((_, header)) = known.get(&(about.dev(), about.ino())) {
            return Ok(Self(header));
        }
        if about.len() < size_of::<Header>() as u64 {
            return Err(Error::Unavailable(Internal::new("the write-ahead log's index has no header")));
        }
        let file = File::open(&path).map_err(|fault| trouble(&fault))?;
        let header = map(&file).map_err(|fault| trouble(&fault))?;
        known.insert((about.dev(), about.ino()), (file, header));
        Ok(Self(header))
    }

    /// What the header says now.
    pub(super) fn ask(self) -> Testimony {
        Testimony(std::array::from_fn(|word| self.0.get(word).map_or(0, |word| word.load(Ordering::Acquire))))
    }
}

#[expect(unsafe_code, reason = "shared memory can't be mapped without; see the module's first lines")]
fn map(file: &File) -> std::io::Result<&'static Header> {
    let (protection, flags) = (ProtFlags::READ, MapFlags::SHARED);
    // SAFETY: a fresh mapping at an address of the system's choice overlaps nothing of ours.
    let memory = unsafe { mmap(std::ptr::null_mut(), size_of::<Header>(), protection, flags, file, 0) }?
        .cast::<Header>();
    // SAFETY: the mapping is page-aligned, as long as a header, and never taken back. Other processes write to it, which
    // atomics allow; we only load. SQLite does not shorten the file while a connection of ours has it open, and every
    // witness belongs to open connections.
    Ok(unsafe { &*memory })
}

/// One mapping and one descriptor for each file, and neither is ever given back: closing any descriptor of a file drops
/// every POSIX lock that the process holds on it, SQLite's included. While it is open its inode is not given to another
/// file.
static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

type Known = HashMap<(u64, u64), (File, &'static Header)>;

fn shm_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-shm");
    PathBuf::from(name)
}

fn trouble(fault: &std::io::Error) -> Error {
    Error::Unavailable(Internal::new(format!("the write-ahead log's index can't be read: {fault}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::Connection;

    #[test]
    fn every_commit_of_anybody_changes_the_testimony_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seen.db");
        let mut ours = Connection::open(&file).unwrap();
        ours.batch("CREATE TABLE t (n INTEGER)").unwrap();
        let witness = Witness::of(&file).unwrap();
        let stranger = rusqlite::Connection::open(&file).unwrap();
        for round in 0..300 {
            let before = witness.ask();
            ours.one("SELECT count(*) FROM t", &[], |row| row.int(0)).unwrap();
            assert_eq!(witness.ask(), before, "reading is no commit");
            ours.batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (1); ROLLBACK").unwrap();
            assert_eq!(witness.ask(), before, "what was undone was never visible");
            match round % 3 {
                0 => ours.batch("INSERT INTO t VALUES (1)").unwrap(),
                1 => stranger.execute_batch("INSERT INTO t VALUES (2)").unwrap(),
                _ => stranger.execute_batch("DELETE FROM t; PRAGMA wal_checkpoint(TRUNCATE)").unwrap(),
            }
            assert_ne!(witness.ask(), before, "round {round}");
        }
    }

    #[test]
    fn the_witness_keeps_sqlites_locks_alive() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("locked.db");
        let ours = Connection::open(&file).unwrap();
        ours.batch("CREATE TABLE t (n INTEGER); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)").unwrap();
        for _ in 0..10 {
            Witness::of(&file).unwrap().ask();
        }
        // A process of its own: within one process SQLite would know of the lock without asking the system.
        let other = std::process::Command::new("python3")
            .args([
                "-c",
                "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')",
            ])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&other.stderr);
        assert!(said.contains("database is locked"), "{said}");
    }
}

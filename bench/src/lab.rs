//! Where a measurement takes place: the program, a folder on the right disk, and how long and how often to measure.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::Outcome;
use crate::postgres::site::Site;
use crate::server::Server;

/// Unrecorded load before the first round: caches fill, connections and statements are made once.
const WARM_UP: Duration = Duration::from_millis(500);

/// The means of every measurement.
pub(crate) struct Lab {
    /// The program to measure.
    pub(crate) program: PathBuf,
    /// How long each side of a round lasts.
    pub(crate) lasts: Duration,
    /// How many rounds there are.
    pub(crate) rounds: usize,
    site: OnceCell<Site>,
    dir: TempDir,
}

impl Lab {
    /// Opens a lab with its folder under `parent`.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub(crate) fn open(program: PathBuf, parent: &Path, lasts: Duration, rounds: usize) -> Outcome<Self> {
        let dir = tempfile::Builder::new().prefix("countersign-bench-").tempdir_in(parent)?;
        Ok(Self { program, lasts, rounds, site: OnceCell::new(), dir })
    }

    /// The folder that everything of this run lies in.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A server on data of its own, named apart from those of other measurements.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn server(&self, name: &str) -> Outcome<Server> {
        Server::start(&self.program, &self.data_dir(name))
    }

    /// The same, with more said on its command line.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn server_with(&self, name: &str, words: &[&str]) -> Outcome<Server> {
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        Server::start_with(&self.program, &self.data_dir(name), &words)
    }

    /// Where everything on PostgreSQL is measured, made ready when it is first asked for.
    ///
    /// # Errors
    /// As [`Site::open`].
    pub(crate) fn site(&self) -> Outcome<&Site> {
        if let Some(site) = self.site.get() {
            return Ok(site);
        }
        // The folder of this run is its owner's alone; PostgreSQL may run as another user, who must get to its own.
        let beside = self.dir().parent().unwrap_or(self.dir());
        let site = Site::open(&self.program, self.dir(), beside)?;
        Ok(self.site.get_or_init(|| site))
    }

    /// The data folder of the server of that name.
    pub(crate) fn data_dir(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// How long to warm up.
    pub(crate) fn warm_up(&self) -> Duration {
        WARM_UP.min(self.lasts)
    }

    /// The numbers of the rounds, each said aloud as it begins: a run takes minutes.
    pub(crate) fn rounds(&self, work: &'static str) -> impl Iterator<Item = usize> {
        let all = self.rounds;
        (1..=all).inspect(move |round| eprintln!("{work}: round {round} of {all}"))
    }
}

//! The cluster that all measurements on PostgreSQL of one run share, with its databases and the nodes on them.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::ceilings::pgbench::Pgbench;
use crate::postgres::cluster::Postgres;
use crate::postgres::population::{HELD, Others, Population};
use crate::server::Server;

/// Users, and sign-ins, where nothing else is said.
pub(crate) const MANY: usize = 1_000_000;
/// Users, and sign-ins, of a small service.
pub(crate) const FEW: usize = 1_000;
const _: () = assert!(HELD < FEW);

/// A copy of the million, file by file: the same rows, the same indexes, the same statistics.
const TWIN: &str = "twin";
/// One whose sign-ins are over.
pub(crate) const SWEPT: &str = "swept";

/// The cluster with what is prepared on it, each when it is first needed.
pub(crate) struct Site {
    /// The cluster.
    pub(crate) postgres: Postgres,
    program: PathBuf,
    dir: PathBuf,
    many: OnceCell<Population>,
    few: OnceCell<Population>,
    twin: OnceCell<()>,
}

impl Site {
    /// Starts the cluster with its folder in `parent`; the nodes have theirs in `dir`.
    ///
    /// # Errors
    /// When PostgreSQL is not installed.
    pub(crate) fn open(program: &Path, dir: &Path, parent: &Path) -> Outcome<Self> {
        let postgres = Postgres::start(parent)?;
        let mut key = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut key)?;
        let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(dir.join("secret_key"), key)?;
        let (many, few, twin) = Default::default();
        Ok(Self { postgres, program: program.to_owned(), dir: dir.to_owned(), many, few, twin })
    }

    /// A million users, each signed in.
    ///
    /// # Errors
    /// As [`Population::settle`].
    pub(crate) fn many(&self) -> Outcome<&Population> {
        self.populated(&self.many, "million", MANY)
    }

    /// A thousand users, each signed in.
    ///
    /// # Errors
    /// As [`Population::settle`].
    pub(crate) fn few(&self) -> Outcome<&Population> {
        self.populated(&self.few, "thousand", FEW)
    }

    fn populated<'s>(
        &self,
        cell: &'s OnceCell<Population>,
        name: &'static str,
        rows: usize,
    ) -> Outcome<&'s Population> {
        if cell.get().is_none() {
            let start = || self.start("preparing", name);
            let population = Population::settle(&self.postgres, name, rows, start)?;
            return Ok(cell.get_or_init(|| population));
        }
        cell.get().ok_or_else(|| "no population".into())
    }

    /// `pgbench` on a twin of the million. Copying asks that no node runs on the original.
    ///
    /// # Errors
    /// When the database can't be copied.
    pub(crate) fn pgbench(&self) -> Outcome<Pgbench<'_>> {
        let many = self.many()?;
        if self.twin.get().is_none() {
            let copy = format!("CREATE DATABASE {TWIN} TEMPLATE {}", many.database);
            self.postgres.run("postgres", &copy)?;
            self.postgres.run(TWIN, "VACUUM (ANALYZE); CHECKPOINT")?;
            self.twin.get_or_init(|| ());
        }
        Ok(Pgbench::on(&self.postgres, TWIN, many.others))
    }

    /// A node on a population. All nodes share one key, so that any serves the tokens of any other.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn node(&self, name: &str, population: &Population) -> Outcome<Server> {
        self.start(name, population.database)
    }

    /// A copy of the million in which every sign-in is over since years but those that clients hold, with a node that
    /// sweeps it and one that doesn't. Copying asks that no node runs on the original.
    ///
    /// # Errors
    /// When the database can't be copied, or as [`Server::start`].
    pub(crate) fn swept(&self, words: [&[&str]; 2]) -> Outcome<[Server; 2]> {
        let many = self.many()?;
        let Others { base, step, .. } = many.others;
        self.postgres.run("postgres", &format!("CREATE DATABASE {SWEPT} TEMPLATE {}", many.database))?;
        let over = format!(
            "UPDATE sign_ins SET expires_at = 0, ends_at = 0, sweep_day = 0
             WHERE (id - {base}) % {step} = 0 AND current_hash = sha256(int8send((id - {base}) / {step}));
             VACUUM (ANALYZE) sign_ins;
             CHECKPOINT;"
        );
        self.postgres.run(SWEPT, &over)?;
        let [first, second] = words;
        Ok([self.start_with("first", SWEPT, first)?, self.start_with("second", SWEPT, second)?])
    }

    fn start(&self, name: &str, database: &str) -> Outcome<Server> {
        self.start_with(name, database, &[])
    }

    fn start_with(&self, name: &str, database: &str, more: &[&str]) -> Outcome<Server> {
        let (url, key) = (self.postgres.url(database), self.dir.join("secret_key"));
        // Access tokens are got once, and must last a long run.
        let mut words: Vec<&OsStr> = vec![
            "--database-url".as_ref(),
            url.as_ref(),
            "--public-url".as_ref(),
            "http://localhost:8000".as_ref(),
            "--secret-key-file".as_ref(),
            key.as_ref(),
            "--access-token-minutes".as_ref(),
            "1440".as_ref(),
        ];
        words.extend(more.iter().map(OsStr::new));
        Server::start_with(&self.program, &self.dir.join(format!("{database}-{name}")), &words)
    }
}

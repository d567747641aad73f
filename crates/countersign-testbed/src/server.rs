//! The process of one PostgreSQL server: started, stopped, started again.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::Config;

use crate::guardian::Guardian;
use crate::wait::poll;
use crate::{installation, query};

/// How a server is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It takes no new connections, and waits until the present ones are closed by their clients.
    Smart,
    /// It ends the present connections, and writes down what is in memory.
    Fast,
    /// It drops everything, as at a loss of power, and recovers at the next start.
    Immediate,
}

impl Stop {
    fn signal(self) -> Signal {
        match self {
            Self::Smart => Signal::TERM,
            Self::Fast => Signal::INT,
            Self::Immediate => Signal::QUIT,
        }
    }
}

/// A server with its folder. Dropped, both are gone.
pub(crate) struct Server {
    process: Mutex<Option<Child>>,
    port: u16,
    guardian: Guardian,
    /// As given when it was made; a standby needs the same.
    settings: Vec<(String, String)>,
}

/// Where the settings of the testbed stand; a copy of the cluster has others.
const SETTINGS: &str = "testbed.conf";

impl Server {
    /// A new cluster, started with these settings.
    pub(crate) fn create(parent: &Path, settings: &[(&str, &str)]) -> Self {
        let mut server = Self::empty(parent, settings);
        let mut initdb = server.program("initdb");
        initdb.args(["--username=countersign", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        server.run(initdb.arg("--pgdata").arg(server.data()));
        let mut conf = OpenOptions::new().append(true).open(server.data().join("postgresql.conf")).unwrap();
        std::io::Write::write_all(&mut conf, format!("include = '{SETTINGS}'\n").as_bytes()).unwrap();
        server.start_on_a_free_port();
        server
    }

    /// A standby that streams what the primary writes.
    pub(crate) fn standby_of(primary: &Self) -> Self {
        let settings: Vec<(&str, &str)> =
            primary.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut server = Self::empty(&std::env::temp_dir(), &settings);
        let mut copy = server.program("pg_basebackup");
        copy.args(["--username=countersign", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]);
        copy.arg("--host").arg(primary.folder()).arg("--port").arg(primary.port.to_string());
        server.run(copy.arg("--pgdata").arg(server.data()));
        server.start_on_a_free_port();
        server
    }

    fn empty(parent: &Path, settings: &[(&str, &str)]) -> Self {
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { process: Mutex::new(None), port: 0, guardian: Guardian::new(parent), settings }
    }

    /// Starts it for the first time. Between the choice of a port and its use somebody else may take it.
    fn start_on_a_free_port(&mut self) {
        for _ in 0..5 {
            self.port = free_port();
            self.write_settings();
            match self.try_start() {
                Ok(()) => return,
                Err(log) if log.contains("Address already in use") => {
                    std::fs::remove_file(self.log_path()).unwrap();
                }
                Err(log) => panic!("PostgreSQL did not start:\n{log}"),
            }
        }
        panic!("no port stayed free for PostgreSQL");
    }

    fn write_settings(&self) {
        let port = self.port.to_string();
        let folder = self.folder().to_str().expect("a temporary folder whose name is UTF-8");
        let own = [("listen_addresses", "127.0.0.1"), ("port", &port), ("unix_socket_directories", folder)];
        let mut text = String::new();
        let given = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.into_iter().chain(given) {
            writeln!(text, "{name} = '{}'", value.replace('\'', "''")).unwrap();
        }
        let path = self.data().join(SETTINGS);
        std::fs::write(&path, text).unwrap();
        installation::give_away(&path);
    }

    /// Starts it and waits until it answers; otherwise gives what it wrote to its log.
    pub(crate) fn try_start(&self) -> Result<(), String> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(process.is_none(), "the server runs already");
        let log = self.log_file();
        let mut postgres = self.program("postgres");
        postgres.arg("-D").arg(self.data()).stderr(log.try_clone().unwrap()).stdout(log);
        let mut running = postgres.spawn().expect("the program postgres");
        let answers = poll(|| {
            if running.try_wait().unwrap().is_some() {
                return Some(false);
            }
            query::ask(&self.config("postgres"), "SELECT 1").is_ok().then_some(true)
        });
        if answers == Some(true) {
            *process = Some(running);
            return Ok(());
        }
        // Where it has ended by itself, there is nothing to kill.
        let _ = running.kill();
        let _ = running.wait();
        Err(self.log())
    }

    /// Stops it and waits until it has ended. One that is stopped already stays so.
    pub(crate) fn stop(&self, how: Stop) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = process.as_mut() else { return };
        kill_process(Pid::from_child(running), how.signal()).expect("a signal to our own child");
        let ended: Option<ExitStatus> = poll(|| running.try_wait().unwrap());
        assert!(ended.is_some(), "PostgreSQL did not stop ({how:?}):\n{}", self.log());
        *process = None;
    }

    /// Runs one of the server's programs to its end, which must be a good one.
    pub(crate) fn run(&self, program: &mut std::process::Command) {
        let log = self.log_file();
        program.stderr(log.try_clone().unwrap()).stdout(log);
        let status = program.status().unwrap_or_else(|error| panic!("{program:?}: {error}"));
        assert!(status.success(), "{program:?}: {status}\n{}", self.log());
    }

    pub(crate) fn program(&self, name: &str) -> std::process::Command {
        installation::program(name, self.folder())
    }

    /// The superuser's way to a database, through the socket in the folder.
    pub(crate) fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(self.folder()).port(self.port).user("countersign").dbname(database);
        config
    }

    /// The process id, while it runs.
    pub(crate) fn process_id(&self) -> Option<u32> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Child::id)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn folder(&self) -> &Path {
        self.guardian.folder()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// What PostgreSQL wrote since the folder was made.
    pub(crate) fn log(&self) -> String {
        std::fs::read(self.log_path())
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder().join("log")
    }

    fn log_file(&self) -> File {
        OpenOptions::new().create(true).append(true).open(self.log_path()).expect("a file for the log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(Stop::Immediate);
    }
}

/// A port below those that systems lend to outgoing connections: one of these would take it while a server is stopped.
pub fn free_port() -> u16 {
    let drawn = std::iter::from_fn(|| getrandom::u32().ok());
    let mut ports = drawn.map(|number| 12_000 + u16::try_from(number % 20_000).expect("a small number"));
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    ports.by_ref().take(1_000).find(is_free).expect("a free port")
}

//! The real program, started as an operator would start it, in a folder of its own.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Outcome;
use crate::wire::parse_head;

/// A program that has not answered by then will not.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long an orderly end may take.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// Between two looks at a starting or ending program: a small part of the least time that is measured.
const GLANCE: Duration = Duration::from_micros(200);

/// A running server, killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From the moment before the process was made to its first `200`.
    pub(crate) started_in: Duration,
}

impl Server {
    /// Starts `program` on the data in `data_dir`, and waits until it lives. Its log goes to a file beside that folder.
    ///
    /// # Errors
    /// When the program can't be run, ends, or does not answer.
    pub(crate) fn start(program: &Path, data_dir: &Path) -> Outcome<Self> {
        Self::start_with(program, data_dir, &[])
    }

    /// As [`Server::start`], with more said on its command line.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn start_with(program: &Path, data_dir: &Path, words: &[&OsStr]) -> Outcome<Self> {
        let address = free_address()?;
        let log_path = data_dir.with_extension("log");
        let log = File::create(&log_path)?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--listen").arg(address.to_string()).arg("--data-dir").arg(data_dir);
        if !words.contains(&OsStr::new("--rate-limit")) {
            command.args(["--rate-limit", "off"]);
        }
        command.args(words);
        // No file and no variable of whoever measures may change what is measured.
        command.current_dir(data_dir.parent().unwrap_or(data_dir));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COUNTERSIGN_") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let begun = Instant::now();
        let child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
        let mut server = Self { child, address, started_in: Duration::ZERO };
        while !lives(address) {
            let ended = server.child.try_wait()?;
            if ended.is_some() || begun.elapsed() > START_LIMIT {
                return Err(explain("the server did not start", ended, &log_path).into());
            }
            std::thread::sleep(GLANCE);
        }
        server.started_in = begun.elapsed();
        Ok(server)
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Takes the processor away from the program, until it may go on.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn stand_still(&self) -> Outcome<()> {
        self.signal(Signal::STOP)
    }

    /// Gives it back.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn go_on(&self) -> Outcome<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Outcome<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).ok_or("a process without an id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Asks the program to end, and waits for it.
    ///
    /// # Errors
    /// When it does not end, or ends with a failure.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        self.signal(Signal::TERM)?;
        let asked = Instant::now();
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("the server ended with {status}").into()),
                None if asked.elapsed() > STOP_LIMIT => return Err("the server does not end".into()),
                None => std::thread::sleep(GLANCE),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error here means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn explain(what: &str, ended: Option<ExitStatus>, log: &Path) -> String {
    let how = ended.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let said = std::fs::read_to_string(log).unwrap_or_default();
    format!("{what} ({how}); it said:\n{said}")
}

/// A port that nobody listens on now.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn lives(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Ok(matches!(parse_head(&bytes), Ok(Some(head)) if head.status == 200))
    };
    ask().unwrap_or(false)
}

/// The program to measure: the one named, or the workspace's own, built anew so that no stale one is measured.
///
/// # Errors
/// When the build fails.
pub(crate) fn program(named: Option<&Path>) -> Outcome<PathBuf> {
    if let Some(path) = named {
        return Ok(path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?);
    }
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = bench.parent().unwrap_or(bench);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--package", "countersign-server"])
        .current_dir(root)
        .status()?;
    if !built.success() {
        return Err("the server could not be built".into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(root.join(target).join("release").join("countersign"))
}

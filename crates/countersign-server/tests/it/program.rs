//! The actors: an operator with a folder of their own, and a service that runs there.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tempfile::TempDir;

/// Long enough for a machine that is busy with other tests; nothing waits so long but a failing test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An operator, in an empty folder and with an empty environment.
pub(crate) struct Operator {
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Operator {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments).env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, &[], "")
    }

    /// Runs a command to its end, with these variables and this on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Ended {
        let mut command = self.command(arguments);
        command
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that refuses its arguments does not read.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Ended::from(child.wait_with_output().unwrap())
    }

    /// Starts the service on a free port.
    pub(crate) fn serve(&self) -> Service {
        self.serve_with(&[], &[])
    }

    pub(crate) fn serve_with(&self, flags: &[&str], variables: &[(&str, &str)]) -> Service {
        let mut command = self.command(&[&["serve", "--listen", "127.0.0.1:0"], flags].concat());
        command.envs(variables.iter().copied());
        Service::start(command)
    }

    /// What stands in the folder under this name, and who may see it.
    pub(crate) fn mode(&self, name: &str) -> u32 {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        Path::exists(&self.path(name))
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        // A process that a signal ended has no code.
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ended {
    /// The data that it printed.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }
}

/// A running service. It ends with its test.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The lines that greeted its operator.
    pub(crate) greeting: String,
    log: Receiver<String>,
    heard: Vec<String>,
}

impl Service {
    fn start(mut command: Command) -> Self {
        // Its own group, so that a signal to the tests is not one to it.
        let greeting = tempfile::tempfile().unwrap();
        command.process_group(0).stdout(greeting.try_clone().unwrap()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = lines_of(child.stderr.take().unwrap());
        let mut service = Self {
            child,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            greeting: String::new(),
            log,
            heard: Vec::new(),
        };
        let line = service.log_line("\"listening\"");
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        service.address = event["address"].as_str().unwrap().parse().unwrap();
        // What it says on standard output ends before it answers.
        let answer = service.get("/health/live");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        service.greeting = whole(&greeting);
        service
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line of the log that contains this.
    #[track_caller]
    pub(crate) fn log_line(&mut self, text: &str) -> String {
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with {text} in the log: {:#?}", self.heard),
            }
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits for its end; gives the exit code and the whole log.
    pub(crate) fn ended(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        self.heard.extend(self.log.iter());
        (code, self.heard.join("\n"))
    }

    pub(crate) fn stop(self) -> (i32, String) {
        self.signal(rustix::process::Signal::TERM);
        self.ended()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }

    pub(crate) fn post(&self, path: &str, body: &serde_json::Value) -> String {
        self.ask(&post(path, &body.to_string()))
    }

    /// Sends these bytes on a connection of their own and reads until it closes.
    pub(crate) fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        rest(&mut stream)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A whole request with a JSON body, after which the connection closes.
pub(crate) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

pub(crate) fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer is the end of it too.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// What stands in a file. It leaves the place alone where somebody else writes on.
fn whole(file: &File) -> String {
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    String::from_utf8(bytes).unwrap().trim_end().to_owned()
}

fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

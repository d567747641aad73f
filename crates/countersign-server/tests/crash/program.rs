//! The real program on a folder that outlives it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running program. Dropped or killed, it ends at once, without a word.
pub struct Program {
    child: Child,
    address: String,
}

impl Program {
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    pub fn start_with(folder: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(flags);
        Self::run(command, folder)
    }

    /// Starts the program as this command does, which may be one that watches it.
    pub fn run(mut command: Command, folder: &Path) -> Self {
        command.args(["serve", "--listen", "127.0.0.1:0", "--public-url", "http://localhost:8000"]);
        command.args(["--data-dir", "data", "--rate-limit", "off", "--log-format", "json"]);
        // The settings of this test are none of the program's: it refuses those that it does not know.
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = loop {
            let Some(Ok(line)) = lines.next() else { panic!("the program did not start: {said:#?}") };
            if line.contains("\"listening\"") {
                break address_in(&line);
            }
            said.push(line);
        };
        // Somebody has to read on, else the program would wait for room in the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it has ended by itself.
    pub fn ended(mut self) {
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

fn address_in(line: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    event["address"].as_str().unwrap().to_owned()
}

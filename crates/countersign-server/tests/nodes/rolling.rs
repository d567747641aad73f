//! The script of docs/how-to/many-nodes.md, as it stands: two nodes behind nginx, restarted one after the other while
//! clients work. Whatever fails on the way is healed by asking once more.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use countersign_testbed::{binaries_or_skip, free_port};
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinSet;

use crate::checker::witness::{Held, Reply, Witness};
use crate::checker::{Heard, Log, Why};
use crate::site::{PASSWORD, found_or_skip};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/how-to/many-nodes/run.sh");
const CLIENTS: usize = 12;
/// How often a client asks again before it gives up, as a patient page does.
const TRIES: u64 = 10;
/// Far longer than anything takes that the script does; whoever waits for ever tells nobody what went wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// The script, running. Dropped, it ends all that it has started.
struct Example {
    script: Child,
    lines: Receiver<String>,
    said: Vec<String>,
    front: u16,
}

impl Example {
    fn start() -> Self {
        let ports = std::array::from_fn::<u16, 4, _>(|_| free_port());
        // Where this process is killed, the script ends too.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "bash", SCRIPT]).stdin(Stdio::null()).stdout(Stdio::piped());
        command.env("PROGRAM", env!("CARGO_BIN_EXE_countersign")).env("COUNTERSIGN_RATE_LIMIT", "off");
        for (name, port) in ["FRONT_PORT", "NODE_1_PORT", "NODE_2_PORT", "DATABASE_PORT"].iter().zip(ports) {
            command.env(name, port.to_string());
        }
        let mut script = command.spawn().unwrap();
        let (say, lines) = channel();
        let stdout = BufReader::new(script.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
        let mut example = Self { script, lines, said: Vec::new(), front: ports[0] };
        example.says("Ctrl-C ends all");
        example
    }

    /// Waits for a line with this text.
    #[track_caller]
    fn says(&mut self, text: &str) {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return self.said.push(line),
                Ok(line) => self.said.push(line),
                Err(why) => panic!("{why}: {text:?} was not said.{}", self.report()),
            }
        }
    }

    /// What the script has said, and the ends of the logs that it speaks of.
    fn report(&self) -> String {
        let mut report = format!("\n{}\n", self.said.join("\n"));
        let room = self.said.iter().find_map(|line| line.strip_prefix("Logs are in ")?.split(". ").next());
        for name in ["node-1.log", "node-2.log", "nginx.log", "postgresql.log"] {
            let log = room.and_then(|room| std::fs::read_to_string(Path::new(room).join(name)).ok());
            let lines: Vec<&str> = log.as_deref().unwrap_or_default().lines().collect();
            let end = lines.get(lines.len().saturating_sub(5)..).unwrap_or_default();
            report.push_str(&format!("--- the end of {name}\n{}\n", end.join("\n")));
        }
        report
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.script), signal).unwrap();
    }

    fn witness(&self, log: &Arc<Log>) -> Witness {
        Witness::new(format!("http://127.0.0.1:{}", self.front), Arc::clone(log))
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        // It holds its end of the pipe for as long as it lives.
        while self.lines.recv_timeout(PATIENCE).is_ok() {}
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// How often somebody had to ask again.
#[derive(Default)]
struct Healed {
    refreshes: AtomicUsize,
    others: AtomicUsize,
}

/// Asks again where no answer came, or none from a node: after a moment, or when the answer says.
async fn healed<F: Future<Output = Reply>>(count: &AtomicUsize, ask: impl Fn() -> F) -> Reply {
    for pause in 0..TRIES {
        let reply = ask().await;
        if !matches!(reply.status, 0 | 500..) {
            return reply;
        }
        count.fetch_add(1, Ordering::Relaxed);
        let pause = Duration::from_millis(50 * (pause + 1));
        tokio::time::sleep(reply.retry_after.map_or(pause, Duration::from_secs)).await;
    }
    panic!("no answer after {TRIES} tries");
}

async fn works(witness: &Witness, name: &str, healed_by: &Healed, stop: &AtomicBool) -> Held {
    let ask = |count| {
        move |held: Held, key: String| async move {
            healed(count, || witness.refresh(&held.refresh, Some(&key))).await
        }
    };
    let refresh = ask(&healed_by.refreshes);
    healed(&healed_by.others, || witness.sign_up(name, PASSWORD)).await;
    let signed_in = healed(&healed_by.others, || witness.sign_in(name, PASSWORD)).await;
    let mut held = signed_in.held.expect("signed in");
    for number in 0_u128.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("{name:0>8}{number:032x}");
        let reply = refresh(held, key).await;
        held = reply.held.clone().unwrap_or_else(|| panic!("{name}, refresh {number}: {reply:?}"));
        for _ in 0..3 {
            let me = healed(&healed_by.others, || witness.me(&held)).await;
            assert_eq!(me.status, 200, "{name}, after refresh {number}: {me:?}");
        }
    }
    held
}

fn nginx() -> Option<PathBuf> {
    let places = std::env::var_os("PATH")?;
    let mut places: Vec<PathBuf> = std::env::split_paths(&places).collect();
    places.push(Path::new("/usr/sbin").to_owned());
    let found = places.into_iter().map(|place| place.join("nginx")).find(|program| program.exists());
    assert!(
        found.is_some() || std::env::var_os("CI").is_none(),
        "there is no nginx: apt-get install nginx-light"
    );
    found
}

// SEC-43, SEC-48
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarting_one_node_after_the_other_costs_nobody_anything() {
    if !binaries_or_skip() || !found_or_skip(nginx().as_deref(), "nginx", "nginx-light") {
        return;
    }
    let mut example = Example::start();
    let (log, healed_by) = (Arc::new(Log::default()), Arc::new(Healed::default()));
    let (witness, stop) = (example.witness(&log), Arc::new(AtomicBool::new(false)));
    let mut working = JoinSet::new();
    for number in 0..CLIENTS {
        let (witness, healed_by, stop) = (witness.clone(), Arc::clone(&healed_by), Arc::clone(&stop));
        working.spawn(async move {
            let name = format!("client-{number}");
            works(&witness, &name, &healed_by, &stop).await
        });
    }
    // This thread waits; the clients work on those of the runtime.
    for _ in 0..2 {
        example.signal(Signal::USR1);
        example.says("node-1 has been restarted");
        example.says("node-2 has been restarted");
    }
    stop.store(true, Ordering::Relaxed);
    for held in working.join_all().await {
        assert_eq!(witness.me(&held).await.status, 200, "a sign-in was lost");
        assert_eq!(witness.refresh(&held.refresh, None).await.status, 200, "a sign-in was lost");
    }
    drop(example);
    judge(&log, &healed_by);
}

fn judge(log: &Log, healed_by: &Healed) {
    let events = log.events();
    println!(
        "{} requests, asked again: {} refreshes, {} others",
        events.len(),
        healed_by.refreshes.load(Ordering::Relaxed),
        healed_by.others.load(Ordering::Relaxed)
    );
    log.assert_lawful("after restarting both nodes twice");
    let theft = events.iter().find(|event| matches!(event.heard, Heard::Refused(Why::Reused | Why::Revoked)));
    assert_eq!(theft, None, "a restart is no theft");
    assert!(events.len() > 100 * CLIENTS, "only {} requests", events.len());
}

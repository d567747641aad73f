//! `kill -9` keeps the page cache, so it says nothing of a power cut. What does: each answered commit cost an fsync.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::checker::Log;
use crate::checker::witness::Witness;
use crate::program::Program;

const REFRESHES: usize = 40;
const PASSWORD: &str = "correct horse battery";

/// Runs the program under `strace`, does the work, ends it in good order and counts what it synchronised.
async fn fsyncs(folder: &Path, refreshes: usize, token: &mut String) -> usize {
    let trace = folder.join("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-e", "trace=fsync,fdatasync", "-o"]).arg(&trace);
    command.arg(env!("CARGO_BIN_EXE_countersign"));
    let program = Program::run(command, folder);
    let witness = Witness::new(program.base(), Arc::new(Log::default()));
    for _ in 0..refreshes {
        let reply = witness.refresh(token, None).await;
        *token = reply.held.expect("the current token is spent").refresh;
    }
    let watched = format!("/proc/{0}/task/{0}/children", program.id());
    let child: i32 = std::fs::read_to_string(watched).unwrap().trim().parse().unwrap();
    let child = rustix::process::Pid::from_raw(child).unwrap();
    rustix::process::kill_process(child, rustix::process::Signal::TERM).unwrap();
    program.ended();
    let trace = std::fs::read_to_string(trace).unwrap();
    trace.lines().filter(|line| line.contains("sync(")).count()
}

fn can_trace() -> bool {
    let mut command = Command::new("strace");
    command.args(["-f", "-e", "trace=fsync", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

// SEC-103
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_lone_refresh_that_is_answered_has_been_synchronised() {
    if !can_trace() {
        println!(
            "SKIPPED: fsyncs are not counted, because strace is missing or may not trace; install strace"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    let witness = Witness::new(program.base(), Arc::new(Log::default()));
    assert_eq!(witness.sign_up("ada", PASSWORD).await.status, 201);
    let mut token = witness.sign_in("ada", PASSWORD).await.held.expect("signed in").refresh;
    drop(program);
    let idle = fsyncs(folder.path(), 0, &mut token).await;
    let busy = fsyncs(folder.path(), REFRESHES, &mut token).await;
    println!("{REFRESHES} refreshes: {busy} fsyncs, {idle} without them");
    assert!(busy >= idle + REFRESHES, "{REFRESHES} refreshes cost {busy} fsyncs, none costs {idle}");
}

//! One lane: a thread that does one job after the other and lives through their panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::sync::oneshot;

use super::bench::Bench;
use super::queue::{Next, Queue, Task};
use crate::error::{Error, Internal, Result};

/// How far below the HTTP threads the lanes stand: they get what these leave, and all of it when these sleep.
#[cfg(target_os = "linux")]
const STEPS_BELOW: i32 = 10;
/// The kernel knows no lower priority.
#[cfg(target_os = "linux")]
const LOWEST: i32 = 19;

/// A task with somebody who waits for its answer.
pub(super) struct Asked<T, F> {
    pub(super) answer: oneshot::Sender<Result<T>>,
    pub(super) task: F,
}

impl<T: Send, F: FnOnce(&mut Bench) -> Result<T> + Send> Task for Asked<T, F> {
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn run(self: Box<Self>, bench: &mut Bench) {
        let Self { answer, task } = *self;
        let result = catch_unwind(AssertUnwindSafe(|| task(bench))).unwrap_or_else(|_| {
            bench.replace_engine();
            Err(Error::Fault(Internal::new("a hash job panicked")))
        });
        // Books first: whoever gets the answer may look at them.
        bench.tidy();
        let _ = answer.send(result);
    }
}

/// A lane's life.
pub(super) fn run(queue: &Queue, mut bench: Bench, give_back_after: Duration) {
    lower_priority();
    loop {
        let patience = bench.holds_memory().then_some(give_back_after);
        match queue.next(patience) {
            Next::Run(job) => {
                job.task.run(&mut bench);
                queue.done(job.work);
            }
            Next::Rest => bench.release(),
            Next::Stop => return bench.release(),
        }
    }
}

/// On Linux niceness belongs to the thread; elsewhere it would slow the whole process.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        // Whoever started the service may have given all of it a low priority.
        let lowered = getpriority_process(None)
            .and_then(|nice| setpriority_process(None, nice.saturating_add(STEPS_BELOW).min(LOWEST)));
        if let Err(error) = lowered {
            tracing::warn!(%error, "the hash lanes could not lower their priority");
        }
    }
}

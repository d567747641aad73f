//! The writer thread: it takes what is queued, runs each job in a savepoint, commits once, and only then answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::oneshot;

use super::figures::Figures;
use super::{Connection, straight_through};
use crate::error::{Error, Internal, Result};
use crate::store::spend::{SPEND, spent};
use crate::store::{Spend, Spent, Steps, Tx};

/// At the measured rate of the slowest disk in mind, this is a second of work.
const QUEUE: usize = 4_096;
/// More than this shares no more of the fsync worth having, and makes the first of the batch wait.
const BATCH: usize = 256;

pub(super) struct Writer {
    queue: SyncSender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
    figures: Figures,
}

enum Message {
    Job(Box<dyn Job>),
    Stop,
}

/// One transaction on its way through a batch.
trait Job: Send {
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// Runs the steps and keeps the outcome. `false`: what the job wrote has to be undone.
    fn run(&mut self, connection: &mut Connection) -> bool;
    /// Whether the job can leave half a write behind, and so needs a savepoint.
    fn needs_savepoint(&self) -> bool;
    /// Tells the caller, now that the batch is durable or lost.
    fn answer(self: Box<Self>, batch: std::result::Result<(), &str>);
}

impl Writer {
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let figures = Figures::default();
        let told = figures.clone();
        let thread = std::thread::Builder::new().name("store-writer".into());
        let thread = thread.spawn(move || work(connection, &jobs, &told))?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)), figures })
    }

    pub(super) async fn write<I, T>(&self, input: I, steps: Steps<I, T>) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Box::new(Transaction { input, steps, outcome: None, reply }))?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    pub(super) async fn spend(&self, spend: Spend) -> Result<Option<Spent>> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Box::new(Spending { spend, outcome: None, reply }))?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    fn enqueue(&self, job: Box<dyn Job>) -> Result<()> {
        self.figures.waiting.inc();
        self.queue.try_send(Message::Job(job)).map_err(|refused| {
            self.figures.waiting.dec();
            match refused {
                TrySendError::Full(_) => Error::Unavailable(Internal::new("the store's queue is full")),
                TrySendError::Disconnected(_) => closed(),
            }
        })
    }

    pub(super) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Answers what is queued and ends the thread.
    pub(super) fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A failed send means that the thread has ended already, which is what is wanted.
            let _ = self.queue.send(Message::Stop);
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn closed() -> Error {
    Error::Unavailable(Internal::new("the store is closed"))
}

fn work(mut connection: Connection, queue: &Receiver<Message>, figures: &Figures) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(Message::Job(first)) = queue.recv() {
        batch.push(first);
        let stopping = gather(queue, &mut batch);
        figures.waiting.dec_by(batch.len() as i64);
        batch.retain(|job| !job.is_abandoned());
        if !batch.is_empty() {
            let committed = run_batch(&mut connection, &mut batch, figures);
            figures.ended(batch.len(), committed.is_ok());
            settle(&mut batch, committed.as_ref().copied().map_err(describe));
        }
        if stopping {
            return;
        }
    }
}

/// Takes what is queued at this moment and waits for no more. `true`: the thread was asked to stop.
fn gather(queue: &Receiver<Message>, batch: &mut Vec<Box<dyn Job>>) -> bool {
    while batch.len() < BATCH {
        match queue.try_recv() {
            Ok(Message::Job(job)) => batch.push(job),
            Ok(Message::Stop) => return true,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return false,
        }
    }
    false
}

fn run_batch(connection: &mut Connection, batch: &mut [Box<dyn Job>], figures: &Figures) -> Result<()> {
    connection.batch("BEGIN IMMEDIATE")?;
    let outcome = run_jobs(connection, batch).and_then(|()| commit(connection, figures));
    if outcome.is_err() && !connection.is_idle() {
        // The transaction is lost either way; if even this fails, the next BEGIN will say so.
        let _ = connection.batch("ROLLBACK");
    }
    outcome
}

fn commit(connection: &mut Connection, figures: &Figures) -> Result<()> {
    let begun = Instant::now();
    let outcome = connection.batch("COMMIT");
    figures.commits.took(begun.elapsed());
    outcome
}

fn run_jobs(connection: &mut Connection, batch: &mut [Box<dyn Job>]) -> Result<()> {
    for job in batch {
        let guarded = job.needs_savepoint();
        if guarded {
            connection.batch("SAVEPOINT job")?;
        }
        let keep = job.run(connection);
        if connection.is_idle() {
            return Err(Error::Unavailable(Internal::new("SQLite gave up the transaction")));
        }
        if guarded {
            connection.batch(if keep { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" })?;
        }
    }
    Ok(())
}

fn settle(batch: &mut Vec<Box<dyn Job>>, committed: std::result::Result<(), &str>) {
    for job in batch.drain(..) {
        job.answer(committed);
    }
}

fn describe(error: &Error) -> &str {
    match error {
        Error::Unavailable(internal) | Error::Fault(internal) => internal.for_the_log(),
        _ => "the batch was refused",
    }
}

/// The outcome that the caller learns: its own, unless the batch was lost.
fn final_outcome<T>(outcome: Option<Result<T>>, batch: std::result::Result<(), &str>) -> Result<T> {
    match (batch, outcome) {
        (Ok(()), Some(outcome)) => outcome,
        (Ok(()), None) => Err(Error::Fault(Internal::new("a job was committed without having run"))),
        (Err(why), _) => Err(Error::Unavailable(Internal::new(why))),
    }
}

struct Transaction<I, T> {
    input: I,
    steps: Steps<I, T>,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<I: Send + Sync, T: Send> Job for Transaction<I, T> {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, connection: &mut Connection) -> bool {
        let steps =
            AssertUnwindSafe(|| straight_through((self.steps)(&mut Tx::of_sqlite(connection), &self.input)));
        let outcome = catch_unwind(steps)
            .unwrap_or_else(|_| Err(Error::Fault(Internal::new("a transaction panicked and was undone"))));
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn needs_savepoint(&self) -> bool {
        true
    }

    fn answer(self: Box<Self>, batch: std::result::Result<(), &str>) {
        let _ = self.reply.send(final_outcome(self.outcome, batch));
    }
}

struct Spending {
    spend: Spend,
    outcome: Option<Result<Option<Spent>>>,
    reply: oneshot::Sender<Result<Option<Spent>>>,
}

impl Job for Spending {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, connection: &mut Connection) -> bool {
        let stamp = self.spend.stamp();
        let outcome = connection.one(SPEND, &self.spend.values(&stamp), spent);
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    /// One statement undoes itself.
    fn needs_savepoint(&self) -> bool {
        false
    }

    fn answer(self: Box<Self>, batch: std::result::Result<(), &str>) {
        let _ = self.reply.send(final_outcome(self.outcome, batch));
    }
}

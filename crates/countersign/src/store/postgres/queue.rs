//! The batcher: questions that wait together travel together. A lone question leaves at once. Those that come while a batch
//! is on its way wait for its return, and travel together then: two half batches cost the database more than a whole one.
//! Where the batch takes its time (the database is far away, or somebody holds a lock) another connection takes over.

use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use super::closed;
use super::figures::Figures;
use crate::error::{Error, Internal, Result};

/// A second of work, at the rate of a slow network.
const WAITING: usize = 4_096;
/// More than this shares no more of the way worth having, and makes the first of the batch wait.
const BATCH: usize = 256;

/// For how long the return of a batch is worth waiting for. A commit on a usual disk takes less.
const PATIENCE: Duration = Duration::from_millis(3);

pub(super) struct Queue<Q, A> {
    /// `None` once it is closed.
    entrance: RwLock<Option<mpsc::Sender<Entry<Q, A>>>>,
    figures: Figures,
}

struct Entry<Q, A> {
    question: Q,
    reply: oneshot::Sender<Result<A>>,
}

/// Answers a batch: as many answers as questions, in their order.
pub(super) trait Worker<Q, A>: Send + 'static {
    fn answer(&mut self, batch: &[Q]) -> impl Future<Output = Vec<Result<A>>> + Send;
}

impl<Q: Send + Sync + 'static, A: Send + 'static> Queue<Q, A> {
    pub(super) fn start<W: Worker<Q, A>>(workers: u32, worker: impl Fn() -> W) -> Self {
        let (entrance, entries) = mpsc::channel(WAITING);
        let entries = Arc::new(Mutex::new(entries));
        let figures = Figures::default();
        for _ in 0..workers {
            tokio::spawn(work(worker(), Arc::clone(&entries), figures.clone()));
        }
        Self { entrance: RwLock::new(Some(entrance)), figures }
    }

    pub(super) async fn ask(&self, question: Q) -> Result<A> {
        let (reply, answer) = oneshot::channel();
        self.enter(Entry { question, reply })?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    fn enter(&self, entry: Entry<Q, A>) -> Result<()> {
        let entrance = self.entrance.read().unwrap_or_else(PoisonError::into_inner);
        let Some(entrance) = entrance.as_ref() else { return Err(closed()) };
        self.figures.waiting.inc();
        entrance.try_send(entry).map_err(|refused| {
            self.figures.waiting.dec();
            match refused {
                mpsc::error::TrySendError::Full(_) => {
                    Error::Unavailable(Internal::new("too many wait for the database"))
                }
                mpsc::error::TrySendError::Closed(_) => closed(),
            }
        })
    }

    pub(super) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// What has entered is answered.
    pub(super) fn close(&self) {
        self.entrance.write().unwrap_or_else(PoisonError::into_inner).take();
    }
}

async fn work<Q, A>(
    mut worker: impl Worker<Q, A>,
    entries: Arc<Mutex<mpsc::Receiver<Entry<Q, A>>>>,
    figures: Figures,
) {
    let mut batch = Vec::with_capacity(BATCH);
    // Whoever holds the entries takes the next batch.
    let mut held = None;
    loop {
        let mut turn = match held.take() {
            Some(turn) => turn,
            None => entries.lock().await,
        };
        if turn.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        figures.waiting.dec_by(batch.len() as i64);
        batch.retain(|entry| !entry.reply.is_closed());
        let (questions, replies): (Vec<Q>, Vec<_>) =
            batch.drain(..).map(|entry| (entry.question, entry.reply)).unzip();
        if questions.is_empty() {
            held = Some(turn);
            continue;
        }
        let begun = Instant::now();
        let mut answering = pin!(worker.answer(&questions));
        let answers = match timeout(PATIENCE, &mut answering).await {
            Ok(answers) => {
                held = Some(turn);
                answers
            }
            Err(_) => {
                drop(turn);
                answering.await
            }
        };
        figures.durations.took(begun.elapsed());
        figures.batches.observe(questions.len() as u64);
        for (reply, answer) in replies.into_iter().zip(answers) {
            // Whoever has gone away needs no answer.
            let _ = reply.send(answer);
        }
    }
}

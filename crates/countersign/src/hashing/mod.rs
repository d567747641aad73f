//! Hash lanes: passwords are hashed by as many threads as there are cores, behind a queue that refuses what it can't
//! do in time. A storm of sign-ins costs the sign-ins, never the other routes.

mod engine;
mod pace;
mod bench;
mod queue;
mod lane;
mod report;

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::{Error, Internal, Result};
use crate::password::{Params, Password, StoredHash, UnknownHash};
use bench::{Bench, raw_form};
use lane::Asked;
pub use queue::Counts;
pub(crate) use queue::subscriber;
use queue::{Job, Queue};

/// How many lanes, how costly the hashes, how long the queue.
#[derive(Debug, Clone)]
pub struct LaneConfig {
    /// Threads that hash, each with memory of its own; 0 counts as 1.
    pub lanes: usize,
    /// What new hashes cost.
    pub params: Params,
    /// A job that would wait longer is refused at once.
    pub max_wait: Duration,
    /// How long a lane without work keeps its memory.
    pub give_back_after: Duration,
}

impl Default for LaneConfig {
    fn default() -> Self {
        Self {
            lanes: thread::available_parallelism().map_or(1, usize::from),
            params: Params::default(),
            max_wait: Duration::from_secs(2),
            give_back_after: Duration::from_secs(5),
        }
    }
}

/// What came of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not this password, or no password at all.
    Wrong,
    /// This password.
    Right {
        /// Whether the hash should be replaced by [`HashLanes::upgrade`]'s.
        upgrade: bool,
    },
}

/// The lanes. Clones are handles to the same ones; they stop when the last handle is dropped.
#[derive(Clone)]
pub struct HashLanes(Arc<Handle>);

struct Handle {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    lanes: u32,
    params: Params,
    held: Arc<AtomicU64>,
}

impl HashLanes {
    /// Starts the threads. They take no memory before their first job.
    ///
    /// # Errors
    /// [`Error::Fault`] where the parameters are out of bounds, or the system gives no threads.
    pub fn start(config: LaneConfig) -> Result<Self> {
        let LaneConfig { lanes, params, max_wait, give_back_after } = config;
        if !params.are_bounded() {
            return Err(Error::Fault(Internal::new(format!("Argon2 parameters out of bounds: {params:?}"))));
        }
        let lanes = u32::try_from(lanes).unwrap_or(u32::MAX).max(1);
        let queue = Arc::new(Queue::new(lanes, max_wait));
        let held = Arc::new(AtomicU64::new(0));
        // From here on a failure drops the handle, and that stops what has started.
        let handle = Handle { queue, threads: Mutex::default(), lanes, params, held };
        for number in 0..lanes {
            let bench = Bench::new(params, Arc::clone(&handle.queue.pace), Arc::clone(&handle.held));
            let queue = Arc::clone(&handle.queue);
            let thread = thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || lane::run(&queue, bench, give_back_after))
                .map_err(|error| {
                    Error::Fault(Internal::new(format!("no thread for a hash lane: {error}")))
                })?;
            handle.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(Self(Arc::new(handle)))
    }

    /// Hashes a password at the current parameters; gives a PHC string.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at once where the queue is too long, [`Error::Unavailable`] once the lanes have stopped,
    /// [`Error::Fault`] where the memory is missing.
    pub async fn hash(&self, password: Password, from: Option<IpAddr>) -> Result<String> {
        self.hash_at(password, self.0.params, from).await
    }

    /// Hashes anew a password that [`HashLanes::verify`] found right but whose hash is outdated. As
    /// [`HashLanes::hash`], but never weaker than an imported hash was.
    ///
    /// # Errors
    /// As [`HashLanes::hash`].
    pub async fn upgrade(&self, password: Password, stored: &str, from: Option<IpAddr>) -> Result<String> {
        let current = self.0.params;
        let params = StoredHash::parse(stored).map_or(current, |stored| stored.params_for_upgrade(&current));
        self.hash_at(password, params, from).await
    }

    async fn hash_at(&self, password: Password, params: Params, from: Option<IpAddr>) -> Result<String> {
        self.ask(params.work(), from, move |bench| bench.hash(&password, params)).await
    }

    /// Compares a password with a stored hash. Without a password (one over the limit), without a hash (no such
    /// account, no password) or with one that is no hash, exactly one Argon2id hash at the current parameters is
    /// computed all the same, on the same way, and the verdict is [`Verdict::Wrong`] (SEC-10).
    ///
    /// # Errors
    /// As [`HashLanes::hash`].
    pub async fn verify(
        &self,
        password: Option<Password>,
        stored: Option<String>,
        from: Option<IpAddr>,
    ) -> Result<Verdict> {
        let stored = stored.as_deref().and_then(readable);
        let work = self.work_of(password.as_ref(), stored.as_ref());
        self.ask(work, from, move |bench| bench.verify(password.as_ref(), stored.as_ref())).await
    }

    fn work_of(&self, password: Option<&Password>, stored: Option<&StoredHash>) -> u64 {
        let (Some(password), Some(stored)) = (password, stored) else { return self.0.params.work() };
        let forms = if raw_form(password, stored, &self.0.params).is_some() { 2 } else { 1 };
        stored.work().saturating_mul(forms)
    }

    async fn ask<T, F>(&self, work: u64, from: Option<IpAddr>, task: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Bench) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let task = Box::new(Asked { answer, task });
        self.0.queue.admit(Job { work, from, since: Instant::now(), task })?;
        answered.await.unwrap_or_else(|_| Err(queue::stopped()))
    }

    /// Measures one hash, through the queue as any other job, and gives the memory back.
    /// The result is [`HashLanes::rate`]'s, for the log at start: "verifies N passwords/s".
    ///
    /// # Errors
    /// As [`HashLanes::hash`].
    pub async fn measure(&self) -> Result<f64> {
        self.ask(self.0.params.work().saturating_mul(2), None, Bench::measure).await?;
        Ok(self.rate())
    }

    /// How many passwords a second all lanes verify at the current parameters, by a running average; before the
    /// first hash a careful guess.
    #[must_use]
    pub fn rate(&self) -> f64 {
        f64::from(self.0.lanes)
            / self.0.queue.pace.time_for(self.0.params.work()).as_secs_f64().max(f64::EPSILON)
    }

    /// How many jobs wait.
    #[must_use]
    pub fn queue_depth(&self) -> usize {
        self.0.queue.depth()
    }

    /// How long a job that came now would wait.
    #[must_use]
    pub fn estimated_wait(&self) -> Duration {
        self.0.queue.estimated_wait()
    }

    /// How jobs fared since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.queue.counts()
    }

    /// The memory that the lanes hold now, in KiB.
    #[must_use]
    pub fn memory_kib(&self) -> u64 {
        self.0.held.load(Ordering::Relaxed)
    }

    /// How many threads hash.
    #[must_use]
    pub fn lanes(&self) -> u32 {
        self.0.lanes
    }

    /// What new hashes cost.
    #[must_use]
    pub fn params(&self) -> Params {
        self.0.params
    }

    /// Stops the lanes and waits for the hashes that are under way; what has not begun answers
    /// [`Error::Unavailable`]. Blocks for as long as one hash takes.
    pub fn shut_down(&self) {
        self.0.queue.close();
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a hash lane had panicked");
            }
        }
    }
}

impl fmt::Debug for HashLanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashLanes")
            .field("lanes", &self.0.lanes)
            .field("params", &self.0.params)
            .finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The stored text as a hash; what is none is worth a line in the log, but for accounts without a password.
fn readable(stored: &str) -> Option<StoredHash> {
    match StoredHash::parse(stored) {
        Ok(hash) => Some(hash),
        Err(UnknownHash::Unusable) => None,
        Err(reason) => {
            tracing::warn!(?reason, "a stored password hash can't be compared with: the sign-in fails");
            None
        }
    }
}

#[cfg(test)]
mod tests;

//! One lane: a thread with its own memory that does one job after the other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::Verdict;
use super::engine::{self, Engine, Recipe};
use super::queue::{Next, Queue, Task};
use crate::error::{Error, Internal, Result};
use crate::password::phc::Argon2Hash;
use crate::password::stored::new_hash;
use crate::password::{Params, Password, StoredHash};
use crate::secret::{equal, random_bytes};

/// How far below the HTTP threads the lanes stand: they get what these leave, and all of it when these sleep.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// What a job finds on its lane.
pub(super) struct Bench {
    engine: Box<dyn Engine>,
    /// The parameters of new hashes.
    current: Params,
    /// What is compared where there is nothing to compare: same shape, same cost, no password known.
    nobody: StoredHash,
    queue: Arc<Queue>,
    /// What all lanes hold together, in KiB, and this one's part of it.
    held: Arc<AtomicU64>,
    held_here: u64,
}

impl Bench {
    pub(super) fn new(current: Params, queue: Arc<Queue>, held: Arc<AtomicU64>) -> Self {
        let nobody = StoredHash::Argon2(new_hash(current, random_bytes(), random_bytes()));
        Self { engine: engine::best(), current, nobody, queue, held, held_here: 0 }
    }

    /// A PHC string of Argon2id with a fresh salt.
    pub(super) fn hash(&mut self, password: &Password, params: Params) -> Result<String> {
        let mut hash = new_hash(params, random_bytes(), [0; 32]);
        let tag = self.tag(&hash, password.nfc().as_bytes())?;
        hash.tag.copy_from_slice(&tag);
        Ok(hash.to_string())
    }

    /// Compares a password with a hash; where one of them is missing, the same work is done for nothing (SEC-10).
    pub(super) fn verify(
        &mut self,
        password: Option<&Password>,
        stored: Option<&StoredHash>,
    ) -> Result<Verdict> {
        let (Some(password), Some(stored)) = (password, stored) else {
            let nobody = self.nobody.clone();
            self.matches(&nobody, password.map_or("", Password::nfc))?;
            return Ok(Verdict::Wrong);
        };
        let outdated = stored.needs_upgrade(&self.current);
        if let Some(raw) = raw_form(password, stored, &self.current)
            && self.matches(stored, raw)?
        {
            return Ok(Verdict::Right { upgrade: true });
        }
        let right = self.matches(stored, password.nfc())?;
        Ok(if right { Verdict::Right { upgrade: outdated } } else { Verdict::Wrong })
    }

    fn matches(&mut self, stored: &StoredHash, password: &str) -> Result<bool> {
        match stored {
            StoredHash::Foreign(hash) => Ok(hash.matches(password.as_bytes())),
            StoredHash::Argon2(hash) | StoredHash::DjangoArgon2(hash) => {
                let tag = self.tag(hash, password.as_bytes())?;
                Ok(equal(&tag, &hash.tag))
            }
        }
    }

    fn tag(&mut self, hash: &Argon2Hash, password: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let Argon2Hash { variant, version, params, salt, tag } = hash;
        let recipe =
            Recipe { variant: *variant, version: *version, params: *params, salt, secret: &[], data: &[] };
        let mut made = Zeroizing::new(vec![0; tag.len()]);
        let begun = Instant::now();
        let result = self.engine.tag(&recipe, password, &mut made);
        self.queue.pace.learn(params.work(), begun.elapsed());
        match result {
            Ok(()) => Ok(made),
            Err(fault) => Err(Error::Fault(Internal::new(format!("Argon2 failed: {fault}")))),
        }
    }

    /// Hashes twice, so that the second finds its memory in place as under load, and gives the memory back.
    pub(super) fn measure(&mut self) -> Result<()> {
        let nobody = self.nobody.clone();
        self.matches(&nobody, "")?;
        self.queue.pace.begin_anew();
        self.matches(&nobody, "")?;
        self.engine.release();
        Ok(())
    }

    /// After a job: memory beyond what new hashes need goes back, and the books are kept.
    fn tidy(&mut self) {
        if self.engine.held_kib() > u64::from(self.current.memory_kib) {
            self.engine.release();
        }
        let now = self.engine.held_kib();
        self.held.fetch_add(now, Ordering::Relaxed);
        self.held.fetch_sub(self.held_here, Ordering::Relaxed);
        self.held_here = now;
    }

    fn release(&mut self) {
        self.engine.release();
        self.tidy();
    }
}

/// The password as typed, where a hash of another maker may have been made of it.
pub(super) fn raw_form<'a>(password: &'a Password, stored: &StoredHash, current: &Params) -> Option<&'a str> {
    password.raw_if_different().filter(|_| stored.may_be_imported(current))
}

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
            bench.engine = engine::best();
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
        let patience = (bench.held_here > 0).then_some(give_back_after);
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
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "the hash lanes could not lower their priority");
    }
}

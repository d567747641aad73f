//! The queue before the lanes, and the decision who may stand in it.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::bench::Bench;
use super::pace::Pace;
use crate::error::{Error, Internal, Result};
use crate::metrics::Histogram;

/// No queue is longer, however fast the hashes are: each place holds a password in memory.
const MAX_JOBS: usize = 4_096;
const LEAST_RETRY: Duration = Duration::from_secs(1);

/// Work for a lane. The permit to stand in the queue belongs to it, not to the request that asked.
pub(super) struct Job {
    /// 1,000 is one Argon2id hash at the default parameters.
    pub(super) work: u64,
    /// Who asked, for the share of the queue that one address may hold.
    pub(super) from: Option<IpAddr>,
    /// Since when it waits.
    pub(super) since: Instant,
    /// What to do.
    pub(super) task: Box<dyn Task>,
}

/// What a job does.
pub(super) trait Task: Send {
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// Does it, and answers.
    fn run(self: Box<Self>, bench: &mut Bench);
}

/// What a lane shall do next.
pub(super) enum Next {
    Run(Job),
    /// Nothing came for as long as the lane was willing to hold its memory.
    Rest,
    Stop,
}

/// How jobs fared since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs that a lane began.
    pub started: u64,
    /// Jobs that were refused because they would have waited too long.
    pub refused: u64,
    /// Jobs that were dropped before they began, because nobody waited for them any more.
    pub abandoned: u64,
}

pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    lanes: u32,
    max_wait: Duration,
    pub(super) pace: Arc<Pace>,
    /// How long jobs waited before they began.
    pub(super) waits: Histogram,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    queued: u64,
    running: u64,
    /// Lanes that wait for work.
    resting: usize,
    by_address: HashMap<IpAddr, u64>,
    /// Whether abandoned jobs were looked for since a lane last took one.
    swept: bool,
    closed: bool,
    counts: Counts,
}

impl Queue {
    pub(super) fn new(lanes: u32, max_wait: Duration) -> Self {
        Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            lanes: lanes.max(1),
            max_wait,
            pace: Arc::default(),
            waits: Histogram::of_durations(),
        }
    }

    /// Takes a job in, or refuses it at once.
    pub(super) fn admit(&self, mut job: Job) -> Result<()> {
        job.from = job.from.map(subscriber);
        let mut state = self.lock();
        if state.closed {
            return Err(stopped());
        }
        let mut refusal = self.refusal(&state, &job);
        if refusal.is_some() && !state.swept {
            state.sweep();
            refusal = self.refusal(&state, &job);
        }
        if let Some(retry_after) = refusal {
            state.counts.refused += 1;
            return Err(Error::Overloaded { retry_after });
        }
        state.push(job);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Why a job can't be taken in, as the time after which it might.
    fn refusal(&self, state: &State, job: &Job) -> Option<Duration> {
        if state.resting > state.jobs.len() {
            return None;
        }
        let wait = self.wait_for(state.queued + state.running);
        if wait > self.max_wait || state.jobs.len() >= MAX_JOBS {
            return Some(wait.saturating_sub(self.max_wait).max(LEAST_RETRY));
        }
        let held = job.from.and_then(|address| state.by_address.get(&address)).copied().unwrap_or(0);
        let share = self.max_wait / 2;
        (held > 0 && self.wait_for(held + job.work) > share).then_some(LEAST_RETRY)
    }

    /// How long the lanes need for so much work.
    fn wait_for(&self, work: u64) -> Duration {
        self.pace.time_for(work) / self.lanes
    }

    /// How long a job that came now would wait.
    pub(super) fn estimated_wait(&self) -> Duration {
        let state = self.lock();
        if state.resting > state.jobs.len() {
            Duration::ZERO
        } else {
            self.wait_for(state.queued + state.running)
        }
    }

    /// The next job, waited for; with `patience` no longer than that.
    pub(super) fn next(&self, patience: Option<Duration>) -> Next {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Next::Stop;
            }
            if let Some(job) = state.pop() {
                self.waits.took(job.since.elapsed());
                return Next::Run(job);
            }
            state.resting += 1;
            let (woken, timed_out) = self.wait(state, patience);
            state = woken;
            state.resting -= 1;
            if timed_out && state.jobs.is_empty() && !state.closed {
                return Next::Rest;
            }
        }
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        patience: Option<Duration>,
    ) -> (MutexGuard<'a, State>, bool) {
        match patience {
            None => (self.wake.wait(state).unwrap_or_else(PoisonError::into_inner), false),
            Some(patience) => {
                let (state, result) =
                    self.wake.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
                (state, result.timed_out())
            }
        }
    }

    /// A lane has done its job.
    pub(super) fn done(&self, work: u64) {
        let mut state = self.lock();
        state.running = state.running.saturating_sub(work);
    }

    /// Sends the lanes home and drops all that waits.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let dropped = std::mem::take(&mut state.jobs);
        state.queued = 0;
        state.by_address.clear();
        drop(state);
        drop(dropped);
        self.wake.notify_all();
    }

    pub(super) fn depth(&self) -> usize {
        self.lock().jobs.len()
    }

    pub(super) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// What the books say is queued, running and held by addresses: nothing, once all is done.
    #[cfg(test)]
    pub(super) fn books(&self) -> (u64, u64, usize) {
        let state = self.lock();
        (state.queued, state.running, state.by_address.len())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, job: Job) {
        self.queued += job.work;
        if let Some(address) = job.from {
            *self.by_address.entry(address).or_insert(0) += job.work;
        }
        self.jobs.push_back(job);
    }

    /// The first job that somebody still waits for.
    fn pop(&mut self) -> Option<Job> {
        loop {
            let job = self.jobs.pop_front()?;
            self.forget(&job);
            if job.task.is_abandoned() {
                self.counts.abandoned += 1;
                continue;
            }
            self.swept = false;
            self.running += job.work;
            self.counts.started += 1;
            return Some(job);
        }
    }

    /// Drops every abandoned job, so that those who left don't keep out those who come.
    fn sweep(&mut self) {
        self.swept = true;
        let (gone, waiting): (VecDeque<Job>, VecDeque<Job>) =
            std::mem::take(&mut self.jobs).into_iter().partition(|job| job.task.is_abandoned());
        self.jobs = waiting;
        for job in &gone {
            self.forget(job);
            self.counts.abandoned += 1;
        }
    }

    fn forget(&mut self, job: &Job) {
        self.queued = self.queued.saturating_sub(job.work);
        let Some(address) = job.from else { return };
        if let Some(held) = self.by_address.get_mut(&address) {
            *held = held.saturating_sub(job.work);
            if *held == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

pub(super) fn stopped() -> Error {
    Error::Unavailable(Internal::new("the hash lanes have stopped"))
}

/// Whom an address belongs to: a subscriber of IPv6 has a whole network, 2^64 addresses to choose from (SEC-22).
pub(crate) fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

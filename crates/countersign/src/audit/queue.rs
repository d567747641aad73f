//! Failures on their way to the table: told at once, written soon and together, so that a guess costs no write of its
//! own. A flood of them takes bounded room here and adds a bounded number of rows there.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{About, Detail, Entry, Event, tell};
use crate::error::Result;
use crate::id::{SignInId, UserId};
use crate::store::Store;
use crate::time::{Clock, Timestamp};

/// How long an entry waits for company.
const LINGER: Duration = Duration::from_millis(500);
/// The longest wait between two tries while the database is away.
const PATIENCE: Duration = Duration::from_secs(30);
/// More different failures than these are not kept: the oldest makes room.
const ROOM: usize = 4_096;
/// Few enough that a refresh waits for a batch no longer than for a handful of its like.
const BATCH: usize = 200;
/// So many rows may come at once; then one every fifth of a second. A botnet that never rests fills 432,000 a day.
const BURST: u32 = 500;
const ROW_EVERY: Duration = Duration::from_millis(200);

/// The failures that wait to be written. Clones share it.
#[derive(Clone)]
pub(crate) struct Queue(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    waiting: Mutex<Waiting>,
    /// Held while a batch is being written: entries leave only when they are durable, and so must not be taken twice.
    writing: tokio::sync::Mutex<()>,
}

impl Queue {
    pub(crate) fn new(store: Store, clock: Clock) -> Self {
        let waiting = Mutex::new(Waiting::new(clock.now()));
        Self(Arc::new(Inner { store, clock, waiting, writing: tokio::sync::Mutex::new(()) }))
    }

    /// Tells the log, and takes the entry in for the table. It never waits and never fails.
    pub(crate) fn record(&self, entry: Entry) {
        tell(&entry);
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return;
        }
        waiting.add(entry);
        if waiting.is_drained {
            return;
        }
        // Without a runtime nobody can write now; whoever records next may have one.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        waiting.is_drained = true;
        // A runtime that is ending drops the task at once, and that takes the lock.
        drop(waiting);
        let mut draining = Draining { queue: self.clone(), is_done: false };
        runtime.spawn(async move { draining.run().await });
    }

    /// Writes all that waits, as far as the database takes it.
    pub(crate) async fn flush(&self) {
        while let Ok(true) = self.write_some(usize::MAX).await {}
    }

    /// Writes all that waits and takes in nothing more.
    pub(crate) async fn close(&self) {
        self.flush().await;
        self.waiting().is_closed = true;
    }

    /// How many different failures wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting().entries.len()
    }

    /// Writes one batch. `false`: nothing waits.
    async fn write_some(&self, most: usize) -> Result<bool> {
        let _alone = self.0.writing.lock().await;
        let batch = self.waiting().batch(most.min(BATCH), self.0.clock.now());
        let Some(batch) = batch else { return Ok(false) };
        let through = batch.through;
        let written = self.0.store.write(batch, |tx, batch| {
            Box::pin(async move {
                for (entry, times) in &batch.entries {
                    tx.file_times(entry, *times).await?;
                }
                Ok(())
            })
        });
        written.await?;
        self.waiting().leave(through);
        Ok(true)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that writes until nothing waits. However it ends, the next failure begins another.
struct Draining {
    queue: Queue,
    is_done: bool,
}

impl Draining {
    async fn run(&mut self) {
        let mut pause = LINGER;
        while !self.is_done {
            tokio::time::sleep(pause).await;
            pause = match self.write().await {
                Ok(()) => LINGER,
                Err(error) => {
                    tracing::warn!(?error, "audit events wait: they could not be written");
                    pause.saturating_mul(2).min(PATIENCE)
                }
            };
            self.is_done = self.queue.waiting().is_done();
        }
    }

    async fn write(&self) -> Result<()> {
        let now = self.queue.0.clock.now();
        let most = self.queue.waiting().allowance.left(now);
        if most > 0 {
            self.queue.write_some(most).await?;
        }
        Ok(())
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        if !self.is_done {
            self.queue.waiting().is_drained = false;
        }
    }
}

/// What makes two failures the same, so that they share a row that says how many they were.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Kind {
    event: Event,
    user: Option<UserId>,
    sign_in: Option<SignInId>,
    address: Option<IpAddr>,
    detail: Option<Detail>,
}

impl Kind {
    fn of(entry: &Entry) -> Self {
        let About { user, sign_in, address, detail } = &entry.about;
        let detail = detail.clone();
        Self { event: entry.event, user: *user, sign_in: *sign_in, address: *address, detail }
    }
}

/// What is being written: copies, since entries leave only when they are durable.
struct Batch {
    entries: Vec<(Entry, u32)>,
    /// The number of the first entry that is not among them.
    through: u64,
}

struct Waiting {
    entries: VecDeque<(Entry, u32)>,
    /// The number of the first of them; they are numbered one after the other.
    first: u64,
    /// The number of the entry that takes in others of its kind.
    open: HashMap<Kind, u64>,
    dropped: u32,
    allowance: Allowance,
    /// Somebody is writing them down.
    is_drained: bool,
    /// Nothing can be written any more.
    is_closed: bool,
}

impl Waiting {
    fn new(now: Timestamp) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            open: HashMap::new(),
            dropped: 0,
            allowance: Allowance { rows: BURST, since: now },
            is_drained: false,
            is_closed: false,
        }
    }

    fn add(&mut self, entry: Entry) {
        let kind = Kind::of(&entry);
        let place = self.open.get(&kind).and_then(|number| number.checked_sub(self.first));
        let place = place.and_then(|place| usize::try_from(place).ok());
        if let Some((_, times)) = place.and_then(|place| self.entries.get_mut(place)) {
            *times = times.saturating_add(1);
            return;
        }
        while self.entries.len() >= ROOM {
            self.drop_oldest();
        }
        self.open.insert(kind, self.end());
        self.entries.push_back((entry, 1));
    }

    /// The number that the next entry gets.
    fn end(&self) -> u64 {
        self.first.saturating_add(self.entries.len() as u64)
    }

    fn drop_oldest(&mut self) {
        let Some((entry, times)) = self.entries.pop_front() else { return };
        self.close(&entry, self.first);
        self.first = self.first.saturating_add(1);
        self.dropped = self.dropped.saturating_add(times);
    }

    /// From now on this entry takes in no other.
    fn close(&mut self, entry: &Entry, number: u64) {
        let kind = Kind::of(entry);
        if self.open.get(&kind) == Some(&number) {
            self.open.remove(&kind);
        }
    }

    fn batch(&mut self, most: usize, now: Timestamp) -> Option<Batch> {
        if self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            tracing::warn!(events = dropped, "audit events came too fast to be written: some are missing");
            let told = Entry::new(Event::AuditEventsDropped, About::default(), now);
            self.entries.push_front((told, dropped));
            self.first = self.first.saturating_sub(1);
        }
        let entries: Vec<(Entry, u32)> = self.entries.iter().take(most).cloned().collect();
        if entries.is_empty() {
            return None;
        }
        for ((entry, _), number) in entries.iter().zip(self.first..) {
            self.close(entry, number);
        }
        self.allowance.take(entries.len());
        let through = self.first.saturating_add(entries.len() as u64);
        Some(Batch { entries, through })
    }

    /// All before this number are durable.
    fn leave(&mut self, through: u64) {
        while self.first < through && self.entries.pop_front().is_some() {
            self.first = self.first.saturating_add(1);
        }
    }

    /// `true`: nothing waits, and whoever drained them stops. Said under the lock, so that no entry is left alone.
    fn is_done(&mut self) -> bool {
        let done = self.is_closed || (self.entries.is_empty() && self.dropped == 0);
        self.is_drained = !done;
        done
    }
}

/// How many rows may still be written now.
struct Allowance {
    rows: u32,
    since: Timestamp,
}

impl Allowance {
    fn left(&mut self, now: Timestamp) -> usize {
        let earned = now.since(self.since).as_millis() / ROW_EVERY.as_millis();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        if earned > 0 || now < self.since {
            self.rows = self.rows.saturating_add(earned).min(BURST);
            self.since = now;
        }
        usize::try_from(self.rows).unwrap_or(usize::MAX)
    }

    fn take(&mut self, rows: usize) {
        self.rows = self.rows.saturating_sub(u32::try_from(rows).unwrap_or(u32::MAX));
    }
}

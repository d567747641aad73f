//! The PostgreSQL engine: a pool for transactions, two batchers for what is hot, and the time of the database.
//!
//! Nothing that correctness rests on is kept in this process: every node may die at any instant, and any other goes on.

mod address;
mod changes;
mod check;
mod clock;
mod copy;
mod error;
mod figures;
mod known;
mod link;
mod migrate;
mod queue;
mod spend;
mod tls;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use self::clock::SharedClock;
pub(super) use self::copy::{Source as CopySource, Target as CopyTarget};
use self::link::{Links, Pool};
use self::queue::Queue;
pub(super) use self::transaction::Transaction;
use super::{CannotOpen, Live, LiveQuery, Spend, Spent, Steps};
use crate::error::{Error, Internal, Result};
use crate::metrics::{Counter, Meters};
use crate::secret::{ExposeSecret as _, SecretString};
use crate::time::{Clock, Timestamp};

/// Connections that the batchers keep to themselves. More writers make smaller batches, and lose.
const SPENDERS: u32 = 2;
const CHECKERS: u32 = 2;
/// What is left over for transactions, at the least.
const FEWEST_IN_POOL: u32 = 2;
/// How long a start waits for a database that is starting too.
const PATIENCE_AT_START: Duration = Duration::from_secs(15);
const PAUSE_AT_START: Duration = Duration::from_millis(250);

#[derive(Clone)]
pub(super) struct Postgres(Arc<Engine>);

struct Engine {
    pool: Pool,
    spending: Queue<Spend, Option<Spent>>,
    checking: Queue<check::Check, Option<Live>>,
    /// Sign-ins whose rows were read for a check.
    looked_up: Counter,
    clock: SharedClock,
}

impl Postgres {
    pub(super) async fn open(url: &SecretString, connections: u32) -> std::result::Result<Self, CannotOpen> {
        let clock = SharedClock::new();
        let links = Links::new(url.expose_secret(), clock.clone())?;
        let mut first = patiently_connect(&links).await?;
        migrate::run(&mut first).await?;
        drop(first);
        let in_pool = connections.saturating_sub(SPENDERS + CHECKERS).max(FEWEST_IN_POOL);
        let pool = Pool::new(links.clone(), in_pool).map_err(|fault| CannotOpen(fault.to_string()))?;
        clock::keep_set(&clock, &pool);
        let looked_up = Counter::default();
        let engine = Engine {
            spending: Queue::start(SPENDERS, || spend::Spender::new(links.clone())),
            checking: Queue::start(CHECKERS, || check::Checker::new(links.clone(), looked_up.clone())),
            looked_up,
            pool,
            clock,
        };
        Ok(Self(Arc::new(engine)))
    }

    pub(super) async fn write<I, T>(&self, input: &I, steps: Steps<I, T>) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        transaction::write(&self.0.pool, input, steps).await
    }

    pub(super) async fn read<I, T>(&self, input: &I, steps: Steps<I, T>) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        transaction::read(&self.0.pool, input, steps).await
    }

    pub(super) async fn spend(&self, spend: Spend) -> Result<Option<Spent>> {
        self.0.spending.ask(spend).await
    }

    pub(super) async fn check(&self, query: LiveQuery, now: Timestamp) -> Result<Option<Live>> {
        self.0.checking.ask(check::Check { query, now }).await
    }

    pub(super) async fn remove_changes(&self, now: Timestamp, batch: u32) -> Result<u64> {
        let steps: Steps<(Timestamp, u32), u64> =
            |tx, (now, batch)| Box::pin(async move { tx.remove_changes(*now, *batch).await });
        self.write(&(now, batch), steps).await
    }

    pub(super) async fn count_changes_due(&self, now: Timestamp, most: u32) -> Result<u64> {
        let steps: Steps<(Timestamp, u32), u64> =
            |tx, (now, most)| Box::pin(async move { tx.count_changes_due(*now, *most).await });
        self.read(&(now, most), steps).await
    }

    pub(super) fn clock(&self) -> Clock {
        self.0.clock.as_clock()
    }

    pub(super) fn report(&self, to: &mut Meters) {
        figures::report(&self.0.pool, to);
        self.0.spending.figures().report("spend", to);
        self.0.checking.figures().report("check", to);
        let looked_up =
            "Sign-ins whose rows were read for a check: the others were known, and had not changed";
        to.keep("store_check_lookups", looked_up, self.0.looked_up.clone());
    }

    /// What the batchers hold is answered; whoever comes later is refused.
    pub(super) fn close(&self) {
        self.0.spending.close();
        self.0.checking.close();
        self.0.pool.close();
    }
}

/// A database that is away may be starting beside us; one that refuses us will go on to do so.
async fn patiently_connect(links: &Links) -> std::result::Result<link::Link, CannotOpen> {
    let outcome = timeout(PATIENCE_AT_START, async {
        let mut has_warned = false;
        loop {
            match links.connect().await {
                Ok(link) => return Ok(link),
                Err(refusal) if refusal.is_final() => return Err(refusal.to_sentence()),
                Err(refusal) => {
                    if !has_warned {
                        tracing::warn!(reason = refusal.to_sentence(), "waiting for the database");
                        has_warned = true;
                    }
                    tokio::time::sleep(PAUSE_AT_START).await;
                }
            }
        }
    });
    let unreachable = || format!("it did not answer within {} seconds", PATIENCE_AT_START.as_secs());
    match outcome.await {
        Ok(Ok(link)) => Ok(link),
        Ok(Err(sentence)) => Err(links.cannot_open(&sentence)),
        Err(_) => Err(links.cannot_open(&unreachable())),
    }
}

fn closed() -> Error {
    Error::Unavailable(Internal::new("the store is closed"))
}

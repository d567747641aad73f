//! One transaction: begun together with its first statement, tried again where somebody was in the way, and found out
//! about where the answer to its COMMIT was lost.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::error::{Trouble, is_unique_violation, late, trouble};
use super::link::{Lent, Pool};
use super::spend::jitter;
use crate::error::{Error, Internal, Result};
use crate::store::row::Source;
use crate::store::{Attempt, Connection, Row, Steps, Tx, Value};

/// The steps of a transaction, all together.
const STEPS_LIMIT: Duration = Duration::from_secs(8);
const COMMIT_LIMIT: Duration = Duration::from_secs(5);
/// How long it is tried to find out what became of a COMMIT.
const DOUBT_LIMIT: Duration = Duration::from_secs(8);
const DOUBT_PAUSE: Duration = Duration::from_millis(100);
const RETRIES: u32 = 3;

/// A writing transaction asks for its number at once, so that its fate can be asked for later.
const BEGIN_WRITING: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_current_xact_id()::text";
const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const SAVEPOINT: &str = "SAVEPOINT attempt";
const FATE: &str = "SELECT pg_xact_status(CAST(CAST($1 AS TEXT) AS xid8))";

/// An open transaction, or one that opens with its first statement.
pub(crate) struct Transaction {
    link: Lent,
    begin: &'static str,
    has_begun: bool,
    receipt: Option<Receipt>,
    /// What went wrong first. A transaction in trouble can only be undone.
    trouble: Option<Trouble>,
    /// Whether the connection may be lent again.
    is_finished: bool,
}

/// By what a transaction is known to the server: its number, within one life of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Receipt {
    number: String,
    life: i64,
}

/// What became of one attempt.
enum Outcome<T> {
    Ended(Result<T>),
    /// Nothing was written; the same steps may succeed now.
    Again(Error),
}

enum Commit {
    Done,
    Undone(Error, Trouble),
    InDoubt(Error),
}

pub(super) async fn write<I, T>(pool: &Pool, input: &I, steps: Steps<I, T>) -> Result<T>
where
    I: Send + Sync + 'static,
    T: Send + 'static,
{
    let mut attempt = 0;
    loop {
        match write_once(pool, input, steps).await {
            Outcome::Ended(outcome) => return outcome,
            Outcome::Again(error) if attempt == RETRIES => return Err(error),
            Outcome::Again(_) => attempt += 1,
        }
        tokio::time::sleep(jitter(attempt)).await;
    }
}

async fn write_once<I, T>(pool: &Pool, input: &I, steps: Steps<I, T>) -> Outcome<T>
where
    I: Send + Sync + 'static,
    T: Send + 'static,
{
    let mut transaction = match Transaction::new(pool, BEGIN_WRITING).await {
        Ok(transaction) => transaction,
        Err(error) => return Outcome::Ended(Err(error)),
    };
    let value = match transaction.run(input, steps).await {
        Ok(value) => value,
        Err(error) => return transaction.give_up(error),
    };
    match transaction.commit().await {
        Commit::Done => Outcome::Ended(Ok(value)),
        Commit::Undone(error, Trouble::Conflict) => Outcome::Again(error),
        Commit::Undone(error, _) => Outcome::Ended(Err(error)),
        Commit::InDoubt(error) => {
            let receipt = transaction.receipt.take();
            drop(transaction);
            match find_out(pool, receipt).await {
                Some(true) => Outcome::Ended(Ok(value)),
                Some(false) => Outcome::Again(error),
                None => Outcome::Ended(Err(error)),
            }
        }
    }
}

pub(super) async fn read<I, T>(pool: &Pool, input: &I, steps: Steps<I, T>) -> Result<T>
where
    I: Send + Sync + 'static,
    T: Send + 'static,
{
    let mut attempt = 0;
    loop {
        let mut transaction = Transaction::new(pool, BEGIN_READING).await?;
        let outcome = transaction.run(input, steps).await;
        let is_lost = transaction.trouble == Some(Trouble::Lost);
        transaction.roll_back();
        // A connection that had died in the pool is no reason to fail.
        if outcome.is_ok() || !is_lost || attempt == RETRIES {
            return outcome;
        }
        attempt += 1;
    }
}

/// Whether a transaction was committed; `None` where nobody can tell: the server has crashed, or another one has taken
/// its place, which need not know what its predecessor did.
async fn find_out(pool: &Pool, receipt: Option<Receipt>) -> Option<bool> {
    let receipt = receipt?;
    let asked = timeout(DOUBT_LIMIT, async {
        loop {
            if let Ok(link) = pool.get().await {
                if link.life != Some(receipt.life) {
                    return None;
                }
                let told = link.client.query_one(FATE, &[&receipt.number]).await;
                match told.and_then(|row| row.try_get::<_, Option<String>>(0)).as_ref().map(Option::as_deref)
                {
                    Ok(Some("committed")) => return Some(true),
                    Ok(Some("aborted")) => return Some(false),
                    Ok(None) => return None,
                    // In progress: the server has not noticed yet that nobody listens. Or asking failed.
                    Ok(Some(_)) | Err(_) => {}
                }
            }
            tokio::time::sleep(DOUBT_PAUSE).await;
        }
    });
    let fate = asked.await.ok().flatten();
    tracing::warn!(transaction = receipt.number, committed = fate, "the answer to a COMMIT was lost");
    fate
}

impl Transaction {
    async fn new(pool: &Pool, begin: &'static str) -> Result<Self> {
        let link = pool.get().await?;
        Ok(Self { link, begin, has_begun: false, receipt: None, trouble: None, is_finished: false })
    }

    async fn run<I, T>(&mut self, input: &I, steps: Steps<I, T>) -> Result<T> {
        let outcome = timeout(STEPS_LIMIT, async {
            let mut tx = Tx(Connection::Postgres(self));
            Unpanicked(AssertUnwindSafe(steps(&mut tx, input))).await
        });
        match outcome.await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.trouble.get_or_insert(Trouble::Unavailable);
                // A statement may still be on its way: the connection goes with it.
                Err(late("a transaction"))
            }
        }
    }

    fn give_up<T>(mut self, error: Error) -> Outcome<T> {
        let is_worth_repeating = matches!(self.trouble, Some(Trouble::Conflict | Trouble::Lost));
        self.roll_back();
        if is_worth_repeating { Outcome::Again(error) } else { Outcome::Ended(Err(error)) }
    }

    async fn commit(&mut self) -> Commit {
        if let Some(trouble) = self.trouble {
            self.roll_back();
            let why = "a step failed and its transaction went on";
            return Commit::Undone(Error::Unavailable(Internal::new(why)), trouble);
        }
        if !self.has_begun {
            self.is_finished = true;
            return Commit::Done;
        }
        match timeout(COMMIT_LIMIT, self.link.client.batch_execute("COMMIT")).await {
            Ok(Ok(())) => {
                self.is_finished = true;
                Commit::Done
            }
            Ok(Err(error)) => match Trouble::of(&error) {
                Trouble::Lost => Commit::InDoubt(trouble(&error)),
                known => Commit::Undone(trouble(&error), known),
            },
            Err(_) => Commit::InDoubt(late("a commit")),
        }
    }

    /// Sends it on its way and waits for nothing: whatever the connection does next comes after it.
    fn roll_back(&mut self) {
        let is_usable = !matches!(self.trouble, Some(Trouble::Lost | Trouble::Unavailable));
        if self.has_begun && is_usable {
            let rollback = std::pin::pin!(self.link.client.batch_execute("ROLLBACK"));
            let _ = rollback.poll(&mut Context::from_waker(Waker::noop()));
        }
        self.is_finished = is_usable;
    }

    fn note<T>(&mut self, outcome: std::result::Result<T, tokio_postgres::Error>) -> Result<T> {
        outcome.map_err(|error| {
            let found = if self.link.is_lost() { Trouble::Lost } else { Trouble::of(&error) };
            self.trouble.get_or_insert(found);
            trouble(&error)
        })
    }

    /// Begins, where that is due, and sets the savepoint, where one is wanted, in the same way to the database as the
    /// statement that `ask` sends.
    async fn after_prelude<T>(
        &mut self,
        savepoint: Option<&'static str>,
        ask: impl AsyncFnOnce(&Client) -> std::result::Result<T, tokio_postgres::Error>,
    ) -> std::result::Result<T, tokio_postgres::Error> {
        let begin = (!self.has_begun).then_some(self.begin);
        self.has_begun = true;
        let client = &self.link.client;
        let prelude = match (begin, savepoint) {
            (None, None) => return ask(client).await,
            (Some(begin), None) => begin.to_owned(),
            (None, Some(savepoint)) => savepoint.to_owned(),
            (Some(begin), Some(savepoint)) => format!("{begin}; {savepoint}"),
        };
        let (messages, answer) = tokio::join!(biased; client.simple_query(&prelude), ask(client));
        let number = messages?.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        if let (Some(number), Some(life)) = (number, self.link.life) {
            self.receipt = Some(Receipt { number, life });
        }
        answer
    }

    async fn rows(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> std::result::Result<Vec<tokio_postgres::Row>, tokio_postgres::Error> {
        let statement = self.link.prepared(sql).await?;
        let parameters = as_parameters(values);
        self.after_prelude(None, async |client| client.query(&statement, &parameters).await).await
    }

    pub(in crate::store) async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64> {
        let outcome = async {
            let statement = self.link.prepared(sql).await?;
            let parameters = as_parameters(values);
            self.after_prelude(None, async |client| client.execute(&statement, &parameters).await).await
        };
        let outcome = outcome.await;
        self.note(outcome)
    }

    /// A refusal spoils a transaction here, so the statement gets a savepoint to go back to.
    pub(in crate::store) async fn attempt(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Attempt> {
        let outcome = async {
            let statement = self.link.prepared(sql).await?;
            let parameters = as_parameters(values);
            self.after_prelude(Some(SAVEPOINT), async |client| client.execute(&statement, &parameters).await)
                .await
        };
        match outcome.await {
            Ok(rows) => Ok(Attempt::Done(rows)),
            Err(error) if is_unique_violation(&error) => {
                let undone = self.link.client.batch_execute("ROLLBACK TO attempt").await;
                self.note(undone).map(|()| Attempt::Conflict)
            }
            Err(error) => self.note(Err(error)),
        }
    }

    pub(in crate::store) async fn one<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let rows = self.rows(sql, values).await;
        self.note(rows)?.first().map(|row| read(&Row(Source::Postgres(row)))).transpose()
    }

    pub(in crate::store) async fn all<T>(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        read: fn(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let rows = self.rows(sql, values).await;
        self.note(rows)?.iter().map(|row| read(&Row(Source::Postgres(row)))).collect()
    }
}

impl Drop for Transaction {
    /// A transaction that was not ended in order, because its caller went away say, takes its connection with it; the
    /// server undoes it then.
    fn drop(&mut self) {
        if !self.is_finished {
            self.link.retire();
        }
    }
}

fn as_parameters<'v>(values: &'v [Value<'v>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// A closure's future whose panic is a fault of that transaction alone.
struct Unpanicked<F>(AssertUnwindSafe<F>);

impl<T, F: Future<Output = Result<T>> + Unpin> Future for Unpanicked<F> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let work = AssertUnwindSafe(|| Pin::new(&mut *self.0).poll(context));
        std::panic::catch_unwind(work).unwrap_or_else(|_| {
            let why = "a transaction panicked and was undone";
            Poll::Ready(Err(Error::Fault(Internal::new(why))))
        })
    }
}

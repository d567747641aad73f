//! Spendings that wait together travel as one statement. Whatever happens to it, each of them is told the truth: a lost
//! answer is found again by reading the row, never by trusting that nothing happened.

use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_postgres::types::ToSql;

use super::check::again;
use super::error::{Trouble, late, trouble};
use super::link::{BY_KEYS_ALONE, Link, Links};
use super::queue::Worker;
use crate::error::{Error, Internal, Result};
use crate::secret::random_bytes;
use crate::store::row::Source;
use crate::store::spend::{IS_SPENT, SPEND, SPEND_MANY, spent};
use crate::store::{Row, Spend, Spent, Value};

/// One way to the database and back.
const LIMIT: Duration = Duration::from_secs(5);
/// A batch and all that was tried to mend it.
const LIMIT_OF_ALL: Duration = Duration::from_secs(9);
const ATTEMPTS: u32 = 4;

pub(super) struct Spender {
    links: Links,
    link: Option<Link>,
}

/// Why a statement failed, and whether it may have happened all the same.
struct Failed {
    error: Error,
    is_in_doubt: bool,
}

type Attempted<T> = std::result::Result<T, Failed>;

impl Worker<Spend, Option<Spent>> for Spender {
    async fn answer(&mut self, spends: &[Spend]) -> Vec<Result<Option<Spent>>> {
        let begun = Instant::now();
        if let [spend] = spends {
            return vec![self.persist(spend, false, begun).await];
        }
        let mut in_order: Vec<usize> = (0..spends.len()).collect();
        in_order.sort_by_key(|at| spends.get(*at).map(|spend| spend.sign_in.as_i64()));
        match self.together(spends, &in_order).await {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(failed) => self.one_by_one(spends, &failed, begun).await,
        }
    }
}

impl Spender {
    pub(super) fn new(links: Links) -> Self {
        Self { links, link: None }
    }

    async fn together(&mut self, spends: &[Spend], in_order: &[usize]) -> Attempted<Vec<Option<Spent>>> {
        let columns = Columns::of(spends, in_order);
        let rows = self.run(SPEND_MANY, &columns.as_parameters()).await?;
        let mut outcomes = vec![None; spends.len()];
        for row in &rows {
            let row = Row(Source::Postgres(row));
            let (place, outcome) = won(&row).map_err(|error| Failed { error, is_in_doubt: true })?;
            if let Some(of_place) = in_order.get(place).and_then(|at| outcomes.get_mut(*at)) {
                *of_place = Some(outcome);
            }
        }
        Ok(outcomes)
    }

    /// One bad spending must not fail its neighbours, nor a lost answer sign anybody out.
    async fn one_by_one(
        &mut self,
        spends: &[Spend],
        failed: &Failed,
        begun: Instant,
    ) -> Vec<Result<Option<Spent>>> {
        let mut outcomes: Vec<Result<Option<Spent>>> = Vec::with_capacity(spends.len());
        let mut is_away = None;
        for spend in spends {
            outcomes.push(match &is_away {
                Some(error) => Err(again(error)),
                None => self.persist(spend, failed.is_in_doubt, begun).await,
            });
            if let Some(Err(error)) = outcomes.last()
                && self.link.is_none()
            {
                is_away = Some(again(error));
            }
        }
        outcomes
    }

    /// Spends alone, again where somebody was in the way or the connection broke. The guard makes that harmless: what
    /// has happened can't happen twice. `in_doubt`: it may have happened already.
    async fn persist(&mut self, spend: &Spend, mut in_doubt: bool, begun: Instant) -> Result<Option<Spent>> {
        let stamp = spend.stamp();
        let values = spend.values(&stamp);
        let parameters = as_parameters(&values);
        let mut outcome = Err(late("a spending"));
        for attempt in 0..ATTEMPTS {
            if begun.elapsed() > LIMIT_OF_ALL {
                break;
            }
            if attempt > 0 {
                tokio::time::sleep(jitter(attempt)).await;
            }
            match self.run(SPEND, &parameters).await {
                Ok(rows) => match rows.first() {
                    Some(row) => return spent(&Row(Source::Postgres(row))).map(Some),
                    None if in_doubt => return self.is_spent(spend).await,
                    None => return Ok(None),
                },
                Err(failed) => {
                    in_doubt |= failed.is_in_doubt;
                    let is_ours = matches!(failed.error, Error::Fault(_));
                    outcome = Err(failed.error);
                    if is_ours {
                        break;
                    }
                }
            }
        }
        outcome
    }

    /// Whether it was this spending that took place.
    async fn is_spent(&mut self, spend: &Spend) -> Result<Option<Spent>> {
        let values: [Value<'_>; 3] = [
            spend.sign_in.into(),
            (spend.generation.saturating_add(1)).into(),
            (&spend.successor_hash).into(),
        ];
        let rows = self.run(IS_SPENT, &as_parameters(&values)).await.map_err(|failed| failed.error)?;
        rows.first().map(|row| spent(&Row(Source::Postgres(row)))).transpose()
    }

    async fn connect(&self) -> Attempted<Link> {
        let link = self.links.connect().await.map_err(|refusal| Failed::surely(refusal.into()))?;
        match timeout(LIMIT, link.client.batch_execute(BY_KEYS_ALONE)).await {
            Ok(Ok(())) => Ok(link),
            Ok(Err(error)) => Err(Failed::surely(trouble(&error))),
            Err(_) => Err(Failed::surely(late("a connection"))),
        }
    }

    async fn run(
        &mut self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Attempted<Vec<tokio_postgres::Row>> {
        let link = match self.link.take() {
            Some(link) if !link.is_lost() => link,
            _ => self.connect().await?,
        };
        let statement = match timeout(LIMIT, link.prepared(sql)).await {
            Ok(Ok(statement)) => statement,
            Ok(Err(error)) => return Err(Failed::surely(trouble(&error))),
            Err(_) => return Err(Failed::surely(late("a spending"))),
        };
        match timeout(LIMIT, link.client.query(&statement, parameters)).await {
            Ok(Ok(rows)) => {
                self.link = Some(link);
                Ok(rows)
            }
            Ok(Err(error)) => {
                let is_in_doubt = Trouble::of(&error) == Trouble::Lost || link.is_lost();
                if !is_in_doubt {
                    self.link = Some(link);
                }
                Err(Failed { error: trouble(&error), is_in_doubt })
            }
            Err(_) => Err(Failed { error: late("a spending"), is_in_doubt: true }),
        }
    }
}

/// Who of a batch won what, by its place in the statement.
fn won(row: &Row<'_>) -> Result<(usize, Spent)> {
    let place = usize::try_from(row.int(2)?.saturating_sub(1));
    let place = place.map_err(|fault| Error::Fault(Internal::new(fault.to_string())))?;
    Ok((place, spent(row)?))
}

impl Failed {
    /// Nothing happened.
    fn surely(error: Error) -> Self {
        Self { error, is_in_doubt: false }
    }
}

fn as_parameters<'v>(values: &'v [Value<'v>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// 10 to 60 ms, more with every attempt.
pub(super) fn jitter(attempt: u32) -> Duration {
    let [random] = random_bytes::<1>();
    Duration::from_millis(10 + u64::from(random % 50)).saturating_mul(attempt)
}

/// A batch as columns, sorted by sign-in, so that batches of several nodes lock rows in one order.
#[derive(Default)]
struct Columns {
    sign_ins: Vec<i64>,
    generations: Vec<i64>,
    packed: Vec<Vec<u8>>,
    stamps: Vec<String>,
    nows: Vec<i64>,
    expiries: Vec<i64>,
    transports: Vec<&'static str>,
}

impl Columns {
    fn of(spends: &[Spend], in_order: &[usize]) -> Self {
        let mut columns = Self::default();
        for spend in in_order.iter().filter_map(|at| spends.get(*at)) {
            columns.sign_ins.push(spend.sign_in.as_i64());
            columns.generations.push(spend.generation);
            columns.packed.push(spend.packed());
            columns.stamps.push(spend.stamp());
            columns.nows.push(spend.now.as_millis());
            columns.expiries.push(spend.expires_at.as_millis());
            columns.transports.push(spend.transport);
        }
        columns
    }

    fn as_parameters(&self) -> [&(dyn ToSql + Sync); 7] {
        [
            &self.sign_ins,
            &self.generations,
            &self.packed,
            &self.stamps,
            &self.nows,
            &self.expiries,
            &self.transports,
        ]
    }
}

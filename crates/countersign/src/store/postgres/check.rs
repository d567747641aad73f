//! Who an access token speaks for, asked for many tokens at once. A connection keeps what it has looked up, and asks on
//! every way to the server what has changed since: another node may have ended a sign-in a moment ago.
//!
//! # Why an answer can't be stale
//! What is kept was true by one snapshot of the server, S1. Each batch asks for everything that was committed between S1
//! and a new snapshot S2, which is taken after the batch's questions were asked; what is named is forgotten before
//! anything is answered, and the rest is true by S2 ([`super::changes`]). So a change that was answered before a question
//! is in its answer. What was looked up meanwhile was seen by a snapshot of the same connection that is not earlier than
//! S2: kept under S2, a change between the two is asked for once more than it need be. A connection that is replaced
//! (the server has crashed, or another one has taken its place) begins with nothing.
//!
//! Only a sign-in's end may lie later in the row than here, where a refresh has moved it. What seems to be over is looked
//! up.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::types::ToSql;

use super::changes::{self, Changed, Snapshot};
use super::error::late;
use super::known::Known;
use super::link::{Link, Links, failure};
use super::queue::Worker;
use crate::error::{Error, Internal, Result};
use crate::id::SignInId;
use crate::metrics::Counter;
use crate::store::check::{BY_SIGN_INS, through_sign_in};
use crate::store::row::Source;
use crate::store::{Live, LiveQuery, Row};
use crate::time::Timestamp;

/// Reading twice does no harm: a connection that broke is replaced once.
const ATTEMPTS: u32 = 2;
const LIMIT: Duration = Duration::from_secs(5);

/// A question, and the time by which a sign-in that is kept must not be over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check {
    pub(super) query: LiveQuery,
    pub(super) now: Timestamp,
}

pub(super) struct Checker {
    links: Links,
    seat: Option<Seat>,
    looked_up: Counter,
}

/// A connection with the living sign-ins that it knows.
struct Seat {
    link: Link,
    known: Known,
    /// By which all of them are true; none before the first batch.
    snapshot: Option<Snapshot>,
    /// Whether the database notes changes. If not, nothing is kept.
    are_noted: bool,
    looked_up: Counter,
}

type Asked<T> = std::result::Result<T, tokio_postgres::Error>;
type Looked = Asked<Result<Vec<Option<Live>>>>;

impl Checker {
    pub(super) fn new(links: Links, looked_up: Counter) -> Self {
        Self { links, seat: None, looked_up }
    }

    async fn ask(&mut self, checks: &[Check]) -> Result<Vec<Option<Live>>> {
        let mut outcome = Err(late("a check"));
        for _ in 0..ATTEMPTS {
            let mut seat = match self.seat.take() {
                Some(seat) if !seat.link.is_lost() => seat,
                _ => Seat::new(self.links.connect().await?, self.looked_up.clone()),
            };
            match timeout(LIMIT, seat.look(checks)).await {
                Ok(Ok(found)) => {
                    self.seat = Some(seat);
                    return found;
                }
                Ok(Err(error)) => {
                    let (error, is_usable) = failure(&seat.link, &error);
                    if is_usable {
                        self.seat = Some(seat);
                        return Err(error);
                    }
                    outcome = Err(error);
                }
                Err(_) => return Err(late("a check")),
            }
        }
        outcome
    }
}

impl Worker<Check, Option<Live>> for Checker {
    async fn answer(&mut self, checks: &[Check]) -> Vec<Result<Option<Live>>> {
        match self.ask(checks).await {
            Ok(found) => found.into_iter().map(Ok).collect(),
            Err(error) => checks.iter().map(|_| Err(again(&error))).collect(),
        }
    }
}

/// The same refusal for everyone in the batch.
pub(super) fn again(error: &Error) -> Error {
    match error {
        Error::Unavailable(internal) => Error::Unavailable(Internal::new(internal.for_the_log())),
        Error::Fault(internal) => Error::Fault(Internal::new(internal.for_the_log())),
        other => Error::Fault(Internal::new(format!("{other:?}"))),
    }
}

impl Seat {
    fn new(link: Link, looked_up: Counter) -> Self {
        Self { link, known: Known::default(), snapshot: None, are_noted: false, looked_up }
    }

    async fn look(&mut self, checks: &[Check]) -> Looked {
        if self.snapshot.is_none() {
            self.are_noted = changes::make_ready(&self.link).await?;
        }
        if !self.are_noted {
            self.known.clear();
        }
        let wanted = self.wanted(checks);
        self.looked_up.inc_by(wanted.len() as u64);
        let (changed, found) = self.catch_up(&wanted).await?;
        let are_some_forgotten = self.forget(&changed);
        let found = match found {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        if are_some_forgotten {
            let lost: Vec<i64> = sign_ins_of(checks)
                .filter(|id| !self.known.contains(*id) && !wanted.contains(&id.as_i64()))
                .map(SignInId::as_i64)
                .collect();
            self.looked_up.inc_by(lost.len() as u64);
            match through_sign_ins(&self.link, &lost).await? {
                Ok(found) => self.keep(found),
                Err(error) => return Ok(Err(error)),
            }
        }
        self.keep(found);
        self.answers(checks).await
    }

    /// What has to be looked up, as far as is known. What seems to be over is forgotten.
    fn wanted(&mut self, checks: &[Check]) -> Vec<i64> {
        let mut wanted = Vec::new();
        for check in checks {
            let LiveQuery::SignIn(id) = check.query else { continue };
            let ends_at = self.known.get(id).and_then(|live| live.sign_in).map(|sign_in| sign_in.expires_at);
            if ends_at.is_none_or(|ends_at| ends_at <= check.now) {
                self.known.forget_sign_in(id);
                wanted.push(id.as_i64());
            }
        }
        wanted
    }

    /// Asks for what has changed, and in the same way to the server for what is wanted. Afterwards the new snapshot is that
    /// of all that is known, so what has changed must be forgotten at once.
    async fn catch_up(&mut self, wanted: &[i64]) -> Asked<(Changed, Result<Vec<(SignInId, Live)>>)> {
        let statement = changes::statement(&self.link).await?;
        let by_sign_ins = if wanted.is_empty() { None } else { Some(self.link.prepared(BY_SIGN_INS).await?) };
        let since = changes::since(&self.link, &statement, self.snapshot.as_ref());
        let (news, rows) = match by_sign_ins {
            None => (since.await?, Vec::new()),
            Some(by_sign_ins) => {
                let wanted: [&(dyn ToSql + Sync); 1] = [&wanted];
                let (news, rows) = tokio::join!(biased; since, self.link.client.query(&by_sign_ins, &wanted));
                (news?, rows?)
            }
        };
        self.snapshot = Some(news.snapshot);
        Ok((news.changed, read(&rows)))
    }

    /// Whether there was anything to forget.
    fn forget(&mut self, changed: &Changed) -> bool {
        match changed {
            Changed::Everything => self.known.clear(),
            Changed::These { sign_ins, users } if sign_ins.is_empty() && users.is_empty() => return false,
            Changed::These { sign_ins, users } => self.known.forget(sign_ins, users),
        }
        true
    }

    fn keep(&mut self, found: Vec<(SignInId, Live)>) {
        for (id, live) in found {
            self.known.insert(id, live);
        }
    }

    async fn answers(&mut self, checks: &[Check]) -> Looked {
        let mut answers = Vec::with_capacity(checks.len());
        for check in checks {
            answers.push(match check.query {
                LiveQuery::SignIn(id) => self.known.get(id).cloned(),
                LiveQuery::User(_) => match without_sign_in(&self.link, check.query).await? {
                    Ok(live) => live,
                    Err(error) => return Ok(Err(error)),
                },
            });
        }
        Ok(Ok(answers))
    }
}

fn sign_ins_of(checks: &[Check]) -> impl Iterator<Item = SignInId> {
    checks.iter().filter_map(|check| match check.query {
        LiveQuery::SignIn(id) => Some(id),
        LiveQuery::User(_) => None,
    })
}

async fn through_sign_ins(link: &Link, ids: &[i64]) -> Asked<Result<Vec<(SignInId, Live)>>> {
    if ids.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let statement = link.prepared(BY_SIGN_INS).await?;
    link.client.query(&statement, &[&ids]).await.map(|rows| read(&rows))
}

fn read(rows: &[tokio_postgres::Row]) -> Result<Vec<(SignInId, Live)>> {
    let read = |row| {
        let row = Row(Source::Postgres(row));
        Ok((row.sign_in_id(7)?, through_sign_in(&row)?))
    };
    rows.iter().map(read).collect()
}

/// Tokens of other programs have no sign-in; they are rare enough to travel alone.
async fn without_sign_in(link: &Link, query: LiveQuery) -> Asked<Result<Option<Live>>> {
    let (sql, values, read) = query.statement();
    let statement = link.prepared(sql).await?;
    let [id] = &values;
    let row = link.client.query_opt(&statement, &[id]).await?;
    Ok(row.as_ref().map(|row| read(&Row(Source::Postgres(row)))).transpose())
}

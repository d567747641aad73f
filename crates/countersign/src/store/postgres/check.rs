//! Who an access token speaks for, asked for many tokens at once. Nothing is remembered: another node may have ended a
//! sign-in a moment ago.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::timeout;

use super::error::late;
use super::link::{Link, Links, failure};
use super::queue::Worker;
use crate::error::{Error, Internal, Result};
use crate::id::SignInId;
use crate::store::check::{BY_SIGN_INS, through_sign_in};
use crate::store::row::Source;
use crate::store::{Live, LiveQuery, Row};

/// Reading twice does no harm: a connection that broke is replaced once.
const ATTEMPTS: u32 = 2;
const LIMIT: Duration = Duration::from_secs(5);

pub(super) struct Checker {
    links: Links,
    link: Option<Link>,
}

impl Checker {
    pub(super) fn new(links: Links) -> Self {
        Self { links, link: None }
    }

    async fn ask(&mut self, queries: &[LiveQuery]) -> Result<Vec<Option<Live>>> {
        let mut outcome = Err(late("a check"));
        for _ in 0..ATTEMPTS {
            let link = match self.link.take() {
                Some(link) if !link.is_lost() => link,
                _ => self.links.connect().await?,
            };
            match timeout(LIMIT, look(&link, queries)).await {
                Ok(Ok(found)) => {
                    self.link = Some(link);
                    return found;
                }
                Ok(Err(error)) => {
                    let (error, is_usable) = failure(&link, &error);
                    if is_usable {
                        self.link = Some(link);
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

impl Worker<LiveQuery, Option<Live>> for Checker {
    async fn answer(&mut self, queries: &[LiveQuery]) -> Vec<Result<Option<Live>>> {
        match self.ask(queries).await {
            Ok(found) => found.into_iter().map(Ok).collect(),
            Err(error) => queries.iter().map(|_| Err(again(&error))).collect(),
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

type Looked = std::result::Result<Result<Vec<Option<Live>>>, tokio_postgres::Error>;

async fn look(link: &Link, queries: &[LiveQuery]) -> Looked {
    let living = through_sign_ins(link, queries).await?;
    let mut found = Vec::with_capacity(queries.len());
    for query in queries {
        found.push(match (query, &living) {
            (LiveQuery::SignIn(id), Ok(living)) => living.get(id).cloned(),
            (LiveQuery::SignIn(_), Err(error)) => return Ok(Err(again(error))),
            (LiveQuery::User(_), _) => match without_sign_in(link, *query).await? {
                Ok(live) => live,
                Err(error) => return Ok(Err(error)),
            },
        });
    }
    Ok(Ok(found))
}

async fn through_sign_ins(
    link: &Link,
    queries: &[LiveQuery],
) -> std::result::Result<Result<HashMap<SignInId, Live>>, tokio_postgres::Error> {
    let ids: Vec<i64> = queries
        .iter()
        .filter_map(|query| match query {
            LiveQuery::SignIn(id) => Some(id.as_i64()),
            LiveQuery::User(_) => None,
        })
        .collect();
    if ids.is_empty() {
        return Ok(Ok(HashMap::new()));
    }
    let statement = link.prepared(BY_SIGN_INS).await?;
    let rows = link.client.query(&statement, &[&ids]).await?;
    let read = rows.iter().map(|row| {
        let row = Row(Source::Postgres(row));
        Ok((row.sign_in_id(7)?, through_sign_in(&row)?))
    });
    Ok(read.collect())
}

/// Tokens of other programs have no sign-in; they are rare enough to travel alone.
async fn without_sign_in(
    link: &Link,
    query: LiveQuery,
) -> std::result::Result<Result<Option<Live>>, tokio_postgres::Error> {
    let (sql, values, read) = query.statement();
    let statement = link.prepared(sql).await?;
    let [id] = &values;
    let row = link.client.query_opt(&statement, &[id]).await?;
    Ok(row.as_ref().map(|row| read(&Row(Source::Postgres(row)))).transpose())
}

//! The refresh: a token is spent for its successor. Who spends it, who retries, who races, and who is a thief.

pub(crate) mod http;
mod retry_key;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use crate::audit::{About, Event};
use crate::authenticate::{Tokens, issue};
use crate::error::{Error, Internal, RefreshRefusal, Result};
use crate::metrics::RefreshResult;
use crate::secret::{self, random_bytes};
use crate::service::Countersign;
use crate::sign_in::{self, EndReason, FamilyRow, RefreshToken, Transport};
use crate::store::Spend;
use crate::time::Timestamp;

pub(crate) use retry_key::RetryKey;

/// A refresh token as a client presents it.
pub(crate) struct Presented {
    pub(crate) token: RefreshToken,
    pub(crate) transport: Transport,
    pub(crate) retry_key: Option<RetryKey>,
    /// Where it comes from.
    pub(crate) from: Option<IpAddr>,
}

/// The whole of it: chooses among the tokens that came along, spends that one, and counts what came of it. A visitor
/// without any is none of the audit's business; one with a made-up token is.
///
/// # Errors
/// As [`choose`] and [`refresh`].
pub(crate) async fn exchange(
    service: &Countersign,
    texts: &[&str],
    transport: Transport,
    retry_key: Option<RetryKey>,
    from: Option<IpAddr>,
) -> Result<Tokens> {
    let spending = async {
        let chosen = choose(service, texts).await.inspect_err(|error| {
            if let Error::RefreshToken(RefreshRefusal::Invalid) = error {
                let about = About { address: from, ..About::default() };
                service.record(Event::RefreshRefused, about.because(why(RefreshRefusal::Invalid)));
            }
        });
        refresh(service, &Presented { token: chosen?, transport, retry_key, from }).await
    };
    spending.await.inspect_err(|refusal| service.meters().refreshes.count(RefreshResult::of(refusal)))
}

/// Spends the token for its successor. One guarded statement decides, so of any number of requests with one token one
/// wins; the others learn why they did not.
///
/// # Errors
/// [`Error::RefreshToken`], [`Error::Unavailable`].
pub(crate) async fn refresh(service: &Countersign, presented: &Presented) -> Result<Tokens> {
    let now = service.now();
    let salt = random_bytes();
    let successor = successor(service, &presented.token, &salt)?;
    let spend = Spend {
        sign_in: presented.token.sign_in,
        generation: presented.token.generation.into(),
        presented_hash: presented.token.hash(),
        transport: presented.transport.word(),
        successor_hash: successor.hash(),
        successor_salt: salt,
        retry_key_hash: presented.retry_key.as_ref().map(|key| key.hash_for(&presented.token)),
        now,
        expires_at: now.plus(service.settings().refresh_token_lifetime),
    };
    match service.store().spend(spend).await? {
        Some(spent) => {
            service.meters().refreshes.count(RefreshResult::Ok);
            issue(service, spent.user, &successor, spent.expires_at)
        }
        // Seldom needed, and larger than all the rest: on the heap it burdens nobody else.
        None => Box::pin(not_spent(service, presented, now)).await,
    }
}

fn successor(service: &Countersign, token: &RefreshToken, salt: &[u8; 32]) -> Result<RefreshToken> {
    let key = service.refresh_keys().first().ok_or_else(|| Error::Fault(Internal::new("no refresh key")))?;
    token.successor(key, salt).ok_or(Error::RefreshToken(RefreshRefusal::Expired))
}

/// What a token that could not be spent turns out to be.
enum Standing {
    /// Its answer was lost: here is the same successor again.
    Retried {
        successor: RefreshToken,
        expires_at: Timestamp,
    },
    Refused(RefreshRefusal),
    /// It was spent, and not just now.
    Stolen,
}

async fn not_spent(service: &Countersign, presented: &Presented, now: Timestamp) -> Result<Tokens> {
    let id = presented.token.sign_in;
    let row = service.store().read(id, |tx, id| Box::pin(async move { tx.family(*id).await })).await?;
    let Some(row) = row else { return Err(Error::RefreshToken(RefreshRefusal::Invalid)) };
    let user = row.user;
    match standing(service, presented, &row, now)? {
        Standing::Retried { successor, expires_at } => {
            service.meters().refreshes.count(RefreshResult::Retry);
            issue(service, user, &successor, expires_at)
        }
        Standing::Refused(refusal) => {
            let about = About { sign_in: Some(id), address: presented.from, ..user.into() };
            service.record(Event::RefreshRefused, about.because(why(refusal)));
            Err(Error::RefreshToken(refusal))
        }
        Standing::Stolen => {
            sign_in::end_from(service, id, EndReason::RefreshTokenReused, presented.from).await?;
            Err(Error::RefreshToken(RefreshRefusal::Reused))
        }
    }
}

const fn why(refusal: RefreshRefusal) -> &'static str {
    match refusal {
        RefreshRefusal::Missing => "missing",
        RefreshRefusal::Invalid => "invalid",
        RefreshRefusal::Spent => "spent",
        RefreshRefusal::Reused => "reused",
        RefreshRefusal::Revoked => "revoked",
        RefreshRefusal::Expired => "expired",
    }
}

/// Judged by generation number: time says only whether a spending was just now (SEC-45, SEC-46).
fn standing(
    service: &Countersign,
    presented: &Presented,
    row: &FamilyRow,
    now: Timestamp,
) -> Result<Standing> {
    let generation = i64::from(presented.token.generation);
    let refused = |refusal| Ok(Standing::Refused(refusal));
    if row.transport != presented.transport {
        return refused(RefreshRefusal::Invalid);
    }
    if row.has_ended || !row.is_backed {
        return refused(RefreshRefusal::Revoked);
    }
    if row.expires_at <= now {
        return refused(RefreshRefusal::Expired);
    }
    if generation >= row.generation {
        return not_spent_yet(presented, row);
    }
    let is_direct_predecessor = generation == row.generation - 1;
    if is_direct_predecessor
        && may_retry(service, presented, row, now)
        && let Some(successor) = same_successor(service, &presented.token, row)
    {
        return Ok(Standing::Retried { successor, expires_at: row.expires_at });
    }
    match row.spent_at(generation) {
        Some(spent_at) if is_just_now(spent_at, now, service.settings().refresh_race) => {
            refused(RefreshRefusal::Spent)
        }
        _ => Ok(Standing::Stolen),
    }
}

/// A token of the current generation that is not the current one was never issued, or the database is older than the
/// token (a backup was restored). If it is the current one, the row changed back between two statements.
fn not_spent_yet(presented: &Presented, row: &FamilyRow) -> Result<Standing> {
    if secret::equal(&presented.token.hash(), &row.current_hash) {
        return Err(Error::Unavailable(Internal::new("a sign-in changed while its token was being spent")));
    }
    Ok(Standing::Refused(RefreshRefusal::Invalid))
}

fn may_retry(service: &Countersign, presented: &Presented, row: &FamilyRow, now: Timestamp) -> bool {
    let same_key = match (&presented.retry_key, &row.retry_key_hash) {
        (Some(key), Some(kept)) => secret::equal(&key.hash_for(&presented.token), kept),
        _ => false,
    };
    let grace = service.settings().refresh_reuse_grace;
    let spent_at = row.spent_at(presented.token.generation.into());
    same_key || (!grace.is_zero() && spent_at.is_some_and(|spent_at| is_just_now(spent_at, now, grace)))
}

/// A spending that lies further ahead was made before the clock stepped back: it is no reason to wait for it (SEC-46).
fn is_just_now(spent_at: Timestamp, now: Timestamp, within: Duration) -> bool {
    now.since(spent_at) <= within && spent_at.since(now) <= within
}

/// The successor follows from the token and the row; a former key may have made it.
fn same_successor(service: &Countersign, token: &RefreshToken, row: &FamilyRow) -> Option<RefreshToken> {
    let salt = row.successor_salt.as_ref()?;
    let derived = service.refresh_keys().iter().filter_map(|key| token.successor(key, salt));
    derived.into_iter().find(|successor| secret::equal(&successor.hash(), &row.current_hash))
}

/// Chooses among the tokens that came along: exactly one living one is used. Without a living one the first authentic
/// token is judged, so that theft is still seen.
///
/// # Errors
/// [`Error::AmbiguousRefreshCookie`] where two live; [`RefreshRefusal::Missing`], [`RefreshRefusal::Invalid`].
pub(crate) async fn choose(service: &Countersign, texts: &[&str]) -> Result<RefreshToken> {
    if texts.is_empty() {
        return Err(Error::RefreshToken(RefreshRefusal::Missing));
    }
    let mut tokens = sign_in::authentic(service, texts);
    if tokens.len() > 1 {
        let now = service.now();
        let mut living = Vec::new();
        for token in &tokens {
            living.push(is_living(service, token, now).await?);
        }
        let live_ones = living.iter().filter(|lives| **lives).count();
        if live_ones > 1 {
            return Err(Error::AmbiguousRefreshCookie);
        }
        if let Some(at) = living.iter().position(|lives| *lives) {
            tokens.swap(0, at);
        }
    }
    tokens.into_iter().next().ok_or(Error::RefreshToken(RefreshRefusal::Invalid))
}

async fn is_living(service: &Countersign, token: &RefreshToken, now: Timestamp) -> Result<bool> {
    let id = token.sign_in;
    let row = service.store().read(id, |tx, id| Box::pin(async move { tx.family(*id).await })).await?;
    Ok(row.is_some_and(|row| {
        let is_current = secret::equal(&row.current_hash, &token.hash());
        is_current && !row.has_ended && row.is_backed && row.expires_at > now
    }))
}

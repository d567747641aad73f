//! From an `Authorization` header to the current user: verify, then ask the store.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use std::time::Duration;

use countersign_token::{Glance, Refusal};

use crate::error::{AccessRefusal, Error, Result};
use crate::id::{SignInId, UserId};
use crate::service::Countersign;
use crate::store::{Live, LiveQuery};
use crate::time::Timestamp;
use crate::user::User;

/// Who is asking: the user that a good access token speaks for. As an extractor it refuses everybody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentUser {
    /// The account.
    pub user: User,
    /// The sign-in that the access token came from; a token of another issuer of ours may have none.
    pub sign_in: Option<CurrentSignIn>,
    /// The account's epoch at this moment: what the user proves now counts while it lasts.
    pub(crate) epoch: i64,
}

/// How fresh a sign-in must be to stand in for a password that is not asked for, or that the account does not have.
const FRESH: Duration = Duration::from_secs(600);

impl CurrentUser {
    /// Whether this is a sign-in that began just now: evidence that it is the owner who asks, and not somebody who has
    /// got hold of a token.
    pub(crate) fn has_just_signed_in(&self, now: Timestamp) -> bool {
        self.sign_in.is_some_and(|sign_in| now.since(sign_in.created_at) <= FRESH)
    }
}

/// The sign-in that a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentSignIn {
    /// Its id.
    pub id: SignInId,
    /// When it began.
    pub created_at: Timestamp,
}

/// Resolves an access token to a user. The signature is checked before any claim is used, and the store is asked in
/// every case: a sign-in that has ended, an account that is disabled or deleted opens nothing (SEC-37, SEC-38).
///
/// # Errors
/// [`Error::AccessToken`]; [`Error::Unavailable`] where the store can't say: nothing is good because it could not be
/// checked (SEC-106).
pub async fn resolve(service: &Countersign, token: &str) -> Result<CurrentUser> {
    let now = service.now();
    let spoken_for = service.verifier().glance(token, now.as_seconds(), spoken_for);
    let SpokenFor { user, sign_in, issued_at } = spoken_for.and_then(|read| read).map_err(refused)?;
    let live = match sign_in {
        Some(id) => through_sign_in(service, id, now).await?,
        None => without_sign_in(service, user, issued_at, now).await?,
    };
    let live = live.filter(|live| live.user == user).ok_or_else(|| refused(Refusal::Invalid))?;
    Ok(current(live))
}

pub(crate) fn refused(refusal: Refusal) -> Error {
    Error::AccessToken(match refusal {
        Refusal::Missing => AccessRefusal::Missing,
        Refusal::Invalid => AccessRefusal::Invalid,
        Refusal::Expired => AccessRefusal::Expired,
    })
}

/// Whom a good token speaks for.
struct SpokenFor {
    user: UserId,
    sign_in: Option<SignInId>,
    issued_at: i64,
}

fn spoken_for(claims: Glance<'_>) -> Result<SpokenFor, Refusal> {
    let user = claims.subject.parse().map_err(|_| Refusal::Invalid)?;
    let sign_in = claims.sign_in.map(str::parse).transpose().map_err(|_| Refusal::Invalid)?;
    Ok(SpokenFor { user, sign_in, issued_at: claims.issued_at })
}

async fn through_sign_in(service: &Countersign, id: SignInId, now: Timestamp) -> Result<Option<Live>> {
    let live = service.store().check(LiveQuery::SignIn(id), now).await?;
    Ok(live.filter(|live| live.sign_in.is_some_and(|sign_in| sign_in.expires_at > now)))
}

/// A token without a sign-in dies with the next change of credentials: it must have been issued in a later second,
/// since a token of the same second can't be told from one that was issued before.
async fn without_sign_in(
    service: &Countersign,
    user: UserId,
    issued_at: i64,
    now: Timestamp,
) -> Result<Option<Live>> {
    let live = service.store().check(LiveQuery::User(user), now).await?;
    Ok(live.filter(|live| issued_at > live.tokens_after))
}

fn current(live: Live) -> CurrentUser {
    let Live { user: id, username, email, email_verified, created_at, epoch, sign_in, .. } = live;
    let sign_in = sign_in.map(|sign_in| CurrentSignIn { id: sign_in.id, created_at: sign_in.created_at });
    CurrentUser { user: User { id, username, email, email_verified, created_at }, sign_in, epoch }
}

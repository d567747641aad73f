//! From an `Authorization` header to the current user: verify, then ask the store.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use countersign_token::{Claims, Refusal};

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
    let claims = service.verifier().verify(token, now.as_seconds()).map_err(refused)?;
    let user: UserId = claims.subject.parse().map_err(|_| refused(Refusal::Invalid))?;
    let live = match sign_in_of(&claims)? {
        Some(id) => through_sign_in(service, id, now).await?,
        None => without_sign_in(service, user, &claims).await?,
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

fn sign_in_of(claims: &Claims) -> Result<Option<SignInId>> {
    let parsed = claims.sign_in.as_deref().map(str::parse).transpose();
    parsed.map_err(|_| refused(Refusal::Invalid))
}

async fn through_sign_in(service: &Countersign, id: SignInId, now: Timestamp) -> Result<Option<Live>> {
    let live = service.store().check(LiveQuery::SignIn(id)).await?;
    Ok(live.filter(|live| live.sign_in.is_some_and(|sign_in| sign_in.expires_at > now)))
}

/// A token without a sign-in dies with the next change of credentials: it must have been issued in a later second,
/// since a token of the same second can't be told from one that was issued before.
async fn without_sign_in(service: &Countersign, user: UserId, claims: &Claims) -> Result<Option<Live>> {
    let live = service.store().check(LiveQuery::User(user)).await?;
    Ok(live.filter(|live| claims.issued_at > live.tokens_after))
}

fn current(live: Live) -> CurrentUser {
    let Live { user: id, username, email, email_verified, created_at, epoch, sign_in, .. } = live;
    let sign_in = sign_in.map(|sign_in| CurrentSignIn { id: sign_in.id, created_at: sign_in.created_at });
    CurrentUser { user: User { id, username, email, email_verified, created_at }, sign_in, epoch }
}

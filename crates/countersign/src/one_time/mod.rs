//! One-time tokens: what a mailed link carries, for one purpose, one user and one address, good once and not for long.
//!
//! As with refresh tokens, the database holds no token and the key alone makes none: a token is derived from a random
//! seed, which waits with the mail until that is sent, and from a key that the database does not have.

mod sql;
#[cfg(test)]
mod tests;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::{Error, Result, TokenRefusal};
use crate::id::UserId;
use crate::keys::OneTimeKey;
use crate::secret::random_bytes;
use crate::store::{Store, Tx};
use crate::time::Timestamp;

/// The longest text that can be a token: more is not even hashed.
const LONGEST: usize = 64;

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Shows that an address is its owner's.
    VerifyEmail,
    /// Stands in for a forgotten password, where the address is the account's verified one.
    ResetPassword,
}

impl Purpose {
    /// The stable word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
        }
    }

    /// Whether a token dies when its address is not the account's verified one any more. One that shows an address to be
    /// its owner's can't ask for that.
    const fn needs_verified_address(self) -> bool {
        match self {
            Self::VerifyEmail => false,
            Self::ResetPassword => true,
        }
    }
}

/// 256 random bits from which a token is derived. By itself it opens nothing.
#[derive(Clone)]
pub(crate) struct Seed([u8; 32]);

impl Seed {
    /// A new one.
    pub(crate) fn draw() -> Self {
        Self(random_bytes())
    }

    /// The seed that a row holds.
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What a row holds.
    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(…)")
    }
}

/// SHA-256 of a token's text: all that the database knows of it.
pub(crate) type TokenHash = [u8; 32];

/// The token's text: 256 bits, URL-safe.
pub(crate) fn derive(key: &OneTimeKey, purpose: Purpose, user: UserId, seed: &Seed) -> Zeroizing<String> {
    let mac = key.token.clone().chain_update(purpose.word()).chain_update([0]);
    let mac = mac.chain_update(user.as_i64().to_be_bytes()).chain_update(seed.bytes());
    Zeroizing::new(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// The hash of what somebody presents.
///
/// # Errors
/// [`TokenRefusal::Invalid`] where it is too long to be a token.
pub(crate) fn hash(presented: &str) -> Result<TokenHash> {
    if presented.len() > LONGEST {
        return Err(Error::OneTimeToken(TokenRefusal::Invalid));
    }
    Ok(Sha256::digest(presented.as_bytes()).into())
}

/// A token about to be mailed.
#[derive(Debug, Clone)]
pub(crate) struct NewToken {
    pub(crate) user: UserId,
    pub(crate) purpose: Purpose,
    /// Where it is mailed to.
    pub(crate) email: String,
    pub(crate) email_key: String,
    pub(crate) hash: TokenHash,
    pub(crate) now: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// What a token proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proven {
    pub(crate) user: UserId,
    /// The address as it was when the token was mailed there.
    pub(crate) email: String,
    /// The user's epoch: what follows from the token counts while it lasts.
    pub(crate) epoch: i64,
}

/// How long somebody may be told that a token was good once.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How many tokens the next sweep will remove, counted to `most`.
pub(crate) async fn backlog(store: &Store, now: Timestamp, most: u32) -> Result<u64> {
    let steps = store.read((now.minus(KEPT), most), |tx, (expired_before, most)| {
        Box::pin(async move { tx.count_one_time_tokens_due(*expired_before, *most).await })
    });
    steps.await
}

/// Removes tokens a day past their end, one small batch. Returns how many.
pub(crate) async fn sweep(store: &Store, now: Timestamp, batch: u32) -> Result<u64> {
    let steps = store.write((now.minus(KEPT), batch), |tx, (expired_before, batch)| {
        Box::pin(async move { tx.remove_one_time_tokens(*expired_before, *batch).await })
    });
    steps.await
}

impl Tx<'_> {
    /// What the token would prove, without spending it: for what has to be judged first.
    ///
    /// # Errors
    /// [`Error::OneTimeToken`].
    pub(crate) async fn weigh_one_time_token(
        &mut self,
        purpose: Purpose,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Proven> {
        match self.living_one_time_token(purpose, hash, now).await? {
            Some(proven) => Ok(proven),
            None => Err(self.why_not(purpose, hash, now).await?),
        }
    }

    /// Spends a token: of any number of requests with it one gets what it proves.
    ///
    /// # Errors
    /// [`Error::OneTimeToken`].
    pub(crate) async fn spend_one_time_token(
        &mut self,
        purpose: Purpose,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Proven> {
        match self.delete_living_one_time_token(purpose, hash, now).await? {
            Some(proven) => Ok(proven),
            None => Err(self.why_not(purpose, hash, now).await?),
        }
    }

    /// Only for as long as the row is there can anybody be told that a token was good once.
    async fn why_not(&mut self, purpose: Purpose, hash: &TokenHash, now: Timestamp) -> Result<Error> {
        let expired = self.one_time_token_has_expired(purpose, hash, now).await?;
        Ok(Error::OneTimeToken(if expired { TokenRefusal::Expired } else { TokenRefusal::Invalid }))
    }
}

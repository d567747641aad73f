//! The statements of attempts and identities.

use super::Identity;
use super::attempt::{Attempt, NewAttempt, Purpose};
use crate::error::Result;
use crate::id::{IdentityId, SignInId, UserId};
use crate::store::{Attempt as Tried, Row, Tx};
use crate::time::Timestamp;

/// What an identity is known by, and the address that came with it.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) provider: String,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) email: Option<String>,
}

fn attempt(row: &Row<'_>) -> Result<Attempt> {
    let purpose = match (row.optional_int(1)?, row.optional_int(2)?) {
        (Some(user), Some(sign_in)) => {
            Purpose::Link { user: UserId::from_i64(user), sign_in: SignInId::from_i64(sign_in) }
        }
        _ => Purpose::SignIn,
    };
    Ok(Attempt { return_to: row.text(0)?, purpose, created_at: row.time(3)? })
}

fn identity(row: &Row<'_>) -> Result<Identity> {
    Ok(Identity {
        id: IdentityId::from_i64(row.int(0)?),
        provider: row.text(1)?,
        issuer: row.text(2)?,
        subject: row.text(3)?,
        email: row.optional_text(4)?,
        created_at: row.time(5)?,
        last_used_at: row.optional_time(6)?,
    })
}

impl Tx<'_> {
    pub(super) async fn insert_oauth_attempt(&mut self, new: &NewAttempt) -> Result<()> {
        let sql = "
            INSERT INTO oauth_attempts (state_hash, browser_hash, provider, return_to, user_id, sign_in_id, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let (user, sign_in) = match new.purpose {
            Purpose::SignIn => (None, None),
            Purpose::Link { user, sign_in } => (Some(user.as_i64()), Some(sign_in.as_i64())),
        };
        let values = [
            (&new.state_hash).into(),
            (&new.browser_hash).into(),
            (&new.provider).into(),
            (&new.return_to).into(),
            user.into(),
            sign_in.into(),
            new.now.into(),
        ];
        self.execute(sql, &values).await.map(drop)
    }

    pub(super) async fn has_oauth_attempt(&mut self, state_hash: &[u8; 32]) -> Result<bool> {
        let sql = "SELECT created_at FROM oauth_attempts WHERE state_hash = $1";
        Ok(self.one(sql, &[state_hash.into()], |row| row.time(0)).await?.is_some())
    }

    /// Spends an attempt, if it was this browser that was sent to this provider: of any number of requests one gets it.
    pub(super) async fn take_oauth_attempt(
        &mut self,
        state_hash: &[u8; 32],
        provider: &str,
        browser_hash: &[u8; 32],
    ) -> Result<Option<Attempt>> {
        let sql = "
            DELETE FROM oauth_attempts WHERE state_hash = $1 AND provider = $2 AND browser_hash = $3
            RETURNING return_to, user_id, sign_in_id, created_at";
        self.one(sql, &[state_hash.into(), provider.into(), browser_hash.into()], attempt).await
    }

    pub(super) async fn count_oauth_attempts_due(&mut self, before: Timestamp, most: u32) -> Result<u64> {
        let sql = "
            SELECT count(*) FROM (SELECT 1 FROM oauth_attempts WHERE created_at < $1 LIMIT $2) AS due";
        let count = self.one(sql, &[before.into(), i64::from(most).into()], |row| row.int(0)).await?;
        Ok(count.map_or(0, i64::unsigned_abs))
    }

    pub(super) async fn remove_oauth_attempts(&mut self, before: Timestamp, batch: u32) -> Result<u64> {
        let sql = "
            DELETE FROM oauth_attempts WHERE state_hash IN (
                SELECT state_hash FROM oauth_attempts WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
        self.execute(sql, &[before.into(), i64::from(batch).into()]).await
    }

    /// Notes that an identity is used, and says whose it is.
    pub(super) async fn use_identity(&mut self, key: &Key, now: Timestamp) -> Result<Option<UserId>> {
        let sql = "
            UPDATE identities SET last_used_at = $5, email = $4
            WHERE provider = $1 AND issuer = $2 AND subject = $3 RETURNING user_id";
        let values = [
            (&key.provider).into(),
            (&key.issuer).into(),
            (&key.subject).into(),
            key.email.as_ref().into(),
            now.into(),
        ];
        self.one(sql, &values, |row| row.user_id(0)).await
    }

    pub(super) async fn holder_of_identity(&mut self, key: &Key) -> Result<Option<UserId>> {
        let sql = "SELECT user_id FROM identities WHERE provider = $1 AND issuer = $2 AND subject = $3";
        let values = [(&key.provider).into(), (&key.issuer).into(), (&key.subject).into()];
        self.one(sql, &values, |row| row.user_id(0)).await
    }

    /// Gives an identity to a living account. With `verified` the account must have confirmed that very address at this
    /// moment. `Done(0)`: it does not live, or has not. `Conflict`: the identity, or the id, is taken.
    pub(super) async fn insert_identity(
        &mut self,
        id: IdentityId,
        user: UserId,
        key: &Key,
        verified: Option<&str>,
        now: Timestamp,
    ) -> Result<Tried> {
        let sql = "
            INSERT INTO identities (id, user_id, provider, issuer, subject, email, created_at)
            SELECT $1, u.id, $3, $4, $5, $6, $7 FROM users u
            WHERE u.id = $2 AND u.disabled_at IS NULL AND u.deleted_at IS NULL
              AND (CAST($8 AS TEXT) IS NULL OR u.email_key = $8 AND u.email_verified_at IS NOT NULL)";
        let values = [
            id.into(),
            user.into(),
            (&key.provider).into(),
            (&key.issuer).into(),
            (&key.subject).into(),
            key.email.as_ref().into(),
            now.into(),
            verified.into(),
        ];
        self.attempt(sql, &values).await
    }

    /// Writes the row of a living account, so that what follows comes before or after every change of its credentials.
    /// `false`: the epoch is over, or the account is not alive.
    pub(super) async fn hold_user(&mut self, user: UserId, epoch: i64) -> Result<bool> {
        let sql = "
            UPDATE users SET last_sign_in_at = last_sign_in_at
            WHERE id = $1 AND epoch = $2 AND disabled_at IS NULL AND deleted_at IS NULL";
        Ok(self.execute(sql, &[user.into(), epoch.into()]).await? == 1)
    }

    /// Writes the row of a living sign-in of this user's, so that what follows comes before or after its end.
    pub(super) async fn hold_sign_in(&mut self, id: SignInId, user: UserId, now: Timestamp) -> Result<bool> {
        let sql = "
            UPDATE sign_ins SET last_used_at = last_used_at
            WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3
              AND EXISTS (SELECT 1 FROM users u WHERE u.id = sign_ins.user_id AND u.epoch = sign_ins.epoch)";
        Ok(self.execute(sql, &[id.into(), user.into(), now.into()]).await? == 1)
    }

    pub(super) async fn identities_of(&mut self, user: UserId) -> Result<Vec<Identity>> {
        let sql = "
            SELECT id, provider, issuer, subject, email, created_at, last_used_at
            FROM identities WHERE user_id = $1 ORDER BY id";
        self.all(sql, &[user.into()], identity).await
    }

    /// Removes an identity of this user's, unless nothing else would open the account then (SEC-97). Whoever calls it
    /// holds the user's row: otherwise two of them could each see the other's identity. Returns its provider.
    pub(super) async fn remove_identity(&mut self, id: IdentityId, user: UserId) -> Result<Option<String>> {
        let sql = "
            DELETE FROM identities WHERE id = $1 AND user_id = $2
              AND (EXISTS (SELECT 1 FROM users u WHERE u.id = $2 AND u.password_hash IS NOT NULL)
                   OR EXISTS (SELECT 1 FROM identities other WHERE other.user_id = $2 AND other.id <> $1))
            RETURNING provider";
        self.one(sql, &[id.into(), user.into()], |row| row.text(0)).await
    }

    pub(super) async fn has_identity(&mut self, id: IdentityId, user: UserId) -> Result<bool> {
        let sql = "SELECT id FROM identities WHERE id = $1 AND user_id = $2";
        Ok(self.one(sql, &[id.into(), user.into()], |row| row.int(0)).await?.is_some())
    }
}

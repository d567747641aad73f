//! The statements of one-time tokens.

use super::{NewToken, Proven, Purpose, TokenHash};
use crate::error::Result;
use crate::id::UserId;
use crate::store::{Row, Tx};
use crate::time::Timestamp;

/// A token that lives: not expired, of a living user in the same epoch, and mailed to the verified address where that is
/// asked for.
macro_rules! living {
    ($verb:literal, $rest:literal) => {
        concat!(
            $verb,
            " FROM one_time_tokens
             WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3
               AND EXISTS (SELECT 1 FROM users u
                           WHERE u.id = one_time_tokens.user_id AND u.epoch = one_time_tokens.epoch
                             AND u.disabled_at IS NULL AND u.deleted_at IS NULL
                             AND (CAST($4 AS BIGINT) = 0
                                  OR u.email_key = one_time_tokens.email_key AND u.email_verified_at IS NOT NULL)) ",
            $rest
        )
    };
}

fn proven(row: &Row<'_>) -> Result<Proven> {
    Ok(Proven { user: row.user_id(0)?, email: row.text(1)?, epoch: row.int(2)? })
}

impl Tx<'_> {
    /// Takes the place of the user's former token of this purpose. `false`: the user does not live.
    pub(crate) async fn put_one_time_token(&mut self, new: &NewToken) -> Result<bool> {
        let sql = "
            INSERT INTO one_time_tokens (user_id, purpose, token_hash, email, email_key, epoch, created_at, expires_at)
            SELECT u.id, $2, $3, $4, $5, u.epoch, $6, $7 FROM users u
            WHERE u.id = $1 AND u.disabled_at IS NULL AND u.deleted_at IS NULL
            ON CONFLICT (user_id, purpose) DO UPDATE SET
                token_hash = excluded.token_hash, email = excluded.email, email_key = excluded.email_key,
                epoch = excluded.epoch, created_at = excluded.created_at, expires_at = excluded.expires_at";
        let values = [
            new.user.into(),
            new.purpose.word().into(),
            (&new.hash).into(),
            (&new.email).into(),
            (&new.email_key).into(),
            new.now.into(),
            new.expires_at.into(),
        ];
        Ok(self.execute(sql, &values).await? == 1)
    }

    pub(super) async fn delete_living_one_time_token(
        &mut self,
        purpose: Purpose,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<Proven>> {
        let sql = living!("DELETE", "RETURNING user_id, email, epoch");
        let needs_verified = i64::from(purpose.needs_verified_address());
        self.one(sql, &[hash.into(), purpose.word().into(), now.into(), needs_verified.into()], proven).await
    }

    pub(super) async fn living_one_time_token(
        &mut self,
        purpose: Purpose,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<Proven>> {
        let sql = living!("SELECT user_id, email, epoch", "");
        let needs_verified = i64::from(purpose.needs_verified_address());
        self.one(sql, &[hash.into(), purpose.word().into(), now.into(), needs_verified.into()], proven).await
    }

    pub(super) async fn one_time_token_has_expired(
        &mut self,
        purpose: Purpose,
        hash: &TokenHash,
        now: Timestamp,
    ) -> Result<bool> {
        let sql = "SELECT 1 FROM one_time_tokens WHERE token_hash = $1 AND purpose = $2 AND expires_at <= $3";
        let row = self.one(sql, &[hash.into(), purpose.word().into(), now.into()], |row| row.int(0)).await?;
        Ok(row.is_some())
    }

    /// The address that the user's token of this purpose was mailed to, as long as the token's epoch lasts.
    pub(crate) async fn address_of_one_time_token(
        &mut self,
        user: UserId,
        purpose: Purpose,
    ) -> Result<Option<String>> {
        let sql = "
            SELECT t.email FROM one_time_tokens t JOIN users u ON u.id = t.user_id AND u.epoch = t.epoch
            WHERE t.user_id = $1 AND t.purpose = $2";
        self.one(sql, &[user.into(), purpose.word().into()], |row| row.text(0)).await
    }

    /// Takes back what was mailed for this purpose.
    pub(crate) async fn drop_one_time_token(&mut self, user: UserId, purpose: Purpose) -> Result<()> {
        let sql = "DELETE FROM one_time_tokens WHERE user_id = $1 AND purpose = $2";
        self.execute(sql, &[user.into(), purpose.word().into()]).await.map(drop)
    }

    pub(super) async fn count_one_time_tokens_due(
        &mut self,
        expired_before: Timestamp,
        most: u32,
    ) -> Result<u64> {
        let sql = "
            SELECT count(*) FROM (SELECT 1 FROM one_time_tokens WHERE expires_at < $1 LIMIT $2) AS due";
        let count = self.one(sql, &[expired_before.into(), i64::from(most).into()], |row| row.int(0)).await?;
        Ok(count.map_or(0, i64::unsigned_abs))
    }

    pub(super) async fn remove_one_time_tokens(
        &mut self,
        expired_before: Timestamp,
        batch: u32,
    ) -> Result<u64> {
        let sql = "
            DELETE FROM one_time_tokens WHERE token_hash IN (
                SELECT token_hash FROM one_time_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
        self.execute(sql, &[expired_before.into(), i64::from(batch).into()]).await
    }
}

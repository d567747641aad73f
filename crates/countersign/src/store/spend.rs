//! The one statement that spends a refresh token. It stands here, not in its chapter, because each engine batches
//! it in its own way.

use super::{Row, Value};
use crate::error::Result;
use crate::id::{SignInId, UserId};
use crate::time::Timestamp;

/// What a spending needs: the guard (`sign_in`, `generation`, `presented_hash`, `transport`) and the successor.
#[derive(Debug, Clone)]
pub(crate) struct Spend {
    pub(crate) sign_in: SignInId,
    /// Of the presented token.
    pub(crate) generation: i64,
    /// SHA-256 of the presented token.
    pub(crate) presented_hash: [u8; 32],
    pub(crate) transport: &'static str,
    /// SHA-256 of the successor.
    pub(crate) successor_hash: [u8; 32],
    /// From which the successor was derived.
    pub(crate) successor_salt: [u8; 32],
    pub(crate) retry_key_hash: Option<[u8; 32]>,
    pub(crate) now: Timestamp,
    /// The idle end that the spending earns; the absolute end cuts it short.
    pub(crate) expires_at: Timestamp,
}

/// What a spending returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) user: UserId,
    /// When the successor expires, the absolute end considered.
    pub(crate) expires_at: Timestamp,
}

/// How many spendings a row remembers, and the digits of each.
pub(crate) const REMEMBERED_SPENDINGS: usize = 8;
pub(crate) const SPENDING_DIGITS: usize = 13;

/// The guard is the whole of rule 1: whoever finds the row changed has lost. The user's own row is asked too, so that
/// no path that ends an account can forget a sign-in.
pub(super) const SPEND: &str = "
    UPDATE sign_ins SET
        generation     = generation + 1,
        current_hash   = $4,
        successor_salt = $5,
        retry_key_hash = $6,
        spendings      = substr($7 || spendings, 1, 104),
        last_used_at   = $8,
        expires_at     = CASE WHEN $9 < ends_at THEN $9 ELSE ends_at END
    WHERE id = $1 AND generation = $2 AND current_hash = $3 AND transport = $10
      AND ended_at IS NULL AND expires_at > $8
      AND EXISTS (SELECT 1 FROM users WHERE users.id = sign_ins.user_id AND users.epoch = sign_ins.epoch
                  AND users.disabled_at IS NULL AND users.deleted_at IS NULL)
    RETURNING user_id, expires_at";

/// The same guard for many at once; column 2 of the answer says which of them won, counted from 1. Of two that name one row
/// the statement takes one, and the other finds, like anybody who comes too late, that nothing was spent.
///
/// Every column of `unnest` costs each row and each statement something, and what has a fixed length needs none of its own:
/// `packed` is the presented hash, the successor's hash and salt, 32 bytes each, and the hash of the retry key where there
/// is one.
pub(super) const SPEND_MANY: &str = "
    UPDATE sign_ins AS s SET
        generation     = s.generation + 1,
        current_hash   = substr(b.packed, 33, 32),
        successor_salt = substr(b.packed, 65, 32),
        retry_key_hash = nullif(substr(b.packed, 97, 32), CAST('' AS BYTEA)),
        spendings      = substr(b.stamp || s.spendings, 1, 104),
        last_used_at   = b.now,
        expires_at     = CASE WHEN b.expires_at < s.ends_at THEN b.expires_at ELSE s.ends_at END
    FROM unnest(CAST($1 AS BIGINT[]), CAST($2 AS BIGINT[]), CAST($3 AS BYTEA[]), CAST($4 AS TEXT[]),
                CAST($5 AS BIGINT[]), CAST($6 AS BIGINT[]), CAST($7 AS TEXT[])) WITH ORDINALITY
         AS b (id, generation, packed, stamp, now, expires_at, transport, place)
    WHERE s.id = b.id AND s.generation = b.generation AND s.current_hash = substr(b.packed, 1, 32)
      AND s.transport = b.transport AND s.ended_at IS NULL AND s.expires_at > b.now
      AND EXISTS (SELECT 1 FROM users WHERE users.id = s.user_id AND users.epoch = s.epoch
                  AND users.disabled_at IS NULL AND users.deleted_at IS NULL)
    RETURNING s.user_id, s.expires_at, b.place";

/// Whether a spending whose answer was lost took place: no other one has its successor.
pub(super) const IS_SPENT: &str = "
    SELECT user_id, expires_at FROM sign_ins WHERE id = $1 AND generation = $2 AND current_hash = $3";

impl Spend {
    /// The spending's time as the row remembers it: fixed width, so that `substr` can forget the oldest.
    pub(super) fn stamp(&self) -> String {
        format!("{:0width$}", self.now.as_millis().max(0), width = SPENDING_DIGITS)
    }

    /// What has a fixed length, as [`SPEND_MANY`] takes it apart.
    pub(super) fn packed(&self) -> Vec<u8> {
        let key: &[u8] = self.retry_key_hash.as_ref().map_or(&[], |hash| hash);
        [&self.presented_hash, &self.successor_hash, &self.successor_salt, key].concat()
    }

    pub(super) fn values<'v>(&'v self, stamp: &'v str) -> [Value<'v>; 10] {
        [
            self.sign_in.into(),
            self.generation.into(),
            (&self.presented_hash).into(),
            (&self.successor_hash).into(),
            (&self.successor_salt).into(),
            self.retry_key_hash.as_ref().into(),
            stamp.into(),
            self.now.into(),
            self.expires_at.into(),
            self.transport.into(),
        ]
    }
}

pub(super) fn spent(row: &Row<'_>) -> Result<Spent> {
    Ok(Spent { user: row.user_id(0)?, expires_at: row.time(1)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_remembers_as_many_digits_as_the_reader_expects() {
        let kept = format!("1, {})", REMEMBERED_SPENDINGS * SPENDING_DIGITS);
        assert!(SPEND.contains(&kept) && SPEND_MANY.contains(&kept));
    }
}

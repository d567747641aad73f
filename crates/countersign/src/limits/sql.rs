//! The statements of the limits.

use crate::error::Result;
use crate::store::{Row, Tx};
use crate::time::Timestamp;

/// What has been used of a budget whose window is not over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    pub(super) key: i64,
    pub(super) units: i64,
    pub(super) ends_at: Timestamp,
}

fn used(row: &Row<'_>) -> Result<Used> {
    Ok(Used { key: row.int(0)?, units: row.int(1)?, ends_at: row.time(2)? })
}

impl Tx<'_> {
    /// Uses one of `most` units, and returns how many are used then; `None`: none was left. The first unit opens a
    /// window, which ends at `ends_at`; one that is over begins anew. A window that ends later than that was opened
    /// before the clock was set back, and is cut short.
    pub(super) async fn use_unit(
        &mut self,
        key: i64,
        most: i64,
        now: Timestamp,
        ends_at: Timestamp,
    ) -> Result<Option<i64>> {
        let sql = "
            INSERT INTO rate_limits (key, used, ends_at) VALUES ($1, 1, $4)
            ON CONFLICT (key) DO UPDATE SET
                used    = CASE WHEN rate_limits.ends_at <= $3 THEN 1 ELSE rate_limits.used + 1 END,
                ends_at = CASE WHEN rate_limits.ends_at > $3 AND rate_limits.ends_at < excluded.ends_at
                               THEN rate_limits.ends_at ELSE excluded.ends_at END
            WHERE rate_limits.ends_at <= $3 OR rate_limits.used < $2
            RETURNING used";
        self.one(sql, &[key.into(), most.into(), now.into(), ends_at.into()], |row| row.int(0)).await
    }

    /// What has been used of three budgets at most.
    pub(super) async fn used_of(&mut self, keys: [i64; 3], now: Timestamp) -> Result<Vec<Used>> {
        let sql = "SELECT key, used, ends_at FROM rate_limits WHERE key IN ($1, $2, $3) AND ends_at > $4";
        let [first, second, third] = keys;
        self.all(sql, &[first.into(), second.into(), third.into(), now.into()], used).await
    }

    /// Gives back what was used of a budget, unless that was all of it.
    pub(super) async fn give_back_units(&mut self, key: i64, most: i64, now: Timestamp) -> Result<()> {
        let sql = "DELETE FROM rate_limits WHERE key = $1 AND (used < $2 OR ends_at <= $3)";
        self.execute(sql, &[key.into(), most.into(), now.into()]).await.map(drop)
    }

    /// Cuts a window short that ends too late because the clock was set back since.
    pub(super) async fn cut_window_short(&mut self, key: i64, ends_at: Timestamp) -> Result<()> {
        let sql = "UPDATE rate_limits SET ends_at = $2 WHERE key = $1 AND ends_at > $2";
        self.execute(sql, &[key.into(), ends_at.into()]).await.map(drop)
    }

    /// Rows whose window is over, counted up to `most`.
    pub(super) async fn ended_windows(&mut self, now: Timestamp, most: u32) -> Result<u64> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM rate_limits WHERE ends_at <= $1 LIMIT $2) AS due";
        let due = self.one(sql, &[now.into(), i64::from(most).into()], |row| row.int(0)).await?;
        Ok(due.and_then(|due| u64::try_from(due).ok()).unwrap_or(0))
    }

    pub(super) async fn remove_ended_windows(&mut self, now: Timestamp, batch: u32) -> Result<u64> {
        let sql = "
            DELETE FROM rate_limits WHERE key IN (
                SELECT key FROM rate_limits WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2)";
        self.execute(sql, &[now.into(), i64::from(batch).into()]).await
    }

    /// Removes rows above `keep`: those of which the least is used, and of these the ones that end first.
    pub(super) async fn remove_least_used(&mut self, keep: u32, batch: u32) -> Result<u64> {
        let sql = "
            DELETE FROM rate_limits WHERE key IN (
                SELECT key FROM rate_limits ORDER BY used DESC, ends_at DESC LIMIT $2 OFFSET $1)";
        self.execute(sql, &[i64::from(keep).into(), i64::from(batch).into()]).await
    }
}

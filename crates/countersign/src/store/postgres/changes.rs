//! What was committed since a snapshot that makes the answer of a check another one.
//!
//! Triggers write a row into `changes`, with the number of the transaction, wherever something changes that a check
//! answers with. So two snapshots S1 and S2, the later one, differ in nothing else than what the rows name that S2 sees
//! and whose transactions S1 does not see. It does not see a transaction that had no number yet (`>= xmax`) or was still
//! running (in `xip`), however long that goes on; one that is undone leaves no row.
//!
//! **Clean-up** removes rows of transactions below a number B. An earlier row of clean-up had noted B as the `xmin` of its
//! snapshot, `finished_below`: every transaction below it had ended. Before the first row goes, a row that says
//! `removed_below = B` is written. Whoever finds such a row anew and has `xmin(S1) < B` may have missed something, and
//! forgets everything. Whoever had found it before S1 has S1 later than the snapshot that B comes from, and has missed
//! nothing. Such a row is itself removed only under one whose `removed_below` is greater than its own transaction, and
//! whoever has not seen the former forgets everything because of the latter. Clocks say when to clean up, and no more.

use std::collections::HashSet;
use std::error::Error as Fault;
use std::time::Duration;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Row, Statement};

use super::link::{BY_KEYS_ALONE, Link};
use crate::error::Result;
use crate::id::{SignInId, UserId};
use crate::store::Tx;
use crate::time::Timestamp;

/// Whoever has missed more than these forgets everything: they would cost more than they save.
const MOST_ROWS: usize = 1_000;

/// How long a row stays at the least. A node that asks less often than that forgets everything.
const KEPT: Duration = Duration::from_secs(600);

/// What keeps the table, unless somebody has dropped or stopped it.
const TRIGGERS_THAT_ARE_ON: &str = "
    SELECT count(*) FROM pg_trigger
    WHERE tgrelid IN (SELECT to_regclass(name) FROM unnest(CAST($1 AS TEXT[])) AS name)
      AND tgname = ANY (CAST($2 AS TEXT[])) AND CAST(tgenabled AS TEXT) = $3";
const TABLES: [&str; 3] = ["sign_ins", "users", "changes"];
/// On whatever the role of the session.
const ALWAYS: &str = "A";
const TRIGGERS: [&str; 8] = [
    "sign_ins_changed",
    "sign_ins_shortened",
    "sign_ins_removed",
    "sign_ins_emptied",
    "users_changed",
    "users_removed",
    "users_emptied",
    "changes_emptied",
];

/// The first row has the new snapshot, by which the statement itself sees. Without an old one there is no other row.
const SINCE: &str = "
    SELECT pg_current_snapshot(), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT), false
    UNION ALL
    SELECT NULL, sign_in_id, user_id,
           CASE WHEN finished_below IS NULL THEN sign_in_id IS NULL AND user_id IS NULL
                ELSE coalesce(removed_below > pg_snapshot_xmin($1), false) END
    FROM (SELECT * FROM changes WHERE transaction >= pg_snapshot_xmax($1)
          UNION ALL
          SELECT * FROM changes WHERE transaction = ANY (ARRAY(SELECT pg_snapshot_xip($1)))) AS missed
    LIMIT $2";

/// A snapshot in the server's own words, for the server alone to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot(Vec<u8>);

impl FromSql<'_> for Snapshot {
    fn from_sql(_: &Type, raw: &[u8]) -> std::result::Result<Self, Box<dyn Fault + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::PG_SNAPSHOT
    }
}

impl ToSql for Snapshot {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn Fault + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::PG_SNAPSHOT
    }

    to_sql_checked!();
}

/// What lies between two snapshots.
pub(super) struct News {
    /// The later one.
    pub(super) snapshot: Snapshot,
    pub(super) changed: Changed,
}

pub(super) enum Changed {
    These { sign_ins: Vec<SignInId>, users: HashSet<UserId> },
    Everything,
}

/// Makes a connection ready to be asked, and says whether changes are noted at all.
pub(super) async fn make_ready(link: &Link) -> std::result::Result<bool, tokio_postgres::Error> {
    link.client.batch_execute(BY_KEYS_ALONE).await?;
    let found = link
        .client
        .query_one(TRIGGERS_THAT_ARE_ON, &[&TABLES.as_slice(), &TRIGGERS.as_slice(), &ALWAYS])
        .await?;
    let are_noted = found.try_get::<_, i64>(0)? == TRIGGERS.len() as i64;
    if !are_noted {
        tracing::warn!(
            "triggers of the database are missing or stopped: every check of a token is looked up"
        );
    }
    Ok(are_noted)
}

pub(super) async fn statement(link: &Link) -> std::result::Result<Statement, tokio_postgres::Error> {
    link.prepared(SINCE).await
}

/// What has changed since a snapshot; with none, only the present one.
pub(super) async fn since(
    link: &Link,
    statement: &Statement,
    known: Option<&Snapshot>,
) -> std::result::Result<News, tokio_postgres::Error> {
    let most = i64::try_from(MOST_ROWS + 2).unwrap_or(i64::MAX);
    let rows = link.client.query(statement, &[&known, &most]).await?;
    read(&rows)
}

fn read(rows: &[Row]) -> std::result::Result<News, tokio_postgres::Error> {
    let mut snapshot = Snapshot(Vec::new());
    let (mut sign_ins, mut users) = (Vec::new(), HashSet::new());
    let mut is_everything = rows.len() > MOST_ROWS + 1;
    for row in rows {
        if let Some(found) = row.try_get::<_, Option<Snapshot>>(0)? {
            snapshot = found;
        }
        sign_ins.extend(row.try_get::<_, Option<i64>>(1)?.map(SignInId::from_i64));
        users.extend(row.try_get::<_, Option<i64>>(2)?.map(UserId::from_i64));
        is_everything |= row.try_get::<_, bool>(3)?;
    }
    let changed = if is_everything { Changed::Everything } else { Changed::These { sign_ins, users } };
    Ok(News { snapshot, changed })
}

impl Tx<'_> {
    /// Removes a batch of what is due. Where nothing is, and it is time, the next rows become due, and the first of them
    /// are removed. Gives how many were.
    pub(in crate::store) async fn remove_changes(&mut self, now: Timestamp, batch: u32) -> Result<u64> {
        let removed = self.remove_noted_changes(batch).await?;
        if removed > 0 || !self.note_finished_changes(now).await? {
            return Ok(removed);
        }
        self.remove_noted_changes(batch).await
    }

    async fn remove_noted_changes(&mut self, batch: u32) -> Result<u64> {
        let sql = "
            DELETE FROM changes WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM changes
                WHERE transaction < (SELECT removed_below FROM changes WHERE removed_below IS NOT NULL
                                     ORDER BY removed_below DESC LIMIT 1)
                ORDER BY transaction LIMIT $1))";
        self.execute(sql, &[i64::from(batch).into()]).await
    }

    /// `false`: there is nothing to note, or it was done a short while ago.
    async fn note_finished_changes(&mut self, now: Timestamp) -> Result<bool> {
        let sql = "
            INSERT INTO changes (transaction, removed_below, finished_below, noted_at)
            SELECT pg_current_xact_id(),
                   (SELECT finished_below FROM changes WHERE noted_at IS NOT NULL ORDER BY noted_at DESC LIMIT 1),
                   pg_snapshot_xmin(pg_current_snapshot()), $1
            WHERE EXISTS (SELECT 1 FROM changes WHERE noted_at IS NULL)
              AND NOT EXISTS (SELECT 1 FROM changes WHERE noted_at > $2 AND noted_at <= $1)";
        Ok(self.execute(sql, &[now.into(), now.minus(KEPT).into()]).await? > 0)
    }

    /// Counted to `most`: what [`Tx::remove_changes`] would remove, one batch after the other.
    pub(in crate::store) async fn count_changes_due(&mut self, now: Timestamp, most: u32) -> Result<u64> {
        let sql = "
            SELECT count(*) FROM (
                SELECT 1 FROM changes
                WHERE transaction < coalesce(
                    (SELECT finished_below FROM changes WHERE noted_at IS NOT NULL
                       AND EXISTS (SELECT 1 FROM changes WHERE noted_at IS NULL)
                       AND NOT EXISTS (SELECT 1 FROM changes WHERE noted_at > $2 AND noted_at <= $1)
                     ORDER BY noted_at DESC LIMIT 1),
                    (SELECT removed_below FROM changes WHERE removed_below IS NOT NULL
                     ORDER BY removed_below DESC LIMIT 1))
                LIMIT $3) AS due";
        let values = [now.into(), now.minus(KEPT).into(), i64::from(most).into()];
        let count = self.one(sql, &values, |row| row.int(0)).await?;
        Ok(count.map_or(0, i64::unsigned_abs))
    }
}

//! The statements that read the trail, and the one that shortens it.

use super::{Recorded, Whose};
use crate::error::Result;
use crate::id::{AuditId, SignInId};
use crate::store::{Row, Tx};

macro_rules! select_events {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, e.at, e.event, e.outcome, e.times, e.request_id, e.user_id, u.username, e.sign_in_id,
                    e.address, e.detail
             FROM audit_events e LEFT JOIN users u ON u.id = e.user_id ",
            $rest
        )
    };
}

fn recorded(row: &Row<'_>) -> Result<Recorded> {
    Ok(Recorded {
        id: AuditId::from_i64(row.int(0)?),
        at: row.time(1)?,
        event: row.text(2)?,
        outcome: row.text(3)?,
        times: row.int(4)?.unsigned_abs(),
        request_id: row.optional_text(5)?,
        user: row.optional_int(6)?.map(crate::id::UserId::from_i64),
        username: row.optional_text(7)?,
        sign_in: row.optional_int(8)?.map(SignInId::from_i64),
        address: row.optional_text(9)?,
        detail: row.optional_text(10)?,
    })
}

impl Tx<'_> {
    /// The newest first.
    pub(super) async fn newest_events(
        &mut self,
        whose: Whose,
        after: AuditId,
        limit: u32,
    ) -> Result<Vec<Recorded>> {
        let (after, limit) = (after.into(), i64::from(limit).into());
        match whose {
            Whose::Everybodys => {
                let sql = select_events!("WHERE e.id > $1 ORDER BY e.id DESC LIMIT $2");
                self.all(sql, &[after, limit], recorded).await
            }
            Whose::User(user) => {
                let sql = select_events!("WHERE e.user_id = $3 AND e.id > $1 ORDER BY e.id DESC LIMIT $2");
                self.all(sql, &[after, limit, user.into()], recorded).await
            }
            Whose::SignIn(id) => {
                let sql = select_events!("WHERE e.sign_in_id = $3 AND e.id > $1 ORDER BY e.id DESC LIMIT $2");
                self.all(sql, &[after, limit, id.into()], recorded).await
            }
        }
    }

    /// Those that follow, the oldest first.
    pub(super) async fn events_after(
        &mut self,
        whose: Whose,
        after: AuditId,
        limit: u32,
    ) -> Result<Vec<Recorded>> {
        let (after, limit) = (after.into(), i64::from(limit).into());
        match whose {
            Whose::Everybodys => {
                let sql = select_events!("WHERE e.id > $1 ORDER BY e.id LIMIT $2");
                self.all(sql, &[after, limit], recorded).await
            }
            Whose::User(user) => {
                let sql = select_events!("WHERE e.user_id = $3 AND e.id > $1 ORDER BY e.id LIMIT $2");
                self.all(sql, &[after, limit, user.into()], recorded).await
            }
            Whose::SignIn(id) => {
                let sql = select_events!("WHERE e.sign_in_id = $3 AND e.id > $1 ORDER BY e.id LIMIT $2");
                self.all(sql, &[after, limit, id.into()], recorded).await
            }
        }
    }

    pub(super) async fn count_events_up_to(&mut self, last: AuditId, most: u32) -> Result<u64> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM audit_events WHERE id <= $1 LIMIT $2) AS due";
        let count = self.one(sql, &[last.into(), i64::from(most).into()], |row| row.int(0)).await?;
        Ok(count.map_or(0, i64::unsigned_abs))
    }

    pub(super) async fn remove_events_up_to(&mut self, last: AuditId, batch: u32) -> Result<u64> {
        let sql = "
            DELETE FROM audit_events WHERE id IN (
                SELECT id FROM audit_events WHERE id <= $1 ORDER BY id LIMIT $2)";
        self.execute(sql, &[last.into(), i64::from(batch).into()]).await
    }
}

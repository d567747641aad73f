//! The statement that files an event.

use super::{Detail, Entry};
use crate::error::Result;
use crate::id::AuditId;
use crate::store::Tx;

impl Tx<'_> {
    /// `false`: the id is taken.
    pub(super) async fn insert_audit_event(
        &mut self,
        id: AuditId,
        entry: &Entry,
        times: u32,
    ) -> Result<bool> {
        let sql = "
            INSERT INTO audit_events (id, at, event, outcome, times, request_id, user_id, sign_in_id, address, detail)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT (id) DO NOTHING";
        let address = entry.about.address.map(|address| address.to_string());
        let values = [
            id.into(),
            entry.at.into(),
            entry.event.word().into(),
            entry.event.outcome().word().into(),
            i64::from(times).into(),
            entry.request_id.as_ref().map(|id| id.as_str()).into(),
            entry.about.user.into(),
            entry.about.sign_in.into(),
            address.as_ref().into(),
            entry.about.detail.as_ref().map(Detail::as_str).into(),
        ];
        Ok(self.execute(sql, &values).await? == 1)
    }
}

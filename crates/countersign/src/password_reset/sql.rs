//! The statements of requests for a new password.

use super::Note;
use crate::error::Result;
use crate::language::Language;
use crate::store::{Row, Tx};

fn note(row: &Row<'_>) -> Result<Note> {
    Ok(Note {
        email_key: row.text(0)?,
        language: Language::of_tag(&row.text(1)?).unwrap_or_default(),
        requested_at: row.time(2)?,
    })
}

impl Tx<'_> {
    /// However often somebody asks before the note is looked at, it is one.
    pub(super) async fn put_reset_request(&mut self, note: &Note) -> Result<()> {
        let sql = "
            INSERT INTO password_reset_requests (email_key, language, requested_at) VALUES ($1, $2, $3)
            ON CONFLICT (email_key) DO UPDATE SET language = excluded.language, requested_at = excluded.requested_at";
        let values = [(&note.email_key).into(), note.language.word().into(), note.requested_at.into()];
        self.execute(sql, &values).await.map(drop)
    }

    pub(super) async fn reset_requests(&mut self, batch: u32) -> Result<Vec<Note>> {
        let sql = "
            SELECT email_key, language, requested_at FROM password_reset_requests ORDER BY requested_at LIMIT $1";
        self.all(sql, &[i64::from(batch).into()], note).await
    }

    /// `false`: somebody else has it, or somebody asked again meanwhile.
    pub(super) async fn take_reset_request(&mut self, note: &Note) -> Result<bool> {
        let sql = "DELETE FROM password_reset_requests WHERE email_key = $1 AND requested_at = $2";
        Ok(self.execute(sql, &[(&note.email_key).into(), note.requested_at.into()]).await? == 1)
    }
}

//! The statements of the outbox.

use super::Kind;
use super::outbox::{Letter, NewMail, Waiting};
use crate::error::{Error, Internal, Result};
use crate::id::{MailId, SignInId, UserId};
use crate::language::Language;
use crate::store::{Row, Tx};
use crate::time::Timestamp;

fn letter(row: &Row<'_>) -> Result<Letter> {
    let unknown = |what| Error::Fault(Internal::new(what));
    let words = serde_json::from_str(&row.text(5)?).map_err(|_| unknown("a mail's words are not JSON"))?;
    Ok(Letter {
        id: MailId::from_i64(row.int(0)?),
        user: row.user_id(1)?,
        kind: Kind::from_word(&row.text(2)?).ok_or_else(|| unknown("a mail of an unknown kind"))?,
        language: Language::of_tag(&row.text(3)?).unwrap_or_default(),
        recipient: row.text(4)?,
        words,
        seed: row.optional_blob(6)?.map(super::Seed::from_bytes),
        created_at: row.time(7)?,
        expires_at: row.time(8)?,
        attempts: row.int(9)?,
    })
}

fn waiting(row: &Row<'_>) -> Result<Waiting> {
    Ok(Waiting {
        id: MailId::from_i64(row.int(0)?),
        user: row.user_id(1)?,
        kind: row.text(2)?,
        recipient: row.text(3)?,
        created_at: row.time(4)?,
        due_at: row.time(5)?,
        attempts: row.int(6)?,
        failed_at: row.optional_time(7)?,
        last_error: row.optional_text(8)?,
    })
}

impl Tx<'_> {
    /// `false`: the id is taken.
    pub(super) async fn insert_mail(
        &mut self,
        id: MailId,
        new: &NewMail,
        words: &str,
        recipient: &str,
    ) -> Result<bool> {
        let sql = "
            INSERT INTO mails (id, user_id, kind, language, recipient, words, seed, created_at, expires_at, due_at, attempts)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8, 0)
            ON CONFLICT DO NOTHING";
        let values = [
            id.into(),
            new.user.into(),
            new.kind.word().into(),
            new.language.word().into(),
            recipient.into(),
            words.into(),
            new.seed.as_ref().map(super::Seed::bytes).into(),
            new.now.into(),
            new.expires_at.into(),
        ];
        Ok(self.execute(sql, &values).await? == 1)
    }

    /// The recipient is the address that the account has, not one that somebody named (SEC-80). `false`: it has none that
    /// is verified, or the id is taken.
    pub(super) async fn insert_notice(&mut self, id: MailId, new: &NewMail, words: &str) -> Result<bool> {
        let sql = "
            INSERT INTO mails (id, user_id, kind, language, recipient, words, created_at, expires_at, due_at, attempts)
            SELECT $1, u.id, $3, $4, u.email, $5, $6, $7, $6, 0 FROM users u
            WHERE u.id = $2 AND u.email_verified_at IS NOT NULL
            ON CONFLICT DO NOTHING";
        let values = [
            id.into(),
            new.user.into(),
            new.kind.word().into(),
            new.language.word().into(),
            words.into(),
            new.now.into(),
            new.expires_at.into(),
        ];
        Ok(self.execute(sql, &values).await? == 1)
    }

    /// Only as long as their rows are kept do other sign-ins tell which clients are known.
    pub(super) async fn insert_notice_of_new_device(
        &mut self,
        id: MailId,
        new: &NewMail,
        words: &str,
        sign_in: SignInId,
        user_agent: Option<&str>,
    ) -> Result<()> {
        let sql = "
            INSERT INTO mails (id, user_id, kind, language, recipient, words, created_at, expires_at, due_at, attempts)
            SELECT $1, u.id, $3, $4, u.email, $5, $6, $7, $6, 0 FROM users u
            WHERE u.id = $2 AND u.email_verified_at IS NOT NULL
              AND EXISTS (SELECT 1 FROM sign_ins s WHERE s.user_id = u.id AND s.id <> $8)
              AND NOT EXISTS (SELECT 1 FROM sign_ins s WHERE s.user_id = u.id AND s.id <> $8
                                AND coalesce(s.user_agent, '') = coalesce(CAST($9 AS TEXT), ''))
            ON CONFLICT DO NOTHING";
        let values = [
            id.into(),
            new.user.into(),
            new.kind.word().into(),
            new.language.word().into(),
            words.into(),
            new.now.into(),
            new.expires_at.into(),
            sign_in.into(),
            user_agent.into(),
        ];
        self.execute(sql, &values).await.map(drop)
    }

    pub(super) async fn mail_exists(&mut self, id: MailId) -> Result<bool> {
        let row = self.one("SELECT 1 FROM mails WHERE id = $1", &[id.into()], |row| row.int(0)).await?;
        Ok(row.is_some())
    }

    /// Mails of this kind that wait for this user are not worth sending any more: a newer one takes their place. One that a
    /// node is just sending may still arrive; its link is dead.
    pub(crate) async fn drop_mails(&mut self, user: UserId, kind: Kind) -> Result<()> {
        let sql = "DELETE FROM mails WHERE user_id = $1 AND kind = $2";
        self.execute(sql, &[user.into(), kind.word().into()]).await.map(drop)
    }

    /// Takes on mails that are due: they are due again only when the claim is over, so that nobody else takes them on
    /// meanwhile, and somebody does if this node dies.
    pub(super) async fn claim_mails(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        batch: u32,
    ) -> Result<Vec<Letter>> {
        let sql = "
            UPDATE mails SET due_at = $2, attempts = attempts + 1
            WHERE id IN (SELECT id FROM mails WHERE failed_at IS NULL AND due_at <= $1 ORDER BY due_at LIMIT $3)
              AND failed_at IS NULL AND due_at <= $1
            RETURNING id, user_id, kind, language, recipient, words, seed, created_at, expires_at, attempts";
        self.all(sql, &[now.into(), until.into(), i64::from(batch).into()], letter).await
    }

    /// It is sent: nothing of it stays.
    pub(super) async fn delete_mail(&mut self, id: MailId, attempts: i64) -> Result<bool> {
        let sql = "DELETE FROM mails WHERE id = $1 AND attempts = $2 AND failed_at IS NULL";
        Ok(self.execute(sql, &[id.into(), attempts.into()]).await? == 1)
    }

    pub(super) async fn postpone_mail(
        &mut self,
        id: MailId,
        attempts: i64,
        due_at: Timestamp,
        error: &str,
    ) -> Result<bool> {
        let sql = "
            UPDATE mails SET due_at = $3, last_error = $4 WHERE id = $1 AND attempts = $2 AND failed_at IS NULL";
        Ok(self.execute(sql, &[id.into(), attempts.into(), due_at.into(), error.into()]).await? == 1)
    }

    pub(super) async fn fail_mail(
        &mut self,
        id: MailId,
        attempts: i64,
        now: Timestamp,
        error: &str,
    ) -> Result<bool> {
        let sql = "
            UPDATE mails SET failed_at = $3, last_error = $4 WHERE id = $1 AND attempts = $2 AND failed_at IS NULL";
        Ok(self.execute(sql, &[id.into(), attempts.into(), now.into(), error.into()]).await? == 1)
    }

    pub(super) async fn waiting_mails(&mut self, after: i64, limit: u32) -> Result<Vec<Waiting>> {
        let sql = "
            SELECT id, user_id, kind, recipient, created_at, due_at, attempts, failed_at, last_error
            FROM mails WHERE id > $1 ORDER BY id LIMIT $2";
        self.all(sql, &[after.into(), i64::from(limit).into()], waiting).await
    }

    /// Tries failed mails again, all of them or one. A link that has expired stays where it is.
    pub(super) async fn revive_mails(
        &mut self,
        only: Option<MailId>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<u64> {
        let sql = "
            UPDATE mails SET failed_at = NULL, due_at = $2, attempts = 0,
                             expires_at = CASE WHEN seed IS NULL THEN $3 ELSE expires_at END
            WHERE failed_at IS NOT NULL AND (seed IS NULL OR expires_at > $2) AND id = coalesce($1, id)";
        self.execute(sql, &[only.into(), now.into(), until.into()]).await
    }

    pub(super) async fn count_mails(&mut self, most: u32) -> Result<u64> {
        let sql = "
            SELECT count(*) FROM (SELECT 1 FROM mails WHERE failed_at IS NULL LIMIT $1) AS waiting";
        let count = self.one(sql, &[i64::from(most).into()], |row| row.int(0)).await?;
        Ok(count.map_or(0, i64::unsigned_abs))
    }

    pub(super) async fn count_mails_due(&mut self, failed_before: Timestamp, most: u32) -> Result<u64> {
        let sql = "
            SELECT count(*) FROM (SELECT 1 FROM mails WHERE failed_at IS NOT NULL AND failed_at < $1 LIMIT $2) AS due";
        let count = self.one(sql, &[failed_before.into(), i64::from(most).into()], |row| row.int(0)).await?;
        Ok(count.map_or(0, i64::unsigned_abs))
    }

    pub(super) async fn remove_failed_mails(&mut self, failed_before: Timestamp, batch: u32) -> Result<u64> {
        let sql = "
            DELETE FROM mails WHERE id IN (
                SELECT id FROM mails WHERE failed_at IS NOT NULL AND failed_at < $1 ORDER BY failed_at LIMIT $2)";
        self.execute(sql, &[failed_before.into(), i64::from(batch).into()]).await
    }
}

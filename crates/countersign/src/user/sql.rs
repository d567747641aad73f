//! The statements of the account row.

use super::{Account, User};
use crate::error::Result;
use crate::id::UserId;
use crate::names::{Email, Username};
use crate::store::{Attempt, Row, Tx};
use crate::time::Timestamp;

/// An account about to be made; its address proves nothing yet.
pub(crate) struct NewRow {
    pub(crate) id: UserId,
    pub(crate) username: Username,
    pub(crate) email: Option<Email>,
    pub(crate) password_hash: Option<String>,
    pub(crate) now: Timestamp,
}

impl NewRow {
    pub(crate) fn user(&self) -> User {
        User {
            id: self.id,
            username: self.username.as_str().into(),
            email: self.email.as_ref().map(|email| email.as_str().into()),
            email_verified: false,
            created_at: self.now,
        }
    }
}

/// What a password is checked against, and the epoch under which the check counts.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    pub(crate) user: UserId,
    pub(crate) password_hash: Option<String>,
    pub(crate) epoch: i64,
    /// How often the password was replaced: a device is known under one password alone.
    pub(crate) password_changes: i64,
    /// Neither disabled nor deleted.
    pub(crate) is_alive: bool,
    /// Whether its address is confirmed.
    pub(crate) email_verified: bool,
}

/// A change of a living account's own words; `None` leaves one as it is. `epoch` is the one under which the owner proved
/// to be the owner.
#[derive(Debug)]
pub(crate) struct NewWords<'n> {
    pub(crate) id: UserId,
    pub(crate) epoch: i64,
    pub(crate) username: Option<&'n Username>,
    pub(crate) email: Option<Option<&'n Email>>,
}

macro_rules! select_account {
    ($rest:literal) => {
        concat!(
            "SELECT id, username, email, email_verified_at, created_at,
                    CASE WHEN password_hash IS NULL THEN 0 ELSE 1 END, last_sign_in_at, disabled_at, deleted_at
             FROM users ",
            $rest
        )
    };
}

macro_rules! select_credential {
    ($rest:literal) => {
        concat!(
            "SELECT id, password_hash, epoch, disabled_at, deleted_at, password_changes, email_verified_at FROM users ",
            $rest
        )
    };
}

fn account(row: &Row<'_>) -> Result<Account> {
    let user = User {
        id: row.user_id(0)?,
        username: row.text(1)?.into(),
        email: row.optional_text(2)?.map(Into::into),
        email_verified: row.optional_time(3)?.is_some(),
        created_at: row.time(4)?,
    };
    Ok(Account {
        user,
        has_password: row.int(5)? != 0,
        last_sign_in_at: row.optional_time(6)?,
        disabled_at: row.optional_time(7)?,
        deleted_at: row.optional_time(8)?,
    })
}

fn credential(row: &Row<'_>) -> Result<Credential> {
    Ok(Credential {
        user: row.user_id(0)?,
        password_hash: row.optional_text(1)?,
        epoch: row.int(2)?,
        password_changes: row.int(5)?,
        is_alive: row.optional_time(3)?.is_none() && row.optional_time(4)?.is_none(),
        email_verified: row.optional_time(6)?.is_some(),
    })
}

impl Tx<'_> {
    /// `false`: the name or the id is taken.
    pub(crate) async fn insert_user(&mut self, new: &NewRow) -> Result<bool> {
        let sql = "
            INSERT INTO users (id, username, username_key, email, email_key, password_hash, epoch, tokens_after,
                               created_at)
            VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7)
            ON CONFLICT DO NOTHING";
        let email = new.email.as_ref();
        let (username_key, email_key) = (new.username.canonical(), email.map(Email::canonical));
        let values = [
            new.id.into(),
            new.username.as_str().into(),
            (&username_key).into(),
            email.map(Email::as_str).into(),
            email_key.as_ref().into(),
            new.password_hash.as_ref().into(),
            new.now.into(),
        ];
        Ok(self.execute(sql, &values).await? == 1)
    }

    pub(super) async fn account_by_name(&mut self, username_key: &str) -> Result<Option<Account>> {
        let sql = select_account!("WHERE username_key = $1");
        self.one(sql, &[username_key.into()], account).await
    }

    pub(crate) async fn account_by_id(&mut self, id: UserId) -> Result<Option<Account>> {
        self.one(select_account!("WHERE id = $1"), &[id.into()], account).await
    }

    pub(super) async fn accounts_after(&mut self, after: Option<UserId>, limit: u32) -> Result<Vec<Account>> {
        let sql = select_account!("WHERE id > $1 ORDER BY id LIMIT $2");
        let after = after.map_or(0, UserId::as_i64);
        self.all(sql, &[after.into(), i64::from(limit).into()], account).await
    }

    pub(super) async fn credential_by_name(&mut self, username_key: &str) -> Result<Option<Credential>> {
        let sql = select_credential!("WHERE username_key = $1");
        self.one(sql, &[username_key.into()], credential).await
    }

    pub(crate) async fn credential_by_id(&mut self, id: UserId) -> Result<Option<Credential>> {
        self.one(select_credential!("WHERE id = $1"), &[id.into()], credential).await
    }

    /// Notes a sign-in of a living account whose epoch is still the one of the proof. It writes, so that it serialises
    /// with every credential change. `false`: the proof counts no more.
    pub(crate) async fn admit_user(&mut self, id: UserId, epoch: i64, now: Timestamp) -> Result<bool> {
        let sql = "
            UPDATE users SET last_sign_in_at = $3
            WHERE id = $1 AND epoch = $2 AND disabled_at IS NULL AND deleted_at IS NULL";
        Ok(self.execute(sql, &[id.into(), epoch.into(), now.into()]).await? == 1)
    }

    /// Replaces a hash by a stronger one of the same password, unless the password has changed meanwhile (SEC-8).
    pub(crate) async fn upgrade_password_hash(&mut self, id: UserId, old: &str, new: &str) -> Result<bool> {
        let sql = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
        Ok(self.execute(sql, &[id.into(), old.into(), new.into()]).await? == 1)
    }

    /// Devices that were known under the former password are known no more (SEC-12). `false`: the account's epoch is not
    /// `epoch` any more, or it is not alive. With no epoch given only life counts.
    pub(crate) async fn set_password_hash(
        &mut self,
        id: UserId,
        epoch: Option<i64>,
        hash: &str,
    ) -> Result<bool> {
        let sql = "
            UPDATE users SET password_hash = $3, password_changes = password_changes + 1
            WHERE id = $1 AND epoch = coalesce($2, epoch) AND deleted_at IS NULL";
        Ok(self.execute(sql, &[id.into(), epoch.into(), hash.into()]).await? == 1)
    }

    /// A confirmed address stays as it is until another is confirmed in its place: here it can only go, or be spelt
    /// otherwise. `Done(0)`: the proof counts no more. `Conflict`: somebody has the name.
    pub(crate) async fn set_words(&mut self, new: &NewWords<'_>) -> Result<Attempt> {
        let sql = "
            UPDATE users SET
                username          = coalesce($3, username),
                username_key      = coalesce($4, username_key),
                email             = CASE WHEN CAST($5 AS BIGINT) = 1
                                              AND (email_verified_at IS NULL OR CAST($7 AS TEXT) IS NULL OR email_key = $7) THEN $6
                                         ELSE email END,
                email_key         = CASE WHEN CAST($5 AS BIGINT) = 1
                                              AND (email_verified_at IS NULL OR CAST($7 AS TEXT) IS NULL OR email_key = $7) THEN $7
                                         ELSE email_key END,
                email_verified_at = CASE WHEN CAST($5 AS BIGINT) = 1 AND CAST($7 AS TEXT) IS NULL THEN NULL
                                         ELSE email_verified_at END
            WHERE id = $1 AND epoch = $2 AND disabled_at IS NULL AND deleted_at IS NULL";
        let email = new.email.flatten();
        let (username_key, email_key) = (new.username.map(Username::canonical), email.map(Email::canonical));
        let values = [
            new.id.into(),
            new.epoch.into(),
            new.username.map(Username::as_str).into(),
            username_key.as_ref().into(),
            i64::from(new.email.is_some()).into(),
            email.map(Email::as_str).into(),
            email_key.as_ref().into(),
        ];
        self.attempt(sql, &values).await
    }

    /// Takes an address for the owner's. `Done(0)`: the proof counts no more. `Conflict`: it is another account's.
    pub(crate) async fn set_verified_email(
        &mut self,
        id: UserId,
        epoch: i64,
        email: &str,
        now: Timestamp,
    ) -> Result<Attempt> {
        let sql = "
            UPDATE users SET email = $3, email_key = $4, email_verified_at = $5
            WHERE id = $1 AND epoch = $2 AND disabled_at IS NULL AND deleted_at IS NULL";
        let key = email.to_ascii_lowercase();
        self.attempt(sql, &[id.into(), epoch.into(), email.into(), (&key).into(), now.into()]).await
    }

    pub(crate) async fn account_by_verified_email(&mut self, email_key: &str) -> Result<Option<Account>> {
        let sql = select_account!("WHERE email_key = $1 AND email_verified_at IS NOT NULL");
        self.one(sql, &[email_key.into()], account).await
    }

    /// Begins a new epoch: every sign-in and every access token of the former ones is dead. Returns the new one.
    pub(crate) async fn begin_epoch(&mut self, id: UserId, now: Timestamp) -> Result<Option<i64>> {
        let sql = "UPDATE users SET epoch = epoch + 1, tokens_after = $2 WHERE id = $1 RETURNING epoch";
        self.one(sql, &[id.into(), now.as_seconds().into()], |row| row.int(0)).await
    }

    pub(crate) async fn set_disabled_at(
        &mut self,
        id: UserId,
        disabled_at: Option<Timestamp>,
    ) -> Result<bool> {
        let sql = "UPDATE users SET disabled_at = $2 WHERE id = $1 AND deleted_at IS NULL";
        Ok(self.execute(sql, &[id.into(), disabled_at.into()]).await? == 1)
    }

    /// `false`: the proof counts no more, or the account is gone already. With no epoch given only life counts.
    pub(crate) async fn flag_as_deleted(
        &mut self,
        id: UserId,
        epoch: Option<i64>,
        now: Timestamp,
    ) -> Result<bool> {
        let sql = "
            UPDATE users SET deleted_at = $3
            WHERE id = $1 AND epoch = coalesce($2, epoch) AND deleted_at IS NULL";
        Ok(self.execute(sql, &[id.into(), epoch.into(), now.into()]).await? == 1)
    }

    pub(super) async fn count_users_to_purge(&mut self, deleted_before: Timestamp, most: u32) -> Result<u64> {
        let sql = "
            SELECT count(*) FROM (SELECT 1 FROM users WHERE deleted_at IS NOT NULL AND deleted_at < $1 LIMIT $2) AS due";
        let count = self.one(sql, &[deleted_before.into(), i64::from(most).into()], |row| row.int(0)).await?;
        Ok(count.map_or(0, i64::unsigned_abs))
    }

    /// The sign-ins go with their user.
    pub(super) async fn purge_users(&mut self, deleted_before: Timestamp, batch: u32) -> Result<u64> {
        let sql = "
            DELETE FROM users WHERE id IN (
                SELECT id FROM users WHERE deleted_at IS NOT NULL AND deleted_at < $1 ORDER BY deleted_at LIMIT $2)";
        self.execute(sql, &[deleted_before.into(), i64::from(batch).into()]).await
    }
}

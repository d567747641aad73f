//! The statements of the sign-in.

use super::{EndReason, NewSignIn, SignIn, State, Transport};
use crate::error::Result;
use crate::id::{SignInId, UserId};
use crate::store::{Attempt, REMEMBERED_SPENDINGS, Row, SPENDING_DIGITS, Tx, Value};
use crate::time::Timestamp;

/// The days after its end on which a sign-in may be forgotten: until then an old token is told that it has expired.
const KEPT_DAYS: i64 = 2;
const MILLIS_PER_DAY: i64 = 86_400_000;

/// What a refresh that was refused needs to know.
#[derive(Debug, Clone)]
pub(crate) struct FamilyRow {
    pub(crate) user: UserId,
    pub(crate) generation: i64,
    pub(crate) current_hash: [u8; 32],
    pub(crate) successor_salt: Option<[u8; 32]>,
    pub(crate) retry_key_hash: Option<[u8; 32]>,
    spendings: String,
    pub(crate) transport: Transport,
    pub(crate) expires_at: Timestamp,
    pub(crate) has_ended: bool,
    /// Its user lives, and in the epoch in which it began.
    pub(crate) is_backed: bool,
}

impl FamilyRow {
    /// When that generation was spent, if it is one of the last that the row remembers.
    pub(crate) fn spent_at(&self, generation: i64) -> Option<Timestamp> {
        let age = usize::try_from(self.generation.checked_sub(1)?.checked_sub(generation)?).ok()?;
        if age >= REMEMBERED_SPENDINGS {
            return None;
        }
        let from = age.checked_mul(SPENDING_DIGITS)?;
        let digits = self.spendings.get(from..from.checked_add(SPENDING_DIGITS)?)?;
        digits.parse().ok().map(Timestamp::from_millis)
    }
}

/// A sign-in's row, before somebody says what time it is.
pub(super) struct ListedRow {
    sign_in: SignIn,
    ended: Option<(Timestamp, EndReason)>,
}

impl ListedRow {
    pub(super) fn at(self, now: Timestamp) -> SignIn {
        let state = match self.ended {
            Some((at, why)) => State::Ended { at, why },
            None if self.sign_in.expires_at <= now => State::Expired,
            None => State::Live,
        };
        SignIn { state, ..self.sign_in }
    }
}

fn family(row: &Row<'_>) -> Result<FamilyRow> {
    Ok(FamilyRow {
        user: row.user_id(0)?,
        generation: row.int(1)?,
        current_hash: row.blob(2)?,
        successor_salt: row.optional_blob(3)?,
        retry_key_hash: row.optional_blob(4)?,
        spendings: row.text(5)?,
        transport: Transport::from_word(&row.text(6)?)?,
        expires_at: row.time(7)?,
        has_ended: row.optional_time(8)?.is_some(),
        is_backed: row.int(9)? != 0,
    })
}

fn listed(row: &Row<'_>) -> Result<ListedRow> {
    let sign_in = SignIn {
        id: row.sign_in_id(0)?,
        user: row.user_id(1)?,
        created_at: row.time(2)?,
        last_used_at: row.time(3)?,
        expires_at: row.time(4)?,
        state: State::Live,
        user_agent: row.optional_text(7)?,
        address: row.optional_text(8)?,
        transport: Transport::from_word(&row.text(9)?)?,
    };
    let ended = match (row.optional_time(5)?, row.optional_text(6)?) {
        (Some(at), Some(why)) => Some((at, EndReason::from_word(&why)?)),
        _ => None,
    };
    Ok(ListedRow { sign_in, ended })
}

impl Tx<'_> {
    pub(super) async fn insert_sign_in(&mut self, new: &NewSignIn) -> Result<Attempt> {
        let sql = "
            INSERT INTO sign_ins (id, user_id, epoch, generation, current_hash, spendings, transport, created_at,
                                  last_used_at, expires_at, ends_at, sweep_day, user_agent, address)
            VALUES ($1, $2, $3, $4, $5, '', $6, $7, $7, $8, $9, $10, $11, $12)";
        let hash = new.token.hash();
        let address = new.client.address.map(|address| address.to_string());
        let values = [
            new.token.sign_in.into(),
            new.proof.user.into(),
            new.proof.epoch.into(),
            i64::from(new.token.generation).into(),
            (&hash).into(),
            new.client.transport.word().into(),
            new.now.into(),
            new.expires_at.into(),
            new.ends_at.into(),
            (new.expires_at.as_days() + KEPT_DAYS).into(),
            new.client.user_agent.as_ref().into(),
            address.as_ref().into(),
        ];
        self.attempt(sql, &values).await
    }

    pub(crate) async fn family(&mut self, id: SignInId) -> Result<Option<FamilyRow>> {
        let sql = "
            SELECT s.user_id, s.generation, s.current_hash, s.successor_salt, s.retry_key_hash, s.spendings,
                   s.transport, s.expires_at, s.ended_at,
                   CASE WHEN u.epoch = s.epoch AND u.disabled_at IS NULL AND u.deleted_at IS NULL THEN 1 ELSE 0 END
            FROM sign_ins s JOIN users u ON u.id = s.user_id WHERE s.id = $1";
        self.one(sql, &[id.into()], family).await
    }

    /// Ends a sign-in that has not ended, and says whose it was. It writes the row that a refresh writes: whichever comes
    /// first decides.
    pub(crate) async fn end_sign_in(
        &mut self,
        id: SignInId,
        why: EndReason,
        now: Timestamp,
    ) -> Result<Option<UserId>> {
        let sql = "
            UPDATE sign_ins SET ended_at = $2, ended_why = $3, sweep_day = $4
            WHERE id = $1 AND ended_at IS NULL RETURNING user_id";
        let sweep_day = now.as_days() + KEPT_DAYS;
        let values = [id.into(), now.into(), why.word().into(), sweep_day.into()];
        self.one(sql, &values, |row| row.user_id(0)).await
    }

    /// Ends a living sign-in of this user; another's stays as it is.
    pub(crate) async fn end_own_sign_in(
        &mut self,
        id: SignInId,
        user: UserId,
        why: EndReason,
        now: Timestamp,
    ) -> Result<bool> {
        let sql = "
            UPDATE sign_ins SET ended_at = $3, ended_why = $4, sweep_day = $5
            WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3";
        let sweep_day = now.as_days() + KEPT_DAYS;
        let values = [id.into(), user.into(), now.into(), why.word().into(), sweep_day.into()];
        Ok(self.execute(sql, &values).await? == 1)
    }

    /// Ends every sign-in of a user and begins a new epoch, so that nothing that was proven before opens anything
    /// after. `keep`: the one that goes on in the new epoch.
    pub(crate) async fn end_all_sign_ins(
        &mut self,
        user: UserId,
        why: EndReason,
        now: Timestamp,
        keep: Option<SignInId>,
    ) -> Result<()> {
        let Some(epoch) = self.begin_epoch(user, now).await? else { return Ok(()) };
        let kept = keep.map_or(0, SignInId::as_i64);
        let end = "
            UPDATE sign_ins SET ended_at = $2, ended_why = $3, sweep_day = $4
            WHERE user_id = $1 AND id <> $5 AND ended_at IS NULL";
        let sweep_day = now.as_days() + KEPT_DAYS;
        let values = [user.into(), now.into(), why.word().into(), sweep_day.into(), kept.into()];
        self.execute(end, &values).await?;
        let carry_over = "UPDATE sign_ins SET epoch = $3 WHERE id = $1 AND user_id = $2 AND ended_at IS NULL";
        self.execute(carry_over, &[kept.into(), user.into(), epoch.into()]).await?;
        Ok(())
    }

    pub(super) async fn sign_ins_of(&mut self, user: UserId) -> Result<Vec<ListedRow>> {
        let sql = "
            SELECT id, user_id, created_at, last_used_at, expires_at, ended_at, ended_why, user_agent, address,
                   transport
            FROM sign_ins WHERE user_id = $1 ORDER BY id DESC";
        self.all(sql, &[user.into()], listed).await
    }

    /// Living by the same measure as that of a refresh and an access token: the user's row is asked too.
    pub(crate) async fn living_sign_ins_of(
        &mut self,
        user: UserId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<SignIn>> {
        let sql = "
            SELECT s.id, s.user_id, s.created_at, s.last_used_at, s.expires_at, s.ended_at, s.ended_why, s.user_agent,
                   s.address, s.transport
            FROM sign_ins s JOIN users u ON u.id = s.user_id AND u.epoch = s.epoch
            WHERE s.user_id = $1 AND s.ended_at IS NULL AND s.expires_at > $2
              AND u.disabled_at IS NULL AND u.deleted_at IS NULL
            ORDER BY s.id DESC LIMIT $3";
        let rows = self.all(sql, &[user.into(), now.into(), i64::from(limit).into()], listed).await?;
        Ok(rows.into_iter().map(|row| row.at(now)).collect())
    }

    pub(super) async fn count_sign_ins_due(&mut self, now: Timestamp, most: u32) -> Result<u64> {
        let sql = "
            SELECT count(*) FROM (SELECT 1 FROM sign_ins WHERE sweep_day <= $1 LIMIT $2) AS due";
        let count = self.one(sql, &[now.as_days().into(), i64::from(most).into()], |row| row.int(0)).await?;
        Ok(count.map_or(0, i64::unsigned_abs))
    }

    /// The guard stands in the statement: one that was refreshed since it was found due stays.
    pub(super) async fn remove_sign_ins_past_their_end(&mut self, now: Timestamp, batch: u32) -> Result<u64> {
        let sql = "
            DELETE FROM sign_ins WHERE coalesce(ended_at, expires_at) < $3 AND id IN (
                SELECT id FROM sign_ins WHERE sweep_day <= $1 ORDER BY sweep_day LIMIT $2)";
        self.execute(sql, &[now.as_days().into(), i64::from(batch).into(), a_day_before(now)]).await
    }

    /// The later day lies behind this one, so that the next batch sees others.
    pub(super) async fn file_living_sign_ins_under_a_later_day(
        &mut self,
        now: Timestamp,
        batch: u32,
    ) -> Result<u64> {
        let sql = "
            UPDATE sign_ins SET sweep_day = coalesce(ended_at, expires_at) / 86400000 + $4
            WHERE coalesce(ended_at, expires_at) >= $3 AND id IN (
                SELECT id FROM sign_ins WHERE sweep_day <= $1 ORDER BY sweep_day LIMIT $2)";
        let batch = i64::from(batch).into();
        self.execute(sql, &[now.as_days().into(), batch, a_day_before(now), KEPT_DAYS.into()]).await
    }
}

fn a_day_before(now: Timestamp) -> Value<'static> {
    now.as_millis().saturating_sub(MILLIS_PER_DAY).into()
}

//! The one question behind every access token: does this sign-in live, and whose is it? It stands here, not in its
//! chapter, because each engine answers it in its own way: from a cache that can't be stale, or in a batch.

use std::sync::Arc;

use super::{Row, Value};
use crate::error::Result;
use crate::id::{SignInId, UserId};
use crate::time::Timestamp;

/// Whom an access token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LiveQuery {
    /// A token of one of our sign-ins.
    SignIn(SignInId),
    /// A token without a sign-in.
    User(UserId),
}

/// A living account, reached through a living sign-in where there is one. It says nothing about expiry: whoever asks
/// compares the times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) user: UserId,
    pub(crate) username: Arc<str>,
    pub(crate) email: Option<Arc<str>>,
    pub(crate) email_verified: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) epoch: i64,
    /// Seconds; a token without a sign-in must be issued later.
    pub(crate) tokens_after: i64,
    pub(crate) sign_in: Option<LiveSignIn>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LiveSignIn {
    pub(crate) id: SignInId,
    pub(crate) created_at: Timestamp,
    /// The nearer of the idle and the absolute end.
    pub(crate) expires_at: Timestamp,
}

macro_rules! select_living {
    ($which:literal) => {
        concat!(
            "SELECT u.id, u.username, u.email, u.email_verified_at, u.created_at, u.epoch, u.tokens_after,
                    s.id, s.created_at, s.expires_at
             FROM sign_ins s JOIN users u ON u.id = s.user_id AND u.epoch = s.epoch
             WHERE ",
            $which,
            " AND s.ended_at IS NULL AND u.disabled_at IS NULL AND u.deleted_at IS NULL"
        )
    };
}

pub(super) const BY_SIGN_IN: &str = select_living!("s.id = $1");

/// Many at once, where that is one way to the database instead of many.
pub(super) const BY_SIGN_INS: &str = select_living!("s.id = ANY($1)");

pub(super) const BY_USER: &str = "
    SELECT id, username, email, email_verified_at, created_at, epoch, tokens_after
    FROM users WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL";

type ReadLive = fn(&Row<'_>) -> Result<Live>;

impl LiveQuery {
    pub(super) fn statement(self) -> (&'static str, [Value<'static>; 1], ReadLive) {
        match self {
            Self::SignIn(id) => (BY_SIGN_IN, [id.into()], through_sign_in),
            Self::User(id) => (BY_USER, [id.into()], without_sign_in),
        }
    }
}

pub(super) fn through_sign_in(row: &Row<'_>) -> Result<Live> {
    let sign_in = LiveSignIn { id: row.sign_in_id(7)?, created_at: row.time(8)?, expires_at: row.time(9)? };
    Ok(Live { sign_in: Some(sign_in), ..without_sign_in(row)? })
}

fn without_sign_in(row: &Row<'_>) -> Result<Live> {
    Ok(Live {
        user: row.user_id(0)?,
        username: row.text(1)?.into(),
        email: row.optional_text(2)?.map(Into::into),
        email_verified: row.optional_time(3)?.is_some(),
        created_at: row.time(4)?,
        epoch: row.int(5)?,
        tokens_after: row.int(6)?,
        sign_in: None,
    })
}

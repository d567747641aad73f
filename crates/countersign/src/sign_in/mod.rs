//! The sign-in: one row from `POST /authenticate` to its end. `open` is the gate of all ways in; `end` and
//! `end_all_sign_ins` are the only ways out.

mod sql;
mod token;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::audit::{About, Entry, Event};
use crate::error::{Error, Internal, Result};
use crate::id::{SignInId, UserId};
use crate::mail::{Kind, NewMail};
use crate::service::Countersign;
use crate::store::{Attempt, Tx};
use crate::time::Timestamp;
use crate::user_agent::readable;

pub(crate) use sql::FamilyRow;
pub(crate) use token::RefreshToken;

/// How the client keeps its refresh token; a sign-in keeps its transport for life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In an HttpOnly cookie.
    Cookie,
    /// In the body: a native client that can't keep cookies.
    Body,
}

impl Transport {
    /// The stable word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Body => "body",
        }
    }

    fn from_word(word: &str) -> Result<Self> {
        match word {
            "cookie" => Ok(Self::Cookie),
            "body" => Ok(Self::Body),
            other => Err(Error::Fault(Internal::new(format!("unknown transport in a row: {other}")))),
        }
    }
}

/// Why a sign-in ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Its owner signed out here.
    SignedOut,
    /// Its owner ended it from the list of sign-ins.
    EndedByOwner,
    /// Its owner signed out everywhere.
    SignedOutEverywhere,
    /// A new sign-in took its place in the same browser.
    Replaced,
    /// A spent refresh token came back: theft.
    RefreshTokenReused,
    /// The account got a new password.
    PasswordChanged,
    /// An identity that opened the account was removed.
    IdentityRemoved,
    /// The operator disabled the account.
    UserDisabled,
    /// The account was deleted.
    UserDeleted,
    /// The operator ended it.
    Operator,
}

impl EndReason {
    const ALL: [Self; 10] = [
        Self::SignedOut,
        Self::EndedByOwner,
        Self::SignedOutEverywhere,
        Self::Replaced,
        Self::RefreshTokenReused,
        Self::PasswordChanged,
        Self::IdentityRemoved,
        Self::UserDisabled,
        Self::UserDeleted,
        Self::Operator,
    ];

    /// The stable word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::EndedByOwner => "ended_by_owner",
            Self::SignedOutEverywhere => "signed_out_everywhere",
            Self::Replaced => "replaced",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::PasswordChanged => "password_changed",
            Self::IdentityRemoved => "identity_removed",
            Self::UserDisabled => "user_disabled",
            Self::UserDeleted => "user_deleted",
            Self::Operator => "operator",
        }
    }

    /// What the audit says where one sign-in ends.
    pub(crate) fn entry_for_one(self, id: SignInId, from: Option<IpAddr>, now: Timestamp) -> Entry {
        let about = About { sign_in: Some(id), address: from, ..About::default() };
        match self {
            Self::SignedOut => Entry::new(Event::SignOut, about, now),
            Self::RefreshTokenReused => Entry::new(Event::RefreshTokenReuseDetected, about, now),
            other => Entry::new(Event::SignInRevoked, about.because(other.word()), now),
        }
    }

    /// What the audit says where all sign-ins of a user end and nothing else changes.
    pub(crate) fn entry_for_all(self, user: UserId, from: Option<IpAddr>, now: Timestamp) -> Entry {
        let about = About { address: from, ..user.into() };
        match self {
            Self::SignedOutEverywhere => Entry::new(Event::SignOutEverywhere, about, now),
            other => Entry::new(Event::AllSignInsRevoked, about.because(other.word()), now),
        }
    }

    fn from_word(word: &str) -> Result<Self> {
        let unknown = || Error::Fault(Internal::new(format!("unknown end of a sign-in: {word}")));
        Self::ALL.into_iter().find(|reason| reason.word() == word).ok_or_else(unknown)
    }
}

/// Whether a sign-in lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its refresh token can be spent.
    Live,
    /// It was ended.
    Ended {
        /// When.
        at: Timestamp,
        /// Why.
        why: EndReason,
    },
    /// Nobody refreshed it in time, or its longest time is over.
    Expired,
}

/// A sign-in, as its owner and the operator see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// Its id: the access token's `sid`.
    pub id: SignInId,
    /// Whose it is.
    pub user: UserId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed, or began.
    pub last_used_at: Timestamp,
    /// When it ends unless it is refreshed.
    pub expires_at: Timestamp,
    /// Whether it lives.
    pub state: State,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// Where it came from.
    pub address: Option<String>,
    /// How its client keeps the refresh token.
    pub transport: Transport,
}

/// Who is asking: what a sign-in remembers of its client.
#[derive(Debug, Clone)]
pub struct Client {
    /// What it calls itself, cut to a sensible length.
    pub user_agent: Option<String>,
    /// Where it comes from.
    pub address: Option<IpAddr>,
    /// How it will keep its refresh token.
    pub transport: Transport,
}

/// The evidence that somebody is this user, and the epoch in which it was given: it counts no more once that is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof {
    pub(crate) user: UserId,
    pub(crate) epoch: i64,
}

/// A sign-in about to begin.
pub(crate) struct NewSignIn {
    pub(crate) proof: Proof,
    pub(crate) client: Client,
    pub(crate) token: RefreshToken,
    pub(crate) now: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) ends_at: Timestamp,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Opened,
    /// The account changed or died while the proof was being checked.
    ProofIsVoid,
    /// The fresh id exists already: draw another one.
    IdTaken,
}

impl NewSignIn {
    /// Draws the id and the first refresh token, and sets the two ends.
    pub(crate) fn draw(service: &Countersign, proof: Proof, client: Client) -> Result<Self> {
        let now = service.now();
        let key =
            service.refresh_keys().first().ok_or_else(|| Error::Fault(Internal::new("no refresh key")))?;
        let ends_at = now.plus(service.settings().session_max);
        let expires_at = now.plus(service.settings().refresh_token_lifetime).min(ends_at);
        let token = RefreshToken::first(key, SignInId::fresh(now));
        Ok(Self { proof, client, token, now, expires_at, ends_at })
    }
}

/// What the owner is told if the client turns out to be a new one: [`NewMail::of`] says whose account it is.
pub(crate) fn notice_of_new_device(service: &Countersign, client: &Client) -> Option<NewMail> {
    let name = client.user_agent.as_deref().map_or_else(|| "?".to_owned(), readable);
    let device = match client.address {
        Some(address) => format!("{name} ({address})"),
        None => name,
    };
    service.mailer().notice_of_somebody(Kind::NewDevice, &[("device", &device)])
}

/// The gate of all ways in: a sign-in begins only while the proof still counts, in one transaction with that question.
pub(crate) async fn open(tx: &mut Tx<'_>, new: &NewSignIn) -> Result<Admission> {
    if !tx.admit_user(new.proof.user, new.proof.epoch, new.now).await? {
        return Ok(Admission::ProofIsVoid);
    }
    Ok(match tx.insert_sign_in(new).await? {
        Attempt::Done(_) => Admission::Opened,
        Attempt::Conflict => Admission::IdTaken,
    })
}

/// Those of the texts that are refresh tokens of ours, spent or not.
pub(crate) fn authentic(service: &Countersign, texts: &[&str]) -> Vec<RefreshToken> {
    let keys = service.refresh_keys();
    texts.iter().filter_map(|text| RefreshToken::recognise(keys, text)).collect()
}

/// Ends one sign-in, whatever its state. `false`: it had ended before, or never existed.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn end(service: &Countersign, id: SignInId, why: EndReason) -> Result<bool> {
    end_from(service, id, why, None).await
}

/// The same, where it is known from which address it is asked for.
pub(crate) async fn end_from(
    service: &Countersign,
    id: SignInId,
    why: EndReason,
    from: Option<IpAddr>,
) -> Result<bool> {
    let now = service.now();
    let entry = why.entry_for_one(id, from, now);
    let stolen = why == EndReason::RefreshTokenReused;
    let notice = stolen.then(|| service.mailer().notice_of_somebody(Kind::TheftDetected, &[])).flatten();
    let steps = service.store().write((id, why, now, entry, notice), |tx, (id, why, now, entry, notice)| {
        Box::pin(async move {
            let Some(user) = tx.end_sign_in(*id, *why, *now).await? else { return Ok(None) };
            if let (Some(notice), Some(account)) = (notice, tx.account_by_id(user).await?) {
                tx.queue_notice(&notice.of(user, &account.user.username)).await?;
            }
            tx.file(&entry.of(user)).await.map(Some)
        })
    });
    let filed = steps.await?;
    let ended = filed.is_some();
    service.tell(filed);
    if stolen {
        service.mailer().ring();
    }
    Ok(ended)
}

/// Ends every sign-in of a user, and with them every access token at this service.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn end_all(service: &Countersign, user: UserId, why: EndReason) -> Result<()> {
    end_all_from(service, user, why, None).await
}

/// The same, where it is known from which address it is asked for.
pub(crate) async fn end_all_from(
    service: &Countersign,
    user: UserId,
    why: EndReason,
    from: Option<IpAddr>,
) -> Result<()> {
    let now = service.now();
    let entry = why.entry_for_all(user, from, now);
    let steps = service.store().write((user, why, now, entry), |tx, (user, why, now, entry)| {
        Box::pin(async move {
            tx.end_all_sign_ins(*user, *why, *now, None).await?;
            tx.file(entry).await
        })
    });
    service.tell([steps.await?]);
    Ok(())
}

/// The sign-ins of a user that clean-up has not removed yet, the newest first.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn list(service: &Countersign, user: UserId) -> Result<Vec<SignIn>> {
    let input = (user, service.now());
    let steps = service.store().read(input, |tx, (user, now)| {
        Box::pin(async move {
            let rows = tx.sign_ins_of(*user).await?;
            Ok(rows.into_iter().map(|row| row.at(*now)).collect())
        })
    });
    steps.await
}

/// What one sweep found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Rows that were due to be looked at.
    pub(crate) seen: u64,
    /// Rows that were removed.
    pub(crate) removed: u64,
}

/// How many sign-ins the next sweep will look at, counted to `most`.
pub(crate) async fn backlog(service: &Countersign, most: u32) -> Result<u64> {
    let due = (service.now(), most);
    let steps = service
        .store()
        .read(due, |tx, (now, most)| Box::pin(async move { tx.count_sign_ins_due(*now, *most).await }));
    steps.await
}

/// Looks at sign-ins whose day has come: removes those a day past their end, and files the others under a later day.
/// A refresh moves a sign-in's end without touching the index of days; the sweep is where that is made good.
pub(crate) async fn sweep(service: &Countersign, batch: u32) -> Result<Swept> {
    let steps = service.store().write((service.now(), batch), |tx, (now, batch)| {
        Box::pin(async move {
            let filed = tx.file_living_sign_ins_under_a_later_day(*now, *batch).await?;
            let removed = tx.remove_sign_ins_past_their_end(*now, *batch).await?;
            Ok(Swept { seen: filed.saturating_add(removed), removed })
        })
    });
    steps.await
}

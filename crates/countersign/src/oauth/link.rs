//! Identities of one's own: linking one from a signed-in session, listing them, removing one.

use std::net::IpAddr;

use super::Identity;
use super::account::Person;
use super::refusal::Refusal;
use crate::access::CurrentUser;
use crate::audit::{About, Entry, Event, Filed};
use crate::error::{AccessRefusal, Error, Internal, Result};
use crate::id::{IdentityId, SignInId, UserId};
use crate::mail::{Kind, NewMail};
use crate::service::Countersign;
use crate::sign_in::EndReason;
use crate::store::{Attempt as Tried, Tx};
use crate::time::Timestamp;

/// How often it is looked again after somebody else was faster.
const TRIES: usize = 3;

/// Whom an identity is linked to.
#[derive(Debug, Clone, Copy)]
pub(super) struct To {
    pub(super) user: UserId,
    /// The sign-in in which its owner asked for it: it must still live.
    pub(super) sign_in: SignInId,
}

struct Linking {
    person: Person,
    to: To,
    now: Timestamp,
    notice: Option<NewMail>,
    entry: Entry,
}

/// Links an identity to the account that asked for it.
///
/// # Errors
/// [`Error::Unavailable`].
pub(super) async fn attach(
    service: &Countersign,
    person: Person,
    to: To,
    from: Option<IpAddr>,
) -> Result<std::result::Result<(), Refusal>> {
    let provider = person.key.provider.clone();
    for _ in 0..TRIES {
        let about = About { sign_in: Some(to.sign_in), address: from, ..to.user.into() };
        let input = Linking {
            person: person.clone(),
            to,
            now: service.now(),
            notice: service.mailer().notice(Kind::IdentityLinked, to.user, &[("provider", &provider)]),
            entry: service.entry(Event::IdentityLinked, about.saying(&provider)),
        };
        let linked = service.store().write(input, |tx, input| Box::pin(insert(tx, input))).await;
        match linked {
            // Somebody else took the identity, or the id, at this very moment: look whose it is.
            Err(Error::IdentityInUse) => {}
            other => {
                return Ok(other?.map(|filed| {
                    service.tell(filed);
                    service.mailer().ring();
                }));
            }
        }
    }
    Err(Error::Fault(Internal::new("an identity or an id was taken again and again")))
}

async fn insert(tx: &mut Tx<'_>, input: &Linking) -> Result<std::result::Result<Option<Filed>, Refusal>> {
    let Linking { person, to, now, .. } = input;
    let account = tx.account_by_id(to.user).await?;
    let credential = tx.credential_by_id(to.user).await?;
    let (Some(account), Some(credential)) = (account, credential) else {
        return Ok(Err(Refusal::SessionEnded));
    };
    let holds =
        tx.hold_user(to.user, credential.epoch).await? && tx.hold_sign_in(to.sign_in, to.user, *now).await?;
    if !holds {
        return Ok(Err(Refusal::SessionEnded));
    }
    match tx.holder_of_identity(&person.key).await? {
        Some(holder) if holder == to.user => return Ok(Ok(None)),
        Some(_) => return Ok(Err(Refusal::IdentityInUse)),
        None => {}
    }
    if tx.insert_identity(IdentityId::fresh(*now), to.user, &person.key, None, *now).await? != Tried::Done(1)
    {
        return Err(Error::IdentityInUse);
    }
    if let Some(notice) = &input.notice {
        tx.queue_notice(&notice.of(to.user, &account.user.username)).await?;
    }
    tx.file(&input.entry).await.map(|filed| Ok(Some(filed)))
}

/// The identities that open the account, the oldest first.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn list(service: &Countersign, user: UserId) -> Result<Vec<Identity>> {
    service.store().read(user, |tx, user| Box::pin(async move { tx.identities_of(*user).await })).await
}

struct Removing {
    id: IdentityId,
    user: UserId,
    epoch: i64,
    keep: Option<SignInId>,
    now: Timestamp,
    /// Which provider it is of turns out in the transaction.
    entry: Entry,
    notice: Option<NewMail>,
}

enum Removed {
    Yes(Filed),
    ProofIsVoid,
    LastWayIn,
    Unknown,
}

/// Removes an identity of one's own. Every other sign-in ends, since any of them may have been opened through it; this one
/// goes on.
///
/// # Errors
/// [`Error::ReauthenticationRequired`] where the sign-in is older than ten minutes, or there is none; [`Error::NotFound`]
/// where none of theirs has this id; [`Error::LastWayIn`]; [`Error::AccessToken`] where the account changed meanwhile;
/// [`Error::Unavailable`].
pub async fn remove(
    service: &Countersign,
    who: &CurrentUser,
    id: IdentityId,
    from: Option<IpAddr>,
) -> Result<()> {
    if !who.has_just_signed_in(service.now()) {
        return Err(Error::ReauthenticationRequired);
    }
    let sign_in = who.sign_in.map(|sign_in| sign_in.id);
    let about = About { sign_in, address: from, ..who.user.id.into() };
    let input = Removing {
        id,
        user: who.user.id,
        epoch: who.epoch,
        keep: sign_in,
        now: service.now(),
        entry: service.entry(Event::IdentityRemoved, about),
        notice: service.mailer().notice(
            Kind::IdentityRemoved,
            who.user.id,
            &[("username", &who.user.username)],
        ),
    };
    let removed = service.store().write(input, |tx, input| Box::pin(delete(tx, input))).await?;
    match removed {
        Removed::Yes(filed) => {
            service.tell([filed]);
            service.mailer().ring();
            Ok(())
        }
        Removed::ProofIsVoid => Err(Error::AccessToken(AccessRefusal::Invalid)),
        Removed::LastWayIn => Err(Error::LastWayIn),
        Removed::Unknown => Err(Error::NotFound),
    }
}

/// The user's row is written first: of two that remove the last two identities, the second one waits there and sees what
/// the first has left.
async fn delete(tx: &mut Tx<'_>, input: &Removing) -> Result<Removed> {
    if !tx.hold_user(input.user, input.epoch).await? {
        return Ok(Removed::ProofIsVoid);
    }
    let Some(provider) = tx.remove_identity(input.id, input.user).await? else {
        let exists = tx.has_identity(input.id, input.user).await?;
        return Ok(if exists { Removed::LastWayIn } else { Removed::Unknown });
    };
    tx.end_all_sign_ins(input.user, EndReason::IdentityRemoved, input.now, input.keep).await?;
    if let Some(notice) = &input.notice {
        let mut notice = notice.clone();
        notice.words.insert("provider".to_owned(), provider.clone());
        tx.queue_notice(&notice).await?;
    }
    tx.file(&input.entry.saying(&provider)).await.map(Removed::Yes)
}

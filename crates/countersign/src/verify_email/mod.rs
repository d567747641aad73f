//! The address that an account says is its owner's: a mailed link proves it, and a new address takes effect only then.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use crate::access::CurrentUser;
use std::net::IpAddr;

use crate::audit::{About, Entry, Event, Filed};
use crate::error::{AccessRefusal, Error, Result, TokenRefusal};
use crate::id::UserId;
use crate::language::Language;
use crate::limits::{self, Budgets};
use crate::mail::{Addressee, Kind, NewMail};
use crate::one_time::{self, Purpose, TokenHash};
use crate::secret::{ExposeSecret as _, SecretString};
use crate::service::Countersign;
use crate::store::{Attempt, Tx};
use crate::time::Timestamp;
use crate::user::User;

/// Mails a link to the address that waits to be confirmed: a new one that the owner has asked for, else the account's own.
/// The link before it is dead from now on.
///
/// # Errors
/// [`Error::EmailMissing`], [`Error::AlreadyVerified`]; [`Error::RateLimited`]; [`Error::AccessToken`] where the account died meanwhile;
/// [`Error::Unavailable`].
pub async fn request(service: &Countersign, who: &CurrentUser, from: Option<IpAddr>) -> Result<()> {
    let pending = service.store().read(who.user.id, |tx, user| {
        Box::pin(async move { tx.address_of_one_time_token(*user, Purpose::VerifyEmail).await })
    });
    let email = to_confirm(&who.user, pending.await?)?;
    let to = Addressee { user: who.user.id, username: who.user.username.to_string(), email };
    let link = service.mailer().link(Kind::VerifyEmail, Purpose::VerifyEmail, to, Language::current())?;
    let entry = service.entry(Event::EmailVerificationMailed, about(who.user.id, from));
    let budgets = Budgets::of_mail(service, from, Some(who.user.id));
    let input = (link, entry, budgets, service.now());
    let queued = service.store().write(input, |tx, (link, entry, budgets, now)| {
        Box::pin(async move {
            let spent = budgets.spend(tx, *now).await?;
            if !link.queue(tx).await? {
                return Ok(None);
            }
            Ok(Some((tx.file(entry).await?, spent)))
        })
    });
    let Some((filed, spent)) = queued.await? else { return Err(Error::AccessToken(AccessRefusal::Invalid)) };
    service.tell([filed]);
    service.mailer().ring();
    spent.note(service, about(who.user.id, from).because("mails")).await;
    Ok(())
}

fn to_confirm(user: &User, pending: Option<String>) -> Result<String> {
    match (&user.email, user.email_verified, pending) {
        (None, ..) => Err(Error::EmailMissing),
        (Some(email), false, _) => Ok(email.to_string()),
        (Some(_), true, Some(pending)) => Ok(pending),
        (Some(_), true, None) => Err(Error::AlreadyVerified),
    }
}

/// Takes the address of the link for the owner's. If it replaces a confirmed one, that one is told.
///
/// # Errors
/// [`Error::OneTimeToken`]; [`Error::EmailInUse`], which leaves the token good; [`Error::RateLimited`];
/// [`Error::Unavailable`].
pub async fn confirm(service: &Countersign, token: SecretString, from: Option<IpAddr>) -> Result<()> {
    limits::redeem_link(service, from, redeem(service, token, from)).await
}

async fn redeem(service: &Countersign, token: SecretString, from: Option<IpAddr>) -> Result<()> {
    let hash = one_time::hash(token.expose_secret())?;
    // Looked at first: what is not good needs no notice, and no place among the account's writes.
    let weighed = service.store().read((hash, service.now()), |tx, (hash, now)| {
        Box::pin(async move {
            let proven = tx.weigh_one_time_token(Purpose::VerifyEmail, hash, *now).await?;
            tx.account_by_id(proven.user).await
        })
    });
    let Some(account) = weighed.await? else { return Err(Error::OneTimeToken(TokenRefusal::Invalid)) };
    let user = account.user;
    let notice = service.mailer().notice(Kind::EmailChanged, user.id, &[("username", &user.username)]);
    let entry = service.entry(Event::EmailVerified, about(user.id, from));
    let input = Confirming { hash, now: service.now(), notice, entry };
    let filed = service.store().write(input, |tx, input| Box::pin(take(tx, input))).await?;
    service.tell([filed]);
    service.mailer().ring();
    Ok(())
}

fn about(user: UserId, from: Option<IpAddr>) -> About {
    About { address: from, ..user.into() }
}

struct Confirming {
    hash: TokenHash,
    now: Timestamp,
    notice: Option<NewMail>,
    entry: Entry,
}

async fn take(tx: &mut Tx<'_>, input: &Confirming) -> Result<Filed> {
    let proven = tx.spend_one_time_token(Purpose::VerifyEmail, &input.hash, input.now).await?;
    let before = tx.account_by_id(proven.user).await?.map(|account| account.user);
    match tx.set_verified_email(proven.user, proven.epoch, &proven.email, input.now).await? {
        Attempt::Done(1) => {}
        Attempt::Done(_) => return Err(Error::OneTimeToken(TokenRefusal::Invalid)),
        Attempt::Conflict => return Err(Error::EmailInUse),
    }
    let replaced = before.filter(|user| user.email_verified).and_then(|user| user.email);
    let replaced = replaced.filter(|old| !old.eq_ignore_ascii_case(&proven.email));
    if let (Some(old), Some(notice)) = (replaced, &input.notice) {
        tx.queue_mail(notice, &old).await?;
    }
    tx.file(&input.entry).await
}

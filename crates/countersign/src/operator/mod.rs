//! The operator's acts on an account: what the command line does without a password of the owner's.

#[cfg(test)]
mod tests;

use crate::audit::{About, Entry, Event, Filed};
use crate::error::{Error, FieldErrors, Result};
use crate::id::{MailId, UserId};
use crate::language::Language;
use crate::mail::Kind;
pub use crate::mail::Waiting;
use crate::names::Email;
use crate::password::Password;
use crate::secret::SecretString;
use crate::service::Countersign;
use crate::sign_in::EndReason;
use crate::user::{self, User};

/// Gives a living account a new password. Every sign-in of it ends.
///
/// # Errors
/// [`Error::Invalid`] on `password`, [`Error::NotFound`], [`Error::Overloaded`], [`Error::Unavailable`].
pub async fn set_password(service: &Countersign, user: &User, password: SecretString) -> Result<()> {
    let (username, email) = (Some(&*user.username), user.email.as_deref());
    let password = Password::for_account(password, service.rules(), username, email).map_err(|broken| {
        let mut errors = FieldErrors::new();
        errors.extend("password", broken);
        Error::Invalid(errors)
    })?;
    let hash = service.lanes().hash(password, None).await?;
    let notice = service.mailer().notice(Kind::PasswordChanged, user.id, &[("username", &user.username)]);
    let entry = service.entry(Event::PasswordChanged, by_operator(user.id));
    let input = (user.id, hash, service.now(), entry, notice);
    let changed = service.store().write(input, |tx, (id, hash, now, entry, notice)| {
        Box::pin(async move {
            if !tx.set_password_hash(*id, None, hash).await? {
                return Ok(None);
            }
            tx.end_all_sign_ins(*id, EndReason::PasswordChanged, *now, None).await?;
            if let Some(notice) = notice {
                tx.queue_notice(notice).await?;
            }
            tx.file(entry).await.map(Some)
        })
    });
    told(service, changed.await?)
}

/// Closes an account until it is enabled again: nobody signs in, and every sign-in ends.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Unavailable`].
pub async fn disable(service: &Countersign, id: UserId) -> Result<()> {
    let input = (id, service.now(), service.entry(Event::UserDisabled, by_operator(id)));
    let disabled = service.store().write(input, |tx, (id, now, entry)| {
        Box::pin(async move {
            if !tx.set_disabled_at(*id, Some(*now)).await? {
                return Ok(None);
            }
            tx.end_all_sign_ins(*id, EndReason::UserDisabled, *now, None).await?;
            tx.file(entry).await.map(Some)
        })
    });
    told(service, disabled.await?)
}

/// Opens a disabled account again. The sign-ins that were ended stay ended.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Unavailable`].
pub async fn enable(service: &Countersign, id: UserId) -> Result<()> {
    let input = (id, service.entry(Event::UserEnabled, by_operator(id)));
    let enabled = service.store().write(input, |tx, (id, entry)| {
        Box::pin(async move {
            let enabled = tx.set_disabled_at(*id, None).await?;
            if enabled { tx.file(entry).await.map(Some) } else { Ok(None) }
        })
    });
    told(service, enabled.await?)
}

/// Deletes an account as its owner can: softly, and its name stays reserved until the purge.
///
/// # Errors
/// [`Error::NotFound`] also where it is deleted already; [`Error::Unavailable`].
pub async fn delete(service: &Countersign, id: UserId) -> Result<()> {
    let input = (id, service.now(), service.entry(Event::UserDeleted, by_operator(id)));
    let deleted = service.store().write(input, |tx, (id, now, entry)| {
        Box::pin(async move {
            if !tx.flag_as_deleted(*id, None, *now).await? {
                return Ok(None);
            }
            tx.end_all_sign_ins(*id, EndReason::UserDeleted, *now, None).await?;
            tx.file(entry).await.map(Some)
        })
    });
    told(service, deleted.await?)
}

/// How many accounts are dealt with in one transaction: a refresh waits for no more than these.
const ACCOUNTS_AT_ONCE: u32 = 100;

/// Ends every sign-in of every account. Returns how many accounts that were.
///
/// # Errors
/// [`Error::Unavailable`]: those that were dealt with before stay ended.
pub async fn revoke_everyone(service: &Countersign) -> Result<u64> {
    let (mut accounts, mut after) = (0_u64, None);
    loop {
        let page = user::list(service, after, ACCOUNTS_AT_ONCE).await?;
        let Some(last) = page.last() else { return Ok(accounts) };
        after = Some(last.user.id);
        let ids: Vec<UserId> = page.iter().map(|account| account.user.id).collect();
        accounts = accounts.saturating_add(ids.len() as u64);
        revoke_all_of(service, ids).await?;
    }
}

async fn revoke_all_of(service: &Countersign, ids: Vec<UserId>) -> Result<()> {
    let why = EndReason::Operator;
    let entries: Vec<Entry> = ids.iter().map(|id| why.entry_for_all(*id, None, service.now())).collect();
    let revoked = service.store().write((ids, entries, service.now()), |tx, (ids, entries, now)| {
        Box::pin(async move {
            let mut filed = Vec::new();
            for (id, entry) in ids.iter().zip(entries) {
                tx.end_all_sign_ins(*id, EndReason::Operator, *now, None).await?;
                filed.push(tx.file(entry).await?);
            }
            Ok(filed)
        })
    });
    service.tell(revoked.await?);
    Ok(())
}

/// Mails that wait or have failed, the oldest first, those after `after`, at most `limit` of them.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn mails(service: &Countersign, after: Option<MailId>, limit: u32) -> Result<Vec<Waiting>> {
    service.mailer().list(after, limit).await
}

/// Has failed mails tried again, this one or all; one whose link has expired is not worth it. Returns how many.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn retry_mails(service: &Countersign, only: Option<MailId>) -> Result<u64> {
    service.mailer().retry(only).await
}

/// Sends a mail to this address at once, to see whether the way out is open.
///
/// # Errors
/// What the way out said, for the operator alone.
pub async fn test_mail(service: &Countersign, to: &Email) -> std::result::Result<(), String> {
    service.mailer().test(to.as_str(), Language::English).await
}

fn by_operator(id: UserId) -> About {
    About::from(id).because(EndReason::Operator.word())
}

/// Nothing was filed where no such account was found.
fn told(service: &Countersign, filed: Option<Filed>) -> Result<()> {
    service.tell([filed.ok_or(Error::NotFound)?]);
    Ok(())
}

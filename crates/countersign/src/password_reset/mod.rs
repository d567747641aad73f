//! A forgotten password: whoever reads the mail of the account's confirmed address may set a new one.
//!
//! A request leaves a note and is answered, whether an account has that address or not: so both take the same time.
//! The note is looked at afterwards, by any node, and only then does an account matter (SEC-84).

pub(crate) mod http;
mod sql;
#[cfg(test)]
mod tests;

use crate::audit::{About, Entry, Event, Filed};
use crate::error::{Error, FieldErrors, Result, TokenRefusal};
use crate::language::Language;
use crate::limits::{self, Budgets};
use crate::mail::{Addressee, Kind, NewMail};
use crate::names::Email;
use crate::one_time::{self, Purpose, TokenHash};
use crate::password::Password;
use crate::secret::{ExposeSecret as _, SecretString};
use crate::service::Countersign;
use crate::sign_in::EndReason;
use crate::store::Tx;
use crate::time::Timestamp;
use crate::user::User;

use std::net::IpAddr;

/// How many notes are looked at in one round.
const BATCH: u32 = 100;

/// Takes a note that somebody forgot the password of this address. Nobody learns whether it is known, nor whether it is
/// an address at all.
///
/// # Errors
/// [`Error::Unavailable`], known or not.
pub async fn request(service: &Countersign, email: &str, from: Option<IpAddr>) -> Result<()> {
    let Ok(email) = Email::parse(email) else { return Ok(()) };
    let note =
        Note { email_key: email.canonical(), language: Language::current(), requested_at: service.now() };
    let input = (note, Budgets::of_mail(service, from, None));
    let noted = service.store().write(input, |tx, (note, budgets)| {
        Box::pin(async move {
            let spent = budgets.spend(tx, note.requested_at).await?;
            tx.put_reset_request(note).await.map(|()| spent)
        })
    });
    match noted.await {
        Ok(spent) => {
            service.mailer().ring();
            spent.note(service, About { address: from, ..About::default() }.because("mails")).await;
            Ok(())
        }
        // Whoever asks for too many is told nothing else than others.
        Err(Error::RateLimited { .. }) => Ok(()),
        Err(other) => Err(other),
    }
}

/// That somebody asked.
#[derive(Debug, Clone)]
struct Note {
    email_key: String,
    language: Language,
    requested_at: Timestamp,
}

/// Looks at the notes and mails a link where an account has the address and has confirmed it. Returns how many notes.
///
/// # Errors
/// [`Error::Unavailable`]: what is left is looked at the next time.
pub(crate) async fn work_off(service: &Countersign) -> Result<u64> {
    let mut seen = 0;
    loop {
        let notes =
            service.store().read((), |tx, ()| Box::pin(async move { tx.reset_requests(BATCH).await }));
        let notes = notes.await?;
        let count = notes.len() as u64;
        for note in notes {
            let entry = service.entry(Event::PasswordResetMailed, About::default());
            let input = (service.clone(), note, entry);
            let steps = service
                .store()
                .write(input, |tx, (service, note, entry)| Box::pin(answer(tx, service, note, entry)));
            service.tell(steps.await?);
        }
        seen += count;
        if count < u64::from(BATCH) {
            return Ok(seen);
        }
    }
}

/// Of several nodes that look at one note, the one that takes it away mails.
async fn answer(tx: &mut Tx<'_>, service: &Countersign, note: &Note, entry: &Entry) -> Result<Option<Filed>> {
    if !tx.take_reset_request(note).await? {
        return Ok(None);
    }
    let Some(account) = tx.account_by_verified_email(&note.email_key).await? else { return Ok(None) };
    if account.disabled_at.is_some() || account.deleted_at.is_some() {
        return Ok(None);
    }
    let User { id, username, email: Some(email), .. } = account.user else { return Ok(None) };
    // What is over the limit of the account is not mailed, and nobody learns of it.
    match Budgets::of_mail(service, None, Some(id)).spend(tx, service.now()).await {
        Err(Error::RateLimited { .. }) => return Ok(None),
        other => drop(other?),
    }
    // The address that is stored, never the one that was typed (SEC-80).
    let to = Addressee { user: id, username: username.to_string(), email: email.to_string() };
    let link = service.mailer().link(Kind::ResetPassword, Purpose::ResetPassword, to, note.language)?;
    if !link.queue(tx).await? {
        return Ok(None);
    }
    tx.file(&entry.of(id)).await.map(Some)
}

/// Sets a new password by the token of the link. Every sign-in ends, and none begins; what else was mailed is dead.
///
/// # Errors
/// [`Error::OneTimeToken`]; [`Error::Invalid`] on `password`, which leaves the token good; [`Error::RateLimited`];
/// [`Error::Overloaded`]; [`Error::Unavailable`].
pub async fn confirm(
    service: &Countersign,
    token: SecretString,
    password: SecretString,
    from: Option<IpAddr>,
) -> Result<()> {
    limits::redeem_link(service, from, redeem(service, token, password, from)).await
}

async fn redeem(
    service: &Countersign,
    token: SecretString,
    password: SecretString,
    from: Option<IpAddr>,
) -> Result<()> {
    let hash = one_time::hash(token.expose_secret())?;
    let user = weigh(service, hash).await?;
    let (username, email) = (Some(&*user.username), user.email.as_deref());
    let judged = Password::for_account(password, service.rules(), username, email);
    let password = judged.map_err(|broken| {
        let mut errors = FieldErrors::new();
        errors.extend("password", broken);
        Error::Invalid(errors)
    })?;
    let password_hash = service.lanes().hash(password, from).await?;
    let notice = service.mailer().notice(Kind::PasswordChanged, user.id, &[("username", &user.username)]);
    let entry = service.entry(Event::PasswordReset, About { address: from, ..user.id.into() });
    let input = Confirming { hash, password_hash, notice, entry, now: service.now() };
    let filed = service.store().write(input, |tx, input| Box::pin(set_password(tx, input))).await?;
    service.tell([filed]);
    service.mailer().ring();
    Ok(())
}

/// Whose token it is. Without a good one no password is judged or hashed.
async fn weigh(service: &Countersign, hash: TokenHash) -> Result<User> {
    let weighed = service.store().read((hash, service.now()), |tx, (hash, now)| {
        Box::pin(async move {
            let proven = tx.weigh_one_time_token(Purpose::ResetPassword, hash, *now).await?;
            tx.account_by_id(proven.user).await
        })
    });
    let account = weighed.await?.ok_or(Error::OneTimeToken(TokenRefusal::Invalid))?;
    Ok(account.user)
}

struct Confirming {
    hash: TokenHash,
    password_hash: String,
    notice: Option<NewMail>,
    entry: Entry,
    now: Timestamp,
}

async fn set_password(tx: &mut Tx<'_>, input: &Confirming) -> Result<Filed> {
    let proven = tx.spend_one_time_token(Purpose::ResetPassword, &input.hash, input.now).await?;
    if !tx.set_password_hash(proven.user, Some(proven.epoch), &input.password_hash).await? {
        return Err(Error::OneTimeToken(TokenRefusal::Invalid));
    }
    tx.end_all_sign_ins(proven.user, EndReason::PasswordChanged, input.now, None).await?;
    if let Some(notice) = &input.notice {
        tx.queue_notice(notice).await?;
    }
    tx.file(&input.entry).await
}

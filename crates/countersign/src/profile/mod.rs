//! The owner's own account: show it, change it, delete it.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::access::CurrentUser;
use crate::audit::{About, Entry, Event, Filed};
use crate::error::{AccessRefusal, Error, FieldError, FieldErrors, Result};
use crate::hashing::Verdict;
use crate::id::{SignInId, UserId};
use crate::language::Language;
use crate::limits::{self, Budgets, Guess, Place};
use crate::mail::{Addressee, Kind, NewLink, NewMail};
use crate::names::{Email, Username};
use crate::one_time::Purpose;
use crate::password::Password;
use crate::secret::SecretString;
use crate::service::Countersign;
use crate::sign_in::EndReason;
use crate::store::{Attempt, LiveQuery, Tx};
use crate::time::Timestamp;
use crate::user::{self, Credential, NewWords, User, deletion_notice, keep, username_taken};

/// The changes that an owner asks for, judged. `None`: leave it as it is.
#[derive(Debug, Default)]
pub struct Change {
    username: Option<Username>,
    email: Option<Option<Email>>,
    password: Option<Password>,
}

impl Change {
    /// Judges all fields and reports every failing one with every reason.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn judge(
        service: &Countersign,
        who: &User,
        username: Option<&str>,
        email: Option<Option<&str>>,
        password: Option<SecretString>,
        mut errors: FieldErrors,
    ) -> Result<Self> {
        let new_username =
            username.map(Username::parse).and_then(|parsed| keep("username", parsed, &mut errors));
        let new_email = match email {
            Some(Some(address)) => keep("email", Email::parse(address), &mut errors).map(Some),
            Some(None) => Some(None),
            None => None,
        };
        let (username, email) = (username.unwrap_or(&who.username), email.unwrap_or(who.email.as_deref()));
        let password = password
            .map(|typed| Password::for_account(typed, service.rules(), Some(username), email))
            .and_then(|judged| judged.map_err(|broken| errors.extend("password", broken)).ok());
        errors.into_result()?;
        Ok(Self { username: new_username, email: new_email, password })
    }
}

/// Changes the account once the owner has proved to be the owner. A new password ends every other sign-in; this one
/// goes on.
///
/// # Errors
/// [`Error::Invalid`] where the username is taken; [`Error::WrongPassword`]; [`Error::RateLimited`];
/// [`Error::ReauthenticationRequired`]; [`Error::AccessToken`] where the sign-in ended meanwhile; [`Error::Overloaded`];
/// [`Error::Unavailable`].
pub async fn change(
    service: &Countersign,
    who: &CurrentUser,
    change: Change,
    current_password: Option<SecretString>,
    from: Option<IpAddr>,
) -> Result<User> {
    let Proved { credential, guess } = prove(service, who, current_password, from).await?;
    let entries = entries(service, who, &change, from);
    let email_entries = email_entries(service, who, &change, from);
    let hash = match change.password.clone() {
        Some(password) => Some(service.lanes().hash(password, from).await?),
        None => None,
    };
    let mails = Mails::of(service, who, &change, hash.is_some())?;
    let input = Changing {
        user: credential.user,
        epoch: credential.epoch,
        mails,
        username: change.username,
        email: change.email,
        hash,
        keep: who.sign_in.map(|sign_in| sign_in.id),
        budgets: guess.budgets.clone(),
        mail_budgets: Budgets::of_mail(service, from, Some(who.user.id)),
        now: service.now(),
        entries,
        email_entries,
    };
    let changed = service.store().write(input, |tx, input| Box::pin(apply(tx, input))).await?;
    match changed {
        Changed::Yes(user, filed) => {
            service.tell(filed);
            service.mailer().ring();
            Ok(user)
        }
        Changed::NameTaken => Err(username_taken()),
        Changed::ProofIsVoid => Err(overtaken(service, who).await?),
    }
}

fn about(who: &CurrentUser, from: Option<IpAddr>) -> About {
    let sign_in = who.sign_in.map(|sign_in| sign_in.id);
    About { sign_in, address: from, ..who.user.id.into() }
}

/// One entry for each word that will differ.
fn entries(service: &Countersign, who: &CurrentUser, change: &Change, from: Option<IpAddr>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |event, about| entries.push(service.entry(event, about));
    let old = &*who.user.username;
    if let Some(new) = change.username.as_ref().map(Username::as_str).filter(|new| *new != old) {
        add(Event::UsernameChanged, about(who, from).saying(&format!("{old} to {new}")));
    }
    if change.password.is_some() {
        add(Event::PasswordChanged, about(who, from));
    }
    entries
}

/// What is said of an address that will differ: that it was changed, and that it waits to be confirmed.
fn email_entries(
    service: &Countersign,
    who: &CurrentUser,
    change: &Change,
    from: Option<IpAddr>,
) -> Option<(Entry, Entry)> {
    let new = change.email.as_ref()?.as_ref().map(Email::as_str);
    if new == who.user.email.as_deref() {
        return None;
    }
    let done = if new.is_some() { "set" } else { "removed" };
    let changed = service.entry(Event::EmailChanged, about(who, from).because(done));
    Some((changed, service.entry(Event::EmailVerificationMailed, about(who, from))))
}

/// What a change tells by mail.
struct Mails {
    /// To the new address, if it is to take a confirmed one's place.
    link: Option<NewLink>,
    /// To the confirmed address: that it is to be replaced.
    email_change_requested: Option<NewMail>,
    /// To the confirmed address: that it was removed.
    email_removed: Option<NewMail>,
    /// To the confirmed address, whatever changes.
    others: Vec<NewMail>,
}

impl Mails {
    fn of(service: &Countersign, who: &CurrentUser, change: &Change, has_new_password: bool) -> Result<Self> {
        let (mailer, user, old) = (service.mailer(), who.user.id, &*who.user.username);
        let username = change.username.as_ref().map_or(old, Username::as_str);
        let notice = |kind| mailer.notice(kind, user, &[("username", username), ("old_username", old)]);
        let renamed = (username != old).then(|| notice(Kind::UsernameChanged)).flatten();
        let new_password = has_new_password.then(|| notice(Kind::PasswordChanged)).flatten();
        let link = |email: &Email| {
            let to = Addressee { user, username: username.to_owned(), email: email.as_str().to_owned() };
            mailer.link(Kind::VerifyEmail, Purpose::VerifyEmail, to, Language::current())
        };
        Ok(Self {
            link: change.email.as_ref().and_then(Option::as_ref).map(link).transpose()?,
            email_change_requested: notice(Kind::EmailChangeRequested),
            email_removed: notice(Kind::EmailChanged),
            others: [renamed, new_password].into_iter().flatten().collect(),
        })
    }
}

struct Changing {
    mails: Mails,
    user: UserId,
    epoch: i64,
    username: Option<Username>,
    email: Option<Option<Email>>,
    hash: Option<String>,
    keep: Option<SignInId>,
    budgets: Budgets,
    mail_budgets: Budgets,
    now: Timestamp,
    entries: Vec<Entry>,
    email_entries: Option<(Entry, Entry)>,
}

enum Changed {
    Yes(User, Vec<Filed>),
    NameTaken,
    ProofIsVoid,
}

async fn apply(tx: &mut Tx<'_>, input: &Changing) -> Result<Changed> {
    input.budgets.settle(tx, input.now).await?;
    let Some(before) = tx.account_by_id(input.user).await? else { return Ok(Changed::ProofIsVoid) };
    if input.username.is_some() || input.email.is_some() {
        let email = input.email.as_ref().map(Option::as_ref);
        let words = NewWords { id: input.user, epoch: input.epoch, username: input.username.as_ref(), email };
        match tx.set_words(&words).await? {
            Attempt::Done(1) => {}
            Attempt::Done(_) => return Ok(Changed::ProofIsVoid),
            Attempt::Conflict => return Ok(Changed::NameTaken),
        }
    }
    if let Some(hash) = &input.hash {
        if !tx.set_password_hash(input.user, Some(input.epoch), hash).await? {
            return Ok(Changed::ProofIsVoid);
        }
        tx.end_all_sign_ins(input.user, EndReason::PasswordChanged, input.now, input.keep).await?;
    }
    let Some(account) = tx.account_by_id(input.user).await? else { return Ok(Changed::ProofIsVoid) };
    let waits = tell(tx, input, &before.user, &account.user).await?;
    let mut filed = Vec::new();
    let of_email = input.email_entries.as_ref().map(|(changed, mailed)| if waits { mailed } else { changed });
    for entry in input.entries.iter().chain(of_email) {
        filed.push(tx.file(entry).await?);
    }
    Ok(Changed::Yes(account.user, filed))
}

/// Tells those whom the change concerns beside the client that asked for it. Returns whether a new address waits to be
/// confirmed. The link comes after the new epoch, which would end it.
async fn tell(tx: &mut Tx<'_>, input: &Changing, before: &User, after: &User) -> Result<bool> {
    let mut waits = false;
    if let Some(wanted) = &input.email {
        let wanted = wanted.as_ref().map(Email::as_str);
        tx.drop_one_time_token(input.user, Purpose::VerifyEmail).await?;
        waits = wanted.is_some() && wanted != after.email.as_deref();
        if let Some(link) = input.mails.link.as_ref().filter(|_| waits) {
            let _ = input.mail_budgets.spend(tx, input.now).await?;
            link.queue(tx).await?;
        }
        if let Some(notice) = input.mails.email_change_requested.as_ref().filter(|_| waits) {
            tx.queue_notice(notice).await?;
        }
        let removed = before.email.as_deref().filter(|_| before.email_verified && wanted.is_none());
        if let (Some(address), Some(notice)) = (removed, &input.mails.email_removed) {
            tx.queue_mail(notice, address).await?;
        }
    }
    for notice in &input.mails.others {
        tx.queue_notice(notice).await?;
    }
    Ok(waits)
}

/// Deletes the account softly: the row is flagged, every sign-in ends, and the name stays reserved until the purge.
///
/// # Errors
/// As [`change`].
pub async fn delete(
    service: &Countersign,
    who: &CurrentUser,
    current_password: Option<SecretString>,
    from: Option<IpAddr>,
) -> Result<()> {
    let Proved { credential, guess } = prove(service, who, current_password, from).await?;
    let notice = deletion_notice(service, &who.user);
    let entry = service.entry(Event::UserDeleted, about(who, from));
    let input = (credential.user, credential.epoch, guess.budgets.clone(), service.now(), entry, notice);
    let deleted = service.store().write(input, |tx, (user, epoch, budgets, now, entry, notice)| {
        Box::pin(async move {
            budgets.settle(tx, *now).await?;
            if !tx.flag_as_deleted(*user, Some(*epoch), *now).await? {
                return Ok(None);
            }
            tx.end_all_sign_ins(*user, EndReason::UserDeleted, *now, None).await?;
            if let Some(notice) = notice {
                tx.queue_notice(notice).await?;
            }
            tx.file(entry).await.map(Some)
        })
    });
    let Some(filed) = deleted.await? else { return Err(overtaken(service, who).await?) };
    service.tell([filed]);
    service.mailer().ring();
    Ok(())
}

/// Why a request came to nothing whose epoch ended while it was under way. Where its sign-in lives on, the same owner has
/// just changed the password elsewhere in this sign-in, and the one that was given is the old one; to refuse the access
/// token would sign a client out that is signed in.
async fn overtaken(service: &Countersign, who: &CurrentUser) -> Result<Error> {
    let lives = match who.sign_in {
        Some(sign_in) => {
            let query = LiveQuery::SignIn(sign_in.id);
            service.store().check(query, service.now()).await?.is_some()
        }
        None => false,
    };
    Ok(if lives { Error::WrongPassword } else { Error::AccessToken(AccessRefusal::Invalid) })
}

/// What the owner has proved, and the budgets that a right password gives back.
struct Proved {
    credential: Credential,
    guess: Guess,
}

/// The owner proves to be the owner: by the password, or, where there is none, by having signed in just now.
async fn prove(
    service: &Countersign,
    who: &CurrentUser,
    current_password: Option<SecretString>,
    from: Option<IpAddr>,
) -> Result<Proved> {
    let credential = user::credential_by_id(service, who.user.id).await?;
    let is_of_this_epoch = |credential: &Credential| credential.is_alive && credential.epoch == who.epoch;
    let Some(credential) = credential.filter(is_of_this_epoch) else {
        return Err(overtaken(service, who).await?);
    };
    if credential.password_hash.is_none() {
        let proved = who.has_just_signed_in(service.now());
        let proved = proved.then(|| Proved { credential, guess: Guess::default() });
        return proved.ok_or(Error::ReauthenticationRequired);
    }
    let Some(password) = current_password else {
        let error = FieldError::new("required", "Give your current password to confirm this change.");
        return Err(Error::Invalid(FieldErrors::of("current_password", error)));
    };
    let place = who.sign_in.map_or(Place::Unknown, |sign_in| Place::SignIn(sign_in.id));
    let guess = limits::begin_guess(service, &who.user.username, from, place).await?;
    let stored = credential.password_hash.clone();
    match service.lanes().verify(Password::for_sign_in(password), stored, from).await? {
        Verdict::Right { .. } => Ok(Proved { credential, guess }),
        Verdict::Wrong => {
            limits::count_wrong(service, guess, about(who, from)).await?;
            service.record(Event::PasswordCheckFailed, about(who, from));
            Err(Error::WrongPassword)
        }
    }
}

//! The account row: sign up, look up, flags, purge.

pub(crate) mod http;
mod sql;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use crate::audit::{About, Event, Filed};
use crate::error::{Error, FieldError, FieldErrors, Internal, Result};
use crate::id::UserId;
use crate::language::Language;
use crate::limits::{self, Budgets, Spent};
use crate::mail::{Addressee, Kind, NewLink, NewMail};
use crate::names::{Email, Username};
use crate::one_time::Purpose;
use crate::password::{Password, Rules};
use crate::secret::SecretString;
use crate::service::Countersign;
use crate::time::Timestamp;

pub(crate) use sql::{Credential, NewRow, NewWords};

/// How often a new id is drawn before the collision is called a fault; the second try practically never happens.
const ID_ATTEMPTS: usize = 3;

/// An account, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The id: never reused.
    pub id: UserId,
    /// The name as typed.
    pub username: Arc<str>,
    /// The address as typed, if there is one.
    pub email: Option<Arc<str>>,
    /// Whether the address is known to be the owner's.
    pub email_verified: bool,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// An account, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What the owner sees.
    pub user: User,
    /// Whether there is a password to sign in with.
    pub has_password: bool,
    /// When somebody last signed in.
    pub last_sign_in_at: Option<Timestamp>,
    /// Since when signing in is refused.
    pub disabled_at: Option<Timestamp>,
    /// Since when the account is gone; the row stays until the purge.
    pub deleted_at: Option<Timestamp>,
}

/// Everything that a sign-up needs, judged.
#[derive(Debug)]
pub struct NewUser {
    username: Username,
    email: Option<Email>,
    password: Password,
}

impl NewUser {
    /// Judges all fields and reports every failing one with every reason. `errors` holds what was found wrong with
    /// the request's form: a field that failed there is `None` here, and gets no second complaint.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong.
    pub fn judge(
        rules: &Rules,
        username: Option<&str>,
        email: Option<&str>,
        password: Option<SecretString>,
        mut errors: FieldErrors,
    ) -> Result<Self> {
        let name = username.map(Username::parse).and_then(|parsed| keep("username", parsed, &mut errors));
        let address = email.map(Email::parse).and_then(|parsed| keep("email", parsed, &mut errors));
        let password = password
            .map(|typed| Password::for_account(typed, rules, username, email))
            .and_then(|judged| judged.map_err(|broken| errors.extend("password", broken)).ok());
        match (name, password) {
            (Some(username), Some(password)) if errors.is_empty() => {
                Ok(Self { username, email: address, password })
            }
            _ => Err(Error::Invalid(errors)),
        }
    }
}

pub(crate) fn keep<T>(
    field: &str,
    parsed: std::result::Result<T, FieldError>,
    errors: &mut FieldErrors,
) -> Option<T> {
    parsed.map_err(|error| errors.add(field, error)).ok()
}

/// The refusal of a name that somebody has.
pub(crate) fn username_taken() -> Error {
    let error = FieldError::new("username_taken", "This username is taken. Choose another one.");
    Error::Invalid(FieldErrors::of("username", error))
}

/// Makes an account. Of any number of sign-ups that race for one name exactly one wins: the unique index decides.
///
/// # Errors
/// [`Error::Invalid`] on `username` where the name is taken; [`Error::RateLimited`]; [`Error::Overloaded`];
/// [`Error::Unavailable`].
pub async fn sign_up(service: &Countersign, new: NewUser, from: Option<IpAddr>) -> Result<User> {
    let NewUser { username, email, password } = new;
    let budgets = limits::begin_sign_up(service, from).await?;
    if find_by_name(service, &username).await?.is_some() {
        return Err(username_taken());
    }
    let password_hash = service.lanes().hash(password, from).await?;
    insert(service, username, email, Some(password_hash), from, budgets).await
}

/// What became of an insert.
enum Inserted {
    Yes(Filed, Spent),
    NameTaken,
    IdTaken,
}

async fn insert(
    service: &Countersign,
    username: Username,
    email: Option<Email>,
    password_hash: Option<String>,
    from: Option<IpAddr>,
    budgets: Budgets,
) -> Result<User> {
    let now = service.now();
    for _ in 0..ID_ATTEMPTS {
        let row = sql::NewRow {
            id: UserId::fresh(now),
            username: username.clone(),
            email: email.clone(),
            password_hash: password_hash.clone(),
            now,
        };
        let user = row.user();
        let about = About { address: from, ..user.id.into() };
        let needs_link = service.settings().require_verified_email;
        let link = if needs_link { confirmation_link(service, &user, Language::current())? } else { None };
        let input = (row, service.entry(Event::SignUp, about.clone()), budgets.clone(), link);
        let inserted = service.store().write(input, |tx, (row, entry, budgets, link)| {
            Box::pin(async move {
                if tx.insert_user(row).await? {
                    if let Some(link) = link {
                        link.queue(tx).await?;
                    }
                    let spent = budgets.spend(tx, row.now).await?;
                    return Ok(Inserted::Yes(tx.file(entry).await?, spent));
                }
                let holder = tx.account_by_name(&row.username.canonical()).await?;
                Ok(if holder.is_some() { Inserted::NameTaken } else { Inserted::IdTaken })
            })
        });
        match inserted.await? {
            Inserted::Yes(filed, spent) => {
                service.tell([filed]);
                service.mailer().ring();
                spent.note(service, about.because("sign_ups")).await;
                return Ok(user);
            }
            Inserted::NameTaken => return Err(username_taken()),
            Inserted::IdTaken => {}
        }
    }
    Err(Error::Fault(Internal::new("every fresh user id was taken")))
}

/// The account of this name, deleted ones that still reserve it included.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn find_by_name(service: &Countersign, username: &Username) -> Result<Option<Account>> {
    let key = username.canonical();
    service.store().read(key, |tx, key| Box::pin(async move { tx.account_by_name(key).await })).await
}

/// Accounts in the order of their making, those after `after`, at most `limit` of them.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn list(service: &Countersign, after: Option<UserId>, limit: u32) -> Result<Vec<Account>> {
    let page = (after, limit);
    let steps = service
        .store()
        .read(page, |tx, (after, limit)| Box::pin(async move { tx.accounts_after(*after, *limit).await }));
    steps.await
}

/// The link that confirms the account's own address; `None` where it has none.
pub(crate) fn confirmation_link(
    service: &Countersign,
    user: &User,
    language: Language,
) -> Result<Option<NewLink>> {
    let Some(email) = &user.email else { return Ok(None) };
    let to = Addressee { user: user.id, username: user.username.to_string(), email: email.to_string() };
    service.mailer().link(Kind::VerifyEmail, Purpose::VerifyEmail, to, language).map(Some)
}

/// Mails that link once more, after the answer: whoever is refused for an address that is not confirmed must not be able
/// to tell by the time.
pub(crate) fn remind_to_confirm(service: &Countersign, id: UserId) {
    let (service, language) = (service.clone(), Language::current());
    tokio::spawn(async move {
        if let Err(error) = mail_confirmation(&service, id, language).await {
            tracing::warn!(?error, user = id.as_i64(), "a link to confirm the address was not queued");
        }
    });
}

async fn mail_confirmation(service: &Countersign, id: UserId, language: Language) -> Result<()> {
    let account =
        service.store().read(id, |tx, id| Box::pin(async move { tx.account_by_id(*id).await })).await?;
    let Some(account) = account else { return Ok(()) };
    let Some(link) = confirmation_link(service, &account.user, language)? else { return Ok(()) };
    let input = (link, Budgets::of_mail(service, None, Some(id)), service.now());
    let steps = service.store().write(input, |tx, (link, budgets, now)| {
        Box::pin(async move {
            let _ = budgets.spend(tx, *now).await?;
            link.queue(tx).await
        })
    });
    match steps.await {
        Err(Error::RateLimited { .. }) => return Ok(()),
        other => drop(other?),
    }
    service.mailer().ring();
    Ok(())
}

/// Tells the owner that the account was deleted.
pub(crate) fn deletion_notice(service: &Countersign, user: &User) -> Option<NewMail> {
    let days = service.settings().deleted_user_retention.as_secs().div_ceil(24 * 60 * 60).to_string();
    service.mailer().notice(Kind::AccountDeleted, user.id, &[("username", &user.username), ("days", &days)])
}

/// What proves that somebody knows an account's password: looked up by name, whoever asks.
pub(crate) async fn credential_by_name(
    service: &Countersign,
    username: &Username,
) -> Result<Option<Credential>> {
    let key = username.canonical();
    service.store().read(key, |tx, key| Box::pin(async move { tx.credential_by_name(key).await })).await
}

/// The same by id, of a living account.
pub(crate) async fn credential_by_id(service: &Countersign, id: UserId) -> Result<Option<Credential>> {
    service.store().read(id, |tx, id| Box::pin(async move { tx.credential_by_id(*id).await })).await
}

/// How many accounts the next purge will remove, counted to `most`.
pub(crate) async fn backlog(service: &Countersign, most: u32) -> Result<u64> {
    let deleted_before = service.now().minus(service.settings().deleted_user_retention);
    let steps = service.store().read((deleted_before, most), |tx, (deleted_before, most)| {
        Box::pin(async move { tx.count_users_to_purge(*deleted_before, *most).await })
    });
    steps.await
}

/// Really removes accounts whose retention is over, one small batch. Returns how many.
pub(crate) async fn purge(service: &Countersign, batch: u32) -> Result<u64> {
    let deleted_before = service.now().minus(service.settings().deleted_user_retention);
    let steps = service.store().write((deleted_before, batch), |tx, (deleted_before, batch)| {
        Box::pin(async move { tx.purge_users(*deleted_before, *batch).await })
    });
    steps.await
}

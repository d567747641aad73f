//! Whose account an identity opens: the one that has it, the one that has confirmed the same address, or a new one.

use super::refusal::Refusal;
use super::sql::Key;
use super::username;
use crate::audit::{About, Entry, Event, Filed};
use crate::error::{Error, Internal, Result};
use crate::id::{IdentityId, UserId};
use crate::identity_provider::Vouched;
use crate::language::Language;
use crate::limits::{Budgets, Spent};
use crate::mail::{Kind, NewMail};
use crate::names::{Email, Username};
use crate::service::Countersign;
use crate::sign_in::{self, Admission, Client, NewSignIn, Proof, RefreshToken};
use crate::store::{Attempt as Tried, Tx};
use crate::time::Timestamp;
use crate::user::{NewRow, User, confirmation_link, remind_to_confirm};
use crate::user_agent::readable;

/// How often it is looked again after somebody else was faster: each time there is one reason less.
const TRIES: usize = 4;

/// Whom a provider vouches for, judged.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) key: Key,
    /// The address, if it is one.
    email: Option<Email>,
    /// Whether the provider says that it is the person's.
    email_verified: bool,
    names: Vec<Username>,
}

impl Person {
    pub(super) fn of(provider: &str, vouched: &Vouched) -> Self {
        let email = vouched.email.as_deref().and_then(|email| Email::parse(email).ok());
        let key = Key {
            provider: provider.to_owned(),
            issuer: vouched.issuer.clone(),
            subject: vouched.subject.clone(),
            email: email.as_ref().map(|email| email.as_str().to_owned()),
        };
        let email_verified = vouched.email_verified && email.is_some();
        Self { key, email, email_verified, names: username::candidates(vouched) }
    }
}

/// A sign-in that has begun.
pub(super) struct Opened {
    pub(super) token: RefreshToken,
    pub(super) expires_at: Timestamp,
}

struct Entering {
    service: Countersign,
    person: Person,
    client: Client,
    token: RefreshToken,
    ends: [Timestamp; 2],
    now: Timestamp,
    budgets: Budgets,
    language: Language,
    notice: Option<NewMail>,
    new_device: Option<NewMail>,
    signed_up: Entry,
    linked: Entry,
    signed_in: Entry,
}

/// What the transaction came to.
struct Entered {
    outcome: std::result::Result<(), Refusal>,
    user: Option<UserId>,
    is_new: bool,
    filed: Vec<Filed>,
    spent: Spent,
}

/// Signs the person in. Whatever is decided is decided in one transaction, by guarded writes.
///
/// # Errors
/// [`Error::Unavailable`].
pub(super) async fn sign_in(
    service: &Countersign,
    person: Person,
    client: Client,
) -> Result<std::result::Result<Opened, (Refusal, Option<UserId>)>> {
    for _ in 0..TRIES {
        let input = prepare(service, &person, &client)?;
        let opened = Opened { token: input.token.clone(), expires_at: input.ends[0] };
        let entered = service.store().write(input, |tx, input| Box::pin(enter(tx, input))).await;
        let entered = match entered {
            // Somebody else took the identity, the address or an id at this very moment: look again.
            Err(Error::IdentityInUse | Error::EmailInUse) => continue,
            Err(Error::RateLimited { .. }) => return Ok(Err((Refusal::RateLimited, None))),
            other => other?,
        };
        service.tell(entered.filed);
        service.mailer().ring();
        let about = About { user: entered.user, address: client.address, ..About::default() };
        entered.spent.note(service, about.because("sign_ups")).await;
        if let (Err(Refusal::EmailNotVerified), Some(user), false) =
            (&entered.outcome, entered.user, entered.is_new)
        {
            remind_to_confirm(service, user);
        }
        return Ok(entered.outcome.map(|()| opened).map_err(|why| (why, entered.user)));
    }
    Err(Error::Fault(Internal::new("an identity, an address or an id was taken again and again")))
}

fn prepare(service: &Countersign, person: &Person, client: &Client) -> Result<Entering> {
    // Who it is turns out in the transaction.
    let nobody = Proof { user: UserId::from_i64(0), epoch: 0 };
    let drawn = NewSignIn::draw(service, nobody, client.clone())?;
    let provider = &*person.key.provider;
    let about = About { address: client.address, ..About::default() };
    let agent = client.user_agent.as_deref().map(readable);
    let said = agent.map_or_else(|| provider.to_owned(), |agent| format!("{provider}, {agent}"));
    let signed_in = About { sign_in: Some(drawn.token.sign_in), ..about.clone() }.saying(&said);
    Ok(Entering {
        service: service.clone(),
        person: person.clone(),
        client: client.clone(),
        ends: [drawn.expires_at, drawn.ends_at],
        now: drawn.now,
        token: drawn.token,
        budgets: Budgets::of_sign_up(service, client.address),
        language: Language::current(),
        notice: service.mailer().notice_of_somebody(Kind::IdentityLinked, &[("provider", provider)]),
        new_device: sign_in::notice_of_new_device(service, client),
        signed_up: service.entry(Event::SignUp, about.clone().saying(provider)),
        linked: service.entry(Event::IdentityLinked, about.saying(provider)),
        signed_in: service.entry(Event::SignIn, signed_in),
    })
}

async fn enter(tx: &mut Tx<'_>, input: &Entering) -> Result<Entered> {
    let mut entered =
        Entered { outcome: Ok(()), user: None, is_new: false, filed: Vec::new(), spent: Spent::default() };
    entered.outcome = walk_in(tx, input, &mut entered).await?;
    Ok(entered)
}

/// Finds or makes the account, and opens a sign-in of it.
async fn walk_in(
    tx: &mut Tx<'_>,
    input: &Entering,
    entered: &mut Entered,
) -> Result<std::result::Result<(), Refusal>> {
    let user = match find(tx, input, entered).await? {
        Ok(Some(user)) => user,
        Ok(None) => match create(tx, input, entered).await? {
            Ok(user) => user,
            Err(refusal) => return Ok(Err(refusal)),
        },
        Err(refusal) => return Ok(Err(refusal)),
    };
    entered.user = Some(user);
    let credential = tx.credential_by_id(user).await?.filter(|credential| credential.is_alive);
    let Some(credential) = credential else { return Ok(Err(Refusal::AccountClosed)) };
    if input.service.settings().require_verified_email && !credential.email_verified {
        return Ok(Err(Refusal::EmailNotVerified));
    }
    let new = NewSignIn {
        proof: Proof { user, epoch: credential.epoch },
        client: input.client.clone(),
        token: input.token.clone(),
        now: input.now,
        expires_at: input.ends[0],
        ends_at: input.ends[1],
    };
    match sign_in::open(tx, &new).await? {
        Admission::Opened => {}
        Admission::ProofIsVoid => return Ok(Err(Refusal::AccountClosed)),
        Admission::IdTaken => return Err(Error::IdentityInUse),
    }
    // The user's row is written by now: an identity that is being removed is gone, or stays until this is over.
    if tx.use_identity(&input.person.key, input.now).await? != Some(user) {
        return Err(Error::IdentityInUse);
    }
    if let Some(notice) = &input.new_device
        && let Some(account) = tx.account_by_id(user).await?
    {
        let notice = notice.of(user, &account.user.username);
        let user_agent = input.client.user_agent.as_deref();
        tx.queue_notice_of_new_device(&notice, input.token.sign_in, user_agent).await?;
    }
    entered.filed.push(tx.file(&input.signed_in.of(user)).await?);
    Ok(Ok(()))
}

/// The account that the identity opens. One that has merely entered the address, without confirming it, is passed over:
/// somebody may have entered it before its owner came (SEC-81, SEC-94).
async fn find(
    tx: &mut Tx<'_>,
    input: &Entering,
    entered: &mut Entered,
) -> Result<std::result::Result<Option<UserId>, Refusal>> {
    let Person { key, email, email_verified, .. } = &input.person;
    if let Some(holder) = tx.holder_of_identity(key).await? {
        return Ok(Ok(Some(holder)));
    }
    let Some(email_key) = email.as_ref().map(Email::canonical) else { return Ok(Ok(None)) };
    let Some(account) = tx.account_by_verified_email(&email_key).await? else { return Ok(Ok(None)) };
    if !email_verified {
        return Ok(Err(Refusal::EmailInUse));
    }
    if account.disabled_at.is_some() || account.deleted_at.is_some() {
        return Ok(Err(Refusal::AccountClosed));
    }
    let user = account.user.id;
    let id = IdentityId::fresh(input.now);
    if tx.insert_identity(id, user, key, Some(&email_key), input.now).await? != Tried::Done(1) {
        return Err(Error::IdentityInUse);
    }
    if let Some(notice) = &input.notice {
        tx.queue_notice(&notice.of(user, &account.user.username)).await?;
    }
    entered.filed.push(tx.file(&input.linked.of(user)).await?);
    Ok(Ok(Some(user)))
}

/// A new account without a password. The unique indexes decide who gets a name and an address; nobody loses any.
async fn create(
    tx: &mut Tx<'_>,
    input: &Entering,
    entered: &mut Entered,
) -> Result<std::result::Result<UserId, Refusal>> {
    let Person { key, email, email_verified, names } = &input.person;
    let needs_link = input.service.settings().require_verified_email && !email_verified;
    if needs_link && email.is_none() {
        return Ok(Err(Refusal::EmailMissing));
    }
    entered.spent = input.budgets.spend(tx, input.now).await?;
    let user = insert(tx, names, email.as_ref(), input.now).await?;
    if let Some(email) = email.as_ref().filter(|_| *email_verified)
        && tx.set_verified_email(user.id, 0, email.as_str(), input.now).await? != Tried::Done(1)
    {
        return Err(Error::EmailInUse);
    }
    let id = IdentityId::fresh(input.now);
    if tx.insert_identity(id, user.id, key, None, input.now).await? != Tried::Done(1) {
        return Err(Error::IdentityInUse);
    }
    if needs_link && let Some(link) = confirmation_link(&input.service, &user, input.language)? {
        link.queue(tx).await?;
    }
    entered.is_new = true;
    entered.filed.push(tx.file(&input.signed_up.of(user.id)).await?);
    Ok(Ok(user.id))
}

async fn insert(tx: &mut Tx<'_>, names: &[Username], email: Option<&Email>, now: Timestamp) -> Result<User> {
    for username in names {
        let (username, email) = (username.clone(), email.cloned());
        let row = NewRow { id: UserId::fresh(now), username, email, password_hash: None, now };
        if tx.insert_user(&row).await? {
            return Ok(row.user());
        }
    }
    Err(Error::Fault(Internal::new("every username that was derived from a profile was taken")))
}

//! The password, traded once for an access token and a refresh token.

pub(crate) mod http;
mod device;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::audit::{About, Entry, Event, Filed};
use crate::error::{Error, Internal, Result};
use crate::hashing::Verdict;
use crate::id::{SignInId, UserId};
use crate::limits::{self, Budgets, Place};
use crate::mail::NewMail;
use crate::metrics::SignInResult;
use crate::names::Username;
use crate::password::Password;
use crate::secret::SecretString;
use crate::service::Countersign;
use crate::sign_in::{self, Admission, Client, EndReason, NewSignIn, Proof, RefreshToken};
use crate::store::Tx;
use crate::time::Timestamp;
use crate::user::{self, Credential};
use crate::user_agent::readable;

pub use device::Device;

/// The second draw of a sign-in's id practically never happens.
const ID_ATTEMPTS: usize = 3;

/// What a person types, and what came along with it.
#[derive(Debug)]
pub struct Attempt {
    /// As typed, perhaps an impossible name.
    pub username: String,
    /// As typed.
    pub password: SecretString,
    /// Who is asking.
    pub client: Client,
    /// Sign-ins whose authentic refresh tokens came along: the new one takes their place.
    pub replaced: Vec<SignInId>,
    /// The devices that the asker has proved to be: on one that the account knows, nobody else can use up its limit.
    pub devices: Vec<Device>,
}

/// What a sign-in, or a refresh, hands out.
pub struct Tokens {
    /// The JWT.
    pub access_token: Zeroizing<String>,
    /// Seconds until it expires.
    pub expires_in: i64,
    /// The refresh token's text.
    pub refresh_token: Zeroizing<String>,
    /// When the refresh token expires.
    pub refresh_expires_at: Timestamp,
    /// What the device shows at its next sign-in, so that it is known; a refresh gives none.
    pub device: Option<String>,
}

/// Trades a password for tokens. Unknown and impossible names, wrong passwords, accounts without one, deleted and
/// disabled ones are all refused in the same words after the same work (SEC-10).
///
/// # Errors
/// [`Error::InvalidCredentials`], [`Error::RateLimited`], [`Error::Overloaded`], [`Error::Unavailable`].
pub async fn authenticate(service: &Countersign, attempt: Attempt) -> Result<Tokens> {
    let outcome = trade(service, attempt).await;
    service.meters().sign_ins.count(SignInResult::of(&outcome));
    outcome
}

async fn trade(service: &Countersign, attempt: Attempt) -> Result<Tokens> {
    let Attempt { username, password, client, replaced, devices } = attempt;
    let address = client.address;
    let credential = find(service, &username).await?;
    let place = place(service, credential.as_ref(), &devices);
    let is_known = matches!(place, Place::Device(..));
    let guess = limits::begin_guess(service, &username, address, place).await?;
    let password = Password::for_sign_in(password);
    let living = credential.as_ref().filter(|credential| credential.is_alive);
    let stored = living.and_then(|credential| credential.password_hash.clone());
    let verdict = service.lanes().verify(password.clone(), stored, address).await?;
    let (Some(living), Some(password), Verdict::Right { upgrade }) = (living, password, verdict) else {
        let about = refused(credential.as_ref(), address);
        limits::count_wrong(service, guess, about.clone()).await?;
        service.record(Event::SignInFailed, about);
        return Err(Error::InvalidCredentials);
    };
    if service.settings().require_verified_email && !living.email_verified {
        user::remind_to_confirm(service, living.user);
        let about = About { address, ..living.user.into() }.because("email_not_confirmed");
        limits::count_wrong(service, guess, about.clone()).await?;
        service.record(Event::SignInFailed, about);
        return Err(Error::InvalidCredentials);
    }
    let rehash = if upgrade { rehash(service, living, password, &client).await } else { None };
    let proof = Proof { user: living.user, epoch: living.epoch };
    let notice = if is_known { None } else { sign_in::notice_of_new_device(service, &client) };
    let notice = notice.map(|notice| notice.of(living.user, &username));
    let along = Along { rehash, replaced, budgets: guess.budgets.clone(), notice };
    let tokens = open(service, proof, client, along).await?;
    Ok(Tokens { device: device::marked(service, &devices, living, service.now()), ..tokens })
}

/// Whether the account knows the device; without a living account none is known.
fn place(service: &Countersign, credential: Option<&Credential>, devices: &[Device]) -> Place {
    let known = credential.filter(|credential| credential.is_alive).and_then(|credential| {
        device::known(devices, credential, service.now()).map(|device| (credential.user, device))
    });
    known.map_or(Place::Unknown, |(user, device)| Place::Device(user, device))
}

/// What the password is checked against, as far as a living account has it.
async fn find(service: &Countersign, username: &str) -> Result<Option<Credential>> {
    let Ok(username) = Username::parse(username) else { return Ok(None) };
    user::credential_by_name(service, &username).await
}

/// Why nobody was let in: for the audit, and for nobody else. An unknown name is not kept: people type their password
/// there by mistake (SEC-108).
fn refused(credential: Option<&Credential>, address: Option<IpAddr>) -> About {
    let about = About { user: credential.map(|credential| credential.user), address, ..About::default() };
    about.because(match credential {
        None => "unknown_name",
        Some(credential) if !credential.is_alive => "account_closed",
        Some(credential) if credential.password_hash.is_none() => "no_password",
        Some(_) => "wrong_password",
    })
}

/// An old hash, and its successor of today's strength.
#[derive(Clone)]
struct Rehash {
    user: UserId,
    old: String,
    new: String,
}

/// An upgrade that finds no free lane waits for the next sign-in: it must not cost this one.
async fn rehash(
    service: &Countersign,
    credential: &Credential,
    password: Password,
    client: &Client,
) -> Option<Rehash> {
    let old = credential.password_hash.clone()?;
    let new = service.lanes().upgrade(password, &old, client.address).await.ok()?;
    Some(Rehash { user: credential.user, old, new })
}

/// What happens in the transaction that opens a sign-in, beside the opening.
#[derive(Clone, Default)]
struct Along {
    rehash: Option<Rehash>,
    replaced: Vec<SignInId>,
    budgets: Budgets,
    notice: Option<NewMail>,
}

struct Opening {
    new: NewSignIn,
    along: Along,
    entry: Entry,
}

async fn open(service: &Countersign, proof: Proof, client: Client, along: Along) -> Result<Tokens> {
    let from = client.address;
    let about = About { address: from, ..proof.user.into() };
    let about = match &client.user_agent {
        Some(user_agent) => about.saying(&readable(user_agent)),
        None => about,
    };
    for _ in 0..ID_ATTEMPTS {
        let new = NewSignIn::draw(service, proof, client.clone())?;
        let (token, expires_at) = (new.token.clone(), new.expires_at);
        let about = About { sign_in: Some(token.sign_in), ..about.clone() };
        let entry = service.entry(Event::SignIn, about);
        let opening = Opening { new, along: along.clone(), entry };
        let opened = service.store().write(opening, |tx, opening| Box::pin(enter(tx, opening)));
        let (admission, filed) = opened.await?;
        service.tell(filed);
        match admission {
            Admission::Opened => {
                service.mailer().ring();
                return issue(service, proof.user, &token, expires_at);
            }
            Admission::ProofIsVoid => {
                let about = About { address: from, ..proof.user.into() };
                service.record(Event::SignInFailed, about.because("account_changed_meanwhile"));
                return Err(Error::InvalidCredentials);
            }
            Admission::IdTaken => {}
        }
    }
    Err(Error::Fault(Internal::new("every fresh sign-in id was taken")))
}

/// The transaction of a sign-in: through the gate, then whatever it replaces ends.
async fn enter(tx: &mut Tx<'_>, opening: &Opening) -> Result<(Admission, Vec<Filed>)> {
    let Opening { new, along, entry } = opening;
    let admission = sign_in::open(tx, new).await?;
    if admission != Admission::Opened {
        return Ok((admission, Vec::new()));
    }
    along.budgets.settle(tx, new.now).await?;
    let mut filed = vec![tx.file(entry).await?];
    if let Some(notice) = &along.notice {
        tx.queue_notice_of_new_device(notice, new.token.sign_in, new.client.user_agent.as_deref()).await?;
    }
    for id in &along.replaced {
        if let Some(user) = tx.end_sign_in(*id, EndReason::Replaced, new.now).await? {
            let ended = EndReason::Replaced.entry_for_one(*id, new.client.address, new.now);
            filed.push(tx.file(&ended.of(user)).await?);
        }
    }
    if let Some(rehash) = &along.rehash {
        tx.upgrade_password_hash(rehash.user, &rehash.old, &rehash.new).await?;
    }
    Ok((admission, filed))
}

/// Makes the pair that a client gets: an access token for this sign-in beside its current refresh token.
pub(crate) fn issue(
    service: &Countersign,
    user: UserId,
    refresh_token: &RefreshToken,
    refresh_expires_at: Timestamp,
) -> Result<Tokens> {
    let now = service.now();
    let expires_at = now.plus(service.settings().access_token_lifetime);
    let token = countersign_token::NewToken {
        subject: &user.to_string(),
        sign_in: &refresh_token.sign_in.to_string(),
        token_id: &token_id(),
        issued_at: now.as_seconds(),
        expires_at: expires_at.as_seconds(),
    };
    Ok(Tokens {
        access_token: Zeroizing::new(service.signer().sign(&token)),
        expires_in: expires_at.as_seconds().saturating_sub(now.as_seconds()),
        refresh_token: refresh_token.text(),
        refresh_expires_at,
        device: None,
    })
}

/// 128 random bits: no two access tokens are alike, whatever the clock says.
fn token_id() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(crate::secret::random_bytes::<16>())
}

//! The password, traded once for an access token and a refresh token.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

use crate::audit::{self, About, Event};
use crate::error::{Error, Internal, Result};
use crate::hashing::Verdict;
use crate::id::{SignInId, UserId};
use crate::metrics::SignInResult;
use crate::names::Username;
use crate::password::Password;
use crate::secret::SecretString;
use crate::service::Countersign;
use crate::sign_in::{self, Admission, Client, EndReason, NewSignIn, Proof, RefreshToken};
use crate::time::Timestamp;
use crate::user::{self, Credential};

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
}

/// Trades a password for tokens. Unknown and impossible names, wrong passwords, accounts without one, deleted and
/// disabled ones are all refused in the same words after the same work (SEC-10).
///
/// # Errors
/// [`Error::InvalidCredentials`], [`Error::Overloaded`], [`Error::Unavailable`].
pub async fn authenticate(service: &Countersign, attempt: Attempt) -> Result<Tokens> {
    let outcome = trade(service, attempt).await;
    service.meters().sign_ins.count(SignInResult::of(&outcome));
    outcome
}

async fn trade(service: &Countersign, attempt: Attempt) -> Result<Tokens> {
    let Attempt { username, password, client, replaced } = attempt;
    let address = client.address;
    let credential = find(service, &username).await?;
    let password = Password::for_sign_in(password);
    let stored = credential.as_ref().and_then(|credential| credential.password_hash.clone());
    let verdict = service.lanes().verify(password.clone(), stored, address).await?;
    let (Some(credential), Some(password), Verdict::Right { upgrade }) = (credential, password, verdict)
    else {
        audit::record(Event::SignInFailed, About { address, ..About::default() });
        return Err(Error::InvalidCredentials);
    };
    let rehash = if upgrade { rehash(service, &credential, password, &client).await } else { None };
    let proof = Proof { user: credential.user, epoch: credential.epoch };
    let tokens = open(service, proof, client, replaced, rehash).await?;
    audit::record(Event::SignIn, About { user: Some(credential.user), address, ..About::default() });
    Ok(tokens)
}

/// The credential that the password is checked against; `None` for all that has to look like a wrong password.
async fn find(service: &Countersign, username: &str) -> Result<Option<Credential>> {
    let Ok(username) = Username::parse(username) else { return Ok(None) };
    let credential = user::credential_by_name(service, &username).await?;
    Ok(credential.filter(|credential| credential.is_alive))
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

struct Opening {
    new: NewSignIn,
    rehash: Option<Rehash>,
    replaced: Vec<SignInId>,
}

async fn open(
    service: &Countersign,
    proof: Proof,
    client: Client,
    replaced: Vec<SignInId>,
    rehash: Option<Rehash>,
) -> Result<Tokens> {
    for _ in 0..ID_ATTEMPTS {
        let new = NewSignIn::draw(service, proof, client.clone())?;
        let (token, expires_at) = (new.token.clone(), new.expires_at);
        let opening = Opening { new, rehash: rehash.clone(), replaced: replaced.clone() };
        let admission = service.store().write(opening, |tx, opening| {
            Box::pin(async move {
                let admission = sign_in::open(tx, &opening.new).await?;
                if admission == Admission::Opened {
                    for replaced in &opening.replaced {
                        tx.end_sign_in(*replaced, EndReason::Replaced, opening.new.now).await?;
                    }
                    if let Some(rehash) = &opening.rehash {
                        tx.upgrade_password_hash(rehash.user, &rehash.old, &rehash.new).await?;
                    }
                }
                Ok(admission)
            })
        });
        match admission.await? {
            Admission::Opened => return issue(service, proof.user, &token, expires_at),
            Admission::ProofIsVoid => return Err(Error::InvalidCredentials),
            Admission::IdTaken => {}
        }
    }
    Err(Error::Fault(Internal::new("every fresh sign-in id was taken")))
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
    })
}

/// 128 random bits: no two access tokens are alike, whatever the clock says.
fn token_id() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(crate::secret::random_bytes::<16>())
}

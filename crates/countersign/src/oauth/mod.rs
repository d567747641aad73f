//! Sign in by another service that vouches for the person: sent there with an attempt, back with its state, and from then
//! on the flow is the same: the same gate, the same tokens.

mod account;
mod attempt;
pub(crate) mod http;
mod link;
mod page;
mod refusal;
mod return_to;
mod sql;
#[cfg(test)]
mod tests;
mod username;

use std::net::IpAddr;

use url::Url;
use zeroize::Zeroizing;

use crate::access::CurrentUser;
use crate::audit::{About, Event};
use crate::error::{Error, FieldError, FieldErrors, Internal, Result};
use crate::id::IdentityId;
use crate::identity_provider::{Answer, Asked, IdentityProvider, ProviderFault, Vouched};
use crate::limits::{self, Budgets};
use crate::metrics::SignInResult;
use crate::service::Countersign;
use crate::sign_in::Client;
use crate::time::Timestamp;

use account::{Opened, Person};
use attempt::{Attempt, Handle, KEPT, NewAttempt, Purpose};
pub use link::{list, remove};
use refusal::Refusal;

/// An identity at another service that opens an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its id here.
    pub id: IdentityId,
    /// The provider's name in the settings.
    pub provider: String,
    /// The issuer that vouches for it.
    pub issuer: String,
    /// What the issuer knows the person by.
    pub subject: String,
    /// The address that the provider last gave; nothing is decided by it.
    pub email: Option<String>,
    /// When it was linked, or the account made.
    pub created_at: Timestamp,
    /// When it last opened a sign-in.
    pub last_used_at: Option<Timestamp>,
}

/// Where somebody is sent, and the cookie that will show that the same browser comes back.
pub(crate) struct Sent {
    pub(crate) url: Url,
    pub(crate) cookie_name: String,
    pub(crate) mark: Zeroizing<String>,
}

/// What came of asking to be sent.
pub(crate) enum Begun {
    Sent(Sent),
    Refused { to: Url, why: Refusal },
}

/// What somebody comes back with, each at most once.
#[derive(Default)]
pub(crate) struct Returned {
    pub(crate) state: Option<Zeroizing<String>>,
    pub(crate) code: Option<Zeroizing<String>>,
    pub(crate) iss: Option<String>,
    pub(crate) error: Option<String>,
}

/// What came of coming back.
pub(crate) enum Finished {
    SignedIn { to: Url, token: Zeroizing<String>, expires_at: Timestamp },
    Linked { to: Url },
    Refused { to: Url, why: Refusal },
}

/// Begins an attempt to sign in.
///
/// # Errors
/// [`Error::NotFound`] where there is no such provider; [`Error::Invalid`] on `return_to`; [`Error::RateLimited`];
/// [`Error::Unavailable`].
pub(crate) async fn begin(
    service: &Countersign,
    provider: &str,
    return_to: Option<&str>,
    from: Option<IpAddr>,
) -> Result<Begun> {
    let provider = service.identity_providers().get(provider).ok_or(Error::NotFound)?;
    let to = allowed(service, return_to)?;
    match send(service, provider, &to, Purpose::SignIn, from).await? {
        Ok(sent) => Ok(Begun::Sent(sent)),
        Err(fault) => {
            let why = Refusal::of_fault(&fault);
            refused(service, Purpose::SignIn, from, |about| about.saying(&said(provider, &fault)));
            Ok(Begun::Refused { to, why })
        }
    }
}

/// Begins an attempt to link an identity to the account that asks.
///
/// # Errors
/// As [`begin`]; [`Error::ReauthenticationRequired`] where the sign-in is older than ten minutes, or there is none;
/// [`Error::ProviderUnavailable`].
pub(crate) async fn begin_link(
    service: &Countersign,
    who: &CurrentUser,
    provider: &str,
    return_to: Option<&str>,
    from: Option<IpAddr>,
) -> Result<Sent> {
    let provider = service.identity_providers().get(provider).ok_or(Error::NotFound)?;
    let to = allowed(service, return_to)?;
    let sign_in = who.sign_in.filter(|_| who.has_just_signed_in(service.now()));
    let sign_in = sign_in.ok_or(Error::ReauthenticationRequired)?.id;
    let purpose = Purpose::Link { user: who.user.id, sign_in };
    match send(service, provider, &to, purpose, from).await? {
        Ok(sent) => Ok(sent),
        Err(fault) => {
            refused(service, purpose, from, |about| about.saying(&said(provider, &fault)));
            Err(Error::ProviderUnavailable)
        }
    }
}

fn allowed(service: &Countersign, return_to: Option<&str>) -> Result<Url> {
    return_to::judge(service.settings(), return_to).ok_or_else(|| {
        let message = "This service does not send anybody there: see the setting allowed_return_urls.";
        Error::Invalid(FieldErrors::of("return_to", FieldError::new("invalid_return_to", message)))
    })
}

/// Nothing is written before the provider is known to answer.
async fn send(
    service: &Countersign,
    provider: &IdentityProvider,
    to: &Url,
    purpose: Purpose,
    from: Option<IpAddr>,
) -> Result<std::result::Result<Sent, ProviderFault>> {
    let budgets = limits::begin_oauth(service, from).await?;
    let key = service.oauth_keys().first().ok_or_else(|| Error::Fault(Internal::new("no key of OAuth")))?;
    let handle = Handle::draw(key);
    let asked_at = service.now();
    let url = with_asked(service, provider, &handle, asked_at, async |asked| {
        provider.authorization_url(asked).await
    });
    let url = match url.await {
        Ok(url) => url,
        Err(fault) => return Ok(Err(fault)),
    };
    let mark = attempt::draw_mark();
    let new = NewAttempt {
        state_hash: handle.hash(),
        browser_hash: attempt::hash_of_mark(&mark),
        provider: provider.name().to_owned(),
        return_to: to.as_str().to_owned(),
        purpose,
        now: asked_at,
    };
    write(service, new, budgets, from).await?;
    Ok(Ok(Sent { url, cookie_name: handle.cookie_name(), mark }))
}

async fn write(service: &Countersign, new: NewAttempt, budgets: Budgets, from: Option<IpAddr>) -> Result<()> {
    let steps = service.store().write((new, budgets), |tx, (new, budgets)| {
        Box::pin(async move {
            let spent = budgets.spend(tx, new.now).await?;
            tx.insert_oauth_attempt(new).await?;
            Ok(spent)
        })
    });
    let about = About { address: from, ..About::default() };
    steps.await?.note(service, about.because("oauth_attempts")).await;
    Ok(())
}

/// What the provider is asked under this handle: the same when the person is sent and when the code is traded.
async fn with_asked<T>(
    service: &Countersign,
    provider: &IdentityProvider,
    handle: &Handle,
    asked_at: Timestamp,
    ask: impl AsyncFnOnce(&Asked<'_>) -> T,
) -> T {
    let redirect_uri = service.settings().redirect_uri(provider.name());
    let (state, nonce, verifier) = (handle.text(), handle.nonce(), handle.verifier());
    let asked =
        Asked { state: &state, nonce: &nonce, verifier: &verifier, redirect_uri: &redirect_uri, asked_at };
    ask(&asked).await
}

/// The name of the cookie that belongs to a state of ours.
pub(crate) fn cookie_name(service: &Countersign, state: &str) -> Option<String> {
    Handle::recognise(service.oauth_keys(), state).map(|handle| handle.cookie_name())
}

/// Ends an attempt: whoever comes back with its state in the browser in which it began is signed in, or gets the identity
/// linked that they asked for. The attempt is spent first, whatever comes of it.
///
/// # Errors
/// [`Error::OAuthState`]: nothing was spent, and nobody is sent anywhere. [`Error::NotFound`] where there is no such
/// provider; [`Error::Unavailable`] where the attempt could not be spent.
pub(crate) async fn finish(
    service: &Countersign,
    provider: &str,
    returned: Returned,
    marks: &[&str],
    client: Client,
) -> Result<Finished> {
    let provider = service.identity_providers().get(provider).ok_or(Error::NotFound)?;
    let from = client.address;
    let (handle, attempt) = match take(service, provider, &returned, marks).await {
        Err(Error::OAuthState) => {
            let about = About { address: from, ..About::default() }.because("invalid_state");
            service.record(Event::SignInFailed, about);
            return Err(Error::OAuthState);
        }
        taken => taken?,
    };
    let to = return_to::judge(service.settings(), Some(&attempt.return_to))
        .unwrap_or_else(|| service.settings().public_url.clone());
    let outcome = redeem(service, provider, &handle, &attempt, &returned).await;
    let outcome = match outcome {
        Ok(vouched) => enter(service, provider, &attempt, vouched, client).await,
        Err((why, said)) => {
            refused(service, attempt.purpose, from, |about| match said {
                Some(said) => about.saying(&said),
                None => about.because(why.word()),
            });
            Ok(Err(why))
        }
    };
    // The code is spent by now, so that trying the same again would be no use: the person begins anew.
    let outcome = outcome.unwrap_or_else(|error| {
        tracing::warn!(?error, "somebody who came back from a provider was not let in");
        let why = Refusal::TemporarilyUnavailable;
        refused(service, attempt.purpose, from, |about| about.because(why.word()));
        Err(why)
    });
    if attempt.purpose == Purpose::SignIn {
        let result = outcome.as_ref().map_or_else(|why| why.result(), |_| SignInResult::Success);
        service.meters().sign_ins.count(result);
    }
    Ok(match outcome {
        Ok(Some(Opened { token, expires_at })) => Finished::SignedIn { to, token: token.text(), expires_at },
        Ok(None) => Finished::Linked { to },
        Err(why) => Finished::Refused { to, why },
    })
}

/// Spends the attempt. One statement decides whether it is this browser's and this provider's.
async fn take(
    service: &Countersign,
    provider: &IdentityProvider,
    returned: &Returned,
    marks: &[&str],
) -> Result<(Handle, Attempt)> {
    let state = returned.state.as_ref().ok_or(Error::OAuthState)?;
    let handle = Handle::recognise(service.oauth_keys(), state).ok_or(Error::OAuthState)?;
    // One that is over costs a look, never a place in the queue of writes.
    let is_there = service
        .store()
        .read(handle.hash(), |tx, state| Box::pin(async move { tx.has_oauth_attempt(state).await }));
    if marks.is_empty() || !is_there.await? {
        return Err(Error::OAuthState);
    }
    for mark in marks {
        let input = (handle.hash(), provider.name().to_owned(), attempt::hash_of_mark(mark));
        let taken = service.store().write(input, |tx, (state, provider, browser)| {
            Box::pin(async move { tx.take_oauth_attempt(state, provider, browser).await })
        });
        if let Some(attempt) = taken.await? {
            return Ok((handle, attempt));
        }
    }
    Err(Error::OAuthState)
}

/// Why there is nothing that a provider vouches for, and what the auditor reads of it beside the word.
type Why = (Refusal, Option<String>);

/// Trades the code for what the provider vouches for.
async fn redeem(
    service: &Countersign,
    provider: &IdentityProvider,
    handle: &Handle,
    attempt: &Attempt,
    returned: &Returned,
) -> std::result::Result<Vouched, Why> {
    if attempt.has_expired(service.now()) {
        return Err((Refusal::SignInExpired, None));
    }
    if let Some(word) = &returned.error {
        return Err((Refusal::of_word(word), None));
    }
    let code = returned.code.as_ref().ok_or((Refusal::ProviderError, None))?;
    let answer = Answer { code, iss: returned.iss.as_deref() };
    let asked = with_asked(service, provider, handle, attempt.created_at, async |asked| {
        provider.redeem(&answer, asked).await
    });
    match asked.await {
        Ok(vouched) if !vouched.subject.is_empty() => Ok(vouched),
        Ok(_) => Err((Refusal::ProviderError, None)),
        Err(fault) => {
            tracing::warn!(provider = provider.name(), why = fault.word(), %fault, "a provider's answer was not taken");
            Err((Refusal::of_fault(&fault), Some(said(provider, &fault))))
        }
    }
}

/// What follows from the provider's word, for the purpose of the attempt. `None`: an identity was linked.
async fn enter(
    service: &Countersign,
    provider: &IdentityProvider,
    attempt: &Attempt,
    vouched: Vouched,
    client: Client,
) -> Result<std::result::Result<Option<Opened>, Refusal>> {
    let person = Person::of(provider.name(), &vouched);
    let from = client.address;
    match attempt.purpose {
        Purpose::SignIn => Ok(match account::sign_in(service, person, client).await? {
            Ok(opened) => Ok(Some(opened)),
            Err((why, user)) => {
                let about = About { user, address: from, ..About::default() };
                service.record(Event::SignInFailed, about.because(why.word()));
                Err(why)
            }
        }),
        Purpose::Link { user, sign_in } => {
            let linked = link::attach(service, person, link::To { user, sign_in }, from).await?;
            Ok(linked.map(|()| None).inspect_err(|why| {
                refused(service, attempt.purpose, from, |about| about.because(why.word()));
            }))
        }
    }
}

/// What the auditor reads of a fault of the provider's.
fn said(provider: &IdentityProvider, fault: &ProviderFault) -> String {
    format!("{} ({}): {fault}", provider.name(), fault.word())
}

/// Tells the auditor why nobody was let in, or nothing was linked.
fn refused(
    service: &Countersign,
    purpose: Purpose,
    from: Option<IpAddr>,
    because: impl FnOnce(About) -> About,
) {
    let about = About { address: from, ..About::default() };
    match purpose {
        Purpose::SignIn => service.record(Event::SignInFailed, because(about)),
        Purpose::Link { user, sign_in } => {
            let about = About { user: Some(user), sign_in: Some(sign_in), ..about };
            service.record(Event::IdentityLinkFailed, because(about));
        }
    }
}

/// How many attempts the next sweep will remove, counted to `most`.
pub(crate) async fn backlog(service: &Countersign, most: u32) -> Result<u64> {
    let steps = service.store().read((service.now().minus(KEPT), most), |tx, (before, most)| {
        Box::pin(async move { tx.count_oauth_attempts_due(*before, *most).await })
    });
    steps.await
}

/// Removes attempts that nobody can end any more, one small batch. Returns how many.
pub(crate) async fn sweep(service: &Countersign, batch: u32) -> Result<u64> {
    let steps = service.store().write((service.now().minus(KEPT), batch), |tx, (before, batch)| {
        Box::pin(async move { tx.remove_oauth_attempts(*before, *batch).await })
    });
    steps.await
}

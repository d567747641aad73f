//! The services that vouch for people: where they send somebody, and what may be believed of their answer.
//!
//! It knows nothing of users and accounts: it turns the answer that a browser brings back into `Vouched`, after every
//! check that the provider's side allows, or says which of them failed. Attempts, cookies and accounts are the
//! chapter's that signs people in.

mod fault;
mod address;
mod client;
mod person;
mod discovery;
mod keys;
mod id_token;
mod kept;
mod oidc;
mod github;
mod examination;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use url::Url;

use address::Reach;
use client::{Bounds, Client};
pub use examination::{Finding, Severity, examine};
pub(crate) use fault::ProviderFault;
use fault::Trouble;
use github::GitHub;
use oidc::Oidc;

use crate::secret::{ExposeSecret as _, SecretString};
use crate::settings::{self, OAuthProvider, ResponseMode, Settings};
use crate::time::{Clock, Timestamp};

/// All providers of the settings. Clones share what is remembered of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdentityProviders(Arc<BTreeMap<String, IdentityProvider>>);

/// One provider.
#[derive(Debug)]
pub(crate) struct IdentityProvider {
    registration: Registration,
    clock: Clock,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Oidc(Oidc),
    GitHub(GitHub),
}

/// What an attempt holds. A copy of the database must give none of the two secrets.
pub(crate) struct Asked<'a> {
    /// The handle of the attempt, which comes back with the answer.
    pub state: &'a str,
    /// What binds the ID token to the attempt.
    pub nonce: &'a SecretString,
    /// What binds the code to the attempt: 43 to 128 characters of `A-Za-z0-9-._~` (RFC 7636 §4.1).
    pub verifier: &'a SecretString,
    /// [`Settings::redirect_uri`] of this provider.
    pub redirect_uri: &'a Url,
    /// When the attempt began: no ID token is older.
    pub asked_at: Timestamp,
}

/// What came back in the query or the form.
pub(crate) struct Answer<'a> {
    /// The authorization code.
    pub code: &'a str,
    /// The issuer, where it names itself (RFC 9207).
    pub iss: Option<&'a str>,
}

/// Whom a provider vouches for. Issuer and subject are who it is (SEC-93); all else may change, and is a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vouched {
    /// Who says so: [`IdentityProvider::issuer`], or that of the person's tenant.
    pub issuer: String,
    /// Who it is there: 1 to 255 visible ASCII characters.
    pub subject: String,
    /// What they call themselves there, in one line of at most 320 bytes.
    pub username: Option<String>,
    /// Their name, likewise.
    pub name: Option<String>,
    /// An address, likewise; not yet judged as one.
    pub email: Option<String>,
    /// Whether the provider says, as the boolean `true`, that the address is theirs (SEC-94).
    pub email_verified: bool,
}

/// What both sides know of one another.
struct Registration {
    name: String,
    issuer: String,
    client_id: String,
    client_secret: SecretString,
    scopes: String,
    form_post: bool,
    reach: Reach,
    client: Client,
}

impl fmt::Debug for Registration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, issuer, client_id, .. } = self;
        out.debug_struct("Registration")
            .field("name", name)
            .field("issuer", issuer)
            .field("client_id", client_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Asked").field("redirect_uri", &self.redirect_uri.as_str()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Answer").field("iss", &self.iss).finish_non_exhaustive()
    }
}

impl Asked<'_> {
    /// What the provider is shown of the verifier (RFC 7636 §4.2).
    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.expose_secret()))
    }
}

impl IdentityProviders {
    /// The providers of these settings, of whom nothing is asked yet: one that is down keeps nobody from starting.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(crate) fn new(settings: &Settings, clock: &Clock) -> Result<Self, String> {
        if settings.oauth.is_empty() {
            return Ok(Self::default());
        }
        Self::asking(&Client::new(Bounds::default())?, settings, clock)
    }

    fn asking(client: &Client, settings: &Settings, clock: &Clock) -> Result<Self, String> {
        let providers = settings.oauth.iter().map(|(name, given)| {
            let provider = IdentityProvider::new(name, given, client, clock)?;
            Ok::<_, String>((name.clone(), provider))
        });
        Ok(Self(Arc::new(providers.collect::<Result<_, _>>()?)))
    }

    /// The provider of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&IdentityProvider> {
        self.0.get(name)
    }
}

impl IdentityProvider {
    fn new(name: &str, given: &OAuthProvider, client: &Client, clock: &Clock) -> Result<Self, String> {
        let refusal =
            |fault: settings::words::Fault| format!("oauth_{name}_issuer: {}. {}.", fault.why, fault.mend);
        let issuer = given.issuer(name).unwrap_or_default();
        let url = settings::parse_issuer(issuer).map_err(refusal)?;
        let registration = Registration {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            client_id: given.client_id.clone(),
            client_secret: given.client_secret.clone(),
            scopes: given.scopes(name).to_owned(),
            form_post: given.response_mode == ResponseMode::FormPost,
            reach: Reach::of(&url, given.allow_private_network),
            client: client.clone(),
        };
        let kind = if name == settings::GITHUB {
            let refusal =
                |_| format!("oauth_{name}_issuer: no GitHub server can be below it. Write https://host.");
            Kind::GitHub(GitHub::new(&registration).map_err(refusal)?)
        } else {
            Kind::Oidc(Oidc::default())
        };
        Ok(Self { registration, clock: clock.clone(), kind })
    }

    /// Its name in the settings and in paths.
    pub(crate) fn name(&self) -> &str {
        &self.registration.name
    }

    /// The issuer as it is configured. Identities are keyed by that of [`Vouched`], which names the tenant too.
    #[cfg(test)]
    pub(crate) fn issuer(&self) -> &str {
        &self.registration.issuer
    }

    /// Where the person is sent. It may have to ask the provider first.
    ///
    /// # Errors
    /// [`ProviderFault`], where its description is out of reach or can't be believed.
    pub(crate) async fn authorization_url(&self, asked: &Asked<'_>) -> Result<Url, ProviderFault> {
        self.in_time(async {
            match &self.kind {
                Kind::Oidc(issuer) => {
                    issuer.authorization_url(&self.registration, asked, self.clock.now()).await
                }
                Kind::GitHub(server) => Ok(server.authorization_url(&self.registration, asked)),
            }
        })
        .await
    }

    /// Trades the code, and says whom the provider vouches for: every check of SEC-90 to SEC-93 is made in here.
    ///
    /// # Errors
    /// [`ProviderFault`]: the first check that fails.
    pub(crate) async fn redeem(
        &self,
        answer: &Answer<'_>,
        asked: &Asked<'_>,
    ) -> Result<Vouched, ProviderFault> {
        self.in_time(async {
            match &self.kind {
                Kind::Oidc(issuer) => {
                    issuer.redeem(&self.registration, answer, asked, self.clock.now()).await
                }
                Kind::GitHub(server) => server.redeem(&self.registration, answer, asked).await,
            }
        })
        .await
    }

    async fn in_time<T>(
        &self,
        step: impl Future<Output = Result<T, ProviderFault>>,
    ) -> Result<T, ProviderFault> {
        let ended = tokio::time::timeout(self.registration.client.bounds.step, step).await;
        ended.unwrap_or(Err(Trouble::TooSlow.into()))
    }
}

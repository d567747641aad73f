//! Tests against issuers on this machine.

mod github;
mod hostile;
mod honest;
mod oidc_provider;
mod page;
mod properties;
mod reach;
mod sharing;
mod tls;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use countersign_testbed::{GitHubServer, Issuer};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::client::{Bounds, Client};
use super::{Answer, Asked, IdentityProvider, IdentityProviders, ProviderFault, Vouched};
use crate::secret::SecretString;
use crate::settings::{OAuthProvider, Settings, Url};
use crate::time::{Clock, Timestamp};

/// A verifier is long enough for anybody (RFC 7636 §4.1).
const VERIFIER: &str = "a-verifier-of-tests-which-is-just-long-enough";
const NONCE: &str = "a-nonce-of-tests";

/// A browser and a provider, between which one sign-in after the other goes.
struct Trip {
    providers: IdentityProviders,
    name: &'static str,
    clock: Clock,
    redirect_uri: Url,
    nonce: SecretString,
    verifier: SecretString,
}

/// What a browser brought back.
type Brought = BTreeMap<String, String>;

fn registration(id: &str, secret: &str, issuer: &str) -> OAuthProvider {
    let secret = SecretString::from(secret.to_owned());
    OAuthProvider { issuer: Some(issuer.to_owned()), ..OAuthProvider::new(id, secret) }
}

impl Trip {
    fn to(issuer: &Issuer) -> Self {
        let given = registration(Issuer::CLIENT_ID, Issuer::CLIENT_SECRET, &issuer.url());
        Self::with("idp", given)
    }

    fn to_github(server: &GitHubServer) -> Self {
        let given = registration(GitHubServer::CLIENT_ID, GitHubServer::CLIENT_SECRET, &server.url());
        Self::with("github", given)
    }

    fn with(name: &'static str, given: OAuthProvider) -> Self {
        // Who is slow is found out in a fraction of a second.
        Self::bounded(name, given, Bounds { whole: Duration::from_millis(1_500), ..Bounds::default() })
    }

    fn bounded(name: &'static str, given: OAuthProvider, bounds: Bounds) -> Self {
        Self::asking(&Client::new(bounds).unwrap(), name, given)
    }

    fn asking(client: &Client, name: &'static str, given: OAuthProvider) -> Self {
        let settings = Settings { oauth: BTreeMap::from([(name.to_owned(), given)]), ..Settings::default() };
        assert_eq!(settings.problems(), Vec::new());
        let clock = Clock::fixed(Clock::System.now());
        Self {
            providers: IdentityProviders::asking(client, &settings, &clock).unwrap(),
            name,
            clock,
            redirect_uri: settings.redirect_uri(name),
            nonce: SecretString::from(NONCE.to_owned()),
            verifier: SecretString::from(VERIFIER.to_owned()),
        }
    }

    fn provider(&self) -> &IdentityProvider {
        self.providers.get(self.name).unwrap()
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            state: "a state & more",
            nonce: &self.nonce,
            verifier: &self.verifier,
            redirect_uri: &self.redirect_uri,
            asked_at: self.now(),
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sends the browser there, and takes in what it comes back with.
    async fn browse(&self) -> Result<Brought, ProviderFault> {
        let url = self.provider().authorization_url(&self.asked()).await?;
        Ok(follow(&url))
    }

    async fn redeem(&self, brought: &Brought) -> Result<Vouched, ProviderFault> {
        let code = brought.get("code").map(String::as_str).unwrap_or_default();
        let answer = Answer { code, iss: brought.get("iss").map(String::as_str) };
        self.provider().redeem(&answer, &self.asked()).await
    }

    async fn whole(&self) -> Result<Vouched, ProviderFault> {
        self.redeem(&self.browse().await?).await
    }
}

/// What a browser sees behind this address: the parameters of the redirect that it gets.
fn follow(url: &Url) -> Brought {
    let answer = browse(url);
    let location = answer.lines().find_map(|line| line.strip_prefix("Location: ")).expect("a redirect");
    Url::parse(location).unwrap().query_pairs().into_owned().collect()
}

/// The whole answer, as it comes.
fn browse(url: &Url) -> String {
    let mut stream = TcpStream::connect(url.socket_addrs(|| None).unwrap().as_slice()).unwrap();
    let target = &url[url::Position::BeforePath..];
    write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\nUser-Agent: tests\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

//! What an operator wants to know before the first person presses the button: whether a provider can be worked with.

use std::time::Duration;

use super::client::{Bounds, Client, Question};
use super::fault::{Lie, ProviderFault};
use super::github::GitHub;
use super::{IdentityProvider, Kind, Registration, oidc};
use crate::secret::ExposeSecret as _;
use crate::settings::Settings;
use crate::settings::words::is_loopback;
use crate::time::{Clock, Timestamp};

/// A difference of clocks that is well within the leeway of ID tokens, and should be mended before it isn't.
const CLOCKS_APART: Duration = Duration::from_secs(30);

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be, or something to know.
    Fine,
    /// It works, and somebody should look at it.
    Warning,
    /// Nobody can sign in like this.
    Fault,
}

/// Something that was found out about a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The provider's name in the settings.
    pub provider: String,
    /// What was looked at: a stable word.
    pub subject: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found, for people; no secret is in it.
    pub text: String,
}

/// Asks every provider of the settings for what a sign-in would ask it for, as far as that goes without a person.
///
/// # Errors
/// A sentence for the operator, where nobody can be asked at all.
pub async fn examine(settings: &Settings) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    if settings.oauth.is_empty() {
        return Ok(findings);
    }
    let client = Client::new(Bounds::default())?;
    for (name, given) in &settings.oauth {
        let provider = IdentityProvider::new(name, given, &client, &Clock::System)?;
        let mut report = Report { provider: name, findings: &mut findings };
        report.registration(settings, &provider.registration);
        match &provider.kind {
            Kind::Oidc(_) => report.issuer(&provider.registration).await,
            Kind::GitHub(server) => report.github(&provider.registration, server).await,
        }
    }
    Ok(findings)
}

struct Report<'a> {
    provider: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Report<'_> {
    fn add(&mut self, subject: &'static str, severity: Severity, text: impl Into<String>) {
        let provider = self.provider.to_owned();
        let text = text.into().replace("<provider>", self.provider);
        self.findings.push(Finding { provider, subject, severity, text });
    }

    /// What holds before anybody is asked.
    fn registration(&mut self, settings: &Settings, registration: &Registration) {
        let uri = settings.redirect_uri(self.provider);
        let text = format!("register exactly this redirect URI there: {uri}");
        self.add("redirect_uri", Severity::Fine, text);
        if uri.scheme() == "http" && !is_loopback(&uri) {
            let text = "public_url is plain http: most providers refuse such a redirect URI, and the code travels \
                        unencrypted";
            self.add("redirect_uri", Severity::Warning, text);
        }
        let secret = registration.client_secret.expose_secret();
        if secret.trim() == secret {
            self.add("client_secret", Severity::Fine, "is set");
        } else {
            self.add("client_secret", Severity::Warning, "begins or ends with a blank: was it copied so?");
        }
    }

    async fn issuer(&mut self, registration: &Registration) {
        let (discovered, date) = match oidc::discover(registration).await {
            Ok(found) => found,
            Err(fault) => {
                let mend = mend(&fault);
                return self.add(
                    "discovery",
                    Severity::Fault,
                    format!("{}: {fault}{mend}", registration.issuer),
                );
            }
        };
        let text = format!("{} can be reached, and names itself so", registration.issuer);
        self.add("discovery", Severity::Fine, text);
        self.clock(date.as_deref());
        match oidc::fetch_keys(registration, &discovered.jwks_uri).await {
            Ok(keys) if keys.len() == 0 => {
                let text = "none of its keys is for RS256, PS256, ES256 or EdDSA";
                self.add("keys", Severity::Fault, text);
            }
            Ok(keys) => self.add("keys", Severity::Fine, format!("{} can be used", keys.len())),
            Err(fault) => self.add("keys", Severity::Fault, format!("{fault}{}", mend(&fault))),
        }
    }

    /// Its API answers strangers with a refusal, and that is enough.
    async fn github(&mut self, registration: &Registration, server: &GitHub) {
        let question = Question { url: server.user_url(), form: None, authorization: None };
        match registration.client.ask(registration.reach, &question).await {
            Ok(reply) => {
                self.add("api", Severity::Fine, format!("{} can be reached", registration.issuer));
                self.clock(reply.date.as_deref());
            }
            Err(fault) => {
                let text = format!("{}: {fault}{}", registration.issuer, mend(&fault));
                self.add("api", Severity::Fault, text);
            }
        }
    }

    fn clock(&mut self, date: Option<&str>) {
        let Some(theirs) = date.and_then(Timestamp::from_http_date) else {
            return self.add("clock", Severity::Fine, "it does not say what time it has");
        };
        let ours = Clock::System.now();
        // The header has whole seconds.
        let apart = ours.since(theirs).max(theirs.since(ours)).as_secs();
        if apart > CLOCKS_APART.as_secs() {
            let text =
                format!("its clock and ours are {apart} seconds apart; beyond 60 ID tokens are refused");
            self.add("clock", Severity::Warning, text);
        } else {
            self.add("clock", Severity::Fine, "agrees with ours");
        }
    }
}

/// What to do about a fault, where that is plain.
fn mend(fault: &ProviderFault) -> &'static str {
    match fault {
        ProviderFault::Lied(Lie::DiscoveredIssuer) => {
            ". Write oauth_<provider>_issuer exactly as the `issuer` of its discovery document, slash for slash"
        }
        ProviderFault::Lied(Lie::PrivateAddress) => {
            ". If it is meant to be inside your network, set oauth_<provider>_allow_private_network to true"
        }
        ProviderFault::Lied(Lie::Redirect | Lie::Status | Lie::Malformed) => {
            ". Is oauth_<provider>_issuer the issuer, without /.well-known/…?"
        }
        ProviderFault::Unavailable(_) => {
            ". Can this machine reach it, and does it trust the authority of its TLS?"
        }
        _ => "",
    }
}

//! What an operator or an embedding application may decide, typed and judged before anything starts.
//!
//! Text becomes settings in [`Settings::from_values`], each judged by itself; [`Settings::problems`]
//! judges them
//! together, however they were made. Both report everything that is wrong at once.

pub mod spec;
pub mod words;
mod judge;
mod mail;
mod oauth;
mod problem;
mod read;
pub mod show;
mod weak_key;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::secret::SecretString;

pub use mail::Notice;
pub(crate) use mail::{MailLink, SmtpSecurity};
pub(crate) use oauth::issuer as parse_issuer;
pub use oauth::{GITHUB, OAuthProvider, ResponseMode};
pub use problem::{Problem, Warning};
pub use read::{Value, Values};
pub use spec::{Privacy, SPECS, Spec};
pub use url::Url;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Every setting of the service. `Settings::default()` is valid, so an embedding application writes
/// `Settings { public_url, ..Settings::default() }`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the program listens; an application that mounts the router listens by itself.
    pub listen: SocketAddr,
    /// Where people reach the service, perhaps below a path: the source of the cookie's path, of
    /// links and origins.
    pub public_url: Url,
    /// The access token's `iss`; `None` stands for [`Settings::base_url`]. Ask [`Settings::issuer`].
    pub issuer: Option<String>,
    /// The access token's `aud`; without it tokens carry none.
    pub audience: Option<String>,
    /// Where the service keeps its files (mode 0700).
    pub data_dir: PathBuf,
    /// The store; `None` stands for SQLite in `data_dir`. Ask [`Settings::database`].
    pub database: Option<Database>,
    /// The most connections to PostgreSQL that this node opens.
    pub database_connections: u32,
    /// The key that all other keys come from; `None` stands for one generated into `data_dir/secret_key`.
    pub secret_key: Option<SecretString>,
    /// Former keys: they verify, open and recognise, but do not sign.
    pub secret_key_fallbacks: Vec<SecretString>,
    /// How long an access token is good.
    pub access_token_lifetime: Duration,
    /// What signs access tokens.
    pub access_token_algorithm: Algorithm,
    /// How long a refresh token is good when it isn't spent.
    pub refresh_token_lifetime: Duration,
    /// How long one sign-in lasts at most, however often it is refreshed.
    pub session_max: Duration,
    /// How long after its spending a refresh token that comes back counts as a race, not as theft.
    pub refresh_race: Duration,
    /// How long the direct predecessor gets the same successor again without an `Idempotency-Key`;
    /// zero: never.
    pub refresh_reuse_grace: Duration,
    /// The refresh cookie's name.
    pub cookie_name: String,
    /// Whether the refresh cookie is `Secure`; `false` only where `public_url` is plain http on loopback.
    pub cookie_secure: bool,
    /// The fewest code points of a password, where the rule `length` holds.
    pub password_min_length: usize,
    /// What else a password must be.
    pub password_rules: PasswordRules,
    /// What a new password hash costs.
    pub argon2: Argon2Settings,
    /// How long a mailed one-time token is good.
    pub one_time_token_lifetime: Duration,
    /// How long a deleted account's name stays reserved before the account is purged.
    pub deleted_user_retention: Duration,
    /// How long the audit trail keeps an event.
    pub audit_retention: Duration,
    /// How often the clean-up runs in the background; `None`: never.
    pub cleanup_interval: Option<Duration>,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Foreign origins whose pages may call, each as `scheme://host[:port]`.
    pub cors_allowed_origins: Vec<String>,
    /// Where an OAuth sign-in may return to.
    pub allowed_return_urls: Vec<ReturnUrl>,
    /// How mail leaves: `smtp://`, `smtps://` or `file://`; `None`: into `data_dir/outbox`.
    pub mail_url: Option<SecretString>,
    /// The sender of mails.
    pub mail_from: Option<String>,
    /// A folder whose templates take the place of the embedded ones.
    pub mail_templates_dir: Option<PathBuf>,
    /// Of what accounts are told by mail.
    pub mail_notices: Vec<Notice>,
    /// Where the link leads that confirms an address, with `{token}`; `None`: to the service's own page.
    pub verify_email_url: Option<String>,
    /// Where the link leads that sets a forgotten password, with `{token}`; `None`: to the service's own page.
    pub password_reset_url: Option<String>,
    /// Whether nobody signs in before their address is confirmed.
    pub require_verified_email: bool,
    /// How often somebody may try.
    pub rate_limits: RateLimits,
    /// The OAuth providers by name.
    pub oauth: BTreeMap<String, OAuthProvider>,
    /// Which events are logged, in the syntax of the program's log filter.
    pub log: String,
    /// How log lines look; `None`: text on a terminal, else JSON.
    pub log_format: Option<LogFormat>,
    /// The bearer token that opens `/metrics` to others than loopback peers.
    pub metrics_token: Option<SecretString>,
}

/// Where the data live.
#[derive(Debug, Clone)]
pub enum Database {
    /// A SQLite file of this path.
    Sqlite(PathBuf),
    /// A PostgreSQL URL, which may hold a password.
    Postgres(SecretString),
}

impl Database {
    /// Reads `sqlite://PATH` or `postgres://…`.
    ///
    /// # Errors
    /// Why it is neither, and what to write.
    pub fn parse(given: &str) -> words::Parsed<Self> {
        words::database(given)
    }
}

/// What signs access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256 under the secret key.
    Hs256,
    /// Ed25519 key pairs.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// The name that a JWT's header gives it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

/// Which password rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordRules {
    /// At least `min_length` code points.
    pub length: bool,
    /// Not a common password.
    pub common: bool,
    /// Not entirely digits.
    pub numeric: bool,
    /// Not too similar to username or e-mail.
    pub similarity: bool,
}

/// The cost of an Argon2id hash (RFC 9106).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Settings {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

/// An address that an OAuth sign-in may return to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnUrl {
    /// The address; its path without the `/*`.
    pub url: Url,
    /// Whether paths below it are allowed too.
    pub below: bool,
}

impl ReturnUrl {
    /// Whether an address is this one, or a path below it where that is allowed. Both are parsed.
    #[must_use]
    pub fn allows(&self, url: &Url) -> bool {
        let is_below = || self.url.origin() == url.origin() && url.path().starts_with(self.url.path());
        if self.below { is_below() } else { self.url == *url }
    }
}

/// How often somebody may try before the answer is `429`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Whether anything is limited at all.
    pub on: bool,
    /// Failed sign-ins for each account and address.
    pub sign_in: Rate,
    /// Failed sign-ins for each address.
    pub sign_in_address: Rate,
    /// Failed sign-ins for each account from unknown devices.
    pub sign_in_account: Rate,
    /// Sign-ups for each address.
    pub sign_up: Rate,
    /// Mails for each address that asks for them.
    pub mail_address: Rate,
    /// Mails for each account.
    pub mail_account: Rate,
    /// Mailed links that are not good, for each address.
    pub link_address: Rate,
    /// Times that each address is sent to a provider.
    pub oauth: Rate,
}

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many are let through.
    pub count: u32,
    /// In which time.
    pub period: Duration,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);
        Self {
            listen,
            public_url: Self::public_url_for(listen),
            issuer: None,
            audience: None,
            data_dir: PathBuf::from("countersign-data"),
            database: None,
            database_connections: 16,
            secret_key: None,
            secret_key_fallbacks: Vec::new(),
            access_token_lifetime: 10 * MINUTE,
            access_token_algorithm: Algorithm::Hs256,
            refresh_token_lifetime: 30 * DAY,
            session_max: 90 * DAY,
            refresh_race: Duration::from_secs(10),
            refresh_reuse_grace: Duration::ZERO,
            cookie_name: "refresh_token".to_owned(),
            cookie_secure: true,
            password_min_length: 8,
            password_rules: PasswordRules::default(),
            argon2: Argon2Settings { memory_kib: 19_456, iterations: 2, parallelism: 1 },
            one_time_token_lifetime: 30 * MINUTE,
            deleted_user_retention: 30 * DAY,
            audit_retention: 90 * DAY,
            cleanup_interval: Some(60 * MINUTE),
            trusted_proxies: Vec::new(),
            cors_allowed_origins: Vec::new(),
            allowed_return_urls: Vec::new(),
            mail_url: None,
            mail_from: None,
            mail_templates_dir: None,
            mail_notices: Notice::ALL.to_vec(),
            verify_email_url: None,
            password_reset_url: None,
            require_verified_email: false,
            rate_limits: RateLimits::default(),
            oauth: BTreeMap::new(),
            log: "info".to_owned(),
            log_format: None,
            metrics_token: None,
        }
    }
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self { length: true, common: true, numeric: true, similarity: true }
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        let rate = |count, period| Rate { count, period };
        Self {
            on: true,
            sign_in: rate(10, 15 * MINUTE),
            sign_in_address: rate(100, 15 * MINUTE),
            sign_in_account: rate(100, HOUR),
            sign_up: rate(20, HOUR),
            mail_address: rate(20, HOUR),
            mail_account: rate(5, HOUR),
            link_address: rate(30, 15 * MINUTE),
            oauth: rate(100, 15 * MINUTE),
        }
    }
}

impl Settings {
    /// The `public_url` of a service that was told only where to listen: `http://localhost:<port>`.
    #[must_use]
    pub fn public_url_for(listen: SocketAddr) -> Url {
        let mut url = words::localhost();
        // `localhost` has a host, so that the port can always be set.
        let _ = url.set_port(Some(listen.port()));
        url
    }

    /// `public_url` without a slash at its end: what issuers and links begin with.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.public_url.as_str().trim_end_matches('/')
    }

    /// The access token's `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.issuer.as_deref().unwrap_or_else(|| self.base_url())
    }

    /// The origin of `public_url`: `scheme://host[:port]`, as a browser's `Origin` header writes it.
    #[must_use]
    pub fn origin(&self) -> String {
        self.public_url.origin().ascii_serialization()
    }

    /// The path prefix of `public_url`, without a slash at its end; empty where there is none.
    #[must_use]
    pub fn path_prefix(&self) -> &str {
        self.public_url.path().trim_end_matches('/')
    }

    /// The refresh cookie's `Path`, as the browser sees it: `/refresh` below the prefix of `public_url`.
    #[must_use]
    pub fn refresh_path(&self) -> String {
        format!("{}/refresh", self.path_prefix())
    }

    /// The device cookie's `Path`: `/authenticate` below the prefix of `public_url`.
    #[must_use]
    pub fn device_path(&self) -> String {
        format!("{}/authenticate", self.path_prefix())
    }

    /// The store.
    #[must_use]
    pub fn database(&self) -> Database {
        self.database.clone().unwrap_or_else(|| Database::Sqlite(self.data_dir.join("countersign.db")))
    }

    /// Whether the service keeps anything in `data_dir`: with a database on a server and a given key it does not.
    #[must_use]
    pub fn keeps_files(&self) -> bool {
        self.secret_key.is_none() || matches!(self.database(), Database::Sqlite(_))
    }

    /// Where the secret key is kept when no setting gives one.
    #[must_use]
    pub fn secret_key_path(&self) -> PathBuf {
        self.data_dir.join("secret_key")
    }
}

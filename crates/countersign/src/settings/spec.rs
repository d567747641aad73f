//! The list of settings: each named and explained once. The program's help, its `config show` and the
//! reference
//! page come from it.

/// One setting, as people read about it.
#[derive(Debug)]
pub struct Spec {
    /// Its name in `countersign.toml`; the environment and the flags derive theirs. `<provider>`
    /// stands for a name.
    pub name: &'static str,
    /// What its value looks like, in one word.
    pub value: &'static str,
    /// What it is when nobody sets it, for people.
    pub default: &'static str,
    /// What it decides.
    pub help: &'static str,
    /// Whether it may be shown.
    pub privacy: Privacy,
    /// Whether it takes a list: comma-separated in one text, or an array.
    pub list: bool,
}

/// What of a value may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// All of it.
    Public,
    /// All but what stands between a URL's scheme and host, and behind its question mark.
    PasswordInUrl,
    /// Nothing.
    Secret,
}

const fn spec(name: &'static str, value: &'static str, default: &'static str, help: &'static str) -> Spec {
    Spec { name, value, default, help, privacy: Privacy::Public, list: false }
}

const fn list(name: &'static str, value: &'static str, default: &'static str, help: &'static str) -> Spec {
    Spec { name, value, default, help, privacy: Privacy::Public, list: true }
}

const fn secret(spec: Spec, privacy: Privacy) -> Spec {
    Spec { privacy, ..spec }
}

/// What stands for a provider's name in the settings of OAuth.
pub const PROVIDER: &str = "<provider>";

/// Every setting, in the order in which they are best read.
pub static SPECS: &[Spec] = &[
    spec("listen", "IP:PORT", "127.0.0.1:8000", "Where the program listens; port 0 takes any free one"),
    spec(
        "public_url",
        "URL",
        "http://localhost:<port of listen>",
        "Where people reach the service, perhaps below a path: decides the cookie's path, links and origins",
    ),
    spec("issuer", "TEXT", "public_url", "The claim `iss` of access tokens"),
    spec(
        "audience",
        "TEXT",
        "unset",
        "The claim `aud` of access tokens; once set, a token without it is refused",
    ),
    spec("data_dir", "DIR", "countersign-data", "Where the service keeps its files; created with mode 0700"),
    secret(
        spec(
            "database_url",
            "URL",
            "sqlite://<data_dir>/countersign.db",
            "Where accounts and sign-ins are stored: sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE",
        ),
        Privacy::PasswordInUrl,
    ),
    spec("database_connections", "NUMBER", "16", "The most connections to PostgreSQL that this node opens"),
    secret(
        spec(
            "secret_key",
            "TEXT",
            "generated into <data_dir>/secret_key",
            "The key that signs access tokens and from which all others come: at least 32 random bytes. \
             Other users of the machine can read a command line: prefer secret_key_file",
        ),
        Privacy::Secret,
    ),
    spec(
        "secret_key_file",
        "FILE",
        "unset",
        "A file that holds the secret key; a line break at its end is ignored",
    ),
    secret(
        list(
            "secret_key_fallbacks",
            "TEXT,…",
            "empty",
            "Former secret keys: they verify, open and recognise, but do not sign",
        ),
        Privacy::Secret,
    ),
    spec("access_token_minutes", "MINUTES", "10", "How long an access token is good"),
    spec("access_token_algorithm", "NAME", "HS256", "What signs access tokens: HS256 in this version"),
    spec("refresh_token_days", "DAYS", "30", "How long a refresh token is good when it isn't spent"),
    spec("session_max_days", "DAYS", "90", "How long a sign-in lasts at most, however often it is refreshed"),
    spec(
        "refresh_race_seconds",
        "SECONDS",
        "10",
        "How long after its spending a refresh token that comes back counts as a race of two tabs, not as theft",
    ),
    spec(
        "refresh_reuse_grace_seconds",
        "SECONDS",
        "0",
        "How long a spent refresh token gets the same successor again, for clients that can't send Idempotency-Key",
    ),
    spec("cookie_name", "NAME", "refresh_token", "The refresh cookie's name"),
    spec(
        "cookie_secure",
        "BOOL",
        "true",
        "Whether the refresh cookie is Secure; false only where public_url is http on loopback",
    ),
    spec("password_min_length", "NUMBER", "8", "The fewest characters of a password"),
    list(
        "password_rules",
        "RULE,…",
        "length,common,numeric,similarity",
        "The rules that new passwords are held to, of length, common, numeric and similarity",
    ),
    spec("argon2_memory_kib", "KIB", "19456", "The memory of one password hash"),
    spec("argon2_iterations", "NUMBER", "2", "The passes of one password hash"),
    spec("argon2_parallelism", "NUMBER", "1", "The lanes of one password hash"),
    spec("one_time_token_minutes", "MINUTES", "30", "How long a mailed one-time token is good"),
    spec(
        "deleted_user_retention_days",
        "DAYS",
        "30",
        "How long a deleted account keeps its name before it is purged",
    ),
    spec("audit_retention_days", "DAYS", "90", "How long the audit trail keeps an event"),
    spec("cleanup_interval_minutes", "MINUTES", "60", "How often what is over is cleaned up; 0: never"),
    list(
        "trusted_proxies",
        "CIDR,…",
        "empty",
        "The proxies whose X-Forwarded-For is believed, as addresses or networks",
    ),
    list(
        "cors_allowed_origins",
        "ORIGIN,…",
        "empty",
        "Foreign origins whose pages may call, each as scheme://host[:port]",
    ),
    list(
        "allowed_return_urls",
        "URL,…",
        "empty",
        "Where an OAuth sign-in may return to; /* at the end allows the paths below",
    ),
    secret(
        spec(
            "mail_url",
            "URL",
            "unset: mails go to <data_dir>/outbox/*.eml",
            "How mail leaves: smtp://user:pass@host:port, smtps://… or file:///dir; ?tls=required, opportunistic or none \
             says how smtp:// is protected",
        ),
        Privacy::PasswordInUrl,
    ),
    spec(
        "mail_from",
        "ADDRESS",
        "no-reply@<host of public_url>",
        "The sender of mails: auth@example.com or Name <auth@example.com>",
    ),
    spec(
        "mail_templates_dir",
        "DIR",
        "unset",
        "A folder whose templates take the place of the embedded ones; checked at the start",
    ),
    list(
        "mail_notices",
        "NOTICE,…",
        "password,email,username,deletion,new_device,theft,identity",
        "Of what accounts with a confirmed address are told by mail; none: of nothing",
    ),
    spec(
        "verify_email_url",
        "URL",
        "<public_url>/verify-email#token={token}",
        "Where the link leads that confirms an address, with {token}",
    ),
    spec(
        "password_reset_url",
        "URL",
        "<public_url>/password-reset#token={token}",
        "Where the link leads that sets a forgotten password, with {token}",
    ),
    spec(
        "require_verified_email",
        "BOOL",
        "false",
        "Whether nobody signs in before their address is confirmed; sign-up then asks for one",
    ),
    spec("rate_limit", "BOOL", "on", "Whether attempts are limited; off only for benchmarks"),
    spec("rate_limit_sign_in", "N/TIME", "10/15m", "Failed sign-ins for each account and address"),
    spec("rate_limit_sign_in_address", "N/TIME", "100/15m", "Failed sign-ins for each address"),
    spec(
        "rate_limit_sign_in_account",
        "N/TIME",
        "100/1h",
        "Failed sign-ins for each account from unknown devices",
    ),
    spec("rate_limit_sign_up", "N/TIME", "20/1h", "Sign-ups for each address"),
    spec("rate_limit_mail_address", "N/TIME", "20/1h", "Mails asked for by each address"),
    spec("rate_limit_mail_account", "N/TIME", "5/1h", "Mails to each account"),
    spec("rate_limit_link_address", "N/TIME", "30/15m", "Mailed links that are not good, for each address"),
    spec("rate_limit_oauth", "N/TIME", "100/15m", "Times that each address is sent to an OAuth provider"),
    spec(
        "oauth_<provider>_client_id",
        "TEXT",
        "unset",
        "An OAuth provider's client id; google, github or any name",
    ),
    secret(
        spec("oauth_<provider>_client_secret", "TEXT", "unset", "An OAuth provider's client secret"),
        Privacy::Secret,
    ),
    secret(
        spec(
            "oauth_<provider>_client_secret_file",
            "FILE",
            "unset",
            "A file that holds the client secret; a line break at its end is ignored",
        ),
        Privacy::Secret,
    ),
    spec(
        "oauth_<provider>_issuer",
        "URL",
        "known for google and github",
        "The OIDC issuer, exactly as its discovery document names it; for github the address of a GitHub server",
    ),
    spec(
        "oauth_<provider>_scopes",
        "TEXT",
        "openid email profile",
        "The scopes to ask for, separated by spaces; of github read:user user:email",
    ),
    spec(
        "oauth_<provider>_response_mode",
        "NAME",
        "query",
        "How the provider sends people back: query, or form_post as Apple does",
    ),
    spec(
        "oauth_<provider>_allow_private_network",
        "BOOL",
        "false",
        "Whether the provider may be at a private, link-local or loopback address",
    ),
    spec("log", "FILTER", "info", "What is logged: a level, or target=level pairs"),
    spec("log_format", "NAME", "text on a terminal, else json", "How log lines look: text or json"),
    secret(
        spec(
            "metrics_token",
            "TEXT",
            "unset",
            "The bearer token that opens /metrics to others than loopback peers",
        ),
        Privacy::Secret,
    ),
];

impl Spec {
    /// The setting of this name; a provider's name takes the place of `<provider>`.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        SPECS.iter().find(|spec| match spec.name.split_once(PROVIDER) {
            None => spec.name == name,
            Some((before, after)) => {
                let provider = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                provider.is_some_and(super::oauth::is_provider_name)
            }
        })
    }

    /// The known name that `unknown` most likely meant.
    #[must_use]
    pub fn nearest(unknown: &str) -> Option<&'static str> {
        SPECS
            .iter()
            .map(|spec| (distance(unknown, spec.name), spec.name))
            .filter(|(distance, name)| *distance <= name.len() / 3)
            .min()
            .map(|(_, name)| name)
    }

    /// Whether this stands for one setting for each provider.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.name.contains(PROVIDER)
    }
}

/// How many letters must be inserted, removed or exchanged to make `right` of `left` (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut diagonal = above;
        let mut previous = above + 1;
        let mut next = vec![previous];
        for (other, cell) in right.iter().zip(row.iter().skip(1)) {
            previous = (diagonal + usize::from(*other != letter)).min(previous + 1).min(cell + 1);
            diagonal = *cell;
            next.push(previous);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

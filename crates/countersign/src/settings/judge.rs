//! Settings judged together, whoever made them: what can't stand, what should not, and what does nothing yet.

use std::time::Duration;

use super::problem::{Problem, Warning};
use super::{Algorithm, DAY, Database, MINUTE, Settings, weak_key, words};
use crate::secret::ExposeSecret;

/// Browsers keep no cookie longer than 400 days (RFC 6265bis), so neither does a sign-in that nobody
/// refreshes.
const COOKIE_MAX: Duration = Duration::from_secs(400 * 24 * 60 * 60);
const SESSION_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Nobody is refused for longer than this.
const RATE_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);
const SECOND: Duration = Duration::from_secs(1);

/// The cheapest Argon2id parameters that OWASP's Password Storage page accepts: KiB and passes (SEC-7).
const ARGON2_LEAST: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

impl Settings {
    /// Everything that keeps a service with these settings from starting; empty where nothing does.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.judge_database(&mut problems);
        self.judge_keys(&mut problems);
        self.judge_public_url(&mut problems);
        self.judge_cookie(&mut problems);
        self.judge_times(&mut problems);
        self.judge_passwords(&mut problems);
        self.judge_limits(&mut problems);
        self.judge_providers(&mut problems);
        self.judge_metrics(&mut problems);
        problems
    }

    /// What the service starts with, although somebody should look at it.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut warn = |setting, why| warnings.push(Warning { setting, why });
        if self.public_url.scheme() == "http" {
            if !words::is_loopback(&self.public_url) {
                // SEC-75
                warn(
                    "public_url",
                    "plain http: passwords travel unencrypted, and browsers drop the Secure cookie",
                );
            } else if !self.listen.ip().is_loopback() {
                warn(
                    "public_url",
                    "it is http on loopback, although listen is not: other machines can't keep the cookie",
                );
            }
        }
        if !self.password_rules.length {
            warn("password_rules", "without the rule length, a password of one character passes");
        }
        if !self.refresh_reuse_grace.is_zero() {
            warn(
                "refresh_reuse_grace_seconds",
                "a stolen refresh token that was just spent is good for this long",
            );
        }
        warnings
    }

    fn judge_database(&self, problems: &mut Vec<Problem>) {
        if matches!(self.database, Some(Database::Postgres(_))) && self.secret_key.is_none() {
            let why = "nodes that share a PostgreSQL database need one common key, so none is generated";
            let mend = "Generate one, for example with `openssl rand -base64 48`, and give it to every node";
            problems.push(Problem::new("secret_key", why, mend));
        }
        if !(6..=1_000).contains(&self.database_connections) {
            let mend = "Write 6 to 1000: four travel in batches, the others are for transactions";
            let shown = self.database_connections.to_string();
            problems.push(
                Problem::new("database_connections", "the number is out of bounds", mend).showing(&shown),
            );
        }
    }

    fn judge_keys(&self, problems: &mut Vec<Problem>) {
        let key = self.secret_key.iter().map(|key| ("secret_key", key));
        let fallbacks = self.secret_key_fallbacks.iter().map(|key| ("secret_key_fallbacks", key));
        problems.extend(
            key.chain(fallbacks)
                .filter_map(|(name, key)| weak_key::refuse(name, key.expose_secret().as_bytes())),
        );
        if self.access_token_algorithm != Algorithm::Hs256 {
            let name = self.access_token_algorithm.name();
            let why = "this version signs access tokens with HS256 only";
            problems.push(Problem::new("access_token_algorithm", why, "Write HS256").showing(name));
        }
        let texts = [("issuer", self.issuer.as_deref()), ("audience", self.audience.as_deref())];
        for (name, given) in texts.into_iter().filter_map(|(name, given)| given.map(|given| (name, given))) {
            if let Err(fault) = words::text(given) {
                problems.push(Problem::new(name, fault.why, fault.mend).showing(given));
            } else if given.len() > 255 {
                problems.push(Problem::new(name, "it is longer than 255 bytes", "Write a shorter one"));
            }
        }
    }

    fn judge_public_url(&self, problems: &mut Vec<Problem>) {
        let url = &self.public_url;
        let why = if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            "it is not an http or https address"
        } else if words::has_credentials(url) {
            "it carries a user name or a password"
        } else if url.query().is_some() || url.fragment().is_some() {
            "it carries a query or a fragment"
        } else if url.path().contains([';', ',', '"', '\\', '%']) || url.path().contains("//") {
            "its path can't be the path of a cookie"
        } else {
            return;
        };
        // A password in it would be shown, hence no `showing`.
        problems.push(Problem::new("public_url", why, "Write it as https://host or https://host/path"));
    }

    fn judge_cookie(&self, problems: &mut Vec<Problem>) {
        let name = &self.cookie_name;
        let lower = name.to_ascii_lowercase();
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let refusal = if name.is_empty() || name.len() > 64 || !name.bytes().all(token) {
            Some(("it is not a cookie's name", "Write up to 64 of A-Z a-z 0-9 _ -"))
        } else if lower.starts_with("__host-") {
            Some((
                "browsers keep a __Host- cookie only with Path=/, and this one has the path of /refresh",
                "Write __Secure-refresh_token",
            ))
        } else if lower.starts_with("__secure-") && !self.cookie_secure {
            Some((
                "browsers keep a __Secure- cookie only with the attribute Secure",
                "Set cookie_secure to true",
            ))
        } else if lower == "device" {
            Some(("another cookie of this service has that name", "Write refresh_token"))
        } else {
            None
        };
        problems.extend(refusal.map(|(why, mend)| Problem::new("cookie_name", why, mend).showing(name)));
        let on_loopback = self.public_url.scheme() == "http" && words::is_loopback(&self.public_url);
        if !self.cookie_secure && !on_loopback {
            let why = "without Secure the refresh token travels unencrypted; only an http public_url on loopback may";
            problems.push(Problem::new("cookie_secure", why, "Set it to true").showing("false"));
        }
        for origin in &self.cors_allowed_origins {
            if let Err(fault) = words::origin(origin) {
                problems.push(Problem::new("cors_allowed_origins", fault.why, fault.mend).showing(origin));
            }
        }
    }

    fn judge_times(&self, problems: &mut Vec<Problem>) {
        let minute_to_a_day = (SECOND, DAY, "more than nothing and at most 1440 minutes");
        let limits = [
            ("access_token_minutes", self.access_token_lifetime, minute_to_a_day),
            ("one_time_token_minutes", self.one_time_token_lifetime, minute_to_a_day),
            (
                "refresh_token_days",
                self.refresh_token_lifetime,
                (SECOND, COOKIE_MAX, "more than nothing and at most 400 days, which browsers keep a cookie"),
            ),
            (
                "session_max_days",
                self.session_max,
                (SECOND, SESSION_MAX, "more than nothing and at most 3650 days"),
            ),
            ("refresh_race_seconds", self.refresh_race, (Duration::ZERO, 5 * MINUTE, "at most 300 seconds")),
            (
                "refresh_reuse_grace_seconds",
                self.refresh_reuse_grace,
                (Duration::ZERO, 5 * MINUTE, "at most 300 seconds"),
            ),
            (
                "deleted_user_retention_days",
                self.deleted_user_retention,
                (Duration::ZERO, SESSION_MAX, "at most 3650 days"),
            ),
            (
                "audit_retention_days",
                self.audit_retention,
                (SECOND, SESSION_MAX, "more than nothing and at most 3650 days"),
            ),
            (
                "cleanup_interval_minutes",
                self.cleanup_interval.unwrap_or(MINUTE),
                (SECOND, 7 * DAY, "0 for never, and at most 10080 minutes"),
            ),
        ];
        for (name, given, (least, most, allowed)) in limits {
            if given < least || given > most {
                problems.push(Problem::new(name, "the time is out of bounds", format!("Write {allowed}")));
            }
        }
        if self.session_max < self.refresh_token_lifetime {
            let why = "it is shorter than refresh_token_days, which could never be reached";
            problems.push(Problem::new(
                "session_max_days",
                why,
                "Write at least as many days as refresh_token_days",
            ));
        }
    }

    fn judge_passwords(&self, problems: &mut Vec<Problem>) {
        if !(8..=128).contains(&self.password_min_length) {
            let mend = "Write 8 to 128; 15 is what NIST SP 800-63B-4 asks of a password that stands alone";
            let shown = self.password_min_length.to_string();
            problems.push(
                Problem::new("password_min_length", "the number is out of bounds", mend).showing(&shown),
            );
        }
        let cost = &self.argon2;
        let enough =
            ARGON2_LEAST.iter().any(|(kib, passes)| cost.memory_kib >= *kib && cost.iterations >= *passes);
        if !enough {
            let mend = "Write at least one of these pairs of argon2_memory_kib and argon2_iterations: \
                        47104 and 1, 19456 and 2, 12288 and 3, 9216 and 4, 7168 and 5";
            let why = format!(
                "{} KiB and {} passes make hashes too cheap to guess",
                cost.memory_kib, cost.iterations
            );
            problems.push(Problem::new("argon2_memory_kib", why, mend));
        }
        let bounds = [
            ("argon2_memory_kib", cost.memory_kib, 0, 1_048_576),
            ("argon2_iterations", cost.iterations, 1, 100),
            ("argon2_parallelism", cost.parallelism, 1, 16),
        ];
        for (name, given, least, most) in bounds {
            if given < least || given > most {
                let mend = format!("Write {least} to {most}");
                problems.push(
                    Problem::new(name, "the number is out of bounds", mend).showing(&given.to_string()),
                );
            }
        }
    }

    fn judge_limits(&self, problems: &mut Vec<Problem>) {
        let limits = &self.rate_limits;
        let rates = [
            ("rate_limit_sign_in", limits.sign_in),
            ("rate_limit_sign_in_address", limits.sign_in_address),
            ("rate_limit_sign_in_account", limits.sign_in_account),
            ("rate_limit_sign_up", limits.sign_up),
            ("rate_limit_mail_address", limits.mail_address),
            ("rate_limit_mail_account", limits.mail_account),
            ("rate_limit_link_address", limits.link_address),
            ("rate_limit_oauth", limits.oauth),
        ];
        for (name, rate) in rates {
            if rate.count == 0 || rate.period < SECOND || rate.period > RATE_MAX {
                let mend = "Write how many in which time, such as 10/15m: at least 1, in 1s to 31d";
                problems.push(Problem::new(name, "the rate is out of bounds", mend));
            }
        }
    }

    fn judge_metrics(&self, problems: &mut Vec<Problem>) {
        let token = self.metrics_token.as_ref().map(ExposeSecret::expose_secret);
        if token.is_some_and(|token| token.len() < 16 || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            let why = "the token is shorter than 16 characters, or has others than visible ASCII";
            problems.push(Problem::new("metrics_token", why, "Generate one with `openssl rand -base64 24`"));
        }
    }
}

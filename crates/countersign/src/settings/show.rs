//! Settings as text again, for people who ask what holds. Secrets stay out of it (SEC-105).

use std::fmt::Display;
use std::time::Duration;

use url::Url;

use super::spec::{Privacy, Spec};
use super::{DAY, Database, LogFormat, MINUTE, PasswordRules, Rate, Settings};
use crate::secret::{ExposeSecret, SecretString};
use crate::store::ServerUrl;

/// What stands for a secret that is set.
pub const HIDDEN: &str = "(hidden)";

impl Settings {
    /// What holds for the setting of this name, as a configuration file would say it; `None` where it
    /// is unset or
    /// there is no such setting. Secrets are replaced by `(hidden)`.
    #[must_use]
    pub fn shown(&self, name: &str) -> Option<String> {
        let secret = |given: &Option<SecretString>| given.as_ref().map(|_| HIDDEN.to_owned());
        let shown = match name {
            "listen" => self.listen.to_string(),
            "public_url" => self.base_url().to_owned(),
            "issuer" => self.issuer().to_owned(),
            "audience" => return self.audience.clone(),
            "data_dir" => self.data_dir.display().to_string(),
            "database_url" => database_without_secrets(&self.database()),
            "database_connections" => self.database_connections.to_string(),
            "secret_key" => match &self.secret_key {
                Some(_) => HIDDEN.to_owned(),
                None => return None,
            },
            "secret_key_fallbacks" => list(self.secret_key_fallbacks.iter().map(|_| HIDDEN)),
            "access_token_algorithm" => self.access_token_algorithm.name().to_owned(),
            "cookie_name" => self.cookie_name.clone(),
            "cookie_secure" => self.cookie_secure.to_string(),
            "password_min_length" => self.password_min_length.to_string(),
            "password_rules" => rules(self.password_rules),
            "argon2_memory_kib" => self.argon2.memory_kib.to_string(),
            "argon2_iterations" => self.argon2.iterations.to_string(),
            "argon2_parallelism" => self.argon2.parallelism.to_string(),
            "trusted_proxies" => list(&self.trusted_proxies),
            "cors_allowed_origins" => list(&self.cors_allowed_origins),
            "allowed_return_urls" => list(
                self.allowed_return_urls
                    .iter()
                    .map(|to| format!("{}{}", to.url, if to.below { "*" } else { "" })),
            ),
            "mail_url" => return self.mail_url.as_ref().map(|url| url_without_secrets(url.expose_secret())),
            "mail_from" => return self.mail_from.clone(),
            "mail_templates_dir" => {
                return self.mail_templates_dir.as_ref().map(|dir| dir.display().to_string());
            }
            "mail_notices" => list(self.mail_notices.iter().map(|notice| notice.word())),
            "verify_email_url" => return self.verify_email_url.clone(),
            "password_reset_url" => return self.password_reset_url.clone(),
            "require_verified_email" => self.require_verified_email.to_string(),
            "log" => self.log.clone(),
            "log_format" => match self.log_format? {
                LogFormat::Text => "text".to_owned(),
                LogFormat::Json => "json".to_owned(),
            },
            "metrics_token" => return secret(&self.metrics_token),
            _ => {
                return self
                    .shown_time(name)
                    .or_else(|| self.shown_limit(name))
                    .or_else(|| self.shown_provider(name));
            }
        };
        Some(shown)
    }

    /// Where the data live, for people: the file, or host and database.
    #[must_use]
    pub fn place_of_data(&self) -> String {
        match self.database() {
            Database::Sqlite(file) => file.display().to_string(),
            Database::Postgres(url) => match ServerUrl::parse(url.expose_secret()) {
                Ok(server) => format!("postgres://{}{}", server.hosts(), server.url.path()),
                Err(_) => HIDDEN.to_owned(),
            },
        }
    }

    fn shown_time(&self, name: &str) -> Option<String> {
        let (time, unit) = match name {
            "access_token_minutes" => (self.access_token_lifetime, MINUTE),
            "refresh_token_days" => (self.refresh_token_lifetime, DAY),
            "session_max_days" => (self.session_max, DAY),
            "refresh_race_seconds" => (self.refresh_race, Duration::from_secs(1)),
            "refresh_reuse_grace_seconds" => (self.refresh_reuse_grace, Duration::from_secs(1)),
            "one_time_token_minutes" => (self.one_time_token_lifetime, MINUTE),
            "deleted_user_retention_days" => (self.deleted_user_retention, DAY),
            "audit_retention_days" => (self.audit_retention, DAY),
            "cleanup_interval_minutes" => (self.cleanup_interval.unwrap_or_default(), MINUTE),
            _ => return None,
        };
        Some((time.as_secs_f64() / unit.as_secs_f64()).to_string())
    }

    fn shown_limit(&self, name: &str) -> Option<String> {
        let limits = &self.rate_limits;
        let limit = match name {
            "rate_limit" => return Some(if limits.on { "on" } else { "off" }.to_owned()),
            "rate_limit_sign_in" => limits.sign_in,
            "rate_limit_sign_in_address" => limits.sign_in_address,
            "rate_limit_sign_in_account" => limits.sign_in_account,
            "rate_limit_sign_up" => limits.sign_up,
            "rate_limit_mail_address" => limits.mail_address,
            "rate_limit_mail_account" => limits.mail_account,
            "rate_limit_link_address" => limits.link_address,
            "rate_limit_oauth" => limits.oauth,
            _ => return None,
        };
        Some(rate(limit))
    }

    fn shown_provider(&self, name: &str) -> Option<String> {
        let spec = Spec::of(name).filter(|spec| spec.is_pattern())?;
        self.oauth.iter().find_map(|(provider, given)| {
            let part = name.strip_prefix("oauth_")?.strip_prefix(provider.as_str())?;
            match part {
                _ if spec.privacy == Privacy::Secret => Some(HIDDEN.to_owned()),
                "_client_id" => Some(given.client_id.clone()),
                "_issuer" => given.issuer(provider).map(str::to_owned),
                "_scopes" => Some(given.scopes(provider).to_owned()),
                "_response_mode" => Some(given.response_mode.word().to_owned()),
                "_allow_private_network" => Some(given.allow_private_network.to_string()),
                _ => None,
            }
        })
    }
}

/// Where a database is, without what may be secret in its URL.
#[must_use]
pub fn database_without_secrets(database: &Database) -> String {
    match database {
        Database::Sqlite(file) => format!("sqlite://{}", file.display()),
        Database::Postgres(url) => server_without_secrets(url.expose_secret()),
    }
}

/// A URL without what may be secret in it: user, password, query and fragment.
#[must_use]
pub fn url_without_secrets(given: &str) -> String {
    let Ok(mut url) = Url::parse(given) else { return HIDDEN.to_owned() };
    let mut shown = String::new();
    if !url.username().is_empty() || url.password().is_some() {
        if url.set_username("").is_err() || url.set_password(None).is_err() {
            return HIDDEN.to_owned();
        }
        shown = format!("{HIDDEN}@");
    }
    if url.query().is_some() {
        url.set_query(Some(HIDDEN));
    }
    url.set_fragment(None);
    match url.as_str().split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{shown}{rest}"),
        None => HIDDEN.to_owned(),
    }
}

/// As [`url_without_secrets`], for a URL that may name several hosts.
fn server_without_secrets(given: &str) -> String {
    let Ok(server) = ServerUrl::parse(given) else { return HIDDEN.to_owned() };
    let mut shown = url_without_secrets(server.url.as_str());
    let start = shown.find("://").map_or(0, |at| at + 3);
    let end = shown.get(start..).and_then(|rest| rest.find(['/', '?'])).map_or(shown.len(), |at| start + at);
    shown.insert_str(end, &server.other_hosts);
    shown
}

fn list<T: Display>(entries: impl IntoIterator<Item = T>) -> String {
    let entries: Vec<String> = entries.into_iter().map(|entry| entry.to_string()).collect();
    entries.join(",")
}

fn rules(rules: PasswordRules) -> String {
    let all = [
        (rules.length, "length"),
        (rules.common, "common"),
        (rules.numeric, "numeric"),
        (rules.similarity, "similarity"),
    ];
    list(all.into_iter().filter(|(holds, _)| *holds).map(|(_, name)| name))
}

fn rate(rate: Rate) -> String {
    let seconds = rate.period.as_secs();
    let (amount, unit) = match seconds {
        _ if seconds.is_multiple_of(86_400) => (seconds / 86_400, 'd'),
        _ if seconds.is_multiple_of(3_600) => (seconds / 3_600, 'h'),
        _ if seconds.is_multiple_of(60) => (seconds / 60, 'm'),
        _ => (seconds, 's'),
    };
    format!("{}/{amount}{unit}", rate.count)
}

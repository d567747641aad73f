//! The database's URL: what the driver understands of it, and what we take out of it before (the modes of TLS).

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use url::form_urlencoded;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// What was sent and not acknowledged for so long has met a dead machine or a cut wire.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(6);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(20);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

use crate::store::ServerUrl;

/// How the connection is protected, in the words of libpq's `sslmode`
/// (<https://www.postgresql.org/docs/current/libpq-ssl.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protection {
    /// `disable`.
    None,
    /// `prefer`, `require`: encrypted, but anybody may be at the other end.
    Encrypted,
    /// `verify-ca`: the certificate comes from a known authority.
    VerifiedChain,
    /// `verify-full`: and it is made out for this host.
    VerifiedHost,
}

/// Where the database is and how it is reached.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) protection: Protection,
    /// A file of certificates to trust instead of the system's.
    pub(super) root_certificates: Option<PathBuf>,
    /// Host, port and database, for people: no password.
    pub(super) shown: String,
}

impl Address {
    /// # Errors
    /// A sentence for the operator, without the password.
    pub(super) fn parse(given: &str) -> Result<Self, String> {
        let parsed = ServerUrl::parse(given).map_err(|fault| format!("the address is no URL: {fault}"))?;
        let shown = format!("postgres://{}{}", parsed.hosts(), parsed.url.path());
        let mut mode = "prefer".to_owned();
        let mut root_certificates = None;
        let mut rest = form_urlencoded::Serializer::new(String::new());
        for (name, value) in parsed.url.query_pairs().into_owned() {
            match name.as_str() {
                "sslmode" => mode = value,
                "sslrootcert" => {
                    root_certificates = Some(value).filter(|it| it != "system").map(PathBuf::from)
                }
                _ => {
                    rest.append_pair(&name, &value);
                }
            }
        }
        // The driver takes a plus sign for itself, not for a space. What stands before the parameters it reads as given.
        let parameters = rest.finish().replace('+', "%20");
        let before = given.split(['?', '#']).next().unwrap_or_default();
        let text = if parameters.is_empty() { before.to_owned() } else { format!("{before}?{parameters}") };
        let mut config: Config =
            text.parse().map_err(|fault| format!("in the address: {}", cause(&fault)))?;
        let (protection, ssl_mode) = protection(&mode, root_certificates.is_some())?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("countersign");
        }
        config
            .ssl_mode(ssl_mode)
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .tcp_user_timeout(TCP_USER_TIMEOUT)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(3);
        Ok(Self { config, protection, root_certificates, shown })
    }
}

/// As libpq: `require` with a file of certificates verifies their chain.
fn protection(mode: &str, has_root: bool) -> Result<(Protection, SslMode), String> {
    Ok(match mode {
        "disable" => (Protection::None, SslMode::Disable),
        "prefer" => (Protection::Encrypted, SslMode::Prefer),
        "require" if has_root => (Protection::VerifiedChain, SslMode::Require),
        "require" => (Protection::Encrypted, SslMode::Require),
        "verify-ca" => (Protection::VerifiedChain, SslMode::Require),
        "verify-full" => (Protection::VerifiedHost, SslMode::Require),
        other => {
            return Err(format!(
                "sslmode={other} is unknown: take disable, prefer, require, verify-ca or verify-full"
            ));
        }
    })
}

/// The innermost reason; the outer ones only say that something failed.
pub(super) fn cause(fault: &dyn std::error::Error) -> String {
    let mut innermost = fault;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    // SEC-105
    #[test]
    fn what_is_shown_has_no_password() {
        let address = Address::parse("postgres://me:hunter2@db.example:6432/auth?sslmode=require").unwrap();
        assert_eq!(address.shown, "postgres://db.example:6432/auth");
        for bad in ["postgres://me:hunter2@db/auth?sslmode=no", "postgres://me:hunter2@db/auth?nonsense=1"] {
            let refusal = Address::parse(bad).unwrap_err();
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn several_hosts_are_tried_for_the_one_that_takes_writes() {
        let address = Address::parse("postgres://me:a%2Bb+c@one:5433,two,three:5434/auth").unwrap();
        assert_eq!(address.config.get_hosts().len(), 3);
        assert_eq!(address.config.get_ports(), [5433, 5432, 5434]);
        assert_eq!(address.config.get_password(), Some(b"a+b+c".as_slice()));
        assert_eq!(address.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        assert_eq!(address.shown, "postgres://one:5433,two,three:5434/auth");
    }

    #[test]
    fn the_modes_of_tls_mean_what_libpq_means() {
        let of = |query: &str| {
            let address = Address::parse(&format!("postgres://db/auth{query}")).unwrap();
            (address.protection, address.config.get_ssl_mode())
        };
        assert_eq!(of(""), (Protection::Encrypted, SslMode::Prefer));
        assert_eq!(of("?sslmode=disable"), (Protection::None, SslMode::Disable));
        assert_eq!(of("?sslmode=require"), (Protection::Encrypted, SslMode::Require));
        assert_eq!(of("?sslmode=require&sslrootcert=/ca"), (Protection::VerifiedChain, SslMode::Require));
        assert_eq!(of("?sslmode=verify-ca"), (Protection::VerifiedChain, SslMode::Require));
        assert_eq!(of("?sslmode=verify-full"), (Protection::VerifiedHost, SslMode::Require));
    }

    #[test]
    fn other_parameters_reach_the_driver() {
        let address = Address::parse(
            "postgres://db/auth?options=-csearch_path%3Done%20-cwork_mem%3D1MB&sslmode=disable",
        )
        .unwrap();
        assert_eq!(address.config.get_options(), Some("-csearch_path=one -cwork_mem=1MB"));
        assert_eq!(address.config.get_dbname(), Some("auth"));
    }
}

//! The values of settings as people write them, each turned into its type or refused with a reason and a
//! mend.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::{Algorithm, Database, LogFormat, PasswordRules, Rate, ReturnUrl, SmtpSecurity};
use crate::secret::SecretString;
use crate::store::ServerUrl;

/// Why a text is not a value, and what would be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Why it is none.
    pub why: String,
    /// What to write instead.
    pub mend: String,
}

/// What came of a text.
pub type Parsed<T> = Result<T, Fault>;

pub(super) fn fault<T>(why: impl Into<String>, mend: impl Into<String>) -> Parsed<T> {
    Err(Fault { why: why.into(), mend: mend.into() })
}

/// `http://localhost`, to be given a port.
pub(super) fn localhost() -> Url {
    #[expect(clippy::expect_used, reason = "a constant; the test of the defaults reads it")]
    Url::parse("http://localhost").expect("a valid URL")
}

/// Text that is there, in one line.
pub(super) fn text(given: &str) -> Parsed<String> {
    if given.is_empty() {
        return fault("it is empty", "Give it a value, or leave it out");
    }
    if given.chars().any(char::is_control) {
        return fault("it contains control characters", "Write it in one line of plain text");
    }
    Ok(given.to_owned())
}

/// Text that is there, kept from view.
pub(super) fn secret(given: &str) -> Parsed<SecretString> {
    if given.is_empty() {
        return fault("it is empty", "Give it a value, or leave it out");
    }
    Ok(SecretString::from(given.to_owned()))
}

/// A path that is there.
pub(super) fn path(given: &str) -> Parsed<PathBuf> {
    if given.is_empty() || given.contains('\0') {
        return fault("it is not a path", "Give the path of a file or folder");
    }
    Ok(PathBuf::from(given))
}

/// `IP:PORT`, or `localhost:PORT` for 127.0.0.1.
pub(super) fn socket_address(given: &str) -> Parsed<SocketAddr> {
    if let Some(port) = given.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    given.parse().or_else(|_| {
        let mend = "Write an IP address and a port, such as 127.0.0.1:8000, 0.0.0.0:8000 or [::1]:8000";
        fault("it is not an address to listen on", mend)
    })
}

/// `true` or `false`, `on` or `off`, `yes` or `no`, `1` or `0`.
pub(super) fn switch(given: &str) -> Parsed<bool> {
    match given.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Ok(true),
        "false" | "off" | "no" | "0" => Ok(false),
        _ => fault("it is neither true nor false", "Write true or false"),
    }
}

/// A whole number.
pub(super) fn number<T: std::str::FromStr>(given: &str) -> Parsed<T> {
    if given.is_empty() || !given.bytes().all(|byte| byte.is_ascii_digit()) {
        return fault("it is not a whole number", "Write it in digits");
    }
    given.parse().or_else(|_| fault("the number is too large", "Write a smaller one"))
}

/// A number of units as a duration, in whole seconds. Fractions are read, so that `0.5` minutes are 30
/// seconds.
pub(super) fn duration(given: &str, unit: Duration) -> Parsed<Duration> {
    let plain = !given.is_empty() && given.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = given.parse::<f64>().ok().filter(|_| plain).map(|number| number * unit.as_secs_f64());
    let rounded = seconds.map(f64::round).map(Duration::try_from_secs_f64);
    match rounded {
        Some(Ok(duration)) if duration.is_zero() && seconds != Some(0.0) => {
            fault("it is shorter than a second", "Write a longer time")
        }
        Some(Ok(duration)) => Ok(duration),
        Some(Err(_)) => fault("the time is too long", "Write a shorter one"),
        None => fault("it is not a number", "Write a number, such as 10 or 0.5"),
    }
}

/// An algorithm by the name that a JWT's header gives it.
pub(super) fn algorithm(given: &str) -> Parsed<Algorithm> {
    let all = [Algorithm::Hs256, Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];
    let found = all.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(given));
    found.map_or_else(|| fault("there is no such algorithm", "Write HS256"), Ok)
}

/// `text` or `json`.
pub(super) fn log_format(given: &str) -> Parsed<LogFormat> {
    match given {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => fault("there is no such format", "Write text or json"),
    }
}

/// An http or https URL.
pub(super) fn web_url(given: &str) -> Parsed<Url> {
    match Url::parse(given) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(_) => fault(
            "it begins with neither http:// nor https://",
            "Write it as https://host or https://host/path",
        ),
        Err(reason) => {
            fault(format!("it is not a URL ({reason})"), "Write it as https://host or https://host/path")
        }
    }
}

/// One exact web origin, as a browser's `Origin` header writes it.
pub(super) fn origin(given: &str) -> Parsed<String> {
    const MEND: &str = "Write each origin as scheme://host or scheme://host:port, with nothing behind";
    if given == "*" || given.contains('*') {
        return fault("origins are compared exactly; there are no wildcards", MEND);
    }
    let origin = web_url(given)?.origin().ascii_serialization();
    if origin == given {
        return Ok(origin);
    }
    fault("it is not written as browsers write an origin", format!("Write {origin}"))
}

/// A network as `address/bits`, or one address.
pub(super) fn network(given: &str) -> Parsed<ipnet::IpNet> {
    let network = given.parse().ok().or_else(|| given.parse::<IpAddr>().ok().map(ipnet::IpNet::from));
    let Some(network) = network else {
        return fault("it is not a network", "Write an address or a network, such as 10.0.0.0/8 or ::1");
    };
    if network.prefix_len() == 0 {
        return fault("it trusts every address there is", "Name the proxies' own addresses or networks");
    }
    Ok(network.trunc())
}

/// The rules by their names.
pub(super) fn password_rules(given: &[String]) -> Parsed<PasswordRules> {
    let mut rules = PasswordRules { length: false, common: false, numeric: false, similarity: false };
    for rule in given {
        match rule.as_str() {
            "length" => rules.length = true,
            "common" => rules.common = true,
            "numeric" => rules.numeric = true,
            "similarity" => rules.similarity = true,
            _ => {
                let why = format!("there is no rule {rule:?}");
                return fault(why, "Choose from length, common, numeric and similarity");
            }
        }
    }
    Ok(rules)
}

/// `count/time`: `10/15m`, `20/1h`, `5/30s`, `100/1d`.
pub(super) fn rate(given: &str) -> Parsed<Rate> {
    let read = || {
        let (count, time) = given.split_once('/')?;
        let (amount, unit) = time.split_at_checked(time.len().checked_sub(1)?)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        let amount: u64 = if amount.is_empty() { 1 } else { number(amount).ok()? };
        let period = Duration::from_secs(amount.checked_mul(seconds)?);
        Some(Rate { count: number(count).ok()?, period })
    };
    match read() {
        Some(rate) if rate.count > 0 && !rate.period.is_zero() => Ok(rate),
        _ => fault("it is not a rate", "Write how many in which time, such as 10/15m, 20/1h or 100/1d"),
    }
}

/// A URL to return to; `/*` at its end allows the paths below.
pub(super) fn return_url(given: &str) -> Parsed<ReturnUrl> {
    let below = given.ends_with("/*");
    let url = web_url(given.strip_suffix('*').unwrap_or(given))?;
    if url.as_str().contains('*') {
        return fault(
            "a * stands elsewhere than in a /* at the end",
            "Write exact URLs, or one /* at the end",
        );
    }
    if below && url.query().is_some() {
        return fault("paths can't go on behind a question mark", "Write the URL without its question mark");
    }
    if has_credentials(&url) || url.fragment().is_some() {
        return fault("it has a user name or a #fragment", "Write scheme, host, port and path alone");
    }
    Ok(ReturnUrl { url, below })
}

/// `sqlite://path`, or the URL of a PostgreSQL database.
pub(super) fn database(given: &str) -> Parsed<Database> {
    const MEND: &str = "Write sqlite:///var/lib/countersign/countersign.db or \
                        postgres://USER:PASSWORD@HOST:PORT/DATABASE (special characters as %XX)";
    if let Some(file) = given.strip_prefix("sqlite://") {
        let in_memory = file.contains(":memory:");
        if file.is_empty() || in_memory || file.contains(['?', '#', '\0']) || file.ends_with('/') {
            return fault("it names no file", MEND);
        }
        return Ok(Database::Sqlite(PathBuf::from(file)));
    }
    match ServerUrl::parse(given) {
        Ok(server) if matches!(server.url.scheme(), "postgres" | "postgresql") => {
            Ok(Database::Postgres(SecretString::from(given.to_owned())))
        }
        _ => fault("it is no database that this service knows", MEND),
    }
}

/// The way out for mails, checked and kept whole.
pub(super) fn mail_url(given: &str) -> Parsed<SecretString> {
    let good = Url::parse(given).is_ok_and(|url| match url.scheme() {
        "smtp" | "smtps" => url.has_host() && SmtpSecurity::is_known(&url),
        "file" => url.path().len() > 1,
        _ => false,
    });
    if good {
        return Ok(SecretString::from(given.to_owned()));
    }
    fault("it is no way out for mails", "Write smtp://user:pass@host:port, smtps://host or file:///folder")
}

/// One address, perhaps with a name before it: `Countersign <auth@example.com>`.
pub(super) fn mail_from(given: &str) -> Parsed<String> {
    let given = text(given)?;
    let address = match given.rsplit_once('<') {
        Some((_, address)) => address.strip_suffix('>').unwrap_or(""),
        None => given.as_str(),
    };
    let good = address.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !domain.contains('@')
            && !address.contains(char::is_whitespace)
    });
    if good {
        Ok(given)
    } else {
        fault("it is not an e-mail address", "Write auth@example.com or Name <auth@example.com>")
    }
}

/// Whether a URL carries a user name or a password.
pub(super) fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Whether a URL leads to this machine alone.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

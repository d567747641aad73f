//! What an operator decides about mails: which notices, where links lead, how the server is spoken to.

use std::borrow::Cow;
use std::net::IpAddr;

use url::Url;
use zeroize::Zeroizing;

use super::Settings;
use super::words::{Parsed, fault, web_url};

/// What stands for the token in the address of a link.
pub const TOKEN: &str = "{token}";

/// A kind of notice that the operator may switch off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The password was changed.
    Password,
    /// The address is about to change, or has changed.
    Email,
    /// The username was changed.
    Username,
    /// The account was deleted.
    Deletion,
    /// Somebody signed in on a device that was not known.
    NewDevice,
    /// A spent refresh token came back.
    Theft,
    /// An identity at another service was linked or removed.
    Identity,
}

impl Notice {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Password,
        Self::Email,
        Self::Username,
        Self::Deletion,
        Self::NewDevice,
        Self::Theft,
        Self::Identity,
    ];

    /// Its name in `mail_notices`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Email => "email",
            Self::Username => "username",
            Self::Deletion => "deletion",
            Self::NewDevice => "new_device",
            Self::Theft => "theft",
            Self::Identity => "identity",
        }
    }

    /// The names of all, as a list is written.
    fn names() -> String {
        Self::ALL.map(Self::word).join(", ")
    }
}

/// The notice of this name; `none` stands for an empty list.
pub(super) fn notice(given: &str) -> Parsed<Option<Notice>> {
    if given == "none" {
        return Ok(None);
    }
    match Notice::ALL.into_iter().find(|notice| notice.word() == given) {
        Some(notice) => Ok(Some(notice)),
        None => fault("there is no such notice", format!("Choose from {}, or write none", Notice::names())),
    }
}

/// How the way to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SmtpSecurity {
    /// TLS from the first byte.
    Wrapped,
    /// TLS after a few words, or no mail.
    StartTls,
    /// The same where the server offers it.
    StartTlsIfOffered,
    /// None.
    Plain,
}

impl SmtpSecurity {
    /// `smtps` is wrapped. On `smtp`, `?tls=` may say what holds; else this machine is trusted, a password never travels
    /// in the clear, and all other mail is protected where the server can.
    pub(crate) fn of(url: &Url) -> Self {
        let asked = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value);
        match asked.as_deref() {
            _ if url.scheme() == "smtps" => Self::Wrapped,
            Some("required") => Self::StartTls,
            Some("opportunistic") => Self::StartTlsIfOffered,
            Some("none") => Self::Plain,
            _ if is_this_machine(url) => Self::Plain,
            _ if !url.username().is_empty() => Self::StartTls,
            _ => Self::StartTlsIfOffered,
        }
    }

    /// Whether the URL's `?tls=` is one of ours, where there is one.
    pub(super) fn is_known(url: &Url) -> bool {
        let known = |value: &str| matches!(value, "required" | "opportunistic" | "none");
        url.query_pairs().all(|(name, value)| name != "tls" || known(&value))
    }
}

/// The parser knows addresses as such only in the URLs of the web.
fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Where a mailed link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MailLink(String);

impl MailLink {
    /// The link with its token.
    pub(crate) fn to(&self, token: &str) -> Zeroizing<String> {
        Zeroizing::new(self.0.replace(TOKEN, token))
    }
}

impl Settings {
    /// Where the link that confirms an address leads.
    pub(crate) fn verify_email_link(&self) -> MailLink {
        self.link(self.verify_email_url.as_deref(), "verify-email")
    }

    /// Where the link that sets a forgotten password leads.
    pub(crate) fn password_reset_link(&self) -> MailLink {
        self.link(self.password_reset_url.as_deref(), "password-reset")
    }

    /// Behind a `#` no server and no log gets to see the token.
    fn link(&self, given: Option<&str>, page: &str) -> MailLink {
        let own = || Cow::Owned(format!("{}/{page}#token={TOKEN}", self.base_url()));
        MailLink(given.map_or_else(own, Cow::Borrowed).into_owned())
    }
}

/// The address of a page of somebody's own, with `{token}` in it.
pub(super) fn link_url(given: &str) -> Parsed<String> {
    const MEND: &str = "Write it with {token}, such as https://app.example.com/verify#token={token}";
    if given.matches(TOKEN).count() != 1 {
        return fault("it does not say once where the token goes", MEND);
    }
    web_url(&given.replace(TOKEN, "token"))?;
    if given.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
        return fault("it contains spaces or control characters", MEND);
    }
    Ok(given.to_owned())
}

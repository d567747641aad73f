//! Names of accounts: usernames and e-mail addresses, checked once at the edge and trusted from there on.

use std::fmt;

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::is_nfkc;

use crate::error::FieldError;

const MAX_USERNAME: usize = 100;
const MAX_EMAIL: usize = 254;
const MAX_LOCAL_PART: usize = 64;
const MAX_LABEL: usize = 63;

/// A username: 1–100 of `A-Z a-z 0-9 _ -`, kept as typed, unique without regard to case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Username(String);

impl Username {
    /// Takes a username as it is: nothing is trimmed or mapped (SEC-77).
    ///
    /// # Errors
    /// `invalid_username`.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let fits = (1..=MAX_USERNAME).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            return Ok(Self(text.to_owned()));
        }
        Err(FieldError::new(
            "invalid_username",
            "Choose 1 to 100 letters (A-Z, a-z), digits, hyphens and underscores.",
        ))
    }

    /// The name as its owner typed it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that is unique and that look-ups and limits use: ASCII lower case.
    #[must_use]
    pub fn canonical(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Username({:?})", self.0)
    }
}

/// An e-mail address that can be mailed to as it stands: an ASCII dot-atom, `@`, and a dotted domain.
///
/// What RFC 5321 allows beyond that (quoted local parts, address literals, `%` and `!` routes) is refused: nobody
/// signs up with it, and each has been a way to smuggle a second recipient in. The domain may be internationalised,
/// as Unicode in its one normal spelling (NFKC) or as `xn--` labels.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Takes an address as it is: nothing is trimmed, unquoted or mapped (SEC-79).
    ///
    /// # Errors
    /// `invalid_email`.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let parts = text.split_once('@');
        if text.len() <= MAX_EMAIL
            && parts.is_some_and(|(local, domain)| is_local(local) && is_domain(domain))
        {
            return Ok(Self(text.to_owned()));
        }
        Err(FieldError::new(
            "invalid_email",
            "Enter one e-mail address such as name@example.com, without spaces or a display name.",
        ))
    }

    /// The address as its owner typed it; mail goes here.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that is unique among verified addresses: ASCII case folded, nothing else (SEC-80).
    #[must_use]
    pub fn canonical(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({:?})", self.0)
    }
}

/// A dot-atom (RFC 5322 §3.2.3) without the characters of source routes.
fn is_local(local: &str) -> bool {
    let atom = |byte: u8| byte.is_ascii_alphanumeric() || b"#$&'*+-/=?^_`{|}~".contains(&byte);
    local.len() <= MAX_LOCAL_PART && local.split('.').all(|part| !part.is_empty() && part.bytes().all(atom))
}

/// At least two labels of letters, digits and hyphens, the last not a number; valid under IDNA (UTS 46).
fn is_domain(domain: &str) -> bool {
    let mut labels = domain.rsplit('.');
    let top_is_a_name = labels.next().is_some_and(|top| !top.bytes().all(|byte| byte.is_ascii_digit()));
    top_is_a_name
        && labels.next().is_some()
        && domain.split('.').all(is_label)
        && is_nfkc(domain)
        && matches!(url::Host::parse(domain), Ok(url::Host::Domain(_)))
}

fn is_label(label: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || is_international(c);
    (1..=MAX_LABEL).contains(&label.len())
        && label.chars().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_international(c: char) -> bool {
    !c.is_ascii() && (c.is_alphanumeric() || is_combining_mark(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_username_is_kept_as_typed_and_folded_for_look_ups() {
        let name = Username::parse("Ada_L-1815").unwrap();
        assert_eq!((name.as_str(), name.canonical().as_str()), ("Ada_L-1815", "ada_l-1815"));
    }

    #[test]
    fn a_username_has_one_to_a_hundred_characters() {
        assert!(Username::parse(&"a".repeat(100)).is_ok());
        assert!(Username::parse(&"a".repeat(101)).is_err());
        assert_eq!(Username::parse("").unwrap_err().code, "invalid_username");
    }

    // SEC-77
    #[test]
    fn a_username_that_is_not_plain_ascii_is_refused_and_never_mapped() {
        for odd in [
            "\u{ff41}da",
            "\u{430}da",
            "a\u{200b}da",
            "\u{feff}ada",
            "ada\0",
            "ada ",
            " ada",
            "ad\u{131}",
            "a.da",
            "a@da",
            "ada\n",
            "a/da",
            "ada\u{301}",
            "K\u{212a}",
        ] {
            assert!(Username::parse(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn ordinary_addresses_are_taken_as_typed() {
        for address in [
            "ada@example.com",
            "Ada.Lovelace+news@Mail.Example.CO.UK",
            "o'brien@example.org",
            "x@a.io",
            "ada@b\u{fc}cher.example",
            "ada@xn--bcher-kva.example",
            "ada@\u{4f8b}\u{3048}.jp",
            "1@2.com",
        ] {
            assert_eq!(Email::parse(address).unwrap().as_str(), address);
        }
    }

    // SEC-79
    #[test]
    fn an_address_that_could_name_two_people_or_another_route_is_refused() {
        for odd in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "a@b@example.com",
            "ada@localhost",
            "a@x.com,b@x.com",
            "a@x.com;b@x.com",
            "a@x.com\r\nBcc: b@x.com",
            "a@x.com\n",
            "<a@x.com>",
            "Ada <a@x.com>",
            "b%y.com@x.com",
            "y.com!b@x.com",
            "\"a b\"@x.com",
            "a b@x.com",
            " a@x.com",
            "a@x.com ",
            "a@x.com\t",
            "a\0@x.com",
            "a@x\0.com",
            ".a@x.com",
            "a.@x.com",
            "a..b@x.com",
            "a@.x.com",
            "a@x..com",
            "a@x.com.",
            "a@-x.com",
            "a@x-.com",
            "a@127.0.0.1",
            "a@[127.0.0.1]",
            "a@x.1",
            "a@x_y.com",
            "a(b)@x.com",
            "\u{e4}@x.com",
            "a@\u{ff58}.com",
            "a@x\u{3002}com",
            "a@xn--\u{fc}.com",
            "a@e\u{301}.com",
            "a@x\u{200b}y.com",
            "a@x%2ecom",
            "a\u{7f}@x.com",
        ] {
            assert!(Email::parse(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn an_address_has_at_most_64_bytes_before_the_at_and_254_in_all() {
        let domain = format!("{}.{}.{}.com", "b".repeat(63), "c".repeat(63), "d".repeat(57));
        assert!(Email::parse(&format!("{}@{domain}", "a".repeat(64))).is_ok());
        assert!(Email::parse(&format!("{}@{domain}m", "a".repeat(64))).is_err());
        assert!(Email::parse(&format!("{}@x.com", "a".repeat(65))).is_err());
        assert!(Email::parse(&format!("a@{}.com", "b".repeat(64))).is_err());
    }

    // SEC-80
    #[test]
    fn addresses_fold_ascii_case_alone() {
        let address = Email::parse("ADA@\u{c9}T\u{c9}.example").unwrap();
        assert_eq!(address.canonical(), "ada@\u{c9}t\u{c9}.example");
    }

    proptest! {
        #[test]
        fn parsing_any_text_keeps_the_promises(text in "\\PC{0,40}|[a-z@.%!<>,; -]{0,30}") {
            if let Ok(address) = Email::parse(&text) {
                prop_assert_eq!(address.as_str(), &text);
                prop_assert_eq!(text.matches('@').count(), 1);
                prop_assert!(!text.contains(|c: char| c.is_whitespace() || c.is_control() || ",;<>%!\"".contains(c)));
            }
            if let Ok(name) = Username::parse(&text) {
                prop_assert_eq!(Username::parse(&name.canonical()).unwrap().canonical(), name.canonical());
            }
        }
    }
}

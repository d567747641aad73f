//! Cookies: how one is set and deleted so that a browser obeys, and how a request's are read without trusting it.

use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::error::{Error, Internal, Result};

/// What browsers keep of a name and its value together (RFC 6265bis §5.6).
const MAX_NAME_AND_VALUE: usize = 4_096;

/// The longest life that browsers grant a cookie (RFC 6265bis §5.5): 400 days.
const MAX_AGE: Duration = Duration::from_secs(400 * 86_400);

/// How many different values of one name are read; an honest browser sends one.
const MAX_VALUES: usize = 64;

/// One kind of cookie: its name and the attributes that setting and deleting it must share (SEC-56, SEC-57).
///
/// It is always `HttpOnly`, `SameSite=Strict` unless it has to come along when another site sends the person back, and
/// never has a `Domain`.
#[derive(Debug, Clone)]
pub struct Cookie {
    name: String,
    attributes: String,
    deletion: HeaderValue,
}

impl Cookie {
    /// A cookie that only requests below `path` carry. `secure` is false for plain http on loopback alone.
    ///
    /// # Errors
    /// A sentence for the operator, where the name or the path can't stand in a cookie, or where browsers would
    /// drop the cookie because its name's prefix demands other attributes.
    pub fn new(name: &str, path: &str, secure: bool) -> std::result::Result<Self, String> {
        Self::with_same_site("Strict", name, path, secure)
    }

    /// The same with `SameSite=Lax`: it comes along when a link or a redirect of another site leads here by `GET`.
    ///
    /// # Errors
    /// As [`Cookie::new`].
    pub(crate) fn lax(name: &str, path: &str, secure: bool) -> std::result::Result<Self, String> {
        Self::with_same_site("Lax", name, path, secure)
    }

    fn with_same_site(
        same_site: &str,
        name: &str,
        path: &str,
        secure: bool,
    ) -> std::result::Result<Self, String> {
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(format!("{name:?} is no cookie name; use letters, digits, '-' and '_'"));
        }
        let path_is_clean = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';');
        if !path.starts_with('/') || !path_is_clean {
            return Err(format!("{path:?} is no cookie path; it begins with '/' and has no ';' or space"));
        }
        let prefix =
            |prefix: &str| name.get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix));
        if prefix("__Secure-") && !secure {
            return Err(format!("browsers drop {name:?} unless it is Secure"));
        }
        if prefix("__Host-") && !(secure && path == "/") {
            return Err(format!("browsers drop {name:?} unless it is Secure and its path is '/'"));
        }
        let secure = if secure { " Secure;" } else { "" };
        let attributes = format!("HttpOnly;{secure} SameSite={same_site}; Path={path}; Max-Age=");
        let deletion = HeaderValue::try_from(format!("{name}=; {attributes}0"))
            .map_err(|error| format!("{name:?} can't stand in a header: {error}"))?;
        Ok(Self { name: name.to_owned(), attributes, deletion })
    }

    /// `Set-Cookie` for `value`, for `max_age` from now in whole seconds, 400 days at most.
    ///
    /// # Errors
    /// A fault, where the value is empty, too long, or has characters that a cookie can't carry: values are ours.
    pub fn set(&self, value: &str, max_age: Duration) -> Result<HeaderValue> {
        if value.is_empty() || !value.bytes().all(is_cookie_octet) {
            return Err(Error::Fault(Internal::new(format!("a value that {} can't carry", self.name))));
        }
        if self.name.len() + value.len() > MAX_NAME_AND_VALUE {
            return Err(Error::Fault(Internal::new(format!("a value too long for {}", self.name))));
        }
        let seconds = max_age.min(MAX_AGE).as_secs();
        let text = format!("{}={value}; {}{seconds}", self.name, self.attributes);
        let mut header = HeaderValue::try_from(text)
            .map_err(|_| Error::Fault(Internal::new(format!("no header for cookie {}", self.name))))?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// `Set-Cookie` that makes a browser forget the cookie at once.
    #[must_use]
    pub fn delete(&self) -> HeaderValue {
        self.deletion.clone()
    }

    /// Every different value of this cookie that came along; see [`values`].
    #[must_use]
    pub fn values<'a>(&self, headers: &'a HeaderMap) -> Vec<&'a str> {
        values(headers, &self.name)
    }
}

/// Every different, non-empty value of the cookie `name`, over all `Cookie` headers, in their order.
///
/// The name counts with its case (SEC-58). Quotes around a value are taken off. What else the headers hold,
/// broken text included, is passed over. At most 64 values are read.
#[must_use]
pub fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    for pair in pairs {
        let Some(value) = value_of(pair, name) else { continue };
        if found.len() == MAX_VALUES {
            break;
        }
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// The names of all cookies that begin so, in their order; at most 64 different ones.
pub(crate) fn names<'a>(headers: &'a HeaderMap, prefix: &str) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let names = pairs.filter_map(|pair| std::str::from_utf8(pair).ok()?.split('=').next().map(str::trim));
    for name in names.filter(|name| name.starts_with(prefix) && name.bytes().all(is_token_byte)) {
        if found.len() < MAX_VALUES && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a str> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    let (left, right) = pair.split_at_checked(equals)?;
    if left.trim_ascii() != name.as_bytes() {
        return None;
    }
    let value = right.strip_prefix(b"=")?.trim_ascii();
    let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    std::str::from_utf8(unquoted).ok().filter(|text| !text.is_empty())
}

/// RFC 9110 §5.6.2, `tchar`.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 6265 §4.1.1, `cookie-octet`.
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refresh() -> Cookie {
        Cookie::new("refresh_token", "/refresh", true).unwrap()
    }

    fn request(lines: &[&[u8]]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, HeaderValue::from_bytes(line).unwrap())).collect()
    }

    // SEC-56
    #[test]
    fn a_cookie_is_set_with_every_attribute_and_no_domain() {
        let header = refresh().set("abc_-123", Duration::from_secs(2_592_000)).unwrap();
        let expected =
            "refresh_token=abc_-123; HttpOnly; Secure; SameSite=Strict; Path=/refresh; Max-Age=2592000";
        assert_eq!(header, expected);
    }

    // SEC-57
    #[test]
    fn a_deletion_differs_in_value_and_age_alone() {
        let set = refresh().set("x", Duration::from_secs(9)).unwrap();
        let delete = refresh().delete();
        let expected = set.to_str().unwrap().replace("=x;", "=;").replace("Max-Age=9", "Max-Age=0");
        assert_eq!(delete, expected.as_str());
    }

    // SEC-56
    #[test]
    fn browsers_limits_of_age_and_size_are_kept() {
        let header = refresh().set("x", Duration::from_secs(u64::MAX)).unwrap();
        assert!(header.to_str().unwrap().ends_with("; Max-Age=34560000"));
        let room = MAX_NAME_AND_VALUE - "refresh_token".len();
        assert!(refresh().set(&"x".repeat(room), Duration::ZERO).is_ok());
        assert!(refresh().set(&"x".repeat(room + 1), Duration::ZERO).is_err());
    }

    // SEC-53
    #[test]
    fn a_token_in_a_header_does_not_print_itself() {
        let header = refresh().set("topsecret", Duration::ZERO).unwrap();
        assert!(!format!("{header:?}").contains("topsecret"));
    }

    #[test]
    fn a_value_cannot_smuggle_attributes() {
        for value in ["a; Domain=evil.example", "a,b", "a b", "a\"b", "é", "a\r\nX: y", ""] {
            assert!(refresh().set(value, Duration::ZERO).is_err(), "{value:?}");
        }
    }

    #[test]
    fn names_and_paths_that_browsers_would_drop_are_refused() {
        for (name, path, secure) in [
            ("", "/", true),
            ("a b", "/", true),
            ("a;b", "/", true),
            ("a", "refresh", true),
            ("a", "/x; Domain=evil.example", true),
            ("__Secure-a", "/refresh", false),
            ("__host-a", "/refresh", true),
        ] {
            assert!(Cookie::new(name, path, secure).is_err(), "{name:?} {path:?} {secure}");
        }
        assert!(Cookie::new("__Secure-a", "/refresh", true).is_ok());
        let local = Cookie::new("a", "/refresh", false).unwrap();
        assert!(!local.delete().to_str().unwrap().contains("Secure"));
    }

    // SEC-58
    #[test]
    fn every_different_value_of_the_very_name_is_read() {
        let headers = request(&[
            b"a=1; refresh_token=one;refresh_token=two",
            b"Refresh_Token=other; xrefresh_token=other; refresh_token = \"three\"; refresh_token=one",
            b"refresh_token=; refresh_token=\"\"; refresh_token; =refresh_token",
        ]);
        assert_eq!(refresh().values(&headers), ["one", "two", "three"]);
        assert!(values(&HeaderMap::new(), "refresh_token").is_empty());
    }

    // SEC-69
    #[test]
    fn garbage_of_other_cookies_hides_nothing() {
        let headers = request(&[b"\xff\xfe=\xff; ;;=;==; refresh_token=ok; \xc3\x28", b"refresh_token=\xff"]);
        assert_eq!(refresh().values(&headers), ["ok"]);
    }

    #[test]
    fn a_value_keeps_its_own_equals_signs_and_lone_quotes() {
        let headers = request(&[b"t=a=b=; t=\"x; t=\""]);
        assert_eq!(values(&headers, "t"), ["a=b=", "\"x", "\""]);
    }

    #[test]
    fn the_work_is_bounded() {
        let line: String = (0..10_000).map(|n| format!("t={n};")).collect();
        assert_eq!(values(&request(&[line.as_bytes()]), "t").len(), MAX_VALUES);
    }

    proptest! {
        // SEC-69
        #[test]
        fn what_was_sent_is_read_back_among_any_noise(
            value in "[A-Za-z0-9_-]{1,80}",
            noise in proptest::collection::vec("[^\\x00-\\x1f\\x7f;]{0,12}", 0..6),
            place in 0_usize..6,
        ) {
            let mut parts: Vec<String> = noise.into_iter().filter(|it| !it.trim().starts_with("t=")).collect();
            parts.retain(|it| !it.contains("t "));
            parts.insert(place.min(parts.len()), format!("t={value}"));
            let headers = request(&[parts.join("; ").as_bytes()]);
            prop_assert_eq!(values(&headers, "t"), vec![value.as_str()]);
        }

        // SEC-69
        #[test]
        fn no_bytes_make_the_reader_fail(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                let mut headers = HeaderMap::new();
                headers.append(COOKIE, value);
                for value in values(&headers, "t") {
                    prop_assert!(!value.is_empty() && !value.contains(';'));
                }
            }
        }
    }
}

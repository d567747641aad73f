//! A browser's cookie jar after the storage model of RFC 6265bis §5.6–5.8: a cookie is its name, its host and its
//! path. Loopback counts as a secure place, as it does for browsers.

use std::time::Duration;

use countersign::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stored {
    name: String,
    value: String,
    host: String,
    path: String,
    secure: bool,
    http_only: bool,
    strict: bool,
    lax: bool,
    /// `None`: until the browser is closed.
    expires_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Default)]
pub struct Jar(Vec<Stored>);

/// Where a request goes to, and where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Place<'p> {
    pub host: &'p str,
    pub path: &'p str,
    pub secure: bool,
    /// Whether a page of the same site asks.
    pub same_site: bool,
    /// Whether the person follows a link, or a redirect, of another site.
    pub is_link: bool,
}

const LONGEST_AGE: Duration = Duration::from_secs(400 * 86_400);
const MAX_NAME_AND_VALUE: usize = 4_096;

impl Jar {
    /// Takes one `Set-Cookie` line of an answer, or drops it, as the storage model says.
    pub fn take(&mut self, line: &str, from: Place<'_>, now: Timestamp) {
        let Some(cookie) = read(line, from, now) else { return };
        let is_it =
            |old: &Stored| (&old.name, &old.host, &old.path) == (&cookie.name, &cookie.host, &cookie.path);
        let place = self.0.iter().position(is_it);
        let is_over = cookie.expires_at.is_some_and(|end| end <= now);
        match place {
            Some(at) if is_over => drop(self.0.remove(at)),
            Some(at) => self.0[at] = cookie,
            None if is_over => {}
            None => self.0.push(cookie),
        }
    }

    /// The `Cookie` header of a request, if there is one: longer paths first, then in the order of their making.
    pub fn send(&self, to: Place<'_>, now: Timestamp) -> Option<String> {
        let mut fitting: Vec<&Stored> = self.0.iter().filter(|cookie| cookie.goes(to, now)).collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> =
            fitting.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// What scripts of a page at this place can read.
    pub fn readable_by_scripts(&self, at: Place<'_>, now: Timestamp) -> Vec<&str> {
        let readable = self.0.iter().filter(|cookie| cookie.goes(at, now) && !cookie.http_only);
        readable.map(|cookie| cookie.value.as_str()).collect()
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|cookie| cookie.name == name).map(|cookie| cookie.value.as_str())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Stored {
    fn goes(&self, to: Place<'_>, now: Timestamp) -> bool {
        self.host.eq_ignore_ascii_case(to.host)
            && path_matches(&self.path, to.path)
            && (!self.secure || is_trustworthy(to))
            && (!self.strict || to.same_site)
            && (!self.lax || to.same_site || to.is_link)
            && self.expires_at.is_none_or(|end| end > now)
    }
}

fn is_trustworthy(place: Place<'_>) -> bool {
    place.secure || matches!(place.host, "localhost" | "127.0.0.1" | "[::1]")
}

/// §5.1.4.
fn path_matches(cookie: &str, request: &str) -> bool {
    request
        .strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

/// §5.1.4, the default path.
fn default_path(request: &str) -> String {
    match request.rfind('/') {
        Some(last) if last > 0 => request[..last].to_owned(),
        _ => "/".to_owned(),
    }
}

fn read(line: &str, from: Place<'_>, now: Timestamp) -> Option<Stored> {
    let mut parts = line.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let mut cookie = Stored {
        name: name.to_owned(),
        value: value.to_owned(),
        host: from.host.to_owned(),
        path: default_path(from.path),
        secure: false,
        http_only: false,
        strict: false,
        lax: false,
        expires_at: None,
    };
    let mut host_only = true;
    for part in parts {
        let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match attribute.trim().to_ascii_lowercase().as_str() {
            "path" if value.starts_with('/') => cookie.path = value.to_owned(),
            "path" => cookie.path = default_path(from.path),
            "secure" => cookie.secure = true,
            "httponly" => cookie.http_only = true,
            "samesite" => {
                cookie.strict = value.eq_ignore_ascii_case("strict");
                cookie.lax = value.eq_ignore_ascii_case("lax");
            }
            "domain" => host_only = value.is_empty(),
            "max-age" => {
                let seconds: i64 = value.parse().ok()?;
                let age = Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(LONGEST_AGE);
                cookie.expires_at = Some(now.plus(age));
            }
            _ => {}
        }
    }
    let prefix = |prefix: &str| name.get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix));
    let keeps_its_prefix = (!prefix("__Secure-") || cookie.secure)
        && (!prefix("__Host-") || (cookie.secure && host_only && cookie.path == "/"));
    let may_be_kept = (!cookie.secure || is_trustworthy(from))
        && name.len() + value.len() <= MAX_NAME_AND_VALUE
        && !(name.is_empty() && value.is_empty())
        && keeps_its_prefix;
    may_be_kept.then_some(cookie)
}

mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(0);

    fn at(host: &'static str, path: &'static str, secure: bool) -> Place<'static> {
        Place { host, path, secure, same_site: true, is_link: false }
    }

    #[test]
    fn a_cookie_goes_where_its_path_and_host_say() {
        let mut jar = Jar::default();
        jar.take("t=1; Path=/refresh; Secure", at("id.example", "/authenticate", true), NOW);
        let sent = |host, path, secure| jar.send(at(host, path, secure), NOW);
        assert_eq!(sent("id.example", "/refresh", true).as_deref(), Some("t=1"));
        assert_eq!(sent("id.example", "/refresh/all", true).as_deref(), Some("t=1"));
        assert_eq!(sent("id.example", "/refreshing", true), None);
        assert_eq!(sent("id.example", "/", true), None);
        assert_eq!(sent("sub.id.example", "/refresh", true), None);
        assert_eq!(sent("id.example", "/refresh", false), None, "plain http");
    }

    #[test]
    fn a_deletion_with_another_path_deletes_nothing() {
        let mut jar = Jar::default();
        let here = at("id.example", "/refresh", true);
        jar.take("t=1; Path=/refresh; Max-Age=100", here, NOW);
        jar.take("t=; Max-Age=0", here, NOW);
        assert_eq!(jar.value("t"), Some("1"));
        jar.take("t=; Path=/refresh; Max-Age=0", here, NOW);
        assert!(jar.is_empty());
    }

    #[test]
    fn a_cookie_is_over_when_its_time_is() {
        let mut jar = Jar::default();
        let here = at("id.example", "/", true);
        jar.take("t=1; Max-Age=10", here, NOW);
        assert!(jar.send(here, Timestamp::from_millis(9_999)).is_some());
        assert!(jar.send(here, Timestamp::from_millis(10_000)).is_none());
    }

    #[test]
    fn what_browsers_drop_is_dropped() {
        let long = format!("t={}; Path=/", "x".repeat(4_096));
        for line in ["__Secure-t=1; Path=/", "__Host-t=1; Secure; Path=/refresh", &long] {
            let mut jar = Jar::default();
            jar.take(line, at("id.example", "/", true), NOW);
            assert!(jar.is_empty(), "{line}");
        }
        let mut jar = Jar::default();
        jar.take("t=1; Secure", at("id.example", "/", false), NOW);
        assert!(jar.is_empty(), "Secure from plain http");
        jar.take("t=1; Secure", at("localhost", "/", false), NOW);
        assert!(!jar.is_empty(), "loopback is a secure place");
    }

    #[test]
    fn a_strict_cookie_stays_at_home_when_another_site_asks() {
        let mut jar = Jar::default();
        let here = at("id.example", "/", true);
        jar.take("t=1; SameSite=Strict", here, NOW);
        assert!(jar.send(Place { same_site: false, ..here }, NOW).is_none());
        assert!(jar.send(Place { same_site: false, is_link: true, ..here }, NOW).is_none());
    }

    #[test]
    fn a_lax_cookie_comes_along_with_links_of_another_site_and_with_nothing_else() {
        let mut jar = Jar::default();
        let here = at("id.example", "/", true);
        jar.take("t=1; SameSite=Lax", here, NOW);
        assert!(jar.send(Place { same_site: false, ..here }, NOW).is_none());
        assert!(jar.send(Place { same_site: false, is_link: true, ..here }, NOW).is_some());
    }
}

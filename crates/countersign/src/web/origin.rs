//! Which pages may ask: the check that a request that carries a cookie comes from our own site (SEC-59).

use http::header::{HeaderName, ORIGIN};
use http::{HeaderMap, HeaderValue};
use url::Url;

use crate::error::{Error, Result};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names of one machine's own loopback interface, which a developer mixes freely.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// A web origin, `scheme://host[:port]`, written as a browser writes it (RFC 6454 §6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    /// The origin that pages of this URL have; `None` unless it is an http or https URL with a host.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let host = url.host_str().filter(|host| !host.is_empty())?;
        Some(Self { scheme: url.scheme().to_owned(), host: host.to_owned(), port: url.port() })
    }

    /// Reads a setting that has to be an origin and nothing more.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let refusal = || format!("{text:?} is no origin; write scheme://host[:port] and nothing behind it");
        let url = Url::parse(text).map_err(|_| refusal())?;
        let only_an_origin = !text.contains('*')
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        Self::of(&url).filter(|_| only_an_origin).ok_or_else(refusal)
    }

    /// Whether it is one of the names of the machine's own loopback interface.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        LOOPBACK_HOSTS.contains(&self.host.as_str())
    }

    /// The bytes that a browser sends in `Origin`; `None` never for an origin that was parsed.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        HeaderValue::try_from(format!("{}://{}{port}", self.scheme, self.host)).ok()
    }

    fn with_host(&self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self.clone() }
    }
}

/// The origins whose pages may send requests that carry our cookie.
#[derive(Debug, Clone)]
pub struct OriginPolicy {
    accepted: Vec<HeaderValue>,
}

impl OriginPolicy {
    /// Accepts pages of `public` and of each origin in `allowed`.
    ///
    /// Where `public` is on loopback, its other loopback names (same scheme, same port) count as the same origin.
    #[must_use]
    pub fn new(public: &Origin, allowed: &[Origin]) -> Self {
        let mut origins = vec![public.clone()];
        if public.is_loopback() {
            origins.extend(LOOPBACK_HOSTS.map(|host| public.with_host(host)));
        }
        origins.extend_from_slice(allowed);
        Self { accepted: origins.iter().filter_map(Origin::header).collect() }
    }

    /// Refuses a request that a page of another site caused.
    ///
    /// `Origin`, where present, decides: it has to be one of ours, byte for byte as browsers write it; `null` and
    /// several are refused. Without it `Sec-Fetch-Site` has to be `same-origin` or `none`. Neither header means a
    /// client that is no browser, which is accepted.
    ///
    /// # Errors
    /// [`Error::CrossSiteRequest`].
    pub fn check(&self, headers: &HeaderMap) -> Result<()> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let own_page = match (origins.next(), origins.next()) {
            (Some(origin), None) => self.accepted.contains(origin),
            (Some(_), Some(_)) => false,
            (None, _) => {
                headers.get_all(SEC_FETCH_SITE).iter().all(|site| site == "same-origin" || site == "none")
            }
        };
        if own_page { Ok(()) } else { Err(Error::CrossSiteRequest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(public: &str, allowed: &[&str]) -> OriginPolicy {
        let allowed: Vec<Origin> = allowed.iter().map(|text| Origin::parse(text).unwrap()).collect();
        OriginPolicy::new(&Origin::parse(public).unwrap(), &allowed)
    }

    fn accepts(policy: &OriginPolicy, headers: &[(&str, &str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
        match policy.check(&headers) {
            Ok(()) => true,
            Err(Error::CrossSiteRequest) => false,
            Err(other) => panic!("{other:?}"),
        }
    }

    // SEC-59
    #[test]
    fn only_the_very_origin_is_accepted() {
        let policy = policy("https://id.example", &["https://app.example:8443"]);
        assert!(accepts(&policy, &[("origin", "https://id.example")]));
        assert!(accepts(&policy, &[("origin", "https://app.example:8443")]));
        for foreign in [
            "null",
            "",
            "https://evil.example",
            "http://id.example",
            "https://id.example:8443",
            "https://id.example.evil.example",
            "https://evilid.example",
            "https://sub.id.example",
            "https://id.example/",
            "https://id.example@evil.example",
            "https://app.example",
            "https://id.example https://evil.example",
            "https://id.example, https://evil.example",
        ] {
            assert!(!accepts(&policy, &[("origin", foreign)]), "{foreign}");
        }
    }

    // SEC-59
    #[test]
    fn several_origins_are_refused_even_where_each_is_ours() {
        let policy = policy("https://id.example", &[]);
        let ours = ("origin", "https://id.example");
        assert!(!accepts(&policy, &[ours, ours]));
        assert!(!accepts(&policy, &[ours, ("origin", "https://evil.example")]));
    }

    // SEC-59
    #[test]
    fn without_an_origin_fetch_metadata_decides() {
        let policy = policy("https://id.example", &[]);
        let site = |value| accepts(&policy, &[("sec-fetch-site", value)]);
        assert!(site("same-origin") && site("none"));
        assert!(!site("same-site") && !site("cross-site") && !site("") && !site("Same-Origin"));
        assert!(!accepts(&policy, &[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")]));
    }

    // SEC-59
    #[test]
    fn an_origin_speaks_louder_than_fetch_metadata() {
        let policy = policy("https://id.example", &["https://app.example"]);
        assert!(accepts(&policy, &[("origin", "https://app.example"), ("sec-fetch-site", "cross-site")]));
        assert!(!accepts(&policy, &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")]));
        assert!(!accepts(&policy, &[("origin", "null"), ("sec-fetch-site", "none")]));
    }

    // SEC-59
    #[test]
    fn a_client_that_is_no_browser_is_accepted() {
        assert!(accepts(&policy("https://id.example", &[]), &[("user-agent", "curl/8")]));
    }

    #[test]
    fn the_names_of_loopback_are_one_origin_on_one_scheme_and_port() {
        for public in ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"] {
            let policy = policy(public, &[]);
            for same in ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"] {
                assert!(accepts(&policy, &[("origin", same)]), "{public} {same}");
            }
            for other in [
                "http://localhost:8001",
                "https://localhost:8000",
                "http://localhost",
                "http://127.0.0.2:8000",
            ] {
                assert!(!accepts(&policy, &[("origin", other)]), "{public} {other}");
            }
        }
        assert!(!accepts(&policy("https://id.example", &[]), &[("origin", "https://localhost")]));
        let listed = policy("https://id.example", &["http://localhost:5173"]);
        assert!(!accepts(&listed, &[("origin", "http://127.0.0.1:5173")]));
    }

    #[test]
    fn a_setting_is_read_as_a_url_and_written_as_a_browser_writes_it() {
        let written = |text| Origin::parse(text).unwrap().header().unwrap();
        assert_eq!(written("HTTPS://App.Example:443"), "https://app.example");
        assert_eq!(written("http://localhost:5173/"), "http://localhost:5173");
        assert_eq!(written("https://bücher.example"), "https://xn--bcher-kva.example");
        let public = Url::parse("https://id.example/auth?x#y").unwrap();
        assert_eq!(Origin::of(&public).unwrap().header().unwrap(), "https://id.example");
    }

    // SEC-61
    #[test]
    fn a_setting_that_is_more_or_less_than_an_origin_is_refused() {
        for text in [
            "",
            "null",
            "*",
            "app.example",
            "https://*",
            "https://*.example",
            "https://app.example/path",
            "https://app.example?x",
            "https://app.example#x",
            "https://user@app.example",
            "https://",
            "file:///etc/passwd",
            "ftp://app.example",
            "data:text/html,x",
        ] {
            assert!(Origin::parse(text).is_err(), "{text:?}");
        }
    }
}

//! A server's URL, which may name several hosts (`postgres://a:5432,b:5432/db`) where the rules of the web allow one.

use url::{ParseError, Url};

/// A URL, taken apart. Nothing of it is checked but its form. It may hold a password, so it does not print itself.
pub(crate) struct ServerUrl {
    /// The URL with its first host alone.
    pub(crate) url: Url,
    /// The other hosts, as they are written, each after its comma.
    pub(crate) other_hosts: String,
}

impl ServerUrl {
    /// # Errors
    /// What the rules of the web say against it.
    pub(crate) fn parse(given: &str) -> Result<Self, ParseError> {
        let hosts = hosts(given);
        let (before, after) = (given.get(..hosts.start), given.get(hosts.end..));
        let hosts = given.get(hosts).unwrap_or_default();
        let first = hosts.split(',').next().unwrap_or_default();
        let other_hosts = hosts.get(first.len()..).unwrap_or_default().to_owned();
        let url = Url::parse(&[before.unwrap_or_default(), first, after.unwrap_or_default()].concat())?;
        Ok(Self { url, other_hosts })
    }

    /// Every host with its port, for people.
    pub(crate) fn hosts(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{host}{port}{}", self.other_hosts)
    }
}

/// Where the hosts stand: behind the scheme and whoever signs in, before path and parameters.
fn hosts(given: &str) -> std::ops::Range<usize> {
    let start = given.find("://").map_or(given.len(), |at| at + 3);
    let rest = given.get(start..).unwrap_or_default();
    let end = rest.find(['/', '?', '#']).map_or(given.len(), |at| start + at);
    let authority = given.get(start..end).unwrap_or_default();
    authority.rfind('@').map_or(start, |at| start + at + 1)..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_or_several_are_taken_apart() {
        for (given, hosts, first) in [
            (
                "postgres://me:pw@db.example:6432/auth?x=1",
                "db.example:6432",
                "postgres://me:pw@db.example:6432/auth?x=1",
            ),
            ("postgres://me:p,w@a:1,b:2,c/auth?x=1,2", "a:1,b:2,c", "postgres://me:p,w@a:1/auth?x=1,2"),
            ("postgres://[::1]:5,[::2]/auth", "[::1]:5,[::2]", "postgres://[::1]:5/auth"),
            ("postgres://a,b", "a,b", "postgres://a"),
        ] {
            let parsed = ServerUrl::parse(given).unwrap();
            assert_eq!((parsed.hosts().as_str(), parsed.url.as_str()), (hosts, first));
        }
        for bad in ["", "postgres", "postgres://a:b:c/d", "postgres://a:port,b/d"] {
            assert!(ServerUrl::parse(bad).is_err(), "{bad}");
        }
    }
}

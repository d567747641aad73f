//! Which addresses a provider may be at: what it says of itself must not lead the service into its own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::fault::Lie;

/// Where the endpoints of one provider may be (SEC-92).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    /// The issuer itself was written as this machine.
    loopback: bool,
    /// The issuer itself was written as this address.
    literal: Option<IpAddr>,
    /// The operator said so.
    private: bool,
}

impl Reach {
    pub(super) fn of(issuer: &Url, allow_private_network: bool) -> Self {
        let literal = literal(issuer);
        let loopback = literal.is_some_and(|address| address.is_loopback()) || is_localhost(issuer);
        Self { loopback, literal, private: allow_private_network }
    }

    /// Whether such an address may be connected to. It is asked of the very address that is connected to, after the
    /// name was looked up: what a name leads to may change from one moment to the next.
    pub(super) fn allows(self, address: IpAddr, with_tls: bool) -> bool {
        let address = address.to_canonical();
        if !with_tls {
            return self.loopback && address.is_loopback();
        }
        self.private
            || is_public(address)
            || (self.loopback && address.is_loopback())
            || self.literal.is_some_and(|literal| literal.to_canonical() == address)
    }

    /// An endpoint that may be spoken to: https, or http on this machine where the issuer is there itself.
    ///
    /// # Errors
    /// [`Lie::Endpoint`].
    pub(super) fn endpoint(self, given: &str) -> Result<Url, Lie> {
        let url = Url::parse(given).map_err(|_| Lie::Endpoint)?;
        let is_here = literal(&url).is_some_and(|address| address.is_loopback()) || is_localhost(&url);
        let is_protected = url.scheme() == "https" || (url.scheme() == "http" && is_here && self.loopback);
        let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if is_protected && is_plain && url.has_host() { Ok(url) } else { Err(Lie::Endpoint) }
    }
}

fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

fn is_localhost(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost"))
}

/// Whether the address belongs to the public internet (the special-purpose registries of IANA, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_of_protocols = (a, b, c) == (192, 0, 0) || (a, b, c) == (192, 88, 99);
    let is_benchmark = a == 198 && (b == 18 || b == 19);
    !(a == 0
        || a >= 240
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || is_shared
        || is_of_protocols
        || is_benchmark)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // An IPv4 address inside one of IPv6: NAT64 and 6to4.
        (0x64, 0xff9b) => (c, d, e, f) == (0, 0, 0, 0) && v4(g, h),
        (0x2002, _) => v4(b, c),
        // Teredo and the other protocols of 2001::/23, and documentation.
        (0x2001, b) if b < 0x200 || b == 0xdb8 => false,
        (0x3fff, b) if b < 0x1000 => false,
        // All that is handed out to the internet.
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(issuer: &str, private: bool) -> Reach {
        Reach::of(&Url::parse(issuer).unwrap(), private)
    }

    // SEC-92
    #[test]
    fn addresses_of_private_networks_are_refused_in_every_spelling() {
        let public = reach("https://idp.example.com", false);
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.9.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
        ] {
            let address = address.parse().unwrap();
            assert!(!public.allows(address, true), "{address}");
            let private = reach("https://idp.example.com", true);
            assert!(private.allows(address, true) && !private.allows(address, false), "{address}");
        }
        for address in
            ["8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::8.8.8.8", "2a00::1"]
        {
            assert!(public.allows(address.parse().unwrap(), true), "{address}");
        }
    }

    #[test]
    fn an_issuer_that_is_here_by_its_own_address_reaches_here_and_no_further() {
        for issuer in
            ["http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]", "http://idp.localhost"]
        {
            let reach = reach(issuer, false);
            for with_tls in [true, false] {
                assert!(reach.allows("127.0.0.1".parse().unwrap(), with_tls));
                assert!(reach.allows("::1".parse().unwrap(), with_tls));
                assert!(!reach.allows("10.0.0.1".parse().unwrap(), with_tls));
            }
            // A name of this machine that somebody else's name server answers for.
            assert!(!reach.allows("8.8.8.8".parse().unwrap(), false));
            assert!(reach.endpoint("http://127.0.0.1:1/x").is_ok());
            assert_eq!(reach.endpoint("http://10.0.0.1/x"), Err(Lie::Endpoint));
        }
        let inside = reach("https://10.1.2.3", false);
        assert!(inside.allows("10.1.2.3".parse().unwrap(), true));
        assert!(!inside.allows("10.1.2.4".parse().unwrap(), true));
    }

    #[test]
    fn an_endpoint_is_https_and_carries_nobodys_name() {
        let public = reach("https://idp.example.com", true);
        assert!(public.endpoint("https://other.example.com/token?tenant=1").is_ok());
        for given in [
            "",
            "token",
            "/token",
            "http://idp.example.com/",
            "http://127.0.0.1/",
            "http://localhost/",
            "ftp://idp.example.com/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://a:b@idp.example.com/",
            "https://idp.example.com/#x",
            "data:text/html,x",
        ] {
            assert_eq!(public.endpoint(given), Err(Lie::Endpoint), "{given}");
        }
    }
}

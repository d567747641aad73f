//! Where a request really comes from, when proxies stand in between (SEC-22).

use std::net::IpAddr;

use http::HeaderMap;
use http::header::HeaderName;
use ipnet::{IpNet, Ipv4Net};

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How many hops are looked at, from the right; more proxies than these stand in nobody's way.
const MAX_HOPS: usize = 64;

/// The length of an IPv4-mapped IPv6 network's fixed part (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// The networks whose word about the client's address is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads networks (`10.0.0.0/8`, `fd00::/8`) and single addresses.
    ///
    /// # Errors
    /// A sentence for the operator about the first that is neither.
    pub fn parse<T: AsRef<str>>(networks: impl IntoIterator<Item = T>) -> Result<Self, String> {
        networks.into_iter().map(|text| network(text.as_ref().trim())).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match parsed.map_err(|_| format!("{text:?} is neither a network such as 10.0.0.0/8 nor an address"))? {
        IpNet::V6(v6) if v6.prefix_len() >= MAPPED_PREFIX => {
            let mapped = v6.addr().to_ipv4_mapped();
            let as_v4 = mapped.and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - MAPPED_PREFIX).ok());
            Ok(as_v4.map_or(IpNet::V6(v6), IpNet::V4))
        }
        other => Ok(other),
    }
}

/// The client's address: the connection's peer, or, where that is a trusted proxy, the rightmost address in
/// `X-Forwarded-For` that no trusted proxy has.
///
/// A hop that can't be read ends the search at the last trusted proxy: what lies beyond is hearsay. IPv6 forms of
/// IPv4 addresses come out as IPv4. `None` where the connection has no peer address, such as on a Unix socket.
#[must_use]
pub fn client_address(headers: &HeaderMap, peer: Option<IpAddr>, proxies: &TrustedProxies) -> Option<IpAddr> {
    let mut client = peer?.to_canonical();
    // `HeaderMap` gives the lines in the order in which they came; a proxy adds its hop at the end.
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops.take(MAX_HOPS).map(<[u8]>::trim_ascii) {
        if !proxies.contains(client) {
            break;
        }
        if hop.is_empty() {
            continue;
        }
        match address(hop) {
            Some(address) => client = address,
            None => break,
        }
    }
    Some(client)
}

/// One hop: an address, with or without brackets and a port.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?;
    let address = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (inside, after) = bracketed.split_once(']')?;
            if !after.is_empty() && !after.strip_prefix(':').is_some_and(is_port) {
                return None;
            }
            IpAddr::V6(inside.parse().ok()?)
        }
        None => match text.split_once(':') {
            Some((v4, port)) if is_port(port) && v4.contains('.') => IpAddr::V4(v4.parse().ok()?),
            _ => text.parse().ok()?,
        },
    };
    Some(address.to_canonical())
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn client(lines: &[&str], peer: &str, proxies: &[&str]) -> IpAddr {
        let headers =
            lines.iter().map(|line| (X_FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap()));
        let headers = headers.collect::<HeaderMap>();
        client_address(&headers, Some(ip(peer)), &TrustedProxies::parse(proxies).unwrap()).unwrap()
    }

    // SEC-22
    #[test]
    fn nobody_is_believed_unless_trusted() {
        assert_eq!(client(&["203.0.113.9"], "198.51.100.1", &[]), ip("198.51.100.1"));
        assert_eq!(client(&["203.0.113.9"], "198.51.100.1", &["10.0.0.0/8"]), ip("198.51.100.1"));
    }

    // SEC-22
    #[test]
    fn the_rightmost_untrusted_hop_is_the_client_whatever_it_claims_itself() {
        let proxies = &["10.0.0.0/8", "192.0.2.7"];
        assert_eq!(client(&["203.0.113.9"], "10.0.0.1", proxies), ip("203.0.113.9"));
        assert_eq!(client(&["1.1.1.1, 203.0.113.9, 192.0.2.7"], "10.0.0.1", proxies), ip("203.0.113.9"));
        assert_eq!(client(&["10.9.9.9, 203.0.113.9"], "10.0.0.1", proxies), ip("203.0.113.9"));
    }

    // SEC-22
    #[test]
    fn several_lines_are_one_list() {
        let lines = &["1.1.1.1", "203.0.113.9 ,10.0.0.3", "10.0.0.2"];
        assert_eq!(client(lines, "10.0.0.1", &["10.0.0.0/8"]), ip("203.0.113.9"));
    }

    #[test]
    fn where_all_are_trusted_the_leftmost_is_the_client() {
        assert_eq!(client(&["10.0.0.3, 10.0.0.2"], "10.0.0.1", &["10.0.0.0/8"]), ip("10.0.0.3"));
        assert_eq!(client(&[], "10.0.0.1", &["10.0.0.0/8"]), ip("10.0.0.1"));
    }

    // SEC-22
    #[test]
    fn an_unreadable_hop_ends_the_search_at_the_last_trusted_proxy() {
        for junk in [
            "unknown",
            "_hidden",
            "203.0.113.9:",
            "203.0.113.9:99999",
            "203.0.113.9:+1",
            "[203.0.113.9]",
            "[::1",
            "[::1]x",
            "256.1.1.1",
            "010.1.1.1",
            "fe80::1%eth0",
            "\"203.0.113.9\"",
            "é",
        ] {
            let line = format!("203.0.113.9, {junk}, 10.0.0.2");
            assert_eq!(client(&[&line], "10.0.0.1", &["10.0.0.0/8"]), ip("10.0.0.2"), "{junk}");
        }
    }

    #[test]
    fn ports_brackets_mapped_forms_and_empty_hops_are_read() {
        for (hop, expected) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("[::ffff:203.0.113.9]:1", "203.0.113.9"),
            ("203.0.113.9,, ,", "203.0.113.9"),
        ] {
            assert_eq!(client(&[hop], "10.0.0.1", &["10.0.0.0/8"]), ip(expected), "{hop}");
        }
        assert_eq!(client(&["203.0.113.9"], "::ffff:10.0.0.1", &["10.0.0.0/8"]), ip("203.0.113.9"));
        assert_eq!(client(&["203.0.113.9"], "10.0.0.1", &["::ffff:10.0.0.0/104"]), ip("203.0.113.9"));
        assert_eq!(client(&["203.0.113.9"], "fd00::1", &["fd00::/8"]), ip("203.0.113.9"));
    }

    #[test]
    fn an_ipv4_proxy_is_not_trusted_because_all_of_ipv6_is() {
        assert_eq!(client(&["203.0.113.9"], "::ffff:10.0.0.1", &["::/0"]), ip("10.0.0.1"));
    }

    #[test]
    fn the_work_is_bounded() {
        let line = "10.0.0.2,".repeat(5_000);
        assert_eq!(client(&["203.0.113.9", &line], "10.0.0.1", &["10.0.0.0/8"]), ip("10.0.0.2"));
    }

    #[test]
    fn without_a_peer_nothing_is_known() {
        assert_eq!(client_address(&HeaderMap::new(), None, &TrustedProxies::default()), None);
    }

    #[test]
    fn a_setting_that_is_no_network_is_refused_by_name() {
        let refusal = TrustedProxies::parse(["10.0.0.0/8", "10.0.0.0/33"]).unwrap_err();
        assert!(refusal.contains("10.0.0.0/33"));
        for text in ["", "localhost", "10.0.0", "*", "10.0.0.1:80"] {
            assert!(TrustedProxies::parse([text]).is_err(), "{text:?}");
        }
    }

    proptest! {
        // SEC-22
        #[test]
        fn what_a_client_writes_itself_never_moves_its_address(
            claims in proptest::collection::vec("[0-9a-f.:,\\[\\] x]{0,30}", 0..4),
            real in any::<u32>(),
            proxies_behind in 0_usize..4,
        ) {
            let real = std::net::Ipv4Addr::from(real);
            prop_assume!(real.octets()[0] != 10);
            let mut lines: Vec<String> = claims;
            let mut last = vec![real.to_string()];
            last.extend((0..proxies_behind).map(|n| format!("10.0.0.{n}")));
            lines.push(last.join(", "));
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            prop_assert_eq!(client(&lines, "10.1.1.1", &["10.0.0.0/8"]), IpAddr::V4(real));
        }

        // SEC-69
        #[test]
        fn every_address_is_read_back_in_every_form(bits in any::<u128>(), port in any::<u16>()) {
            let v6 = Ipv6Addr::from_bits(bits);
            let expected = Some(IpAddr::V6(v6).to_canonical());
            prop_assert_eq!(address(v6.to_string().as_bytes()), expected);
            prop_assert_eq!(address(format!("[{v6}]:{port}").as_bytes()), expected);
        }

        // SEC-69
        #[test]
        fn no_bytes_make_the_reader_panic(hop in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(address) = address(&hop) {
                prop_assert_eq!(address, address.to_canonical());
            }
        }
    }
}

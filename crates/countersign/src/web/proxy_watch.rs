//! A look-out for a reverse proxy that nobody has named: behind one, all people seem to have one address.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::FORWARDED;

use super::client_address::{TrustedProxies, X_FORWARDED_FOR};
use crate::time::Timestamp;

/// So many requests in a row are no chance.
const IN_A_ROW: u32 = 10;
/// Before the same is said again.
const SILENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// Which address has sent every request of late, if one has.
#[derive(Default)]
pub(crate) struct ProxyWatch(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    peer: Option<IpAddr>,
    in_a_row: u32,
    said_at: Option<Timestamp>,
}

impl ProxyWatch {
    /// Hears of a request. Returns the address of what is most likely a proxy that `trusted_proxies` should name: every
    /// request comes from it, it is a private one, and it forwards for somebody else.
    pub(crate) fn suspect(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
        proxies: &TrustedProxies,
        now: Timestamp,
    ) -> Option<IpAddr> {
        let peer = peer?.to_canonical();
        let forwards = headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !forwards || !is_private(peer) || proxies.contains(peer) {
            seen.peer = None;
            return None;
        }
        if seen.peer.replace(peer) != Some(peer) {
            seen.in_a_row = 0;
        }
        seen.in_a_row = seen.in_a_row.saturating_add(1);
        let was_said = seen.said_at.is_some_and(|said_at| now.since(said_at) < SILENCE);
        if seen.in_a_row < IN_A_ROW || was_said {
            return None;
        }
        seen.said_at = Some(now);
        Some(peer)
    }
}

/// An address that no client of the open Internet has.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared
        }
        IpAddr::V6(v6) => v6 == Ipv6Addr::LOCALHOST || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_512_600_000);

    fn forwarding(name: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static("203.0.113.9"))])
    }

    fn times_said(watch: &ProxyWatch, headers: &HeaderMap, peer: &str, now: Timestamp) -> usize {
        let (peer, proxies) = (peer.parse().unwrap(), TrustedProxies::parse(["192.168.0.1"]).unwrap());
        (0..50).filter(|_| watch.suspect(headers, Some(peer), &proxies, now) == Some(peer)).count()
    }

    // SEC-22
    #[test]
    fn a_private_address_that_forwards_every_request_is_named_once_a_day() {
        for header in ["x-forwarded-for", "forwarded"] {
            for peer in ["10.0.0.5", "172.17.0.1", "127.0.0.1", "100.64.0.1", "::1", "fd00::1", "fe80::1"] {
                let watch = ProxyWatch::default();
                assert_eq!(times_said(&watch, &forwarding(header), peer, NOW), 1, "{header} {peer}");
                assert_eq!(times_said(&watch, &forwarding(header), peer, NOW.plus(SILENCE)), 1);
            }
        }
    }

    #[test]
    fn clients_that_speak_for_themselves_and_proxies_that_are_trusted_are_left_alone() {
        for (headers, peer) in [
            (HeaderMap::new(), "10.0.0.5"),
            (forwarding("x-forwarded-for"), "203.0.113.7"),
            (forwarding("x-forwarded-for"), "2001:db8::7"),
            (forwarding("x-forwarded-for"), "192.168.0.1"),
        ] {
            assert_eq!(times_said(&ProxyWatch::default(), &headers, peer, NOW), 0, "{peer}");
        }
        let (watch, proxies) = (ProxyWatch::default(), TrustedProxies::default());
        assert_eq!(watch.suspect(&forwarding("forwarded"), None, &proxies, NOW), None);
    }

    #[test]
    fn one_request_of_anybody_else_shows_that_it_is_not_all_traffic() {
        let (watch, proxies) = (ProxyWatch::default(), TrustedProxies::default());
        let headers = forwarding("x-forwarded-for");
        for number in 0..100 {
            let peer = if number % 9 == 0 { "10.0.0.6" } else { "10.0.0.5" };
            assert_eq!(watch.suspect(&headers, Some(peer.parse().unwrap()), &proxies, NOW), None);
        }
    }
}

//! Under which key a budget is kept: of an account, an address, a device.

use std::net::IpAddr;

use hmac::Mac as _;

use crate::hashing::subscriber;
use crate::names::Username;
use crate::service::Countersign;

/// 64 bits that nobody can foresee without the secret key, so that nobody can make two names share a budget. The lengths
/// keep the parts of a name apart.
pub(super) fn key(service: &Countersign, name: &[&[u8]]) -> i64 {
    let mut mac = service.limit_key().clone();
    for part in name {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    let full: [u8; 32] = mac.finalize().into_bytes().into();
    let (first, _) = full.split_at(8);
    first.try_into().map_or(0, i64::from_be_bytes)
}

/// However a name is spelt, it is counted as one, whether there is such an account, can be one, or not (SEC-18).
pub(super) fn canonical(username: &str) -> String {
    Username::parse(username).map_or_else(|_| username.to_ascii_lowercase(), |name| name.canonical())
}

/// IPv4 addresses by themselves, IPv6 ones by their /64 network (SEC-22).
pub(super) fn network(address: IpAddr) -> Vec<u8> {
    match subscriber(address) {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

//! Who is on the other end of the connection: its address, believed only through trusted proxies, and what it calls
//! itself.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use http::header::USER_AGENT;
use http::request::Parts;

use crate::service::Countersign;

const USER_AGENT_CHARACTERS: usize = 256;

/// The other end of the connection, as an extractor.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Countersign: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let address = address(parts, &Countersign::from_ref(state));
        let user_agent = parts.headers.get(USER_AGENT).map(|value| plain(value.as_bytes()));
        Ok(Self { address, user_agent })
    }
}

/// The address alone, for whoever needs no more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address(pub(crate) Option<IpAddr>);

impl<S> FromRequestParts<S> for Address
where
    S: Send + Sync,
    Countersign: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self(address(parts, &Countersign::from_ref(state))))
    }
}

fn address(parts: &Parts, service: &Countersign) -> Option<IpAddr> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    service.client_address(&parts.headers, peer)
}

/// Printable, of bounded length, and without NUL, which no database takes in text.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|letter| !letter.is_control()).take(USER_AGENT_CHARACTERS).collect()
}

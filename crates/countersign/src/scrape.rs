//! `GET /metrics`: what the whole says of itself, and to whom.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Extension, State};
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE, FORWARDED, VIA};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, Result};
use crate::jobs;
use crate::metrics::MEDIA_TYPE;
use crate::secret::{ExposeSecret as _, equal};
use crate::service::Countersign;
use crate::web::schema::ProblemBody;

/// Headers that say that the request was handed on, beside all that begin with [`X_FORWARDED`].
const HANDED_ON: [HeaderName; 9] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-cluster-client-ip"),
    HeaderName::from_static("x-original-forwarded-for"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("fastly-client-ip"),
];

const X_FORWARDED: &str = "x-forwarded-";

impl Countersign {
    /// What the service counts and measures of itself, in the text format of Prometheus
    /// (`text/plain; version=0.0.4; charset=utf-8`). The series are listed in docs/reference/metrics.md.
    pub async fn metrics(&self) -> String {
        jobs::weigh_backlog(self).await;
        self.meters().text()
    }
}

/// What the service counts and measures of itself, in the text format of Prometheus.
///
/// For this machine alone, or with the `metrics_token`; to anybody else the route is unknown.
#[utoipa::path(
    get, path = "/metrics", operation_id = "show_metrics", tag = "operations",
    responses(
        (status = 200, description = "The figures", content_type = "text/plain"),
        (status = 404, description = "Not from this machine, and no token", body = ProblemBody),
    ),
    security((), ("metrics_token" = []))
)]
pub(crate) async fn show_metrics(
    State(service): State<Countersign>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
) -> Result<Response> {
    let peer = peer.map(|Extension(ConnectInfo(peer))| peer);
    if !is_from_this_machine(peer, &headers) && !has_token(&service, &headers) {
        return Err(Error::NotFound);
    }
    let mut response = Response::new(Body::from(service.metrics().await));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Ok(response)
}

/// A proxy on this machine asks from loopback too, for people who are elsewhere: whatever was handed on is not from here.
/// Nothing is believed that the headers say, `trusted_proxies` or not; without a peer nobody knows.
fn is_from_this_machine(peer: Option<SocketAddr>, headers: &HeaderMap) -> bool {
    let was_handed_on =
        |name: &HeaderName| name.as_str().starts_with(X_FORWARDED) || HANDED_ON.contains(name);
    peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) && !headers.keys().any(was_handed_on)
}

fn has_token(service: &Countersign, headers: &HeaderMap) -> bool {
    let Some(token) = &service.settings().metrics_token else { return false };
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let presented = countersign_token::from_authorization(value);
    presented.is_ok_and(|presented| equal(presented.as_bytes(), token.expose_secret().as_bytes()))
}

//! `GET /metrics`: who may read it, that it says what happened, and that it says nothing of anybody.

mod exposition;
mod access;
mod tour;
mod silence;

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use countersign::Countersign;
use http::Request;
use http_body_util::BodyExt as _;
use tower::Service as _;

use crate::app::{Answer, App};
use exposition::{Exposition, read};

/// What the service says of itself now, strictly read.
async fn exposed(app: &App) -> Exposition {
    let answer = app.get("/metrics").send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    read(&answer.text).unwrap_or_else(|fault| panic!("{fault} in:\n{}", answer.text))
}

/// A request that reaches the router from this peer, or from nobody knows where.
async fn ask(router: &mut Router, peer: Option<&str>, request: http::request::Builder) -> Answer {
    let mut request = request.body(Body::empty()).unwrap();
    if let Some(peer) = peer {
        let peer = SocketAddr::new(peer.parse().unwrap(), 40_000);
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    let response = router.call(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let body = serde_json::from_str(&text).unwrap_or(serde_json::Value::Null);
    Answer { status: parts.status.as_u16(), headers: parts.headers, text, body }
}

fn scrape() -> http::request::Builder {
    Request::get("/metrics").header("x-request-id", "same-for-all")
}

fn routes_of(service: &Countersign) -> Router {
    countersign::router(service)
}

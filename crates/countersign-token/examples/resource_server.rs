//! A resource server: another program than the authentication service, which takes its access tokens.
//!
//! `cargo run -p countersign-token --features axum --example resource_server -- <secret key file> <issuer>`
//! then `curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8001/`

#![expect(clippy::print_stdout, reason = "it says where it listens")]

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use countersign_token::axum::AccessToken;
use countersign_token::{HmacKey, Verifier};

/// A request without a good token never gets here: it is answered by `401` and the reason.
async fn greet(AccessToken(claims): AccessToken) -> String {
    format!("Hello, user {}. Your token is good until {}.\n", claims.subject, claims.expires_at)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(key_file), Some(issuer)) = (arguments.next(), arguments.next()) else {
        return Err("usage: resource_server <secret key file> <issuer>".into());
    };
    let key = HmacKey::new(std::fs::read(key_file)?.trim_ascii_end())?;
    let verifier = Arc::new(Verifier::builder().key(key).issuer(issuer).build()?);

    let app = Router::new().route("/", get(greet)).with_state(verifier);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8001").await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

//! Somebody else's application with the service inside: `cargo run -p countersign --example embedded`.
//!
//! The service is mounted below `/auth`, and the shop's own handlers ask for a [`CurrentUser`].

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRef, State};
use axum::routing::get;
use axum::{Json, Router};
use countersign::id::UserId;
use countersign::{Countersign, CurrentUser, Settings};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What the shop's handlers share. The extractor finds the service in it.
#[derive(Clone)]
struct Shop {
    countersign: Countersign,
    orders: Arc<Mutex<BTreeMap<UserId, u32>>>,
}

impl FromRef<Shop> for Countersign {
    fn from_ref(shop: &Shop) -> Self {
        shop.countersign.clone()
    }
}

async fn front_page() -> &'static str {
    "Everybody may look; sign in below /auth to order.\n"
}

async fn show_orders(State(shop): State<Shop>, who: CurrentUser) -> Json<Value> {
    let orders = shop.orders.lock().unwrap_or_else(PoisonError::into_inner);
    let placed = orders.get(&who.user.id).copied().unwrap_or_default();
    Json(json!({"customer": &*who.user.username, "orders": placed}))
}

async fn place_order(State(shop): State<Shop>, who: CurrentUser) -> Json<Value> {
    let mut orders = shop.orders.lock().unwrap_or_else(PoisonError::into_inner);
    let placed = orders.entry(who.user.id).or_default();
    *placed = placed.saturating_add(1);
    Json(json!({"customer": &*who.user.username, "orders": *placed}))
}

/// The whole application: the shop's own routes beside the service's.
pub fn application(countersign: &Countersign) -> Router {
    let shop = Shop { countersign: countersign.clone(), orders: Arc::default() };
    Router::new()
        .route("/", get(front_page))
        .route("/orders", get(show_orders).post(place_order))
        .with_state(shop)
        .nest("/auth", countersign::router(countersign))
}

/// Where browsers find the service: the refresh cookie's path follows it.
///
/// # Errors
/// An address that makes no URL.
pub fn settings(address: SocketAddr) -> Result<Settings, Box<dyn Error + Send + Sync>> {
    let public_url = format!("http://localhost:{}/auth", address.port()).parse()?;
    Ok(Settings { public_url, data_dir: "embedded-data".into(), ..Settings::default() })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind("127.0.0.1:8000").await?;
    let address = listener.local_addr()?;
    let service = Countersign::open(settings(address)?).await?;
    writeln!(
        std::io::stdout(),
        "The shop is open at http://{address}; its accounts are at http://{address}/auth"
    )?;
    let application = application(&service).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, application).await?;
    Ok(())
}

//! The service inside somebody else's application: nested below a path, at the root, and the example as it stands.

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use countersign::{Countersign, CurrentUser, Settings};
use reqwest::Method;
use serde_json::json;

use crate::actors::Browser;
use crate::app::{Answer, App, MINUTE, PASSWORD};

#[path = "../../examples/embedded.rs"]
#[expect(
    dead_code,
    reason = "its `main` is not called here; the example is run as a program by its own command"
)]
mod embedded;

/// The example's own settings and routes, at a folder, a clock and a port of the test's.
pub async fn shop() -> App {
    let adjust = |settings: Settings| Settings {
        data_dir: settings.data_dir,
        ..embedded::settings("127.0.0.1:8000".parse().unwrap()).unwrap()
    };
    App::start_mounted("/auth", adjust, embedded::application).await
}

async fn of_the_shop(app: &App, method: Method, path: &str, token: Option<&str>) -> Answer {
    let mut request = app.client.request(method, format!("http://{}{path}", app.address));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn the_example_serves_the_whole_flow_below_its_path() {
    let app = shop().await;
    assert_eq!(of_the_shop(&app, Method::GET, "/", None).await.status, 200);
    let refused = of_the_shop(&app, Method::GET, "/orders", None).await;
    assert_eq!((refused.status, refused.code()), (401, "access_token_missing"));
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    let mut browser = Browser::of(&app, "ada").await;
    let placed = of_the_shop(&app, Method::POST, "/orders", Some(&browser.access_token)).await;
    assert_eq!(placed.body, json!({"customer": "ada", "orders": 1}));
    app.advance(10 * MINUTE);
    let expired = of_the_shop(&app, Method::GET, "/orders", Some(&browser.access_token)).await;
    assert_eq!(expired.code(), "access_token_expired");
    assert_eq!(browser.refresh().await.status, 200);
    let shown = of_the_shop(&app, Method::GET, "/orders", Some(&browser.access_token)).await;
    assert_eq!(shown.body, json!({"customer": "ada", "orders": 1}));
    assert_eq!(browser.sign_out().await.status, 204);
    assert_eq!(browser.refresh_token(), None);
    let gone = of_the_shop(&app, Method::GET, "/orders", Some(&browser.access_token)).await;
    assert_eq!(gone.code(), "access_token_invalid", "the shop's own routes know it at once");
}

// SEC-56
#[tokio::test]
async fn the_cookies_path_follows_the_public_urls() {
    let app = shop().await;
    app.sign_up("ada").await;
    let answer = app.authenticate("ada", PASSWORD).await;
    assert!(answer.header("set-cookie").unwrap().contains("; Path=/auth/refresh; "), "{answer:?}");
    let out = app.sign_out(&answer.refresh_cookie().unwrap()).await;
    assert!(out.header("set-cookie").unwrap().contains("; Path=/auth/refresh; Max-Age=0"), "{out:?}");
}

#[tokio::test]
async fn what_is_unknown_below_the_path_is_the_services_and_elsewhere_the_applications() {
    let app = shop().await;
    let below = app.get("/nowhere").send().await;
    assert_eq!((below.status, below.code()), (404, "not_found"));
    assert_eq!(app.call(Method::PUT, "/me").send().await.code(), "method_not_allowed");
    let elsewhere = of_the_shop(&app, Method::GET, "/nowhere", None).await;
    assert_eq!((elsewhere.status, elsewhere.text.as_str()), (404, ""));
    let not_at_the_root = of_the_shop(&app, Method::GET, "/me", None).await;
    assert_eq!((not_at_the_root.status, not_at_the_root.text.as_str()), (404, ""));
}

#[derive(Clone)]
struct Portal {
    accounts: Countersign,
}

impl FromRef<Portal> for Countersign {
    fn from_ref(portal: &Portal) -> Self {
        portal.accounts.clone()
    }
}

async fn greet(who: CurrentUser) -> String {
    format!("Hello, {}", who.user.username)
}

fn portal(service: &Countersign) -> Router {
    let portal = Portal { accounts: service.clone() };
    Router::new().route("/hello", get(greet)).with_state(portal).merge(countersign::router(service))
}

#[tokio::test]
async fn at_the_root_the_routes_stand_beside_each_other() {
    let app = App::start_mounted("", |settings| settings, portal).await;
    let session = app.somebody("ada").await;
    let hello = of_the_shop(&app, Method::GET, "/hello", Some(&session.access_token)).await;
    assert_eq!((hello.status, hello.text.as_str()), (200, "Hello, ada"));
    let refused = of_the_shop(&app, Method::GET, "/hello", Some("a.b.c")).await;
    assert_eq!((refused.status, refused.code()), (401, "access_token_invalid"));
    assert_eq!(app.refresh(&session.refresh_token).await.status, 200);
    assert_eq!(app.get("/nowhere").send().await.code(), "not_found");
}

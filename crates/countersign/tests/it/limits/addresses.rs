//! Where a guess comes from: what a client says of itself is believed of nobody.

use countersign::settings::RateLimits;
use reqwest::Method;
use serde_json::json;

use super::{WRONG, behind_a_proxy, limited, wrong};
use crate::app::{App, PASSWORD};

const HOME: &str = "192.0.2.1";

// SEC-22
#[tokio::test]
async fn without_a_trusted_proxy_no_header_moves_a_guess() {
    let app = App::start().await;
    app.sign_up("ada").await;
    let body = json!({"username": "ada", "password": WRONG});
    for number in 0..10 {
        let call = app.call(Method::POST, "/authenticate").json(&body);
        let call = call.header("x-forwarded-for", &format!("198.51.100.{number}"));
        let call = call.header("forwarded", &format!("for=198.51.100.{number}"));
        let call = call.header("x-real-ip", &format!("198.51.100.{number}"));
        assert_eq!(call.send().await.status, 401);
    }
    let call = app.call(Method::POST, "/authenticate").json(&body).header("x-forwarded-for", "203.0.113.9");
    assert_eq!(call.send().await.body, limited());
}

// SEC-22
#[tokio::test]
async fn what_a_client_puts_before_its_proxys_word_does_not_move_it() {
    let app = behind_a_proxy(RateLimits::default()).await;
    app.sign_up("ada").await;
    let endless = "9.9.9.9, ".repeat(2_000);
    let claims = [
        "1.2.3.4, ",
        "::ffff:192.0.2.9, ",
        "unknown, ",
        "\"<>, ",
        "[::1]:80, ",
        ",,,, ",
        "127.0.0.1, ",
        "2001:db8::1, ",
        &endless,
    ];
    for claim in claims {
        assert_eq!(wrong(&app, "ada", &format!("{claim}{HOME}")).await.status, 401, "{claim}");
    }
    assert_eq!(wrong(&app, "ada", "::ffff:192.0.2.1").await.status, 401, "the same in IPv6's writing");
    assert_eq!(wrong(&app, "ada", HOME).await.body, limited());
    assert_eq!(wrong(&app, "ada", "192.0.2.2").await.status, 401);
}

// SEC-22
#[tokio::test]
async fn a_network_of_ipv6_is_one_address() {
    let app = behind_a_proxy(RateLimits::default()).await;
    app.sign_up("ada").await;
    for number in 0..10 {
        assert_eq!(wrong(&app, "ada", &format!("2001:db8:0:1:{number}::{number}")).await.status, 401);
    }
    assert_eq!(wrong(&app, "ada", "2001:db8:0:1:ffff::1").await.body, limited());
    assert_eq!(wrong(&app, "ada", "2001:db8:0:2::1").await.status, 401);
}

// SEC-22
#[tokio::test]
async fn a_word_that_cannot_be_read_counts_for_the_proxy() {
    let app = behind_a_proxy(RateLimits::default()).await;
    app.sign_up("ada").await;
    for number in 0..10 {
        assert_eq!(wrong(&app, "ada", &format!("198.51.100.{number}, junk-{number}")).await.status, 401);
    }
    assert_eq!(wrong(&app, "ada", "more junk").await.body, limited());
    assert_eq!(app.authenticate("ada", PASSWORD).await.body, limited(), "it has the proxy's own address");
}

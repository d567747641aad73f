//! The limits on guessing and on signing up, as those see them who guess, who are guessed at, and who do neither.

mod addresses;
mod devices;
mod guessing;
mod parallel;

use std::net::Ipv4Addr;

use countersign::Settings;
use countersign::settings::{Rate, RateLimits};
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App, MINUTE};
use crate::call::Call;

const WRONG: &str = "wrong horse battery";

/// So many in a quarter of an hour.
const fn quarter(count: u32) -> Rate {
    Rate { count, period: MINUTE.saturating_mul(15) }
}

/// A service behind a proxy on this machine, which says where requests come from.
async fn behind_a_proxy(rate_limits: RateLimits) -> App {
    let proxies = vec!["127.0.0.1/32".parse().unwrap()];
    App::start_with(|settings| Settings { trusted_proxies: proxies, rate_limits, ..settings }).await
}

/// A sign-in from this address, with this device cookie if there is one.
fn sign_in<'a>(app: &'a App, name: &str, password: &str, from: &str, device: Option<&str>) -> Call<'a> {
    let body = json!({"username": name, "password": password});
    let call = app.call(Method::POST, "/authenticate").json(&body).header("x-forwarded-for", from);
    match device {
        Some(device) => call.header("cookie", &format!("device={device}")),
        None => call,
    }
}

async fn wrong(app: &App, name: &str, from: &str) -> Answer {
    sign_in(app, name, WRONG, from, None).send().await
}

/// Wrong passwords for this account from as many addresses as it takes until no stranger may try any more.
async fn besiege(app: &App, name: &str) {
    for number in 0..1_000 {
        let from = Ipv4Addr::from(0xC633_6400 + number / 10);
        if wrong(app, name, &from.to_string()).await.status == 429 {
            return;
        }
    }
    panic!("there is no limit");
}

fn limited() -> Value {
    crate::app::problem(429, "Too Many Requests", "rate_limited", "Too many attempts; try again later")
}

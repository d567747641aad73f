//! Known devices: whoever has signed in on one can't be locked out of it.

use countersign::names::Username;
use countersign::settings::RateLimits;
use countersign::{Settings, operator, user};
use reqwest::Method;
use serde_json::json;

use super::{WRONG, behind_a_proxy, besiege, limited, quarter, sign_in, wrong};
use crate::app::{App, DAY, PASSWORD};

const HOME: &str = "192.0.2.1";
const CAFE: &str = "203.0.113.7";

/// A siege that is over sooner than a hundred hashes later.
fn narrow() -> RateLimits {
    RateLimits { sign_in_account: quarter(12), sign_in_address: quarter(30), ..RateLimits::default() }
}

/// Somebody who has signed up and, at home, in.
async fn known_device(app: &App, name: &str) -> String {
    assert_eq!(app.sign_up(name).await.status, 201);
    mark(app, name, PASSWORD).await
}

async fn mark(app: &App, name: &str, password: &str) -> String {
    let answer = sign_in(app, name, password, HOME, None).send().await;
    answer.device_cookie().unwrap_or_else(|| panic!("{answer:?}"))
}

/// Whether the account, which is under siege, knows the device.
async fn is_known(app: &App, name: &str, password: &str, device: &str) -> bool {
    match sign_in(app, name, password, CAFE, Some(device)).send().await.status {
        200 => true,
        429 => false,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn each_sign_in_sets_a_cookie_that_only_sign_ins_receive() {
    let app = App::start().await;
    app.sign_up("ada").await;
    let answer = app.authenticate("ada", PASSWORD).await;
    let value = answer.device_cookie().unwrap();
    let attributes = "HttpOnly; Secure; SameSite=Strict; Path=/authenticate; Max-Age=31536000";
    assert_eq!(answer.set_cookies()[1], format!("device={value}; {attributes}"));
    let session = app.sign_in("ada").await;
    assert_eq!(app.refresh(&session.refresh_token).await.device_cookie(), None);
    assert_eq!(app.authenticate("ada", WRONG).await.set_cookies().len(), 0);

    let below = |settings| Settings {
        public_url: "http://localhost/auth".parse().unwrap(),
        cookie_secure: false,
        ..settings
    };
    let app = App::start_with(below).await;
    app.sign_up("ada").await;
    let answer = app.authenticate("ada", PASSWORD).await;
    let attributes = "HttpOnly; SameSite=Strict; Path=/auth/authenticate; Max-Age=31536000";
    assert!(answer.set_cookies()[1].ends_with(attributes), "{answer:?}");
}

// SEC-21
#[tokio::test]
async fn while_many_addresses_guess_the_owner_signs_in_from_a_known_device() {
    let app = behind_a_proxy(RateLimits::default()).await;
    let device = known_device(&app, "ada").await;
    besiege(&app, "ada").await;
    assert_eq!(
        sign_in(&app, "ada", PASSWORD, CAFE, None).send().await.body,
        limited(),
        "a stranger may not try"
    );
    for _ in 0..3 {
        assert!(is_known(&app, "ada", PASSWORD, &device).await);
    }
    assert_eq!(wrong(&app, "ada", CAFE).await.status, 429, "which does not help those who guess");
    for _ in 0..10 {
        assert_eq!(sign_in(&app, "ada", WRONG, CAFE, Some(&device)).send().await.status, 401);
    }
    assert!(!is_known(&app, "ada", PASSWORD, &device).await, "its allowance is one too");
}

// SEC-21
#[tokio::test]
async fn who_shares_an_address_with_a_guesser_signs_in_from_a_known_device() {
    let app = behind_a_proxy(narrow()).await;
    let device = known_device(&app, "ada").await;
    for name in 0..3 {
        for _ in 0..10 {
            assert_eq!(wrong(&app, &format!("name-{name}"), CAFE).await.status, 401);
        }
    }
    assert_eq!(wrong(&app, "name-11", CAFE).await.status, 429);
    assert!(is_known(&app, "ada", PASSWORD, &device).await);
}

// SEC-21
#[tokio::test]
async fn forged_altered_and_foreign_marks_make_an_unknown_device_and_no_error() {
    let app = behind_a_proxy(narrow()).await;
    let (of_ada, of_eve) = (known_device(&app, "ada").await, known_device(&app, "eve").await);
    besiege(&app, "ada").await;
    let mut altered = of_ada.clone().into_bytes();
    altered[20] = if altered[20] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    let (long, junk) = ("A".repeat(4_000), "A".repeat(of_ada.len()));
    for forged in
        [&of_eve, &altered, &of_ada[1..], &of_ada.to_lowercase(), &junk, &long, "", ".", "..", "\"", "é"]
    {
        let answer = sign_in(&app, "ada", PASSWORD, CAFE, None).header("cookie", &format!("device={forged}"));
        assert_eq!(answer.send().await.body, limited(), "{forged}");
    }
    let several = format!("device={junk}; device={of_eve}.{junk}; device={of_ada}");
    let answer = sign_in(&app, "ada", PASSWORD, CAFE, None).header("cookie", &several).send().await;
    assert_eq!(answer.status, 200, "the good one among them counts");
    assert_eq!(
        sign_in(&app, "eve", PASSWORD, CAFE, Some(&junk)).send().await.status,
        200,
        "junk harms nobody"
    );
}

// SEC-12
#[tokio::test]
async fn a_new_password_ends_every_mark_and_signing_out_everywhere_ends_none() {
    let app = behind_a_proxy(narrow()).await;
    let first = known_device(&app, "ada").await;
    let session = app.sign_in("ada").await;
    app.call(Method::DELETE, "/refresh/all").bearer(&session.access_token).send().await;
    besiege(&app, "ada").await;
    assert!(is_known(&app, "ada", PASSWORD, &first).await);

    let second = "a wholly other staple";
    let session = app.call(Method::POST, "/authenticate").header("cookie", &format!("device={first}"));
    let session = session.json(&json!({"username": "ada", "password": PASSWORD})).send().await;
    let token = session.body["access_token"].as_str().unwrap();
    let body = json!({"password": second, "current_password": PASSWORD});
    assert_eq!(app.call(Method::PATCH, "/me").bearer(token).json(&body).send().await.status, 200);
    besiege(&app, "ada").await;
    assert!(!is_known(&app, "ada", second, &first).await);

    app.advance(DAY);
    let under_second = mark(&app, "ada", second).await;
    let account = user::find_by_name(&app.service, &Username::parse("ada").unwrap()).await.unwrap().unwrap();
    operator::set_password(&app.service, &account.user, PASSWORD.into()).await.unwrap();
    besiege(&app, "ada").await;
    assert!(!is_known(&app, "ada", PASSWORD, &under_second).await, "an operator's password too");
}

#[tokio::test]
async fn a_mark_lasts_a_year_and_is_renewed_by_each_sign_in() {
    let app = behind_a_proxy(narrow()).await;
    let device = known_device(&app, "ada").await;
    app.advance(300 * DAY);
    let renewed = sign_in(&app, "ada", PASSWORD, HOME, Some(&device)).send().await.device_cookie().unwrap();
    app.advance(100 * DAY);
    besiege(&app, "ada").await;
    assert!(!is_known(&app, "ada", PASSWORD, &device).await);
    assert!(is_known(&app, "ada", PASSWORD, &renewed).await);
}

#[tokio::test]
async fn several_people_can_be_known_in_one_browser() {
    let app = behind_a_proxy(narrow()).await;
    let of_ada = known_device(&app, "ada").await;
    app.sign_up("bob").await;
    let answer = sign_in(&app, "bob", PASSWORD, HOME, Some(&of_ada)).send().await;
    let of_both = answer.device_cookie().unwrap();
    for name in ["ada", "bob"] {
        besiege(&app, name).await;
        assert!(is_known(&app, name, PASSWORD, &of_both).await, "{name}");
    }
    for number in 0..10 {
        let name = format!("guest-{number}");
        app.sign_up(&name).await;
        sign_in(&app, &name, PASSWORD, HOME, Some(&of_both)).send().await;
    }
    assert!(of_both.len() < 200);
}

// SEC-55: marks of a former key are recognised while it is a fallback.
#[tokio::test]
async fn a_mark_of_a_former_key_is_known_as_long_as_the_key_is_a_fallback() {
    let (old, new) = ("a former key: 7Rk2vQ9xLp4sWm8tZc1", "the present key: Hy3nB6uTe0dKf5gJ2a");
    let app = behind_a_proxy(narrow()).await;
    let settings = app.service.settings().clone();
    let with = |key: &str, fallbacks: &[&str]| Settings {
        secret_key: Some(key.into()),
        secret_key_fallbacks: fallbacks.iter().map(|key| (*key).into()).collect(),
        ..settings.clone()
    };
    let before = app.another_node(with(old, &[])).await;
    let device = known_device(&before, "ada").await;
    let after = app.another_node(with(new, &[old])).await;
    besiege(&after, "ada").await;
    assert!(is_known(&after, "ada", PASSWORD, &device).await);
    let without = app.another_node(with(new, &[])).await;
    assert!(!is_known(&without, "ada", PASSWORD, &device).await);
}

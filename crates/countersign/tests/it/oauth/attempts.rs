//! An attempt is one browser's and one provider's, good once and not for long.

use std::time::Duration;

use super::*;
use crate::call::join_all;

/// The state is worth nothing here: a refusal, nobody is sent anywhere, no cookie of a sign-in is set.
fn is_worthless(answer: &Answer) {
    assert_eq!((answer.status, answer.header("location")), (400, None), "{answer:?}");
    assert!(!answer.set_cookies().iter().any(|line| line.contains("refresh_token")), "{answer:?}");
}

// SEC-89
#[tokio::test]
async fn two_tabs_at_once_both_get_in_in_either_order() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    let first = ada.up_to_callback("stub").await;
    let second = ada.up_to_callback("stub").await;
    let third = ada.up_to_callback("stub").await;
    for callback in [second, third, first] {
        let back = ada.come_back(&callback).await;
        assert_eq!(sent_to(&back), (303, DONE), "{back:?}");
    }
    assert_eq!(ada.open_page().await.body["username"], "ada");
    assert_eq!(site.app.cell("SELECT count(*) FROM users"), "1");
    assert_eq!(site.app.cell("SELECT count(*) FROM oauth_attempts"), "0");
}

// SEC-89
#[tokio::test]
async fn a_callback_is_good_once() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    let callback = ada.up_to_callback("stub").await;
    assert_eq!(ada.come_back(&callback).await.status, 303);
    is_worthless(&ada.come_back(&callback).await);
    assert_eq!(ada.open_page().await.status, 200, "whoever was signed in is");
}

// SEC-89: login CSRF: the attacker's own callback, in the victim's browser.
#[tokio::test]
async fn a_callback_in_another_browser_is_worth_nothing_and_stays_good_in_its_own() {
    let site = Site::start().await;
    let (mut attacker, mut victim) = (site.visitor(), site.visitor());
    let callback = attacker.up_to_callback("stub").await;
    is_worthless(&victim.come_back(&callback).await);
    // The victim has an attempt under way too: its cookie is not the attacker's.
    let own = victim.up_to_callback("stub").await;
    is_worthless(&victim.come_back(&callback).await);
    assert_eq!(victim.come_back(&own).await.status, 303);
    assert_eq!(attacker.come_back(&callback).await.status, 303);
}

// SEC-89, SEC-90
#[tokio::test]
async fn a_callback_at_another_providers_address_is_worth_nothing() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    let callback = ada.up_to_callback("stub").await;
    let elsewhere = callback.replace("/oauth/stub/", "/oauth/poster/");
    is_worthless(&ada.come_back(&elsewhere).await);
    // Not even with the cookie, which no browser would send there.
    let cookie = ada.set_out("stub").await.set_cookies()[0].split(';').next().unwrap().to_owned();
    let answer = site.app.call(Method::GET, &elsewhere).header("cookie", &cookie).send().await;
    is_worthless(&answer);
    assert_eq!(ada.come_back(&callback).await.status, 303);
}

// SEC-89
#[tokio::test]
async fn states_that_are_swapped_altered_repeated_or_missing_are_worth_nothing() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    let (one, other) = (ada.up_to_callback("stub").await, ada.up_to_callback("stub").await);
    let parameter = |callback: &str, name: &str| {
        let url = Url::parse("http://localhost:8000").unwrap().join(callback).unwrap();
        url.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned()
    };
    let (state, others) = (parameter(&one, "state"), parameter(&other, "state"));
    let mut altered = state.clone();
    altered.replace_range(7..8, if &state[7..8] == "A" { "B" } else { "A" });
    for callback in [
        one.replace(&state, &altered),
        one.replace(&state, ""),
        one.replace("state=", "stat="),
        one.replace(&state, &state.to_lowercase()),
        format!("{one}&state={others}"),
        format!("{one}&state={state}"),
        format!("{one}&code=x"),
        format!("{one}&iss=x"),
        "/oauth/stub/callback".to_owned(),
        "/oauth/stub/callback?error=access_denied".to_owned(),
        format!("/oauth/stub/callback?code=x&state={}", "A".repeat(64)),
        format!("/oauth/stub/callback?code=x&state={}", "%00".repeat(64)),
    ] {
        is_worthless(&ada.come_back(&callback).await);
    }
    // The state of one attempt with the code of the other: its own state is spent, and the code is not its own.
    let swapped = one.replace(&parameter(&one, "code"), &parameter(&other, "code"));
    let back = ada.come_back(&swapped).await;
    assert_eq!(sent_to(&back), (303, refused_with("provider_error").as_str()), "PKCE binds the code");
    is_worthless(&ada.come_back(&one).await);
}

// SEC-89
#[tokio::test]
async fn whoever_takes_longer_than_ten_minutes_begins_anew() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    let sent = ada.set_out("stub").await;
    let cookie = sent.set_cookies()[0].split(';').next().unwrap().to_owned();
    let callback = ada.through_issuer(sent.header("location").unwrap()).await;
    site.advance(Duration::from_secs(600));
    is_worthless(&ada.come_back(&callback).await);
    // A browser whose clock is late still has the cookie.
    let late = site.app.call(Method::GET, &callback).header("cookie", &cookie).send().await;
    assert_eq!(sent_to(&late), (303, refused_with("sign_in_expired").as_str()));
    is_worthless(&site.app.call(Method::GET, &callback).header("cookie", &cookie).send().await);
    assert_eq!(site.app.cell("SELECT count(*) FROM users"), "0");
}

// SEC-89
#[tokio::test(flavor = "multi_thread")]
async fn of_64_callbacks_of_one_state_one_signs_in() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    let sent = ada.set_out("stub").await;
    let cookie = sent.set_cookies()[0].split(';').next().unwrap().to_owned();
    let callback = ada.through_issuer(sent.header("location").unwrap()).await;
    let calls = (0..64).map(|_| site.app.call(Method::GET, &callback).header("cookie", &cookie).send());
    let answers = join_all(calls).await;
    let (through, refused): (Vec<&Answer>, Vec<&Answer>) =
        answers.iter().partition(|answer| answer.status == 303);
    assert_eq!((through.len(), refused.len()), (1, 63));
    assert_eq!(sent_to(through[0]), (303, DONE));
    refused.into_iter().for_each(is_worthless);
    assert_eq!(site.app.cell("SELECT count(*) FROM sign_ins"), "1");
    assert_eq!(site.issuer.requests("/token"), 1);
}

/// However often somebody has pressed the button: when they are back, the browser keeps the newest twenty cookies.
#[tokio::test]
async fn cookies_of_attempts_that_came_to_nothing_do_not_pile_up() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    let oldest = ada.up_to_callback("stub").await;
    for _ in 0..29 {
        ada.set_out("stub").await;
    }
    let newest = ada.up_to_callback("stub").await;
    let back = ada.come_back(&newest).await;
    let deleted =
        cookies_of(&back).into_iter().filter(|(name, age)| name.starts_with("oauth_") && age == "0");
    assert_eq!(deleted.count(), 11);
    is_worthless(&ada.come_back(&oldest).await);
}

// SEC-18
#[tokio::test]
async fn an_address_is_sent_to_providers_so_often_and_no_oftener() {
    let site = Site::start_with(|mut settings| {
        settings.rate_limits.oauth.count = 3;
        settings
    })
    .await;
    let mut ada = site.visitor();
    let callback = ada.up_to_callback("stub").await;
    for _ in 0..2 {
        assert_eq!(ada.set_out("stub").await.status, 303);
    }
    let refused = ada.set_out("stub").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("900")), "{refused:?}");
    assert_eq!(site.app.cell("SELECT count(*) FROM oauth_attempts"), "3");
    assert_eq!(ada.come_back(&callback).await.status, 303, "who is there may come back");
    site.advance(Duration::from_secs(900));
    assert_eq!(ada.set_out("stub").await.status, 303);
}

#[tokio::test]
async fn new_accounts_count_as_sign_ups_of_their_address() {
    let site = Site::start_with(|mut settings| {
        settings.rate_limits.sign_up.count = 1;
        settings
    })
    .await;
    assert_eq!(sent_to(&site.visitor().sign_in().await), (303, DONE));
    site.issuer.set_person(Person::new("bob"));
    assert_eq!(sent_to(&site.visitor().sign_in().await), (303, refused_with("rate_limited").as_str()));
    site.issuer.set_person(Person::new("ada"));
    assert_eq!(sent_to(&site.visitor().sign_in().await), (303, DONE), "who has an account gets in");
}

// SEC-33
#[tokio::test]
async fn a_state_opens_nothing_but_its_callback() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    let callback = ada.up_to_callback("stub").await;
    let state = callback.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    assert_eq!(site.app.me(&state).await.code(), "access_token_invalid");
    assert_eq!(site.app.refresh(&state).await.code(), "refresh_token_invalid");
    let body = json!({"token": state});
    assert_eq!(site.app.post("/verify-email", body).await.code(), "invalid_token");
}

#[tokio::test]
async fn a_person_may_set_out_at_one_node_and_come_back_to_another_also_under_a_new_key() {
    let site = Site::start_with(|settings| Settings {
        secret_key: Some(SecretString::from("a key for tests: 7Rk2vQ9xLp4sWm8t")),
        ..settings
    })
    .await;
    let settings = site.app.service.settings().clone();
    let rekeyed = Settings {
        secret_key: Some(SecretString::from("another key for tests: 4Tn8wZ1yBc6d")),
        secret_key_fallbacks: settings.secret_key.iter().cloned().collect(),
        ..settings.clone()
    };
    for settings in [settings, rekeyed] {
        let sent = site.visitor().set_out("stub").await;
        let cookie = sent.set_cookies()[0].split(';').next().unwrap().to_owned();
        let callback = site.visitor().through_issuer(sent.header("location").unwrap()).await;
        let node = site.app.another_node(settings).await;
        let back = node.call(Method::GET, &callback).header("cookie", &cookie).send().await;
        assert_eq!(sent_to(&back), (303, DONE), "{back:?}");
    }
    assert_eq!(site.app.cell("SELECT count(*) FROM users"), "1");
}

//! `/me/identities`: linking, listing and removing.

use std::time::Duration;

use super::*;
use crate::app::PASSWORD;

/// Somebody who is signed in by a password.
async fn member<'s>(site: &'s Site, name: &str) -> Visitor<'s> {
    Visitor { site, browser: Browser::of(&site.app, name).await }
}

// SEC-97
#[tokio::test]
async fn an_identity_is_linked_from_a_signed_in_session_and_opens_the_account_from_then_on() {
    let site = Site::start().await;
    let mut eve = member(&site, "eve").await;
    let before = eve.browser.refresh_token().unwrap().to_owned();
    let callback = eve.up_to_link().await;
    let back = eve.come_back(&callback).await;
    assert_eq!(sent_to(&back), (303, DONE), "{back:?}");
    assert_eq!(eve.browser.refresh_token(), Some(before.as_str()), "no other sign-in took its place");
    let [identity] = &eve.identities().await[..] else { panic!() };
    assert_eq!((&identity["provider"], &identity["email"]), (&json!("stub"), &json!("ada@example.com")));
    assert_eq!(identity["last_used_at"], json!(null));
    let mut elsewhere = site.visitor();
    elsewhere.sign_in().await;
    assert_eq!(elsewhere.open_page().await.body["username"], "eve");
    assert_eq!(eve.identities().await[0]["last_used_at"], "2026-11-24T09:30:00.000Z");
}

// SEC-97: somebody's link, finished in a browser of another person.
#[tokio::test]
async fn a_link_is_finished_in_the_browser_in_which_it_was_asked_for() {
    let site = Site::start().await;
    let (mut eve, mut bob) = (member(&site, "eve").await, member(&site, "bob").await);
    let callback = eve.up_to_link().await;
    assert_eq!(bob.come_back(&callback).await.status, 400);
    assert!(bob.identities().await.is_empty() && eve.identities().await.is_empty());
    assert_eq!(sent_to(&eve.come_back(&callback).await), (303, DONE));
    assert_eq!(eve.identities().await.len(), 1);
}

// SEC-97
#[tokio::test]
async fn a_link_comes_to_nothing_once_its_sign_in_has_ended_or_the_identity_is_anothers() {
    let site = Site::start().await;
    let mut eve = member(&site, "eve").await;
    let callback = eve.up_to_link().await;
    eve.browser.sign_out().await;
    let back = eve.come_back(&callback).await;
    assert_eq!(sent_to(&back), (303, refused_with("session_ended").as_str()));
    let told = "SELECT detail FROM audit_events WHERE event = 'identity_link_failed'";
    // Failures are written soon, not at once.
    while site.app.cell(&format!("SELECT count(*) FROM ({told}) AS told")) == "0" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(site.app.cell(told), "session_ended");
    site.visitor().sign_in().await;
    eve.browser.sign_in("eve", PASSWORD).await;
    let callback = eve.up_to_link().await;
    let back = eve.come_back(&callback).await;
    assert_eq!(sent_to(&back), (303, refused_with("identity_in_use").as_str()));
    assert!(eve.identities().await.is_empty());
}

#[tokio::test]
async fn to_link_takes_a_good_access_token_a_known_provider_and_an_allowed_address() {
    let site = Site::start().await;
    let eve = member(&site, "eve").await;
    let ask = |path: &str, body: serde_json::Value| {
        site.app.call(Method::POST, path).bearer(&eve.browser.access_token).json(&body)
    };
    let refused = ask("/me/identities/stub", json!({"return_to": "https://evil.example"})).send().await;
    assert_eq!(refused.body["errors"]["return_to"][0]["code"], "invalid_return_to");
    assert_eq!(ask("/me/identities/stub", json!({"provider": "x"})).send().await.status, 400);
    assert_eq!(ask("/me/identities/nobody", json!({})).send().await.status, 404);
    let bare =
        site.app.call(Method::POST, "/me/identities/stub").bearer(&eve.browser.access_token).send().await;
    assert_eq!(bare.status, 200, "{bare:?}");
    assert_eq!(site.app.call(Method::POST, "/me/identities/stub").send().await.status, 401);
    site.issuer
        .misbehave("/.well-known/openid-configuration", Some(countersign_testbed::Misbehaviour::Closing));
    let other = Site::start().await;
    other
        .issuer
        .misbehave("/.well-known/openid-configuration", Some(countersign_testbed::Misbehaviour::Closing));
    let who = member(&other, "eve").await;
    let down =
        other.app.call(Method::POST, "/me/identities/stub").bearer(&who.browser.access_token).send().await;
    assert_eq!((down.status, down.code()), (503, "provider_unavailable"));
    assert!(down.header("retry-after").is_some());
}

// SEC-97
#[tokio::test]
async fn the_last_way_in_can_not_be_removed_and_others_identities_are_nobodys() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    ada.sign_in().await;
    ada.open_page().await;
    let id = ada.identities().await[0]["id"].as_str().unwrap().to_owned();
    let refused = ada.remove(&id).await;
    assert_eq!((refused.status, refused.code()), (409, "last_way_in"));
    let mut eve = member(&site, "eve").await;
    assert_eq!(eve.remove(&id).await.status, 404);
    for odd in ["0", "x", "-1", "%00", "9223372036854775808"] {
        assert_eq!(eve.remove(odd).await.status, 404, "{odd}");
    }
    site.issuer.set_person(Person::new("grace"));
    let callback = eve.up_to_link().await;
    eve.come_back(&callback).await;
    let id = eve.identities().await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(eve.remove(&id).await.status, 204);
    assert!(eve.identities().await.is_empty(), "this sign-in goes on");
    site.visitor().sign_in().await;
    assert_eq!(site.app.cell("SELECT count(*) FROM users WHERE username = 'grace'"), "1");
}

/// ASVS 7.5.1: whoever has got hold of a token must not be able to make a way in for themselves.
#[tokio::test]
async fn to_link_or_remove_takes_a_sign_in_that_is_not_older_than_ten_minutes() {
    let site = Site::start().await;
    let mut eve = member(&site, "eve").await;
    let callback = eve.up_to_link().await;
    eve.come_back(&callback).await;
    let id = eve.identities().await[0]["id"].as_str().unwrap().to_owned();
    site.advance(Duration::from_secs(601));
    eve.browser.refresh().await;
    let link = eve.browser.call(Method::POST, "/me/identities/stub").bearer(&eve.browser.access_token);
    let refused = [eve.browser.send(link).await, eve.remove(&id).await];
    for refused in refused {
        assert_eq!((refused.status, refused.code()), (403, "reauthentication_required"), "{refused:?}");
    }
    assert_eq!(eve.identities().await.len(), 1);
    eve.browser.sign_in("eve", PASSWORD).await;
    assert_eq!(eve.remove(&id).await.status, 204);
}

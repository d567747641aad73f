//! The audit trail of the flow, as its table holds it: every event with whom it concerns, and never a secret.

use std::collections::BTreeSet;

use countersign::Countersign;
use countersign::trail::{self, DETAILS, Event, Recorded, Whose};
use reqwest::Method;
use serde_json::json;

use crate::actors::Browser;
use crate::app::{App, MINUTE, PASSWORD, Session};
use crate::tidy::tree::{root, sources};

const NEW_PASSWORD: &str = "a wholly other staple";

/// The whole trail. Failures are written when the service is idle, and at the latest when it stops.
async fn trail_of(app: &App) -> Vec<Recorded> {
    app.service.shut_down().await;
    let reader =
        Countersign::open_with_clock(app.service.settings().clone(), app.clock.clone()).await.unwrap();
    trail::list(&reader, Whose::Everybodys, None, 1_000).await.unwrap()
}

fn words(events: &[Recorded]) -> Vec<(&str, &str, Option<&str>)> {
    events.iter().map(|event| (&*event.event, &*event.outcome, event.detail.as_deref())).collect()
}

async fn change(app: &App, token: &str, body: serde_json::Value) -> u16 {
    app.advance(MINUTE);
    app.call(Method::PATCH, "/me").bearer(token).json(&body).send().await.status
}

// SEC-107
#[tokio::test]
async fn every_act_of_an_owner_stands_in_the_trail_with_request_address_and_whom_it_concerns() {
    let app = App::start().await;
    let user = app.sign_up("ada").await.body["id"].as_str().unwrap().to_owned();
    app.advance(MINUTE);
    app.authenticate("ada", "wrong horse battery").await;
    app.advance(MINUTE);
    let token = app.sign_in("ada").await.access_token;
    assert_eq!(change(&app, &token, json!({"email": null, "current_password": "no"})).await, 403);
    assert_eq!(change(&app, &token, json!({"username": "Ada", "current_password": PASSWORD})).await, 200);
    let same = json!({"username": "Ada", "email": null, "current_password": PASSWORD});
    assert_eq!(change(&app, &token, same).await, 200, "and nothing has changed");
    let email = json!({"email": "ada@example.com", "current_password": PASSWORD});
    assert_eq!(change(&app, &token, email).await, 200);
    let password = json!({"password": NEW_PASSWORD, "current_password": PASSWORD});
    assert_eq!(change(&app, &token, password).await, 200);
    app.advance(MINUTE);
    app.call(Method::DELETE, "/me")
        .bearer(&token)
        .json(&json!({"current_password": NEW_PASSWORD}))
        .send()
        .await;
    let events = trail_of(&app).await;
    let expected = [
        ("sign_up", "success", None),
        ("sign_in_failed", "failure", Some("wrong_password")),
        ("sign_in", "success", None),
        ("password_check_failed", "failure", None),
        ("username_changed", "success", Some("ada to Ada")),
        ("email_changed", "success", Some("set")),
        ("password_changed", "success", None),
        ("user_deleted", "success", None),
    ];
    assert_eq!(words(&events), expected);
    for event in &events {
        assert_eq!(event.user.unwrap().to_string(), user, "{event:?}");
        assert_eq!(event.address.as_deref(), Some("127.0.0.1"), "{event:?}");
        assert_eq!(event.request_id.as_ref().map(String::len), Some(26), "{event:?}");
        assert_eq!(event.times, 1);
    }
    let of_the_sign_in = events.iter().filter(|event| event.sign_in.is_some()).count();
    assert_eq!(of_the_sign_in, 6, "all but the sign-up and the failed sign-in");
}

/// Signs in, a minute later than all that was before.
async fn later(app: &App) -> Session {
    app.advance(MINUTE);
    app.sign_in("ada").await
}

// SEC-107
#[tokio::test]
async fn every_refusal_stands_in_the_trail() {
    let app = App::start().await;
    app.sign_up("ada").await;
    let stolen = later(&app).await.refresh_token;
    app.refresh(&stolen).await;
    app.advance(MINUTE / 60);
    app.refresh(&stolen).await;
    for _ in 0..2 {
        app.advance(MINUTE);
        app.refresh(&stolen).await;
    }
    app.advance(MINUTE);
    app.refresh("made up").await;
    app.call(Method::POST, "/refresh").send().await;
    app.advance(MINUTE);
    app.authenticate("nobody", PASSWORD).await;
    app.authenticate("no name at all", PASSWORD).await;
    let events = trail_of(&app).await;
    let expected = [
        ("sign_up", "success", None),
        ("sign_in", "success", None),
        ("refresh_refused", "failure", Some("spent")),
        ("refresh_token_reuse_detected", "failure", None),
        ("refresh_refused", "failure", Some("revoked")),
        ("refresh_refused", "failure", Some("invalid")),
    ];
    let (before, failed) = events.split_at(expected.len());
    assert_eq!(words(before), expected);
    let alike = ("sign_in_failed", "failure", Some("unknown_name"));
    assert!(words(failed).iter().all(|words| *words == alike), "{failed:?}");
    // One row, unless the machine was so slow that the first was written before the second came.
    assert_eq!(failed.iter().map(|event| event.times).sum::<u64>(), 2, "one kind of failure: {failed:?}");
}

// SEC-107
#[tokio::test]
async fn every_end_stands_in_the_trail() {
    let app = App::start().await;
    app.sign_up("ada").await;
    app.sign_out(&later(&app).await.refresh_token).await;
    let old = later(&app).await.refresh_token;
    app.advance(MINUTE);
    let body = json!({"username": "ada", "password": PASSWORD});
    let replacing = app.call(Method::POST, "/authenticate").refresh_cookie(&old).json(&body);
    let here = Session::of(&replacing.send().await).access_token;
    later(&app).await;
    let listed = app.get("/sessions").bearer(&here).send().await.body;
    let other = listed["sessions"][0]["id"].as_str().unwrap();
    app.advance(MINUTE);
    app.call(Method::DELETE, &format!("/sessions/{other}")).bearer(&here).send().await;
    app.advance(MINUTE);
    app.call(Method::DELETE, "/refresh/all").bearer(&here).send().await;
    let events = trail_of(&app).await;
    let mut expected = [
        ("sign_up", "success", None),
        ("sign_in", "success", None),
        ("sign_out", "success", None),
        ("sign_in", "success", None),
        ("sign_in", "success", None),
        ("sign_in_revoked", "success", Some("replaced")),
        ("sign_in", "success", None),
        ("sign_in_revoked", "success", Some("ended_by_owner")),
        ("sign_out_everywhere", "success", None),
    ];
    // What one transaction files has one instant, and so no order.
    let mut found = words(&events);
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

// SEC-53, SEC-108: people type their password where the name belongs, and it must not lie in a table for that.
#[tokio::test]
async fn no_secret_and_nothing_that_was_typed_in_vain_stands_in_the_trail() {
    let app = App::start().await;
    let mut browser = Browser::of(&app, "ada").await;
    let mut secrets = vec![PASSWORD.to_owned(), NEW_PASSWORD.to_owned(), browser.access_token.clone()];
    secrets.push(browser.refresh_token().unwrap().to_owned());
    browser.refresh().await;
    secrets.extend([browser.refresh_token().unwrap().to_owned(), browser.access_token.clone()]);
    app.authenticate(PASSWORD, "x").await;
    app.authenticate("Typed-Instead-Of-A-Name", "x").await;
    app.authenticate("eve\r\n\u{1b}[2J", NEW_PASSWORD).await;
    app.refresh(&format!("{}x", secrets[3])).await;
    let agent = format!("\u{202e}{}", "y".repeat(200));
    let body = json!({"username": "ada", "password": PASSWORD});
    let odd = app.call(Method::POST, "/authenticate").raw_header("user-agent", agent.as_bytes()).json(&body);
    assert_eq!(odd.send().await.status, 200);
    secrets.push("Typed-Instead".to_owned());
    let events = trail_of(&app).await;
    assert!(events.len() >= 5, "{events:#?}");
    let text = format!("{events:?}");
    for secret in &secrets {
        assert!(!text.contains(secret.as_str()), "{secret} in {text}");
    }
    assert!(!text.contains(['\r', '\n', '\u{1b}', '\u{202e}']));
    assert!(events.iter().all(|event| event.detail.as_ref().is_none_or(|it| it.chars().count() < 280)));
}

/// The words of a table of the page, by the heading that it stands under.
fn documented(heading: &str) -> BTreeSet<(String, String)> {
    let page = std::fs::read_to_string(root().join("docs/reference/audit.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap().to_owned();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split(" | ").map(|cell| cell.trim_matches(['|', ' ', '`']).to_owned()));
    cells.map(|mut cells| (cells.next().unwrap(), cells.next().unwrap())).collect()
}

#[test]
fn the_page_names_every_event_and_every_detail_and_none_besides() {
    let events = Event::ALL.iter().map(|event| (event.word().to_owned(), event.outcome().word().to_owned()));
    assert_eq!(documented("Events"), events.collect());
    let details = DETAILS.iter().map(|(word, meaning)| ((*word).to_owned(), (*meaning).to_owned()));
    assert_eq!(documented("Details"), details.collect());
}

#[test]
fn every_word_that_the_code_gives_as_a_detail_is_known() {
    let mut seen = 0;
    for source in sources().iter().filter(|source| source.path.starts_with("crates/countersign/src/")) {
        for after in source.text.split(".because(\"").skip(1) {
            let word = after.split('"').next().unwrap();
            assert!(DETAILS.iter().any(|(known, _)| *known == word), "{}: {word}", source.path);
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen}");
}

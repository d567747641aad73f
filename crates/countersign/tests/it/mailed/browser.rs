//! The pages behind the links in a real browser: nothing happens by itself, and a person gets through with the keyboard.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::app::{App, PASSWORD};
use crate::postbox::Mail;

/// Names a folder in which the pages are to be shown as they looked.
const SCREENSHOTS: &str = "COUNTERSIGN_TEST_SCREENSHOTS";

/// Where Chromium is. Where it isn't, the tests say so loudly and prove nothing, but in CI they fail.
fn chromium() -> Option<&'static str> {
    let places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let found = places.into_iter().find(|place| Path::new(place).exists());
    let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(found.is_some() || !is_ci, "there is no Chromium: install the Debian package chromium");
    if found.is_none() {
        println!("\n*** SKIPPED, NOTHING WAS TESTED: there is no Chromium ***\n");
    }
    found
}

/// Does the scenario on the page of the mail's link, and returns what was seen.
fn watch(app: &App, chromium: &str, scenario: &str, language: &str, mail: &Mail) -> Value {
    let url = app.url(mail.link().split("localhost:8000").nth(1).unwrap());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/pages.mjs");
    let mut node = Command::new("node");
    let profile = tempfile::tempdir().unwrap();
    node.arg(script).arg(chromium).arg(profile.path()).args([scenario, language, &url]);
    if let Some(folder) = std::env::var_os(SCREENSHOTS) {
        node.arg(folder);
    }
    let output = node.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What holds for both pages. The fragment went to no server.
fn is_well_behaved(app: &App, seen: &Value, language: &str, mail: &Mail) {
    assert_eq!(seen["posted_by_itself"], false, "{seen:#}");
    assert_eq!((&seen["complaints"], &seen["unnamed"]), (&json!([]), &json!(0)), "{seen:#}");
    assert_eq!((&seen["lang"], &seen["hash_is_gone"]), (&json!(language), &json!(true)), "{seen:#}");
    let requests: Vec<&str> =
        seen["requests"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let own = |request: &&str| request.contains(&app.url("/")) || request.contains(" data:");
    assert!(requests.iter().all(own), "{seen:#}");
    // The browser's own protocol tells the fragment apart from the address that is asked for.
    assert!(!requests.iter().any(|request| request.contains(mail.token())), "{seen:#}");
}

// SEC-63, SEC-88
#[tokio::test(flavor = "multi_thread")]
async fn a_person_confirms_an_address_by_the_keyboard_alone() {
    let Some(chromium) = chromium() else { return };
    for (language, title) in [("en", "Confirm your e-mail address"), ("de", "E-Mail-Adresse bestätigen")] {
        let app = App::start().await;
        let body = json!({"username": "ada", "password": PASSWORD, "email": "ada@example.com"});
        app.post("/users", body).await;
        let token = app.sign_in("ada").await.access_token;
        app.ask_for_link(&token).await;
        let mail = app.last_mail().await;
        let seen = watch(&app, chromium, "verify", language, &mail);
        is_well_behaved(&app, &seen, language, &mail);
        assert_eq!((&seen["title"], &seen["focused"]), (&json!(title), &json!("confirm")), "{seen:#}");
        assert_eq!(app.me(&token).await.body["email_verified"], true);
    }
}

// SEC-63, SEC-85, SEC-88
#[tokio::test(flavor = "multi_thread")]
async fn a_person_sets_a_new_password_and_sees_which_rules_it_meets() {
    let Some(chromium) = chromium() else { return };
    for language in ["en", "de"] {
        let app = App::start().await;
        app.confirmed("ada", "ada@example.com").await;
        let mail = app.forgotten("ada@example.com").await;
        let seen = watch(&app, chromium, "reset", language, &mail);
        is_well_behaved(&app, &seen, language, &mail);
        assert_eq!(seen["four_digits"], json!(["unmet", "unmet", ""]), "{seen:#}");
        assert_eq!(seen["common_typed"], json!(["met", "met", ""]), "{seen:#}");
        assert_eq!(seen["common_saved"], json!(["unmet", "true"]), "{seen:#}");
        assert_eq!((&seen["form_is_gone"], &seen["controls"]), (&json!(true), &json!(3)), "{seen:#}");
        assert_eq!(app.authenticate("ada", "a wholly other staple").await.status, 200);
    }
}

use proptest::prelude::*;

use crate::oauth::return_to::{judge, with_error};
use crate::settings::{ReturnUrl, Settings, Url};

const HOSTILE: &str = include_str!("../hostile_return_urls.json");
const APP: &str = "app.example";
const OWN: &str = "id.example";

fn settings() -> Settings {
    let url = |text: &str| Url::parse(text).unwrap();
    Settings {
        public_url: url("https://id.example/auth"),
        allowed_return_urls: vec![
            ReturnUrl { url: url("https://app.example/done"), below: false },
            ReturnUrl { url: url("https://app.example/in/"), below: true },
            ReturnUrl { url: url("http://localhost:3000/"), below: true },
        ],
        ..Settings::default()
    }
}

fn judged(asked: &str) -> Option<String> {
    judge(&settings(), Some(asked)).map(|url| url.to_string())
}

#[test]
fn what_the_operator_named_is_allowed_and_public_url_always() {
    for (asked, sent) in [
        ("https://app.example/done", "https://app.example/done"),
        ("https://app.example:443/done", "https://app.example/done"),
        ("HTTPS://APP.example/done", "https://app.example/done"),
        ("https://app.example/x/../done", "https://app.example/done"),
        ("https://app.example/in/", "https://app.example/in/"),
        ("https://app.example/in/a/b?c=d&e=%2f", "https://app.example/in/a/b?c=d&e=%2f"),
        ("http://localhost:3000/anything", "http://localhost:3000/anything"),
        ("https://id.example/auth", "https://id.example/auth"),
    ] {
        assert_eq!(judged(asked).as_deref(), Some(sent), "{asked}");
    }
    assert_eq!(judge(&settings(), None).unwrap().as_str(), "https://id.example/auth");
    assert_eq!(judge(&Settings::default(), None).unwrap().as_str(), "http://localhost:8000/");
    assert!(judge(&Settings::default(), Some("http://localhost:8000")).is_some());
}

// SEC-95
#[test]
fn no_hostile_address_is_allowed_whatever_host_it_names() {
    let hostile: Vec<String> = serde_json::from_str(HOSTILE).unwrap();
    assert!(hostile.len() >= 100, "{}", hostile.len());
    let base = Url::parse("https://id.example/auth/oauth/google").unwrap();
    let (mut foreign, mut own, mut none) = (0, 0, 0);
    for asked in &hostile {
        assert_eq!(judged(asked), None, "{asked:?}");
        // What a browser would make of it in a `Location` of ours.
        match base.join(asked).map(|url| url.host_str().unwrap_or_default().to_owned()) {
            Ok(host) if host == APP || host == OWN => own += 1,
            Ok(_) => foreign += 1,
            Err(_) => none += 1,
        }
    }
    assert!(foreign >= 60 && own >= 40 && none >= 5, "{foreign} {own} {none}: the table has lost its point");
}

#[test]
fn an_error_is_put_behind_the_query_that_there_is() {
    let with = |to: &str| with_error(&Url::parse(to).unwrap(), "access_denied").to_string();
    assert_eq!(with("https://app.example/in/"), "https://app.example/in/?error=access_denied");
    assert_eq!(
        with("https://app.example/in/?a=%2f&b"),
        "https://app.example/in/?a=%2f&b&error=access_denied"
    );
}

proptest! {
    // SEC-95: whatever is let through leads, for a browser, to a place that the operator named.
    #[test]
    fn what_is_allowed_leads_where_the_operator_said(asked in hostile_text()) {
        if let Some(sent) = judged(&asked) {
            let read = Url::parse(&sent).unwrap();
            let place = (read.scheme(), read.host_str().unwrap(), read.port_or_known_default());
            let is_named = match place {
                ("https", APP, Some(443)) => read.path() == "/done" || read.path().starts_with("/in/"),
                ("https", OWN, Some(443)) => read.path() == "/auth",
                ("http", "localhost", Some(3000)) => true,
                _ => false,
            };
            prop_assert!(is_named, "{asked:?} leads to {sent}");
            prop_assert!(read.username().is_empty() && read.password().is_none() && read.fragment().is_none());
            prop_assert_eq!(Url::parse(&asked).unwrap(), read);
        }
    }
}

/// Pieces of addresses in any order, so that many come close.
fn hostile_text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "https:",
        "http:",
        "//",
        "/",
        "\\",
        "app.example",
        "id.example",
        "evil.example",
        "localhost:3000",
        "@",
        ":",
        ":443",
        "/in/",
        "/done",
        "/auth",
        "..",
        "%2e%2e",
        "%2f",
        "?",
        "#",
        "\t",
        "\n",
        " ",
        "a",
        ".",
        "\u{3002}",
        "%",
        "javascript:",
        "[",
        "]",
        "&",
    ]);
    prop_oneof![
        prop::collection::vec(pieces.clone(), 0..9).prop_map(|pieces| pieces.concat()),
        prop::collection::vec(pieces, 0..6)
            .prop_map(|pieces| format!("https://app.example{}", pieces.concat())),
        "\\PC{0,60}",
    ]
}

//! The whole way in a real browser. The issuer is at 127.0.0.1, which is another site than localhost: what comes back from
//! there comes from a third party.

use std::path::Path;
use std::process::Command;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use serde_json::{Value, json};

use super::*;

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

/// A page of an application on another port of localhost: another origin, the same site. It asks who is signed in.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>App</title><link rel="icon" href="data:,">
<a id="stub" href="SERVICE/oauth/stub?return_to=HERE?back">Sign in</a>
<a id="poster" href="SERVICE/oauth/poster?return_to=HERE?back">Sign in, by a form</a>
<p id="who"></p>
<script>
async function who() {
  const refreshed = await fetch("SERVICE/refresh", { method: "POST", credentials: "include" });
  if (!refreshed.ok) { return "nobody: " + (await refreshed.json()).code; }
  const { access_token } = await refreshed.json();
  const me = await fetch("SERVICE/me", { headers: { authorization: "Bearer " + access_token } });
  return (await me.json()).username;
}
function show() { return who().then((text) => { document.getElementById("who").textContent = text; }); }
show();
// A page that comes out of the browser's memory shows what it showed then.
addEventListener("pageshow", (event) => { if (event.persisted) { show(); } });
</script>"#;

/// Serves the page, and returns its address.
async fn application() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = format!("http://localhost:{}/app", listener.local_addr().unwrap().port());
    let page = PAGE.replace("SERVICE", "http://localhost:8000").replace("HERE", &here);
    let router = Router::new().route("/app", get(move || async move { Html(page.clone()) }));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    here
}

/// Does the scenario, and returns the site and what was seen.
async fn watch(chromium: &str, scenario: &str, provider: &str) -> (Site, String, Value) {
    let here = application().await;
    let origin = here.strip_suffix("/app").unwrap().to_owned();
    let return_to = ReturnUrl { url: Url::parse(&format!("{here}?back")).unwrap(), below: false };
    let site = Site::start_with(|mut settings| {
        settings.cors_allowed_origins.push(origin);
        settings.allowed_return_urls.push(return_to);
        settings
    })
    .await;
    let rules = format!("MAP localhost:8000 127.0.0.1:{}", site.app.address.port());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/oauth.mjs");
    let profile = tempfile::tempdir().unwrap();
    let mut node = Command::new("node");
    node.arg(script).arg(chromium).arg(profile.path()).args([scenario, &rules, &here, provider]);
    let output = node.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (site, here, serde_json::from_slice(&output.stdout).unwrap())
}

// SEC-96
#[tokio::test(flavor = "multi_thread")]
async fn a_person_comes_back_from_a_third_party_signed_in_and_the_page_can_refresh() {
    let Some(chromium) = chromium() else { return };
    for provider in ["stub", "poster"] {
        let (site, here, seen) = watch(chromium, "roundTrip", provider).await;
        assert_eq!(seen["before"], "nobody: refresh_token_missing", "{provider} {seen:#}");
        assert_eq!((&seen["after"], &seen["cookies"]), (&json!("ada"), &json!("")), "{provider} {seen:#}");
        assert_eq!(
            seen["address"],
            format!("{here}?back"),
            "{provider}: nothing secret stays in the address"
        );
        assert_eq!(site.app.cell("SELECT count(*) FROM sign_ins"), "1");
        let posted =
            seen["visited"].as_array().unwrap().iter().any(|it| it.as_str().unwrap().starts_with("POST"));
        assert_eq!(posted, provider == "poster", "{seen:#}");
    }
}

// SEC-89
#[tokio::test(flavor = "multi_thread")]
async fn three_tabs_that_set_out_together_all_come_back() {
    let Some(chromium) = chromium() else { return };
    let (site, _, seen) = watch(chromium, "tabsAtOnce", "stub").await;
    assert_eq!(seen["seen"], json!(["ada", "ada", "ada"]), "{seen:#}");
    assert_eq!(site.app.cell("SELECT count(*) FROM users"), "1");
    assert_eq!(site.app.cell("SELECT count(*) FROM oauth_attempts"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_back_button_leads_before_the_sign_in_and_an_answer_from_the_history_to_a_page() {
    let Some(chromium) = chromium() else { return };
    let (site, here, seen) = watch(chromium, "back", "stub").await;
    assert_eq!(seen["entries"], json!(["about:blank", here, format!("{here}?back")]), "{seen:#}");
    assert_eq!((&seen["before"], &seen["after"]), (&json!("ada"), &json!("ada")), "{seen:#}");
    assert_eq!((&seen["title"], &seen["moved"]), (&json!("This sign-in is over"), &json!(0)), "{seen:#}");
    assert_eq!(seen["onward"], "http://localhost:8000/");
    assert_eq!(site.app.cell("SELECT count(*) FROM sign_ins"), "1", "nobody is signed in twice");
}

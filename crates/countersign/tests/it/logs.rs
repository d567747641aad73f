//! What the log says of the flow: every event that somebody may ask about, and never a secret, at any level.

use std::cell::RefCell;
use std::fmt::{Debug, Write as _};
use std::sync::Once;

use countersign::settings::Url;
use reqwest::Method;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::actors::Browser;
use crate::app::{App, MINUTE, PASSWORD};
use crate::oauth::Site;

thread_local! {
    /// What was logged on this thread since somebody began to listen; a test's service runs on the test's thread.
    static HEARD: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// The process's subscriber: a thread's own would miss what another thread met first.
struct Recorder;

/// The lines of this thread, from here on.
struct Log;

impl Log {
    fn listen() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| tracing::subscriber::set_global_default(Recorder).unwrap());
        HEARD.set(Some(Vec::new()));
        Self
    }

    fn lines(&self) -> Vec<String> {
        HEARD.with_borrow(|heard| heard.clone().unwrap_or_default())
    }

    /// The words of the audit's events, in their order.
    fn audited(&self) -> Vec<String> {
        let lines = self.lines();
        let audit = lines.iter().filter(|line| line.contains("countersign::audit"));
        audit
            .map(|line| line.split("event=\"").nth(1).unwrap().split('"').next().unwrap().to_owned())
            .collect()
    }
}

fn hear(line: Line) {
    HEARD.with_borrow_mut(|heard| heard.iter_mut().for_each(|lines| lines.push(line.0.clone())));
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut line = Line(format!("span {}", attributes.metadata().name()));
        attributes.record(&mut line);
        hear(line);
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, values: &Record<'_>) {
        let mut line = Line("record".to_owned());
        values.record(&mut line);
        hear(line);
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("{} {}", event.metadata().level(), event.metadata().target()));
        event.record(&mut line);
        hear(line);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

// SEC-107
#[tokio::test]
async fn every_event_that_an_auditor_asks_about_is_logged_with_whom_it_concerns() {
    let log = Log::listen();
    let app = App::start().await;
    let user = app.sign_up("ada").await.body["id"].as_str().unwrap().to_owned();
    app.authenticate("ada", "wrong horse battery").await;
    let stolen = app.sign_in("ada").await.refresh_token;
    app.refresh(&stolen).await;
    app.advance(MINUTE);
    app.refresh(&stolen).await;
    app.sign_out(&app.sign_in("ada").await.refresh_token).await;
    let token = app.sign_in("ada").await.access_token;
    app.call(Method::DELETE, "/refresh/all").bearer(&token).send().await;
    let token = app.sign_in("ada").await.access_token;
    for body in [json!({"username": "Ada"}), json!({"password": "a wholly other staple"})] {
        let mut body = body;
        body["current_password"] = json!(PASSWORD);
        app.call(Method::PATCH, "/me").bearer(&token).json(&body).send().await;
    }
    let body = json!({"current_password": "a wholly other staple"});
    app.call(Method::DELETE, "/me").bearer(&token).json(&body).send().await;
    let expected = [
        "sign_up",
        "sign_in_failed",
        "sign_in",
        "refresh_token_reuse_detected",
        "sign_in",
        "sign_out",
        "sign_in",
        "sign_out_everywhere",
        "sign_in",
        "username_changed",
        "password_changed",
        "user_deleted",
    ];
    assert_eq!(log.audited(), expected);
    let lines = log.lines();
    let reuse = lines.iter().find(|line| line.contains("refresh_token_reuse_detected")).unwrap();
    assert!(reuse.starts_with("WARN") && reuse.contains(&format!("user={user}")), "{reuse}");
    let failed = lines.iter().find(|line| line.contains("sign_in_failed")).unwrap();
    assert!(failed.contains("address=127.0.0.1"), "{failed}");
    let audit = lines.iter().filter(|line| line.contains("countersign::audit"));
    let nameless: Vec<_> = audit.filter(|line| !line.contains("request_id=\"")).collect();
    assert!(nameless.is_empty(), "{nameless:?}");
}

// SEC-107
#[tokio::test]
async fn a_limit_that_is_reached_is_logged_once_however_much_is_refused_then() {
    let log = Log::listen();
    let app = App::start().await;
    let user = app.sign_up("ada").await.body["id"].as_str().unwrap().to_owned();
    for _ in 0..30 {
        app.authenticate("ada", "wrong horse battery").await;
    }
    let mut expected = vec!["sign_up"];
    expected.extend(["sign_in_failed"; 9]);
    expected.extend(["rate_limit_reached", "sign_in_failed"]);
    assert_eq!(log.audited(), expected);
    let lines = log.lines();
    let reached = lines.iter().find(|line| line.contains("rate_limit_reached")).unwrap();
    assert!(reached.contains(&format!("user={user}")) && reached.contains("address=127.0.0.1"), "{reached}");
}

// SEC-96
#[tokio::test]
async fn no_line_holds_what_travels_to_a_provider_and_back() {
    let log = Log::listen();
    let site = Site::start().await;
    let mut ada = site.visitor();
    let sent = ada.set_out("stub").await;
    let callback = ada.through_issuer(sent.header("location").unwrap()).await;
    ada.come_back(&callback).await;
    ada.come_back(&callback).await;
    let refused = ada.up_to_callback("stub").await;
    site.issuer.set_twist(Some(countersign_testbed::Twist::Unsigned));
    ada.come_back(&refused).await;
    let mut secrets = vec![ada.browser.refresh_token().unwrap().to_owned()];
    secrets.push(countersign_testbed::Issuer::CLIENT_SECRET.to_owned());
    secrets.push(sent.set_cookies()[0].split(['=', ';']).nth(1).unwrap().to_owned());
    for address in [sent.header("location").unwrap(), &format!("http://localhost{callback}")] {
        let url = Url::parse(address).unwrap();
        let secret = ["state", "nonce", "code", "code_challenge"];
        let pairs = url.query_pairs().filter(|(name, _)| secret.contains(&&**name));
        secrets.extend(pairs.map(|(_, value)| value.into_owned()));
    }
    secrets.push(site.issuer.received("/token")[0]["code_verifier"].clone());
    assert_eq!(secrets.len(), 9);
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("can't be believed")), "{lines:#?}");
    for line in &lines {
        assert!(secrets.iter().all(|secret| !line.contains(secret.as_str())), "{line}");
    }
}

// SEC-22
#[tokio::test]
async fn a_proxy_that_nobody_has_named_is_named_in_the_log() {
    let log = Log::listen();
    let app = App::start().await;
    let body = json!({"username": "ada", "password": PASSWORD});
    for number in 0..30 {
        let call = app.call(Method::POST, "/authenticate").json(&body);
        call.header("x-forwarded-for", &format!("198.51.100.{number}")).send().await;
    }
    let lines = log.lines();
    let named: Vec<_> = lines.iter().filter(|line| line.contains("trusted_proxies")).collect();
    assert!(named.len() == 1 && named[0].starts_with("WARN"), "{named:?}");
    assert!(named[0].contains("address=127.0.0.1"), "{named:?}");
}

// SEC-53, SEC-108
#[tokio::test]
async fn no_line_of_any_level_holds_a_secret() {
    const CANARY: &str = "canary password 7f3a";
    let log = Log::listen();
    let app = App::start().await;
    let mut browser = Browser::of(&app, "ada").await;
    let first = browser.refresh_token().unwrap().to_owned();
    let mut secrets =
        vec![PASSWORD.to_owned(), CANARY.to_owned(), first.clone(), browser.access_token.clone()];
    browser.refresh().await;
    secrets.extend([browser.refresh_token().unwrap().to_owned(), browser.access_token.clone()]);
    let body = json!({"username": "eve\r\n\u{1b}[31m\u{202e}", "password": CANARY});
    app.post("/users", body.clone()).await;
    app.post("/authenticate", body).await;
    app.get(&format!("/nowhere?token={first}")).bearer(&browser.access_token).send().await;
    app.refresh(&format!("{first}x")).await;
    app.call(Method::POST, "/users")
        .body("application/json", format!("{{\"password\": {CANARY}"))
        .send()
        .await;
    app.service.shut_down().await;
    app.refresh(browser.refresh_token().unwrap()).await;
    app.authenticate("ada", PASSWORD).await;
    secrets.push(app.cell("SELECT password_hash FROM users"));
    let lines = log.lines();
    assert!(lines.len() > 12, "the log was not heard: {lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("ERROR") || line.contains("status=503")), "{lines:#?}");
    for line in &lines {
        assert!(secrets.iter().all(|secret| !line.contains(secret.as_str())), "{line}");
        assert!(!line.contains(['\r', '\n', '\u{1b}', '\u{202e}']), "{line:?}");
    }
}

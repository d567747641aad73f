//! Sign in through another service, the whole way: to an issuer that listens on loopback, and back.

mod attempts;
mod browser;
mod identities;
mod pages;
mod round_trip;
mod without_password;

use axum::Router;
use countersign::secret::SecretString;
use countersign::settings::{OAuthProvider, ResponseMode, ReturnUrl, Url};
use countersign::{Countersign, Settings, router};
use countersign_testbed::{Issuer, Person};
use reqwest::Method;
use serde_json::json;

use crate::actors::Browser;
use crate::app::{Answer, App};

pub const DONE: &str = "https://app.example/in/done";

/// A service, and an issuer that vouches for people there.
pub struct Site {
    pub app: App,
    pub issuer: Issuer,
}

impl Site {
    pub async fn start() -> Self {
        Self::start_with(|settings| settings).await
    }

    pub async fn start_with(adjust: impl FnOnce(Settings) -> Settings) -> Self {
        Self::start_mounted("", adjust, router).await
    }

    /// With the router as somebody's application mounts it.
    pub async fn start_mounted(
        prefix: &'static str,
        adjust: impl FnOnce(Settings) -> Settings,
        mount: impl FnOnce(&Countersign) -> Router,
    ) -> Self {
        let issuer = Issuer::start();
        let with_provider = |settings| adjust(with_provider(settings, &issuer));
        let app = App::start_mounted(prefix, with_provider, mount).await;
        let site = Self { app, issuer };
        site.set_clocks_alike();
        site
    }

    /// The service's clock stands still, the issuer's doesn't.
    fn set_clocks_alike(&self) {
        #[expect(clippy::disallowed_methods, reason = "the issuer's clock is the machine's")]
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let here = self.app.clock.now().as_seconds();
        self.issuer.set_time_offset(here - i64::try_from(now).unwrap());
    }

    pub fn advance(&self, duration: std::time::Duration) {
        self.app.advance(duration);
        self.set_clocks_alike();
    }

    /// Somebody at a browser of their own.
    pub fn visitor(&self) -> Visitor<'_> {
        Visitor { site: self, browser: Browser::new(&self.app) }
    }
}

/// `stub` sends people back by a redirect, `poster` by a form; both are the one issuer.
fn with_provider(mut settings: Settings, issuer: &Issuer) -> Settings {
    for (name, response_mode) in [("stub", ResponseMode::Query), ("poster", ResponseMode::FormPost)] {
        let provider = OAuthProvider::new(Issuer::CLIENT_ID, SecretString::from(Issuer::CLIENT_SECRET));
        let provider = OAuthProvider { issuer: Some(issuer.url()), response_mode, ..provider };
        settings.oauth.insert(name.to_owned(), provider);
    }
    let url = Url::parse("https://app.example/in/").unwrap();
    settings.allowed_return_urls.push(ReturnUrl { url, below: true });
    settings
}

pub struct Visitor<'s> {
    pub site: &'s Site,
    pub browser: Browser<'s>,
}

impl Visitor<'_> {
    /// Presses the button of this provider. Returns where the service sends the browser.
    pub async fn set_out(&mut self, provider: &str) -> Answer {
        let path = format!("/oauth/{provider}?return_to={DONE}");
        self.browser.send(self.browser.sent_from_another_site(Method::GET, &path)).await
    }

    /// Goes to the issuer, and returns the path with which it sends the person back.
    pub async fn through_issuer(&self, url: &str) -> String {
        let answer = self.site.app.client.get(url).send().await.unwrap();
        let back = answer.headers()["location"].to_str().unwrap().to_owned();
        let service = format!("http://localhost:8000{}", self.site.app.prefix);
        back.strip_prefix(&service).unwrap().to_owned()
    }

    /// Sets out and signs in there: the path of the callback, not called yet.
    pub async fn up_to_callback(&mut self, provider: &str) -> String {
        let sent = self.set_out(provider).await;
        assert_eq!(sent.status, 303, "{sent:?}");
        self.through_issuer(sent.header("location").unwrap()).await
    }

    pub async fn come_back(&mut self, callback: &str) -> Answer {
        self.browser.send(self.browser.sent_from_another_site(Method::GET, callback)).await
    }

    /// The whole way.
    pub async fn sign_in(&mut self) -> Answer {
        let callback = self.up_to_callback("stub").await;
        self.come_back(&callback).await
    }

    /// What the page does to which the person returns.
    pub async fn open_page(&mut self) -> Answer {
        let refreshed = self.browser.refresh().await;
        assert_eq!(refreshed.status, 200, "{refreshed:?}");
        let me = self.browser.me().await;
        assert_eq!(me.status, 200, "{me:?}");
        me
    }

    /// Asks to link an identity, and goes to the issuer.
    pub async fn up_to_link(&mut self) -> String {
        let call = self.browser.call(Method::POST, "/me/identities/stub").bearer(&self.browser.access_token);
        let answer = self.browser.send(call.json(&json!({"return_to": DONE}))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.through_issuer(answer.body["authorization_url"].as_str().unwrap()).await
    }

    /// The identities of whoever is signed in.
    pub async fn identities(&mut self) -> Vec<serde_json::Value> {
        let call = self.browser.call(Method::GET, "/me/identities").bearer(&self.browser.access_token);
        let answer = self.browser.send(call).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["identities"].as_array().unwrap().clone()
    }

    pub async fn remove(&mut self, id: &str) -> Answer {
        let path = format!("/me/identities/{id}");
        let call = self.browser.call(Method::DELETE, &path).bearer(&self.browser.access_token);
        self.browser.send(call).await
    }
}

/// Where the answer sends the browser, with the word of the error if there is one.
pub fn sent_to(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.header("location").unwrap_or_default())
}

pub fn refused_with(word: &str) -> String {
    format!("{DONE}?error={word}")
}

/// The names of the cookies that the answer sets or deletes, with their age.
pub fn cookies_of(answer: &Answer) -> Vec<(String, String)> {
    let read = |line: &&str| {
        let name = line.split('=').next().unwrap().to_owned();
        let age = line.split("Max-Age=").nth(1).unwrap().split(';').next().unwrap().to_owned();
        (name, age)
    };
    answer.set_cookies().iter().map(read).collect()
}

//! Who asks: a browser, a native client, a program with a token, an attacker.

use reqwest::Method;
use serde_json::json;

use crate::app::{Answer, App, PASSWORD};
use crate::call::Call;
use crate::jar::{Jar, Place};

/// A person's browser: a jar that it obeys, and an access token in a page's memory.
pub struct Browser<'a> {
    app: &'a App,
    pub jar: Jar,
    pub access_token: String,
}

impl<'a> Browser<'a> {
    pub fn new(app: &'a App) -> Self {
        Self { app, jar: Jar::default(), access_token: String::new() }
    }

    /// A browser whose owner has signed up and in.
    pub async fn of(app: &'a App, username: &str) -> Self {
        assert_eq!(app.sign_up(username).await.status, 201);
        let mut browser = Self::new(app);
        assert_eq!(browser.sign_in(username, PASSWORD).await.status, 200);
        browser
    }

    /// The request that a page of the service's own site makes.
    pub fn call(&self, method: Method, path: &str) -> Call<'a> {
        let origin = self.app.service.settings().origin();
        let call =
            self.app.call(method, path).header("origin", &origin).header("sec-fetch-site", "same-origin");
        match self.cookies(path, true) {
            Some(cookies) => call.header("cookie", &cookies),
            None => call,
        }
    }

    /// The request that a page of another site makes this browser send.
    pub fn call_from_another_site(&self, method: Method, path: &str) -> Call<'a> {
        let call = self.app.call(method, path);
        let call = call.header("origin", "https://evil.example").header("sec-fetch-site", "cross-site");
        match self.cookies(path, false) {
            Some(cookies) => call.header("cookie", &cookies),
            None => call,
        }
    }

    /// What happens when another site sends the person to this service: by a link, a redirect or a form.
    pub fn sent_from_another_site(&self, method: Method, path: &str) -> Call<'a> {
        let call = self.app.call(method.clone(), path);
        let call = call.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let call = call.header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate");
        // A form of another site brings no cookie that is Lax, a link does.
        let path = format!("{}{}", self.app.prefix, without_query(path));
        let place = Place { is_link: method == Method::GET, ..Self::place(self.app, &path, false) };
        match self.jar.send(place, self.app.clock.now()) {
            Some(cookies) => call.header("cookie", &cookies),
            None => call,
        }
    }

    fn cookies(&self, path: &str, same_site: bool) -> Option<String> {
        let path = format!("{}{}", self.app.prefix, without_query(path));
        self.jar.send(Self::place(self.app, &path, same_site), self.app.clock.now())
    }

    /// The browser knows the public URL, whatever the port that the test listens on.
    fn place<'p>(app: &'p App, path: &'p str, same_site: bool) -> Place<'p> {
        let url = &app.service.settings().public_url;
        let (host, secure) = (url.host_str().unwrap(), url.scheme() == "https");
        Place { host, path, secure, same_site, is_link: false }
    }

    pub async fn send(&mut self, call: Call<'a>) -> Answer {
        let path = call.path.clone();
        let answer = call.send().await;
        self.learn(&path, &answer);
        answer
    }

    /// What a browser keeps of an answer.
    pub fn learn(&mut self, path: &str, answer: &Answer) {
        let path = format!("{}{}", self.app.prefix, without_query(path));
        for line in answer.set_cookies() {
            self.jar.take(line, Self::place(self.app, &path, true), self.app.clock.now());
        }
        if let Some(token) = answer.body["access_token"].as_str() {
            self.access_token = token.to_owned();
        }
    }

    pub async fn sign_in(&mut self, username: &str, password: &str) -> Answer {
        let body = json!({"username": username, "password": password});
        self.send(self.call(Method::POST, "/authenticate").json(&body)).await
    }

    pub async fn refresh(&mut self) -> Answer {
        self.send(self.call(Method::POST, "/refresh")).await
    }

    pub async fn me(&mut self) -> Answer {
        self.send(self.call(Method::GET, "/me").bearer(&self.access_token)).await
    }

    pub async fn sign_out(&mut self) -> Answer {
        self.send(self.call(Method::DELETE, "/refresh")).await
    }

    pub fn refresh_token(&self) -> Option<&str> {
        self.jar.value("refresh_token")
    }
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

/// An application on a phone: it keeps its refresh token itself.
pub struct Native<'a> {
    app: &'a App,
    pub access_token: String,
    pub refresh_token: String,
}

impl<'a> Native<'a> {
    /// An application whose owner has signed up and in.
    pub async fn of(app: &'a App, username: &str) -> Self {
        assert_eq!(app.sign_up(username).await.status, 201);
        let mut native = Self { app, access_token: String::new(), refresh_token: String::new() };
        let body = json!({"username": username, "password": PASSWORD, "refresh_token_transport": "body"});
        let answer = native.send(Method::POST, "/authenticate", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        native
    }

    pub async fn refresh(&mut self) -> Answer {
        let body = json!({"refresh_token": self.refresh_token});
        self.send(Method::POST, "/refresh", body).await
    }

    pub async fn sign_out(&mut self) -> Answer {
        let body = json!({"refresh_token": self.refresh_token});
        self.send(Method::DELETE, "/refresh", body).await
    }

    async fn send(&mut self, method: Method, path: &str, body: serde_json::Value) -> Answer {
        let answer = self.app.call(method, path).json(&body).send().await;
        if let (Some(access), Some(refresh)) =
            (answer.body["access_token"].as_str(), answer.body["refresh_token"].as_str())
        {
            (self.access_token, self.refresh_token) = (access.to_owned(), refresh.to_owned());
        }
        answer
    }
}

//! A client that writes down everything that it asks and hears.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{Act, Heard, Log, Mark, Why};

/// What a signed-in client holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub access: String,
    pub refresh: String,
}

/// An answer, as far as the flow is concerned; status 0 where there was none.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub code: String,
    pub session_ended: Option<bool>,
    /// The refresh cookie that came along; empty where it is deleted.
    pub cookie: Option<String>,
    /// `Max-Age` of that cookie.
    pub max_age: Option<u64>,
    pub held: Option<Held>,
    pub retry_after: Option<u64>,
    pub body: Value,
}

impl Reply {
    async fn of(sent: reqwest::Result<Response>) -> Self {
        let Ok(response) = sent else { return Self::none() };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let Ok(text) = response.text().await else { return Self::none() };
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let text_of = |name: &str| body[name].as_str().map(str::to_owned);
        let (cookie, max_age) = refresh_cookie(&headers);
        let access = text_of("access_token");
        let refresh = text_of("refresh_token").or_else(|| cookie.clone());
        let held = access.zip(refresh).map(|(access, refresh)| Held { access, refresh });
        let session_ended = body["session_ended"].as_bool();
        let code = text_of("code").unwrap_or_default();
        let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Self { status, code, session_ended, cookie, max_age, held, retry_after, body }
    }

    fn none() -> Self {
        Self::bare(0)
    }

    /// The reply of an act that has none.
    pub fn done() -> Self {
        Self::bare(204)
    }

    fn bare(status: u16) -> Self {
        Self {
            status,
            code: String::new(),
            session_ended: None,
            cookie: None,
            max_age: None,
            held: None,
            retry_after: None,
            body: Value::Null,
        }
    }

    pub fn deletes_cookie(&self) -> bool {
        self.cookie.as_deref() == Some("")
    }

    /// What the log keeps of it. After a 5xx nobody knows what happened.
    fn heard(&self) -> Heard {
        match (self.status, &self.held) {
            // Refused before anything was done.
            (503, _) if self.code == "overloaded" => Heard::Refused(Why::Other),
            (0 | 500.., _) => Heard::Nothing,
            (200..=299, Some(held)) => Heard::Token(Mark::of(&held.refresh)),
            (200..=299, None) => Heard::Done,
            _ => Heard::Refused(why(&self.code)),
        }
    }
}

fn why(code: &str) -> Why {
    match code {
        "refresh_token_spent" => Why::Spent,
        "refresh_token_reused" => Why::Reused,
        "refresh_token_revoked" => Why::Revoked,
        "refresh_token_expired" | "access_token_expired" => Why::Expired,
        "refresh_token_invalid" => Why::Invalid,
        "access_token_invalid" => Why::Access,
        "invalid_credentials" => Why::Credentials,
        _ => Why::Other,
    }
}

fn refresh_cookie(headers: &HeaderMap) -> (Option<String>, Option<u64>) {
    let lines = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let Some(line) = lines.into_iter().find_map(|line| line.strip_prefix("refresh_token=")) else {
        return (None, None);
    };
    let mut parts = line.split("; ");
    let value = parts.next().map(str::to_owned);
    let max_age = parts.find_map(|part| part.strip_prefix("Max-Age=")?.parse().ok());
    (value, max_age)
}

/// Speaks to one node and writes into a log that it shares with others.
#[derive(Clone)]
pub struct Witness {
    base: String,
    http: Client,
    pub log: Arc<Log>,
}

impl Witness {
    pub fn new(base: String, log: Arc<Log>) -> Self {
        let http = Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { base, http, log }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    async fn record(&self, act: Act, request: RequestBuilder) -> Reply {
        let began = self.log.begin();
        let reply = Reply::of(request.send().await).await;
        self.log.end(began, act, reply.heard());
        reply
    }

    pub async fn sign_up(&self, name: &str, password: &str) -> Reply {
        let act = Act::SignUp { user: user(name), password: Mark::of(password) };
        let form = json!({"username": name, "password": password});
        self.record(act, self.request(Method::POST, "/users").json(&form)).await
    }

    pub async fn sign_in(&self, name: &str, password: &str) -> Reply {
        let act = Act::SignIn { user: user(name), password: Mark::of(password) };
        let form = json!({"username": name, "password": password});
        self.record(act, self.request(Method::POST, "/authenticate").json(&form)).await
    }

    /// A sign-in in a browser that still has another one's cookie: that one ends.
    pub async fn sign_in_over(&self, name: &str, password: &str, old: &str) -> Reply {
        let act = Act::SignIn { user: user(name), password: Mark::of(password) };
        let form = json!({"username": name, "password": password});
        let request = self.request(Method::POST, "/authenticate").header("cookie", cookie(old)).json(&form);
        let began = self.log.begin();
        let reply = Reply::of(request.send().await).await;
        self.log.end(began, act, reply.heard());
        if matches!(reply.heard(), Heard::Token(_) | Heard::Nothing) {
            let ended = if reply.status == 200 { Heard::Done } else { Heard::Nothing };
            self.log.end(began, Act::SignOut { token: Mark::of(old) }, ended);
        }
        reply
    }

    pub async fn refresh(&self, token: &str, key: Option<&str>) -> Reply {
        let act = Act::Refresh { token: Mark::of(token), key: key.map(Mark::of) };
        let mut request = self.request(Method::POST, "/refresh").header("cookie", cookie(token));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.record(act, request).await
    }

    /// Shows the access token; the log remembers whose account it opened.
    pub async fn me(&self, held: &Held) -> Reply {
        let act = Act::Use { token: Mark::of(&held.refresh) };
        let began = self.log.begin();
        let request = self.request(Method::GET, "/me").bearer_auth(&held.access);
        let reply = Reply::of(request.send().await).await;
        let heard = match (reply.status, reply.body["username"].as_str()) {
            (200, Some(name)) => Heard::Account(user(name)),
            _ => reply.heard(),
        };
        self.log.end(began, act, heard);
        reply
    }

    pub async fn sign_out(&self, token: &str) -> Reply {
        let act = Act::SignOut { token: Mark::of(token) };
        self.record(act, self.request(Method::DELETE, "/refresh").header("cookie", cookie(token))).await
    }

    pub async fn sign_out_everywhere(&self, name: &str, held: &Held) -> Reply {
        let act = Act::SignOutEverywhere { user: user(name) };
        self.record(act, self.request(Method::DELETE, "/refresh/all").bearer_auth(&held.access)).await
    }

    pub async fn change_password(&self, name: &str, held: &Held, from: &str, to: &str) -> Reply {
        let keep = Mark::of(&held.refresh);
        let act = Act::ChangePassword { user: user(name), from: Mark::of(from), to: Mark::of(to), keep };
        let form = json!({"password": to, "current_password": from});
        self.record(act, self.request(Method::PATCH, "/me").bearer_auth(&held.access).json(&form)).await
    }

    pub async fn delete_account(&self, name: &str, held: &Held, password: &str) -> Reply {
        let form = json!({"current_password": password});
        let request = self.request(Method::DELETE, "/me").bearer_auth(&held.access).json(&form);
        self.record(Act::Delete { user: user(name) }, request).await
    }

    /// A look that the log has no law for.
    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::GET, path).send().await).await
    }

    /// As [`Witness::get`], with an access token.
    pub async fn get_with(&self, path: &str, access_token: &str) -> Reply {
        Reply::of(self.request(Method::GET, path).bearer_auth(access_token).send().await).await
    }

    /// A change of the account's words, which the log has no law for.
    pub async fn change_words(&self, held: &Held, form: &Value) -> Reply {
        let request = self.request(Method::PATCH, "/me").bearer_auth(&held.access).json(form);
        Reply::of(request.send().await).await
    }

    /// An act of the operator, which goes past HTTP.
    pub async fn operate<E>(&self, act: Act, work: impl Future<Output = Result<(), E>>) {
        let began = self.log.begin();
        let heard = if work.await.is_ok() { Heard::Done } else { Heard::Nothing };
        self.log.end(began, act, heard);
    }
}

/// Names are one without regard to case.
pub fn user(name: &str) -> Mark {
    Mark::of(&name.to_ascii_lowercase())
}

fn cookie(token: &str) -> String {
    format!("refresh_token={token}")
}

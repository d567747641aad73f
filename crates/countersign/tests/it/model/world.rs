//! The real service under the model's operations: its router is called in place, its clock stands still until told.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use countersign::id::UserId;
use countersign::names::Username;
use countersign::time::{Clock, Timestamp};
use countersign::{Countersign, Settings, jobs, operator, router, user};
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, Method, Request};
use serde_json::{Value, json};
use std::time::Duration;
use tower::Service as _;

use super::law::Transport;

/// 2026-11-24T09:30:00Z.
const START: Timestamp = Timestamp::from_millis(1_795_512_600_000);
const NAME: &str = "ada";

pub struct World {
    service: Countersign,
    router: Router,
    settings: Settings,
    pub clock: Clock,
    pub password: String,
    passwords: usize,
    user: UserId,
    /// A refresh token of another service with another key.
    pub foreign: String,
    _folder: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    pub fn set_cookie(&self) -> Option<&str> {
        self.headers.get(SET_COOKIE).map(|value| value.to_str().unwrap())
    }

    pub fn refresh_token(&self, by: Transport) -> String {
        match by {
            Transport::Body => self.text("refresh_token").to_owned(),
            Transport::Cookie => {
                let cookie = self.set_cookie().and_then(|line| line.strip_prefix("refresh_token="));
                cookie.and_then(|line| line.split(';').next()).unwrap_or_default().to_owned()
            }
        }
    }
}

impl World {
    /// A service with one account.
    pub async fn begin(grace: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(START);
        let at = |name: &str| Settings {
            data_dir: folder.path().join(name),
            refresh_reuse_grace: grace,
            ..Settings::default()
        };
        let elsewhere = Self::open(&at("elsewhere"), &clock).await;
        let mut world = Self {
            router: router(&elsewhere),
            service: elsewhere,
            settings: at("here"),
            password: "correct horse battery 0".to_owned(),
            passwords: 0,
            user: UserId::from_i64(0),
            foreign: String::new(),
            clock,
            _folder: folder,
        };
        world.sign_up().await;
        world.foreign = world.sign_in(Transport::Cookie, None).await.refresh_token(Transport::Cookie);
        world.restart().await;
        world.sign_up().await;
        world
    }

    async fn open(settings: &Settings, clock: &Clock) -> Countersign {
        Countersign::open_with_clock(settings.clone(), clock.clone()).await.unwrap()
    }

    /// Sets the clock back to where every life begins.
    pub fn rewind(&self) {
        let now = self.clock.now();
        self.clock.step_back(now.since(START));
        self.clock.advance(START.since(now));
    }

    pub fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let response: Response = self.router.clone().call(request.unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn sign_up(&mut self) {
        let form = json!({"username": NAME, "password": self.password});
        assert_eq!(self.call(Method::POST, "/users", &[], Some(form)).await.status, 201);
        let name = Username::parse(NAME).unwrap();
        self.user = user::find_by_name(&self.service, &name).await.unwrap().unwrap().user.id;
    }

    pub async fn sign_in(&self, by: Transport, over: Option<&str>) -> Answer {
        let transport = if by == Transport::Body { "body" } else { "cookie" };
        let form = json!({"username": NAME, "password": self.password, "refresh_token_transport": transport});
        let cookie = over.map(|token| format!("refresh_token={token}"));
        let headers: Vec<_> = cookie.iter().map(|line| (COOKIE.as_str(), line.as_str())).collect();
        self.call(Method::POST, "/authenticate", &headers, Some(form)).await
    }

    pub async fn refresh(&self, tokens: &[&str], by: Transport, key: Option<&str>) -> Answer {
        self.with_token(Method::POST, tokens, by, key).await
    }

    pub async fn sign_out(&self, token: &str, by: Transport) -> Answer {
        self.with_token(Method::DELETE, &[token], by, None).await
    }

    async fn with_token(&self, method: Method, tokens: &[&str], by: Transport, key: Option<&str>) -> Answer {
        let pairs: Vec<String> = tokens.iter().map(|token| format!("refresh_token={token}")).collect();
        let cookie = pairs.join("; ");
        let mut headers = Vec::new();
        if by == Transport::Cookie && !tokens.is_empty() {
            headers.push((COOKIE.as_str(), cookie.as_str()));
        }
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let token = tokens.first().filter(|_| by == Transport::Body);
        let body = token.map(|token| json!({"refresh_token": token}));
        self.call(method, "/refresh", &headers, body).await
    }

    async fn with_access(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Answer {
        let bearer = format!("Bearer {token}");
        self.call(method, path, &[(AUTHORIZATION.as_str(), &bearer)], body).await
    }

    pub async fn me(&self, access: &str) -> Answer {
        self.with_access(Method::GET, "/me", access, None).await
    }

    pub async fn sign_out_everywhere(&self, access: &str) -> Answer {
        self.with_access(Method::DELETE, "/refresh/all", access, None).await
    }

    pub async fn change_password(&mut self, access: &str) -> Answer {
        self.passwords += 1;
        let next = format!("correct horse battery {}", self.passwords);
        let form = json!({"password": next, "current_password": self.password});
        let answer = self.with_access(Method::PATCH, "/me", access, Some(form)).await;
        if answer.status == 200 {
            self.password = next;
        }
        answer
    }

    pub async fn disable(&self) {
        operator::disable(&self.service, self.user).await.unwrap();
    }

    pub async fn enable(&self) {
        operator::enable(&self.service, self.user).await.unwrap();
    }

    pub async fn sweep(&self) {
        jobs::sweep(&self.service, |_| {}).await.unwrap();
    }

    /// The program ends and starts again on the same files.
    pub async fn restart(&mut self) {
        self.service.shut_down().await;
        self.service = Self::open(&self.settings, &self.clock).await;
        self.router = router(&self.service);
    }
}

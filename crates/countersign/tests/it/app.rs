//! One service of its own for each test: a temporary folder, a random port, a clock that the test turns.

use std::net::SocketAddr;
use std::time::Duration;

use countersign::time::{Clock, Timestamp};
use countersign::{Countersign, Settings, router};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

/// 2026-11-24T09:30:00Z.
pub const START: Timestamp = Timestamp::from_millis(1_795_512_600_000);
pub const PASSWORD: &str = "correct horse battery";

pub struct App {
    pub service: Countersign,
    pub clock: Clock,
    pub address: SocketAddr,
    client: Client,
    _folder: tempfile::TempDir,
}

impl App {
    pub async fn start() -> Self {
        Self::start_with(|settings| settings).await
    }

    pub async fn start_with(adjust: impl FnOnce(Settings) -> Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { data_dir: folder.path().join("data"), ..Settings::default() };
        let clock = Clock::fixed(START);
        let service = Countersign::open_with_clock(adjust(settings), clock.clone()).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = router(&service).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { service, clock, address, client: Client::new(), _folder: folder }
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body).send().await.unwrap()).await
    }

    pub async fn sign_up(&self, username: &str) -> Answer {
        self.post("/users", json!({"username": username, "password": PASSWORD})).await
    }

    pub async fn sign_in(&self, username: &str) -> Session {
        let answer = self.post("/authenticate", json!({"username": username, "password": PASSWORD})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Session::of(&answer)
    }

    pub fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        Self { status, headers, body }
    }

    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The value of the refresh cookie that the answer sets; empty where it deletes it.
    pub fn refresh_cookie(&self) -> Option<String> {
        let cookie = self.header("set-cookie")?;
        let value = cookie.strip_prefix("refresh_token=")?.split(';').next()?;
        Some(value.to_owned())
    }
}

/// What a signed-in browser holds.
#[derive(Debug, Clone)]
pub struct Session {
    pub access_token: String,
    pub refresh_token: String,
}

impl Session {
    pub fn of(answer: &Answer) -> Self {
        Self {
            access_token: answer.body["access_token"].as_str().unwrap().to_owned(),
            refresh_token: answer.refresh_cookie().unwrap(),
        }
    }
}

impl App {
    pub async fn me(&self, access_token: &str) -> Answer {
        Answer::of(self.request(Method::GET, "/me").bearer_auth(access_token).send().await.unwrap()).await
    }

    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        self.refresh_keyed(refresh_token, None).await
    }

    pub async fn refresh_keyed(&self, refresh_token: &str, key: Option<&str>) -> Answer {
        let cookie = format!("refresh_token={refresh_token}");
        let mut request = self.request(Method::POST, "/refresh").header("cookie", cookie);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    pub async fn sign_out(&self, refresh_token: &str) -> Answer {
        let cookie = format!("refresh_token={refresh_token}");
        let request = self.request(Method::DELETE, "/refresh").header("cookie", cookie);
        Answer::of(request.send().await.unwrap()).await
    }
}

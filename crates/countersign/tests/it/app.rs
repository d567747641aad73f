//! One service of its own for each test: a temporary folder, a random port, a clock that the test turns.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use countersign::secret::SecretString;
use countersign::settings::{Database, RateLimits};
use countersign::time::{Clock, Timestamp};
use countersign::{Countersign, Settings, router};
use countersign_testbed::{Schema, schema_if_asked};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::call::Call;

/// 2026-11-24T09:30:00Z.
pub const START: Timestamp = Timestamp::from_millis(1_795_512_600_000);
pub const PASSWORD: &str = "correct horse battery";
const KEY: &str = "a key for tests: 7Rk2vQ9xLp4sWm8t";
pub const MINUTE: Duration = Duration::from_secs(60);
pub const DAY: Duration = Duration::from_secs(86_400);

pub struct App {
    pub service: Countersign,
    pub clock: Clock,
    pub address: SocketAddr,
    /// Below which path the router is mounted; empty at the root.
    pub prefix: &'static str,
    pub client: Client,
    /// Where the tests run on PostgreSQL.
    pub schema: Option<Arc<Schema>>,
    folder: Arc<tempfile::TempDir>,
}

impl App {
    pub async fn start() -> Self {
        Self::start_with(|settings| settings).await
    }

    pub async fn start_with(adjust: impl FnOnce(Settings) -> Settings) -> Self {
        Self::start_mounted("", adjust, router).await
    }

    /// Without limits on guessing, for a test that guesses much.
    pub async fn start_unlimited() -> Self {
        Self::start_with(|settings| Settings {
            rate_limits: RateLimits { on: false, ..settings.rate_limits },
            ..settings
        })
        .await
    }

    /// With the router as somebody's application mounts it.
    pub async fn start_mounted(
        prefix: &'static str,
        adjust: impl FnOnce(Settings) -> Settings,
        mount: impl FnOnce(&Countersign) -> Router,
    ) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let (settings, schema) = settings_for(folder.path());
        let places = (schema.map(Arc::new), folder);
        Self::serve(prefix, adjust(settings), Clock::fixed(START), places, mount).await
    }

    /// The same data and the same clock, served by another node with settings of its own.
    pub async fn another_node(&self, settings: Settings) -> Self {
        let places = (self.schema.clone(), Arc::clone(&self.folder));
        Self::serve(self.prefix, settings, self.clock.clone(), places, router).await
    }

    async fn serve(
        prefix: &'static str,
        settings: Settings,
        clock: Clock,
        (schema, folder): (Option<Arc<Schema>>, Arc<tempfile::TempDir>),
        mount: impl FnOnce(&Countersign) -> Router,
    ) -> Self {
        let service = Countersign::open_with_clock(settings, clock.clone()).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = mount(&service).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { service, clock, address, prefix, client, schema, folder }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{}{path}", self.address, self.prefix)
    }

    /// A bare request, unchecked against the API's description.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// A request whose answer is held against the API's description.
    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        Call::new(self, method, path)
    }

    pub fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path).json(&body).send().await
    }

    pub async fn sign_up(&self, username: &str) -> Answer {
        self.post("/users", json!({"username": username, "password": PASSWORD})).await
    }

    pub async fn sign_in(&self, username: &str) -> Session {
        let answer = self.authenticate(username, PASSWORD).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Session::of(&answer)
    }

    pub async fn authenticate(&self, username: &str, password: &str) -> Answer {
        self.post("/authenticate", json!({"username": username, "password": password})).await
    }

    /// Somebody who has just signed up and in.
    pub async fn somebody(&self, username: &str) -> Session {
        let created = self.sign_up(username).await;
        assert_eq!(created.status, 201, "{created:?}");
        self.sign_in(username).await
    }

    pub async fn me(&self, access_token: &str) -> Answer {
        self.get("/me").bearer(access_token).send().await
    }

    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        self.refresh_keyed(refresh_token, None).await
    }

    pub async fn refresh_keyed(&self, refresh_token: &str, key: Option<&str>) -> Answer {
        let call = self.call(Method::POST, "/refresh").refresh_cookie(refresh_token);
        match key {
            Some(key) => call.header("idempotency-key", key).send().await,
            None => call.send().await,
        }
    }

    pub async fn sign_out(&self, refresh_token: &str) -> Answer {
        self.call(Method::DELETE, "/refresh").refresh_cookie(refresh_token).send().await
    }

    pub fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// Runs statements on the service's database, as another program may.
    pub fn execute_sql(&self, sql: &str) {
        match &self.schema {
            Some(schema) => schema.execute(sql),
            None => self.database().execute_batch(sql).unwrap(),
        }
    }

    /// What a query finds in its first row's first column, as text.
    pub fn cell(&self, sql: &str) -> String {
        use rusqlite::types::ValueRef;
        let Some(schema) = &self.schema else {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(match row.get_ref(0)? {
                    ValueRef::Integer(number) => number.to_string(),
                    other => other.as_str()?.to_owned(),
                })
            };
            return self.database().query_row(sql, [], read).unwrap();
        };
        schema.query_text(sql)[0][0].clone().unwrap()
    }

    pub fn database_file(&self) -> PathBuf {
        self.service.settings().data_dir.join("countersign.db")
    }

    /// A second connection to the service's database, as another program has one.
    pub fn database(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.database_file()).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }
}

/// Settings on SQLite in the folder, or on a schema of PostgreSQL where the tests are asked to run there.
pub fn settings_for(folder: &Path) -> (Settings, Option<Schema>) {
    let schema = schema_if_asked();
    let settings = Settings {
        data_dir: folder.join("data"),
        database: schema.as_ref().map(|schema| Database::Postgres(SecretString::from(schema.url()))),
        secret_key: schema.as_ref().map(|_| SecretString::from(KEY)),
        ..Settings::default()
    };
    (settings, schema)
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub text: String,
    /// The text as JSON; null where it is none.
    pub body: Value,
}

impl Answer {
    pub async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, text, body }
    }

    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect()
    }

    /// The value of the refresh cookie that the answer sets; empty where it deletes it.
    pub fn refresh_cookie(&self) -> Option<String> {
        let cookie = self.header("set-cookie")?;
        let value = cookie.strip_prefix("refresh_token=")?.split(';').next()?;
        Some(value.to_owned())
    }

    /// The value of the device cookie that the answer sets.
    pub fn device_cookie(&self) -> Option<String> {
        let cookies = self.set_cookies();
        let value = cookies.iter().find_map(|line| line.strip_prefix("device="))?.split(';').next()?;
        Some(value.to_owned())
    }

    /// The media type without its parameters.
    pub fn media_type(&self) -> Option<&str> {
        self.header("content-type")?.split(';').next().map(str::trim)
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

/// The whole body of a refusal, without what only some refusals say beside.
pub fn problem(status: u16, title: &str, code: &str, detail: &str) -> Value {
    json!({"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code})
}

/// The whole body of a refused refresh token.
pub fn refresh_problem(code: &str, detail: &str, session_ended: bool) -> Value {
    let mut body = problem(401, "Unauthorized", code, detail);
    body["session_ended"] = json!(session_ended);
    body
}

/// The codes that a refusal names for one field.
pub fn codes_of(answer: &Answer, field: &str) -> Vec<String> {
    let reasons = answer.body["errors"][field].as_array().cloned().unwrap_or_default();
    reasons.iter().map(|reason| reason["code"].as_str().unwrap().to_owned()).collect()
}

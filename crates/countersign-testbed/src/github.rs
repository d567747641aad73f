//! A server shaped like GitHub: OAuth 2.0 without ID tokens, and an API that says who it was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use url::Url;

use crate::web::{Asked, Misbehaviour, Said, WebServer};

/// A server on a port of its own, with the addresses of a GitHub Enterprise Server. It ends when it is dropped.
pub struct GitHubServer {
    server: WebServer,
    shared: Arc<Mutex<State>>,
}

struct State {
    user: Value,
    emails: Value,
    denies: bool,
    /// By code: redirect URI and challenge.
    codes: BTreeMap<String, (String, String)>,
    issued: u32,
}

const TOKEN: &str = "gho_a-token-of-tests";

impl GitHubServer {
    /// The one client that it knows.
    pub const CLIENT_ID: &'static str = "Iv1.tests";
    /// Its client's secret.
    pub const CLIENT_SECRET: &'static str = "a-secret-of-tests";

    /// A server at which `octocat` is signed in: number 583231, with a verified primary address.
    #[must_use]
    pub fn start() -> Self {
        let shared = Arc::new(Mutex::new(State {
            user: json!({"id": 583_231, "login": "octocat", "name": "The Octocat", "email": "public@example.com"}),
            emails: json!([
                {"email": "old@example.com", "primary": false, "verified": true},
                {"email": "octocat@example.com", "primary": true, "verified": true, "visibility": "private"},
            ]),
            denies: false,
            codes: BTreeMap::new(),
            issued: 0,
        }));
        let theirs = Arc::clone(&shared);
        let server = WebServer::start(move |asked| theirs.lock().unwrap().answer(asked));
        Self { server, shared }
    }

    /// `http://127.0.0.1:…`, for `oauth_github_issuer`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }

    /// What `GET /user` answers.
    pub fn set_user(&self, user: Value) {
        self.shared.lock().unwrap().user = user;
    }

    /// What `GET /user/emails` answers.
    pub fn set_emails(&self, emails: Value) {
        self.shared.lock().unwrap().emails = emails;
    }

    /// Whether the person says no.
    pub fn set_denies(&self, denies: bool) {
        self.shared.lock().unwrap().denies = denies;
    }

    /// Has it misbehave at one path, such as `/api/v3/user`; `None` has it answer again.
    pub fn misbehave(&self, path: &str, how: Option<Misbehaviour>) {
        self.server.misbehave(path, how);
    }

    /// How often a path was asked for.
    #[must_use]
    pub fn requests(&self, path: &str) -> usize {
        self.server.asked(path).len()
    }
}

impl State {
    fn answer(&mut self, asked: &Asked) -> Said {
        let is_signed_in = asked.headers.get("authorization") == Some(&format!("Bearer {TOKEN}"));
        match asked.path.as_str() {
            // Like the real one, it answers nobody who doesn't say who they are.
            _ if !asked.headers.contains_key("user-agent") => Said::json(403, &json!({})),
            "/login/oauth/authorize" => self.authorize(asked),
            "/login/oauth/access_token" => self.token(asked),
            "/api/v3/user" if is_signed_in => Said::json(200, &self.user),
            "/api/v3/user/emails" if is_signed_in => Said::json(200, &self.emails),
            path if path.starts_with("/api/") => Said::json(401, &json!({"message": "Bad credentials"})),
            _ => Said::json(404, &json!({"message": "Not Found"})),
        }
    }

    fn authorize(&mut self, asked: &Asked) -> Said {
        let given = |name: &str| asked.query.get(name).cloned().unwrap_or_default();
        let mut back = Url::parse(&given("redirect_uri")).unwrap();
        let answer = if self.denies {
            ("error", "access_denied".to_owned())
        } else {
            self.issued += 1;
            let code = format!("github-code-{}", self.issued);
            self.codes.insert(code.clone(), (given("redirect_uri"), given("code_challenge")));
            ("code", code)
        };
        back.query_pairs_mut().append_pair(answer.0, &answer.1).append_pair("state", &given("state"));
        Said::redirect(back.as_str())
    }

    /// It answers 200 to refusals, and a form to whoever doesn't ask for JSON.
    fn token(&mut self, asked: &Asked) -> Said {
        let given = |name: &str| asked.form.get(name).map(String::as_str).unwrap_or_default();
        let refuse = |error: &str| Said::json(200, &json!({"error": error, "error_description": "No."}));
        if asked.headers.get("accept").is_none_or(|accept| accept != "application/json") {
            return Said { status: 200, headers: Vec::new(), body: format!("access_token={TOKEN}") };
        }
        if given("client_id") != GitHubServer::CLIENT_ID {
            return Said::json(404, &json!({"error": "Not Found"}));
        }
        if given("client_secret") != GitHubServer::CLIENT_SECRET {
            return refuse("incorrect_client_credentials");
        }
        let Some((redirect_uri, challenge)) = self.codes.remove(given("code")) else {
            return refuse("bad_verification_code");
        };
        let hash = digest::digest(&digest::SHA256, given("code_verifier").as_bytes());
        if challenge != URL_SAFE_NO_PAD.encode(hash) {
            return refuse("bad_verification_code");
        }
        if redirect_uri != given("redirect_uri") {
            return refuse("redirect_uri_mismatch");
        }
        Said::json(
            200,
            &json!({"access_token": TOKEN, "token_type": "bearer", "scope": "read:user,user:email"}),
        )
    }
}

//! An OpenID Connect issuer on loopback: an honest one, which can be told to lie in each field.

mod keys;
mod token;
mod twist;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use url::Url;

use crate::web::{Asked, Misbehaviour, Said, WebServer};
use keys::Key;
pub use keys::SigningAlgorithm;
pub use twist::Twist;

/// Somebody who has an account at the issuer, and is signed in there.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Their subject.
    pub subject: String,
    /// The claims of their profile.
    pub claims: BTreeMap<String, Value>,
}

impl Person {
    /// Somebody with a name, an address that is verified, and this subject.
    #[must_use]
    pub fn new(subject: &str) -> Self {
        let claims = json!({
            "preferred_username": subject,
            "name": "Ada Lovelace",
            "email": format!("{subject}@example.com"),
            "email_verified": true,
        });
        let claims = claims.as_object().unwrap().clone().into_iter().collect();
        Self { subject: subject.to_owned(), claims }
    }

    /// The same with this claim; `Null` takes it away.
    #[must_use]
    pub fn with(mut self, claim: &str, value: impl Into<Value>) -> Self {
        match value.into() {
            Value::Null => drop(self.claims.remove(claim)),
            value => drop(self.claims.insert(claim.to_owned(), value)),
        }
        self
    }
}

/// An issuer on a port of its own. It ends when it is dropped.
pub struct Issuer {
    server: WebServer,
    shared: Arc<Mutex<State>>,
}

struct State {
    url: String,
    person: Person,
    denies: bool,
    twist: Option<Twist>,
    key: Key,
    rotations: u32,
    codes: BTreeMap<String, Code>,
    /// Access tokens and whom they are about.
    tokens: BTreeMap<String, String>,
    issued: u32,
    time_offset: i64,
    thin: bool,
}

/// What a code was given for.
struct Code {
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
}

impl Issuer {
    /// The one client that it knows.
    pub const CLIENT_ID: &'static str = "countersign-tests";
    /// Its client's secret, with characters that have to be written otherwise in a form.
    pub const CLIENT_SECRET: &'static str = "s3cret+of/tests=%&:";

    /// An honest issuer, which signs with RS256, and at which somebody with the subject `ada` is signed in.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(SigningAlgorithm::Rs256)
    }

    /// The same, signing with another algorithm.
    #[must_use]
    pub fn start_with(algorithm: SigningAlgorithm) -> Self {
        let shared = Arc::new(Mutex::new(State {
            url: String::new(),
            person: Person::new("ada"),
            denies: false,
            twist: None,
            key: Key::generate("key-0", algorithm),
            rotations: 0,
            codes: BTreeMap::new(),
            tokens: BTreeMap::new(),
            issued: 0,
            time_offset: 0,
            thin: false,
        }));
        let theirs = Arc::clone(&shared);
        let server = WebServer::start(move |asked| theirs.lock().unwrap().answer(asked));
        shared.lock().unwrap().url = format!("http://127.0.0.1:{}", server.port());
        Self { server, shared }
    }

    /// `http://127.0.0.1:…`: the issuer, for `oauth_<provider>_issuer`.
    #[must_use]
    pub fn url(&self) -> String {
        self.state(|state| state.url.clone())
    }

    /// Has it reached, and name itself, by another name of this machine or at another path, such as
    /// `http://localhost:…/common/v2.0`.
    pub fn set_url(&self, url: &str) {
        self.state(|state| url.clone_into(&mut state.url));
    }

    /// Signs somebody else in there.
    pub fn set_person(&self, person: Person) {
        self.state(|state| state.person = person);
    }

    /// Whether the person says no, when asked whether they want to sign in here.
    pub fn set_denies(&self, denies: bool) {
        self.state(|state| state.denies = denies);
    }

    /// Has it lie in this way; `None` makes it honest again.
    pub fn set_twist(&self, twist: Option<Twist>) {
        self.state(|state| state.twist = twist);
    }

    /// Has it say that it is so many seconds later, or earlier, than it is.
    pub fn set_time_offset(&self, seconds: i64) {
        self.state(|state| state.time_offset = seconds);
    }

    /// Whether ID tokens say no more than who it is, and userinfo all else.
    pub fn set_thin(&self, thin: bool) {
        self.state(|state| state.thin = thin);
    }

    /// What it writes into the header `Date`.
    pub fn set_date(&self, date: &str) {
        self.server.set_date(date);
    }

    /// Has it misbehave at one path, such as `/token`; `None` has it answer again.
    pub fn misbehave(&self, path: &str, how: Option<Misbehaviour>) {
        self.server.misbehave(path, how);
    }

    /// Ends every misbehaviour.
    pub fn behave(&self) {
        self.server.behave();
    }

    /// Gives it a new key; the old one is gone.
    pub fn rotate_key(&self) {
        self.state(|state| {
            state.rotations += 1;
            state.key = Key::generate(&format!("key-{}", state.rotations), state.key.algorithm);
        });
    }

    /// How often a path was asked for, such as `/jwks`.
    #[must_use]
    pub fn requests(&self, path: &str) -> usize {
        self.server.asked(path).len()
    }

    /// Every query, or form, that a path got so far.
    #[must_use]
    pub fn received(&self, path: &str) -> Vec<BTreeMap<String, String>> {
        let sent = |asked: Asked| if asked.method == "POST" { asked.form } else { asked.query };
        self.server.asked(path).into_iter().map(sent).collect()
    }

    /// An ID token, made as the token endpoint makes it, for an attempt with this nonce and an access token `access`.
    #[must_use]
    pub fn id_token(&self, nonce: &str) -> String {
        self.state(|state| state.id_token("access", Some(nonce)))
    }

    /// Its keys, as `/jwks` has them.
    #[must_use]
    pub fn keys(&self) -> Value {
        self.state(|state| state.keys())
    }

    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.shared.lock().unwrap())
    }
}

impl State {
    fn answer(&mut self, asked: &Asked) -> Said {
        // It may name itself with a path: what it has is the same below each.
        match asked.path.rsplit('/').next().unwrap_or_default() {
            "openid-configuration" => Said::json(200, &self.discovery()),
            "jwks" => Said::json(200, &self.keys()),
            "authorize" => self.authorize(asked),
            "token" => self.token(asked),
            "userinfo" => self.userinfo(asked),
            _ => Said::json(404, &json!({"error": "not_found"})),
        }
    }

    fn discovery(&self) -> Value {
        let url = |path: &str| format!("{}/{path}", self.origin());
        let mut document = json!({
            "issuer": self.url,
            "authorization_endpoint": url("authorize"),
            "token_endpoint": url("token"),
            "jwks_uri": url("jwks"),
            "userinfo_endpoint": url("userinfo"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "form_post"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.key.algorithm.name()],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        });
        if let Some(Twist::Discovery(member, value)) = &self.twist {
            put(&mut document, member, value);
        }
        document
    }

    /// Where it can be reached, whatever path it names itself by.
    fn origin(&self) -> String {
        Url::parse(&self.url).unwrap().origin().ascii_serialization()
    }

    fn keys(&self) -> Value {
        let mut jwk = self.key.jwk();
        match &self.twist {
            Some(Twist::Keys(keys)) => return keys.clone(),
            Some(Twist::NoKeyIds) => put(&mut jwk, "kid", &Value::Null),
            _ => {}
        }
        // One that nothing here understands is passed over.
        json!({"keys": [{"kty": "EC", "crv": "secp256k1", "kid": "odd"}, jwk]})
    }

    /// Sends the person back at once: they are signed in here, and agree.
    fn authorize(&mut self, asked: &Asked) -> Said {
        let given = |name: &str| asked.query.get(name).cloned().unwrap_or_default();
        let is_fine = given("client_id") == Issuer::CLIENT_ID
            && given("response_type") == "code"
            && given("code_challenge_method") == "S256"
            && given("scope").split(' ').any(|scope| scope == "openid");
        if !is_fine {
            return Said::json(400, &json!({"error": "invalid_request"}));
        }
        self.issued += 1;
        let code = format!("code-{}-{}", self.issued, keys::sha256(&given("state")));
        let mut answer = json!({"state": given("state"), "iss": self.url});
        if self.denies {
            put(&mut answer, "error", &"access_denied".into());
        } else {
            put(&mut answer, "code", &code.as_str().into());
            let (redirect_uri, challenge) = (given("redirect_uri"), given("code_challenge"));
            let nonce = asked.query.get("nonce").cloned();
            self.codes.insert(code, Code { redirect_uri, challenge, nonce });
        }
        if let Some(Twist::Redirect(parameter, value)) = &self.twist {
            put(&mut answer, parameter, value);
        }
        let pairs = answer.as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap()));
        if given("response_mode") == "form_post" {
            return Said::html(form_post(&given("redirect_uri"), pairs));
        }
        let mut back = Url::parse(&given("redirect_uri")).unwrap();
        back.query_pairs_mut().extend_pairs(pairs);
        Said::redirect(back.as_str())
    }

    fn userinfo(&self, asked: &Asked) -> Said {
        let bearer = asked.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let Some(subject) = bearer.and_then(|token| self.tokens.get(token)) else {
            return Said::json(401, &json!({"error": "invalid_token"}));
        };
        let mut claims = json!(self.person.claims);
        put(&mut claims, "sub", &subject.as_str().into());
        if let Some(Twist::Userinfo(claim, value)) = &self.twist {
            put(&mut claims, claim, value);
        }
        Said::json(200, &claims)
    }

    fn now(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "an issuer has a clock of its own")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        i64::try_from(now).unwrap() + self.time_offset
    }
}

fn put(object: &mut Value, member: &str, value: &Value) {
    let object = object.as_object_mut().unwrap();
    match value {
        Value::Null => drop(object.remove(member)),
        value => drop(object.insert(member.to_owned(), value.clone())),
    }
}

/// A page that posts itself (OAuth 2.0 Form Post Response Mode).
fn form_post<'a>(to: &str, pairs: impl Iterator<Item = (&'a String, &'a str)>) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let field = |(name, value): (&String, &str)| {
        format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value))
    };
    let fields: String = pairs.map(field).collect();
    format!(
        "<!doctype html><title>Back</title><body onload=\"document.forms[0].submit()\">\
         <form method=\"post\" action=\"{}\">{fields}</form>",
        escape(to)
    )
}

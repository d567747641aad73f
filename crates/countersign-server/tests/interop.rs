//! Our tokens in other people's programs, and theirs in ours: run for real, with stock PyJWT, stock
//! djangorestframework-simplejwt and Django's own password hashes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the actors of tests: a panic is how they fail"
)]

#[expect(dead_code, reason = "the crash tests use the rest of it")]
#[path = "crash/program.rs"]
mod program;
#[path = "interop/python.rs"]
mod python;

use reqwest::{Client, Response};
use serde_json::{Value, json};

use program::Program;
use python::peer;

const PASSWORD: &str = "correct horse battery";

/// The real program with one account that is signed in.
struct Signed {
    program: Program,
    folder: tempfile::TempDir,
    http: Client,
    user: Value,
    token: String,
    secret_key: String,
}

impl Signed {
    async fn in_as(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = Program::start(folder.path());
        let http = Client::new();
        let form = json!({"username": name, "password": PASSWORD});
        let url = |path: &str| format!("{}{path}", program.base());
        let user = http.post(url("/users")).json(&form).send().await.unwrap().json().await.unwrap();
        let answer = http.post(url("/authenticate")).json(&form).send().await.unwrap();
        let tokens: Value = answer.json().await.unwrap();
        let token = tokens["access_token"].as_str().expect("signed in").to_owned();
        let key = std::fs::read_to_string(folder.path().join("data/secret_key")).unwrap();
        Self { program, folder, http, user, token, secret_key: key.trim_end().to_owned() }
    }

    fn asks(&self, secret_key: &str) -> Value {
        json!({"token": self.token, "secret_key": secret_key, "sub": self.user["id"], "username": "ada"})
    }

    async fn me(&self, token: &str) -> Response {
        self.http.get(format!("{}/me", self.program.base())).bearer_auth(token).send().await.unwrap()
    }

    async fn authenticate(&self, password: &str) -> u16 {
        let form = json!({"username": "ada", "password": password});
        let url = format!("{}/authenticate", self.program.base());
        self.http.post(url).json(&form).send().await.unwrap().status().as_u16()
    }
}

fn another(secret_key: &str) -> String {
    secret_key.chars().rev().collect()
}

#[tokio::test]
async fn plain_pyjwt_accepts_our_access_token_by_the_secret_key_alone() {
    let ada = Signed::in_as("ada").await;
    let accepted = peer("decode", &ada.asks(&ada.secret_key));
    assert_eq!(accepted["claims"]["sub"], ada.user["id"], "{accepted}");
    assert_eq!(accepted["claims"]["token_type"], "access");
    let refused = peer("decode", &ada.asks(&another(&ada.secret_key)));
    assert_eq!(refused, json!({"refused": "InvalidSignatureError"}));
}

#[tokio::test]
async fn stock_simplejwt_resolves_our_access_token_to_its_user_by_settings_alone() {
    let ada = Signed::in_as("ada").await;
    let accepted = peer("authenticate", &ada.asks(&ada.secret_key));
    assert_eq!(accepted, json!({"username": "ada", "same_token": true}));
    let refused = peer("authenticate", &ada.asks(&another(&ada.secret_key)));
    assert_eq!(refused, json!({"refused": "token_not_valid"}));
}

#[tokio::test]
async fn a_token_that_pyjwt_made_with_three_claims_opens_me() {
    let ada = Signed::in_as("ada").await;
    let issued = peer("issue", &ada.asks(&ada.secret_key));
    let answer = ada.me(issued["token"].as_str().unwrap()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json::<Value>().await.unwrap(), ada.user);
    let forged = peer("issue", &ada.asks(&another(&ada.secret_key)));
    let answer = ada.me(forged["token"].as_str().unwrap()).await;
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "access_token_invalid");
}

// SEC-8
#[tokio::test]
async fn a_password_hash_that_django_made_signs_in_and_is_upgraded() {
    let ada = Signed::in_as("ada").await;
    let password = "analytical engine, 1843";
    let made = peer("hash", &json!({"password": password}));
    let django = made["hash"].as_str().unwrap();
    assert!(django.starts_with("pbkdf2_sha256$"), "{django}");
    let database = rusqlite::Connection::open(ada.folder.path().join("data/countersign.db")).unwrap();
    assert_eq!(database.execute("UPDATE users SET password_hash = ?1", [django]).unwrap(), 1);
    assert_eq!(ada.authenticate(PASSWORD).await, 401);
    assert_eq!(ada.authenticate(password).await, 200);
    let select = "SELECT password_hash FROM users";
    let kept: String = database.query_row(select, [], |row| row.get(0)).unwrap();
    assert!(kept.starts_with("$argon2id$"), "{kept}");
    assert_eq!(ada.authenticate(password).await, 200);
}

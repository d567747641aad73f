//! Access tokens that other programs make: those that share the key are welcome, forgers are not.

use countersign::Settings;
use countersign::secret::SecretString;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{App, MINUTE, START, Session};

const KEY: &str = "an own key of more than thirty-two bytes, 0123456789";
const FORMER_KEY: &str = "a former key of more than thirty-two bytes, 98765";

struct Forge {
    app: App,
    user: String,
    session: Session,
}

impl Forge {
    async fn start(adjust: impl FnOnce(Settings) -> Settings) -> Self {
        let with_key = |settings| Settings { secret_key: Some(SecretString::from(KEY)), ..settings };
        let app = App::start_with(|settings| adjust(with_key(settings))).await;
        let user = app.sign_up("ada").await.body["id"].as_str().unwrap().to_owned();
        let session = app.sign_in("ada").await;
        Self { app, user, session }
    }

    /// A token of the given claims, at a time after the sign-up.
    async fn opens(&self, header: &Header, claims: &Value, key: &str) -> bool {
        let token = encode(header, claims, &EncodingKey::from_secret(key.as_bytes())).unwrap();
        let answer = self.app.me(&token).await;
        assert!(answer.status == 200 || answer.code().starts_with("access_token_"), "{answer:?}");
        answer.status == 200
    }

    fn minimal(&self) -> Value {
        let now = START.as_seconds();
        json!({"sub": self.user, "iat": now, "exp": now + 60})
    }
}

fn typed() -> Header {
    Header { typ: Some("at+jwt".to_owned()), ..Header::new(Algorithm::HS256) }
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[tokio::test]
async fn the_token_of_a_program_that_shares_the_key_is_taken() {
    let forge = Forge::start(|settings| settings).await;
    let header = Header::new(Algorithm::HS256);
    assert!(forge.opens(&header, &forge.minimal(), KEY).await);
    let untyped = Header { typ: None, ..header };
    assert!(forge.opens(&untyped, &forge.minimal(), KEY).await);
}

// SEC-27
#[tokio::test]
async fn only_the_keys_own_algorithm_and_the_very_key_open() {
    let forge = Forge::start(|settings| settings).await;
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        assert!(!forge.opens(&Header::new(algorithm), &forge.minimal(), KEY).await);
    }
    assert!(!forge.opens(&Header::new(Algorithm::HS256), &forge.minimal(), FORMER_KEY).await);
    let none = r#"{"alg":"none","typ":"JWT"}"#;
    let segment = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    };
    let unsigned = format!("{}.{}.", segment(none), segment(&forge.minimal().to_string()));
    assert_eq!(forge.app.me(&unsigned).await.code(), "access_token_invalid");
}

// SEC-31, SEC-32
#[tokio::test]
async fn times_are_whole_numbers_that_have_come_and_not_gone() {
    let forge = Forge::start(|settings| settings).await;
    let (header, now) = (Header::new(Algorithm::HS256), START.as_seconds());
    for (name, value) in [
        ("exp", json!(now)),
        ("exp", json!((now + 60).to_string())),
        ("exp", json!(null)),
        ("exp", json!(1e300)),
        ("exp", json!((now + 60) as f64 + 0.5)),
        ("exp", json!(-1)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(now + 1)),
        ("nbf", json!("0")),
        ("iat", json!(now + 3_600)),
        ("iat", json!("now")),
    ] {
        let claims = with(forge.minimal(), name, value.clone());
        assert!(!forge.opens(&header, &claims, KEY).await, "{name}: {value}");
    }
    let mut endless = forge.minimal();
    endless.as_object_mut().unwrap().remove("exp");
    assert!(!forge.opens(&header, &endless, KEY).await, "no exp");
}

// SEC-33, SEC-34
#[tokio::test]
async fn a_token_for_another_purpose_of_another_issuer_or_user_opens_nothing() {
    let forge = Forge::start(|settings| settings).await;
    let other_types = ["reset+jwt", "logout+jwt", "dpop+jwt"];
    for typ in other_types {
        let header = Header { typ: Some(typ.to_owned()), ..Header::new(Algorithm::HS256) };
        assert!(!forge.opens(&header, &forge.minimal(), KEY).await, "{typ}");
    }
    for (name, value) in [
        ("token_type", json!("refresh")),
        ("iss", json!("http://localhost:8000/")),
        ("iss", json!("https://evil.example")),
        ("aud", json!("somebody else")),
        ("sub", json!("1")),
        ("sub", json!(" ")),
        ("sub", json!("")),
        ("sub", json!(format!("0{}", forge.user))),
        ("sub", json!(format!("+{}", forge.user))),
        ("sub", json!(forge.user.parse::<i64>().unwrap())),
        ("sid", json!("1")),
        ("sid", json!("")),
        ("sid", json!(null)),
    ] {
        let claims = with(forge.minimal(), name, value.clone());
        assert!(!forge.opens(&Header::new(Algorithm::HS256), &claims, KEY).await, "{name}: {value}");
    }
}

// SEC-34
#[tokio::test]
async fn anothers_sign_in_does_not_open_ones_account() {
    let forge = Forge::start(|settings| settings).await;
    let theirs = forge.app.somebody("eve").await;
    let sid = claim(&theirs.access_token, "sid");
    assert!(!forge.opens(&Header::new(Algorithm::HS256), &with(forge.minimal(), "sid", sid), KEY).await);
    let own = claim(&forge.session.access_token, "sid");
    assert!(forge.opens(&Header::new(Algorithm::HS256), &with(forge.minimal(), "sid", own), KEY).await);
}

fn claim(token: &str, name: &str) -> Value {
    let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(token).unwrap().claims;
    claims[name].clone()
}

// SEC-28
#[tokio::test]
async fn keys_that_the_token_brings_along_and_critical_extensions_are_refused() {
    let forge = Forge::start(|settings| settings).await;
    let with_jku = Header { jku: Some("http://127.0.0.1:1/keys".to_owned()), ..typed() };
    let claims = with(forge.minimal(), "iss", json!("http://localhost:8000"));
    let with_crit = Header { crit: Some(vec!["exp".to_owned()]), ..typed() };
    assert!(!forge.opens(&with_crit, &claims, KEY).await, "crit");
    // A key's address is not refused, it is never used: the signature by our own key decides.
    let foreign =
        encode(&with_jku, &claims, &EncodingKey::from_secret(b"theirs, of thirty-two bytes and more"))
            .unwrap();
    assert_eq!(forge.app.me(&foreign).await.code(), "access_token_invalid");
}

#[tokio::test]
async fn a_token_without_a_sign_in_dies_with_the_next_change_of_credentials() {
    let forge = Forge::start(|settings| settings).await;
    let header = Header::new(Algorithm::HS256);
    assert!(forge.opens(&header, &forge.minimal(), KEY).await);
    let everywhere = forge.app.call(Method::DELETE, "/refresh/all").bearer(&forge.session.access_token);
    assert_eq!(everywhere.send().await.status, 204);
    assert!(!forge.opens(&header, &forge.minimal(), KEY).await, "issued before");
    let later = with(forge.minimal(), "iat", json!(START.as_seconds() + 1));
    forge.app.advance(MINUTE / 2);
    assert!(forge.opens(&header, &later, KEY).await, "issued after");
}

// SEC-34
#[tokio::test]
async fn where_an_audience_is_set_no_token_without_it_is_taken() {
    let audience = Some("shop".to_owned());
    let forge = Forge::start(|settings| Settings { audience, ..settings }).await;
    assert_eq!(claim(&forge.session.access_token, "aud"), "shop");
    assert_eq!(forge.app.me(&forge.session.access_token).await.status, 200);
    let header = Header::new(Algorithm::HS256);
    assert!(!forge.opens(&header, &forge.minimal(), KEY).await);
    assert!(!forge.opens(&header, &with(forge.minimal(), "aud", json!("shopping")), KEY).await);
    assert!(forge.opens(&header, &with(forge.minimal(), "aud", json!("shop")), KEY).await);
}

// SEC-40, SEC-55
#[tokio::test]
async fn a_former_key_verifies_until_it_is_removed_and_never_signs() {
    let fallbacks = vec![SecretString::from(FORMER_KEY)];
    let forge = Forge::start(|settings| Settings { secret_key_fallbacks: fallbacks, ..settings }).await;
    assert!(forge.opens(&Header::new(Algorithm::HS256), &forge.minimal(), FORMER_KEY).await);
    let mut own = jsonwebtoken::Validation::new(Algorithm::HS256);
    own.validate_exp = false;
    let verifies = |key: &str| {
        let key = jsonwebtoken::DecodingKey::from_secret(key.as_bytes());
        jsonwebtoken::decode::<Value>(&forge.session.access_token, &key, &own).is_ok()
    };
    assert!(verifies(KEY) && !verifies(FORMER_KEY));
    let without = Forge::start(|settings| settings).await;
    assert!(!without.opens(&Header::new(Algorithm::HS256), &without.minimal(), FORMER_KEY).await);
}

// SEC-39
#[tokio::test]
async fn no_shared_secret_is_ever_published() {
    let forge = Forge::start(|settings| settings).await;
    let answer = forge.app.get("/.well-known/jwks.json").send().await;
    assert_eq!((answer.status, &answer.body), (200, &json!({"keys": []})));
}

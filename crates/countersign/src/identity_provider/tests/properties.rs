//! What is read from a provider never panics, whatever it is, and a token that was touched is never taken.

use countersign_testbed::{Issuer, Person, SigningAlgorithm};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::identity_provider::address::Reach;
use crate::identity_provider::discovery::{Discovered, IssuerRule};
use crate::identity_provider::fault::Lie;
use crate::identity_provider::id_token::{Expected, Named, Unverified};
use crate::identity_provider::keys::KeySet;

const ALL: [SigningAlgorithm; 4] =
    [SigningAlgorithm::Rs256, SigningAlgorithm::Ps256, SigningAlgorithm::Es256, SigningAlgorithm::EdDsa];

/// What checks the ID tokens of one issuer.
struct Check {
    keys: KeySet,
    issuer: IssuerRule,
    now: Timestamp,
}

impl Check {
    fn of(issuer: &Issuer) -> Self {
        let keys = KeySet::parse(issuer.keys().to_string().as_bytes()).unwrap();
        Self { keys, issuer: IssuerRule::Exact(issuer.url()), now: Clock::System.now() }
    }

    fn judge(&self, token: &str) -> Result<Named, Lie> {
        let token = Unverified::parse(token)?;
        token.judge(&Expected {
            issuer: &self.issuer,
            key_issuer: token.verify(&self.keys)?,
            client_id: Issuer::CLIENT_ID,
            nonce: NONCE,
            access_token: "access",
            asked_at: self.now,
            now: self.now,
        })
    }
}

/// The usual library takes what the tests' issuer signs: so it is honest, and what we take is a JWT.
#[test]
fn an_independent_library_takes_the_same_tokens() {
    for algorithm in ALL {
        let issuer = Issuer::start_with(algorithm);
        let token = issuer.id_token(NONCE);
        assert_eq!(Check::of(&issuer).judge(&token).unwrap().subject, "ada");
        let mut keys = issuer.keys();
        // It knows no set with a key of a curve that it doesn't know.
        keys["keys"].as_array_mut().unwrap().remove(0);
        let keys: JwkSet = serde_json::from_value(keys).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        let mut rules = Validation::new(header.alg);
        rules.set_audience(&[Issuer::CLIENT_ID]);
        rules.set_issuer(&[issuer.url()]);
        let key = DecodingKey::from_jwk(&keys.keys[0]).unwrap();
        let claims = jsonwebtoken::decode::<Value>(&token, &key, &rules).unwrap().claims;
        assert_eq!(claims["sub"], "ada", "{algorithm:?}");
    }
}

// SEC-91
#[test]
fn a_token_with_one_changed_letter_is_refused() {
    for algorithm in ALL {
        let issuer = Issuer::start_with(algorithm);
        let (check, token) = (Check::of(&issuer), issuer.id_token(NONCE));
        assert!(check.judge(&token).is_ok());
        for at in 0..token.len() {
            for letter in ["A", "B", ""] {
                if token[at..=at] == *letter {
                    continue;
                }
                let changed = [&token[..at], letter, &token[at + 1..]].concat();
                assert!(check.judge(&changed).is_err(), "{algorithm:?} {at} {letter}");
            }
        }
    }
}

// SEC-91
#[test]
fn a_key_of_one_tenant_signs_for_no_other() {
    let issuer = Issuer::start_with(SigningAlgorithm::EdDsa);
    let (origin, tid) = (issuer.url(), "9188040d-6c67-4c5b-b112-36a304b66dad");
    let template = format!("{origin}/{{tenantid}}/v2.0");
    let of_tenant = |tid: &str| template.replace("{tenantid}", tid);
    issuer.set_url(&of_tenant(tid));
    issuer.set_person(Person::new("ada").with("tid", tid));
    let judge = |key_issuer: &str| {
        let mut keys = issuer.keys();
        keys["keys"][1]["issuer"] = key_issuer.into();
        let keys = KeySet::parse(keys.to_string().as_bytes()).unwrap();
        let check = Check { keys, issuer: IssuerRule::OfTenant(template.clone()), now: Clock::System.now() };
        check.judge(&issuer.id_token(NONCE)).map(|named| named.issuer)
    };
    assert_eq!(judge(&template), Ok(of_tenant(tid)));
    assert_eq!(judge(&of_tenant(tid)), Ok(of_tenant(tid)));
    assert_eq!(judge(&of_tenant("72f988bf-86f1-41af-91ab-2d7cd011db47")), Err(Lie::TokenIssuer));
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        Just(json!("https://idp.example.com")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

const MEMBERS: [&str; 24] = [
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "userinfo_endpoint",
    "token_endpoint_auth_methods_supported",
    "code_challenge_methods_supported",
    "keys",
    "kty",
    "kid",
    "alg",
    "use",
    "crv",
    "x",
    "y",
    "n",
    "e",
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nonce",
    "email",
];

/// An object with the members that somebody looks for, and any values.
fn arbitrary_document() -> impl Strategy<Value = Value> {
    let member = prop::sample::select(MEMBERS.to_vec());
    prop::collection::btree_map(member, arbitrary_json(), 0..16).prop_map(|map| json!(map))
}

proptest! {
    #[test]
    fn discovery_and_keys_of_any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let reach = Reach::of(&Url::parse("https://idp.example.com").unwrap(), false);
        prop_assert!(Discovered::parse(&bytes, "https://idp.example.com", reach).is_err());
        let _ = KeySet::parse(&bytes);
    }

    #[test]
    fn discovery_and_keys_of_any_members_are_refused_or_read(document in arbitrary_document(), key in arbitrary_document()) {
        let reach = Reach::of(&Url::parse("https://idp.example.com").unwrap(), false);
        let read = Discovered::parse(document.to_string().as_bytes(), "https://idp.example.com", reach);
        if let Ok(read) = read {
            prop_assert_eq!(read.token_endpoint.scheme(), "https");
            prop_assert_eq!(read.issuer, IssuerRule::Exact("https://idp.example.com".to_owned()));
        }
        let _ = KeySet::parse(json!({"keys": [key, document]}).to_string().as_bytes());
    }

    #[test]
    fn no_text_is_a_token_that_nobody_signed(
        text in "\\PC{0,200}",
        head in arbitrary_document(),
        body in arbitrary_document(),
        signature in prop::collection::vec(any::<u8>(), 0..80),
        algorithm in prop::sample::select(vec!["none", "HS256", "RS256", "ES256", "EdDSA", ""]),
    ) {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": URL_SAFE_NO_PAD.encode([7; 32])});
        let keys = KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap();
        let issuer = IssuerRule::Exact("https://idp.example.com".to_owned());
        let check = Check { keys, issuer, now: Timestamp::from_millis(0) };
        prop_assert!(check.judge(&text).is_err());
        let mut head = head;
        head["alg"] = algorithm.into();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (head, body) = (part(head.to_string().as_bytes()), part(body.to_string().as_bytes()));
        let made_up = [head, body, part(&signature)].join(".");
        prop_assert!(check.judge(&made_up).is_err());
    }

    /// What a signed token says is judged without a panic, whatever it is.
    #[test]
    fn a_signed_token_of_any_claims_is_refused_or_names_somebody(claim in prop::sample::select(MEMBERS.to_vec()), value in arbitrary_json()) {
        let issuer = Issuer::start_with(SigningAlgorithm::EdDsa);
        issuer.set_twist(Some(countersign_testbed::Twist::Claim(claim, value)));
        if let Ok(named) = Check::of(&issuer).judge(&issuer.id_token(NONCE)) {
            prop_assert_eq!(named.issuer, issuer.url());
            prop_assert!(!named.subject.is_empty() && named.subject.len() <= 255);
        }
    }
}

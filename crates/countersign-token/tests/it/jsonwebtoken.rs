//! `jsonwebtoken` as oracle: what one signs the other accepts, and neither accepts what the other forged.

use countersign_token::{HmacKey, NewToken, Refusal, Signer, Verifier, system_clock};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use proptest::prelude::*;
use serde_json::{Value, json};

const ISSUER: &str = "https://auth.example.com";

/// A token of exactly these bytes, signed by the oracle.
pub(crate) fn signed_raw(header: &[u8], payload: &[u8], key: &EncodingKey) -> String {
    use base64::Engine;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

proptest! {
    #[test]
    fn the_oracle_accepts_our_tokens(
        secret in proptest::collection::vec(any::<u8>(), 32..100), subject in ".{1,30}", sign_in in ".{1,30}",
        audience in proptest::option::of(any::<String>()),
    ) {
        let now = system_clock();
        let new = NewToken {
            subject: &subject, sign_in: &sign_in, token_id: "j", issued_at: now, expires_at: now + 600,
        };
        let token = Signer::new(HmacKey::new(&secret).unwrap(), ISSUER, audience.as_deref()).sign(&new);
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "sub", "iss"]);
        if let Some(audience) = &audience {
            validation.set_audience(&[audience]);
        }
        let read = decode::<Value>(&token, &DecodingKey::from_secret(&secret), &validation).unwrap();
        let mut expected = json!({
            "sub": subject, "sid": sign_in, "jti": "j", "iat": now, "exp": now + 600, "token_type": "access",
            "iss": ISSUER,
        });
        if let Some(audience) = audience {
            expected["aud"] = json!(audience);
        }
        prop_assert_eq!(read.claims, expected);
        prop_assert_eq!(read.header.typ.as_deref(), Some("at+jwt"));
        let key = HmacKey::new(&secret).unwrap();
        prop_assert_eq!(read.header.kid.as_deref(), Some(key.kid()));
    }

    #[test]
    fn we_accept_the_oracles_tokens(
        secret in proptest::collection::vec(any::<u8>(), 32..100), subject in ".{1,30}", sign_in in ".{1,30}",
        note in any::<String>(), ours in any::<bool>(), named in any::<bool>(),
    ) {
        let now = 1_700_000_000;
        let key = HmacKey::new(&secret).unwrap();
        let mut header = Header::new(Algorithm::HS256);
        header.kid = named.then(|| key.kid().to_owned());
        let mut claims = json!({ "sub": subject, "iat": now, "exp": now + 600, "note": note });
        if ours {
            header.typ = Some("at+jwt".into());
            claims["sid"] = json!(sign_in);
            claims["jti"] = json!("j");
            claims["iss"] = json!(ISSUER);
            claims["token_type"] = json!("access");
        }
        let token = encode(&header, &claims, &EncodingKey::from_secret(&secret)).unwrap();
        let verifier = Verifier::builder().key(key).issuer(ISSUER).accept_minimal(!ours).build().unwrap();
        let read = verifier.verify(&token, now).unwrap();
        prop_assert_eq!(read.subject, subject);
        prop_assert_eq!(read.sign_in, ours.then_some(sign_in));
        prop_assert_eq!((read.issued_at, read.expires_at), (now, now + 600));
        prop_assert_eq!(verifier.verify(&token, now + 600), Err(Refusal::Expired));
    }
}

// SEC-27
#[test]
fn other_hmacs_of_the_oracle_are_refused() {
    let secret = [7; 64];
    let verifier =
        Verifier::builder().key(HmacKey::new(&secret).unwrap()).accept_minimal(true).build().unwrap();
    let claims = json!({ "sub": "42", "iat": 1_700_000_000, "exp": 1_700_000_600 });
    for (algorithm, expected) in
        [(Algorithm::HS256, true), (Algorithm::HS384, false), (Algorithm::HS512, false)]
    {
        let token = encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(&secret)).unwrap();
        assert_eq!(verifier.verify(&token, 1_700_000_000).is_ok(), expected, "{algorithm:?}");
    }
}

#[test]
fn a_token_of_another_key_is_refused_by_both() {
    let now = system_clock();
    let new = NewToken { subject: "42", sign_in: "s", token_id: "j", issued_at: now, expires_at: now + 600 };
    let token = Signer::new(HmacKey::new(&[1; 32]).unwrap(), ISSUER, None).sign(&new);
    let verifier = Verifier::builder().key(HmacKey::new(&[2; 32]).unwrap()).issuer(ISSUER).build().unwrap();
    assert_eq!(verifier.verify(&token, now), Err(Refusal::Invalid));
    let validation = Validation::new(Algorithm::HS256);
    assert!(decode::<Value>(&token, &DecodingKey::from_secret(&[2; 32]), &validation).is_err());
}

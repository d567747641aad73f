//! What holds for every token, however it came about.

use countersign_token::{HmacKey, NewToken, Refusal, Signer, Verifier, from_authorization};
use proptest::prelude::*;

const NOW: i64 = 1_700_000_000;
const TOKEN_CHARACTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\0é";

fn key(byte: u8) -> HmacKey {
    HmacKey::new(&[byte; 32]).unwrap()
}

fn verifier() -> Verifier {
    Verifier::builder().key(key(1)).key(key(2)).issuer("me").accept_minimal(true).build().unwrap()
}

fn token(subject: &str) -> String {
    let new = NewToken { subject, sign_in: "s", token_id: "j", issued_at: NOW, expires_at: NOW + 600 };
    Signer::new(key(1), "me", None).sign(&new)
}

proptest! {
    #[test]
    fn what_was_signed_is_what_is_read(
        subject in ".{1,40}", sign_in in ".{1,40}", token_id in ".{1,40}", issuer in any::<String>(),
        audience in proptest::option::of(any::<String>()), issued_at in 0_i64..9_007_199_254_740_990,
        secret in proptest::collection::vec(any::<u8>(), 32..100), life in 1_i64..1_000_000,
    ) {
        let key = HmacKey::new(&secret).unwrap();
        let expires_at = (issued_at + life).min(9_007_199_254_740_991);
        let new = NewToken { subject: &subject, sign_in: &sign_in, token_id: &token_id, issued_at, expires_at };
        let token = Signer::new(key.clone(), &issuer, audience.as_deref()).sign(&new);
        let mut verifier = Verifier::builder().key(key).issuer(issuer.clone());
        if let Some(audience) = &audience {
            verifier = verifier.audience(audience.clone());
        }
        let verifier = verifier.build().unwrap();
        let claims = verifier.verify(&token, issued_at).unwrap();
        prop_assert_eq!(claims.subject, subject);
        prop_assert_eq!(claims.sign_in, Some(sign_in));
        prop_assert_eq!(claims.token_id, Some(token_id));
        prop_assert_eq!(claims.issuer, Some(issuer));
        prop_assert_eq!(claims.audience, Vec::from_iter(audience));
        prop_assert_eq!((claims.issued_at, claims.expires_at), (issued_at, expires_at));
        prop_assert!(verifier.verify(&token, expires_at - 1).is_ok());
        prop_assert_eq!(verifier.verify(&token, expires_at), Err(Refusal::Expired));
    }

    // SEC-37
    #[test]
    fn arbitrary_text_is_invalid(text in any::<String>(), now in any::<i64>()) {
        prop_assume!(!text.is_empty());
        prop_assert_eq!(verifier().verify(&text, now), Err(Refusal::Invalid));
    }

    // SEC-37
    #[test]
    fn text_shaped_like_a_token_is_invalid(
        text in r"(eyJ[A-Za-z0-9_-]{0,40}|[A-Za-z0-9_=-]{0,40})\.[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{43}",
        now in any::<i64>(),
    ) {
        prop_assert_eq!(verifier().verify(&text, now), Err(Refusal::Invalid));
    }

    // SEC-37
    #[test]
    fn an_altered_header_and_payload_are_invalid(
        header in proptest::collection::vec(any::<u8>(), 0..60), payload in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        use base64::Engine;
        let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        let genuine = token("42");
        let parts: Vec<&str> = genuine.split('.').collect();
        let (header, payload) = (encode(&header), encode(&payload));
        for altered in [
            format!("{header}.{}.{}", parts[1], parts[2]),
            format!("{}.{payload}.{}", parts[0], parts[2]),
            format!("{header}.{payload}.{}", parts[2]),
        ] {
            prop_assert_eq!(verifier().verify(&altered, NOW), Err(Refusal::Invalid));
        }
    }

    #[test]
    fn arbitrary_headers_never_panic(value in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(token) = from_authorization(&value) {
            prop_assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}

// SEC-26, SEC-37
#[test]
fn any_single_change_of_a_character_is_refused() {
    let verifier = verifier();
    let genuine = token("4711");
    assert!(verifier.verify(&genuine, NOW).is_ok());
    for (at, was) in genuine.char_indices() {
        let (before, after) = (&genuine[..at], &genuine[at + 1..]);
        assert_eq!(verifier.verify(&format!("{before}{after}"), NOW), Err(Refusal::Invalid), "without {at}");
        for character in TOKEN_CHARACTERS.chars() {
            if character != was {
                let altered = format!("{before}{character}{after}");
                assert_eq!(verifier.verify(&altered, NOW), Err(Refusal::Invalid), "{altered:?}");
            }
            let longer = format!("{before}{character}{}", &genuine[at..]);
            assert_eq!(verifier.verify(&longer, NOW), Err(Refusal::Invalid), "{longer:?}");
        }
    }
}

// SEC-31, SEC-37
#[test]
fn every_single_byte_of_a_payload_changed_and_signed_anew_is_read_or_refused_as_serde_json_would() {
    let genuine = br#"{"sub":"42","iat":1700000000,"exp":1700000600,"aud":[],"nbf":1,"x":{"y":[null]}}"#;
    let encoding = jsonwebtoken::EncodingKey::from_secret(&[1; 32]);
    let mut read = 0;
    for at in 0..genuine.len() {
        for byte in 0..=u8::MAX {
            let mut payload = genuine.to_vec();
            payload[at] = byte;
            let token = super::jsonwebtoken::signed_raw(br#"{"alg":"HS256"}"#, &payload, &encoding);
            let verifier = Verifier::builder().key(key(1)).accept_minimal(true).build().unwrap();
            if let Ok(claims) = verifier.verify(&token, NOW) {
                let value: serde_json::Value = serde_json::from_slice(&payload).unwrap();
                assert_eq!(value["sub"], claims.subject.as_str());
                assert_eq!(value["iat"], claims.issued_at);
                assert_eq!(value["exp"], claims.expires_at);
                read += 1;
            }
        }
    }
    assert!(read > 100, "{read}");
}

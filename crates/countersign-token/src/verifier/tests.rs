//! Tests of the verifier, rule by rule: form, header and keys here, what is asked of the claims in [`claims`].

use super::{MAX_TOKEN_LENGTH, Verifier, VerifierError, check_key_set};
use crate::base64url;
use crate::claims::Claims;
use crate::key::{HmacKey, SigningKey, VerifyingKey};
use crate::refusal::Refusal::{self, Expired, Invalid, Missing};
use crate::signer::{NewToken, Signer};

mod claims;

const NOW: i64 = 1_700_000_000;
const ISSUER: &str = "https://auth.example.com";
const FULL: &str = r#""sub":"42","iat":1700000000,"exp":1700000600,"jti":"j1","sid":"s1","token_type":"access","iss":"https://auth.example.com""#;
const BARE: &str = r#""sub":"42","iat":1700000000,"exp":1700000600"#;

fn key(byte: u8) -> HmacKey {
    HmacKey::new(&[byte; 32]).unwrap()
}

/// A token of this header and payload, truly signed.
fn signed(key: &HmacKey, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let message = format!("{}.{}", base64url::encode(header.as_ref()), base64url::encode(payload.as_ref()));
    let mut token = format!("{message}.");
    SigningKey::from(key.clone()).sign(message.as_bytes(), &mut token);
    token
}

fn ours(members: &str) -> String {
    let key = key(1);
    signed(
        &key,
        format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{}"}}"#, key.kid()),
        format!("{{{members}}}"),
    )
}

fn with_header(header: &str) -> String {
    signed(&key(1), header, format!("{{{FULL}}}"))
}

fn verifier() -> Verifier {
    Verifier::builder().key(key(1)).issuer(ISSUER).build().unwrap()
}

/// The service's own verifier: takes minimal tokens too.
fn lenient() -> Verifier {
    Verifier::builder().key(key(1)).issuer(ISSUER).accept_minimal(true).build().unwrap()
}

fn verdict(token: &str) -> Result<Claims, Refusal> {
    verifier().verify(token, NOW)
}

#[test]
fn a_good_token_gives_its_claims() {
    let signer = Signer::new(key(1), ISSUER, None);
    let token = signer.sign(&NewToken {
        subject: "42",
        sign_in: "s1",
        token_id: "j1",
        issued_at: NOW,
        expires_at: NOW + 600,
    });
    let claims = verdict(&token).unwrap();
    assert_eq!(claims, verdict(&ours(FULL)).unwrap());
    assert_eq!(
        claims,
        Claims {
            subject: "42".into(),
            issued_at: NOW,
            expires_at: NOW + 600,
            not_before: None,
            token_id: Some("j1".into()),
            sign_in: Some("s1".into()),
            issuer: Some(ISSUER.into()),
            audience: vec![],
        }
    );
}

// SEC-26
#[test]
fn exactly_three_segments_are_taken() {
    let token = ours(FULL);
    assert!(verdict(&token).is_ok());
    let (head, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = head.split_once('.').unwrap();
    assert_eq!(verdict(""), Err(Missing));
    for altered in [
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        header.to_owned(),
        head.to_owned(),
        format!("{head}."),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}.{signature}"),
    ] {
        assert_eq!(verdict(&altered), Err(Invalid), "{altered}");
    }
}

// SEC-26
#[test]
fn padding_whitespace_and_other_alphabets_are_refused() {
    let token = ours(FULL);
    let (head, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = head.split_once('.').unwrap();
    for altered in [
        format!("{token}="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("{header}. {payload}.{signature}"),
        format!("{token}\u{0}"),
        format!("{header}.{payload}.{}", signature.replace(['-', '_'], "+")) + "/",
    ] {
        assert_eq!(verdict(&altered), Err(Invalid), "{altered:?}");
    }
}

// SEC-26
#[test]
fn a_signature_with_stray_trailing_bits_is_refused() {
    let token = ours(FULL);
    let (body, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.find(last).unwrap();
    assert_eq!(place % 4, 0, "32 bytes leave two bits over");
    for stray in 1..4 {
        let other = alphabet.get(place + stray..=place + stray).unwrap();
        assert_eq!(verdict(&format!("{body}{other}")), Err(Invalid));
    }
}

// SEC-26
#[test]
fn a_token_over_the_length_limit_is_refused() {
    let sized = |padding: usize| ours(&format!(r#"{FULL},"pad":"{}""#, "x".repeat(padding)));
    let fits = (0..6_000).rev().map(sized).find(|token| token.len() <= MAX_TOKEN_LENGTH).unwrap();
    assert!(fits.len() > MAX_TOKEN_LENGTH - 4);
    assert!(verdict(&fits).is_ok());
    assert_eq!(verdict(&sized(6_000)), Err(Invalid));
}

// SEC-27
#[test]
fn the_algorithm_must_be_the_keys_own() {
    for alg in
        ["none", "None", "NONE", "", "hs256", "Hs256", "HS384", "HS512", "RS256", "ES256", "EdDSA", " HS256"]
    {
        assert_eq!(
            verdict(&with_header(&format!(r#"{{"alg":"{alg}","typ":"at+jwt"}}"#))),
            Err(Invalid),
            "{alg}"
        );
    }
    for header in
        [r#"{"typ":"at+jwt"}"#, r#"{"alg":null,"typ":"at+jwt"}"#, r#"{"alg":["HS256"],"typ":"at+jwt"}"#]
    {
        assert_eq!(verdict(&with_header(header)), Err(Invalid), "{header}");
    }
    assert!(verdict(&with_header(r#"{"alg":"HS256","typ":"at+jwt"}"#)).is_ok());
}

// SEC-27
#[test]
fn a_token_without_a_signature_is_refused() {
    let token = with_header(r#"{"alg":"none","typ":"at+jwt"}"#);
    let (head, _) = token.rsplit_once('.').unwrap();
    assert_eq!(verdict(&format!("{head}.")), Err(Invalid));
    assert_eq!(verdict(&format!("{head}.AA")), Err(Invalid));
}

// SEC-28
#[test]
fn a_header_that_brings_a_key_or_changes_the_rules_is_refused() {
    for member in [
        r#""jku":"https://evil.example/jwks.json""#,
        r#""jwk":{"kty":"oct","k":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}"#,
        r#""x5u":"https://evil.example/cert""#,
        r#""x5c":["AA"]"#,
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""b64":true"#,
        r#""zip":"DEF""#,
        r#""cr\u0069t":[]"#,
    ] {
        let header = format!(r#"{{"alg":"HS256","typ":"at+jwt",{member}}}"#);
        assert_eq!(verdict(&with_header(&header)), Err(Invalid), "{member}");
    }
    assert!(verdict(&with_header(r#"{"alg":"HS256","typ":"at+jwt","x-note":{"a":[1]}}"#)).is_ok());
}

// SEC-29
#[test]
fn a_kid_is_compared_and_nothing_else() {
    for kid in ["", "other", "../../dev/null", "' OR 1=1 --", "https://evil.example/key", "\\u0000"] {
        let header = format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#);
        assert_eq!(verdict(&with_header(&header)), Err(Invalid), "{kid}");
    }
    for kid in ["null", "1", "[\"a\"]", "{}"] {
        assert_eq!(
            verdict(&with_header(&format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":{kid}}}"#))),
            Err(Invalid)
        );
    }
}

// SEC-29
#[test]
fn a_kid_that_names_another_key_is_refused() {
    let both = Verifier::builder().key(key(1)).key(key(2)).issuer(ISSUER).build().unwrap();
    let header = format!(r#"{{"typ":"at+jwt","kid":"{}","alg":"HS256"}}"#, key(2).kid());
    let payload = format!("{{{FULL}}}");
    assert_eq!(both.verify(&signed(&key(1), &header, &payload), NOW), Err(Invalid));
    assert!(both.verify(&signed(&key(2), &header, &payload), NOW).is_ok());
}

// SEC-29
#[test]
fn key_sets_with_two_meanings_make_no_verifier() {
    let twice = Verifier::builder().key(key(1)).key(key(2)).key(key(1)).build();
    assert_eq!(twice.unwrap_err(), VerifierError::DuplicateKid { kid: key(1).kid().into() });
    assert_eq!(Verifier::builder().build().unwrap_err(), VerifierError::NoKey);
    let mixed = [("a", "HS256"), ("b", "HS256"), ("c", "EdDSA")];
    assert_eq!(check_key_set(mixed.into_iter()), Err(VerifierError::MixedAlgorithms));
    assert_eq!(check_key_set(mixed.into_iter().take(2)), Ok(()));
}

// SEC-30
#[test]
fn duplicate_members_are_refused() {
    for member in [r#""alg":"HS256""#, r#""typ":"at+jwt""#, r#""a\u006cg":"HS256""#, r#""x":1,"x":1"#] {
        let header = format!(r#"{{"alg":"HS256","typ":"at+jwt",{member}}}"#);
        assert_eq!(verdict(&with_header(&header)), Err(Invalid), "{member}");
    }
    for member in [
        r#""sub":"42""#,
        r#""exp":1700000600"#,
        r#""iat":1700000000"#,
        r#""jti":"j1""#,
        r#""sid":"s1""#,
        r#""token_type":"access""#,
        r#""iss":"https://auth.example.com""#,
        r#""s\u0075b":"43""#,
        r#""role":"user","role":"admin""#,
        r#""nbf":1,"nbf":1"#,
    ] {
        assert_eq!(verdict(&ours(&format!("{FULL},{member}"))), Err(Invalid), "{member}");
    }
}

// SEC-30
#[test]
fn header_and_payload_must_be_objects_in_utf8() {
    let good = r#"{"alg":"HS256","typ":"at+jwt"}"#;
    for payload in
        ["[]", "null", "\"sub\"", "1", "{", "", " ", &format!("{{{FULL}}}x"), &format!("\u{feff}{{{FULL}}}")]
    {
        assert_eq!(verdict(&signed(&key(1), good, payload)), Err(Invalid), "{payload}");
        assert_eq!(verdict(&signed(&key(1), payload, format!("{{{FULL}}}"))), Err(Invalid), "{payload}");
    }
    let mut broken = format!(r#"{{{FULL},"x":""#).into_bytes();
    broken.extend_from_slice(b"\xff\"}");
    assert_eq!(verdict(&signed(&key(1), good, &broken)), Err(Invalid));
    let mut header = br#"{"alg":"HS256","typ":"at+jwt","x":""#.to_vec();
    header.extend_from_slice(b"\xc0\x80\"}");
    assert_eq!(verdict(&signed(&key(1), &header, format!("{{{FULL}}}"))), Err(Invalid));
}

// SEC-39
#[test]
fn a_token_signed_with_a_published_kid_is_refused() {
    let kid = key(1).kid().to_owned();
    let published =
        HmacKey::new(format!(r#"{{"kty":"oct","kid":"{kid}","alg":"HS256"}}"#).as_bytes()).unwrap();
    let token = signed(
        &published,
        format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#),
        format!("{{{FULL}}}"),
    );
    assert_eq!(verdict(&token), Err(Invalid));
}

// SEC-40
#[test]
fn a_fallback_key_verifies_until_it_is_removed() {
    let old = ours(FULL);
    let nameless = with_header(r#"{"alg":"HS256","typ":"at+jwt"}"#);
    let rotated =
        Verifier::builder().keys([key(2), key(1)].map(VerifyingKey::from)).issuer(ISSUER).build().unwrap();
    let removed = Verifier::builder().key(key(2)).issuer(ISSUER).build().unwrap();
    for token in [&old, &nameless] {
        assert!(rotated.verify(token, NOW).is_ok());
        assert_eq!(removed.verify(token, NOW), Err(Invalid));
    }
}

#[test]
fn the_verifiers_own_clock_decides_where_none_is_passed() {
    let at = |clock| Verifier::builder().key(key(1)).clock(clock).build().unwrap();
    assert!(at(|| NOW).verify_now(&ours(FULL)).is_ok());
    assert_eq!(at(|| NOW + 600).verify_now(&ours(FULL)), Err(Expired));
}

// SEC-69
#[test]
fn deep_nesting_is_refused() {
    let nested = |depth: usize| ours(&format!(r#"{FULL},"x":{}{}"#, "[".repeat(depth), "]".repeat(depth)));
    assert!(verdict(&nested(63)).is_ok());
    assert_eq!(verdict(&nested(64)), Err(Invalid));
    assert_eq!(verdict(&nested(2_500)), Err(Invalid));
}

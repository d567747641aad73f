//! Tests of what is asked of authentic claims: times, purpose, issuer and audience.

use super::{BARE, FULL, ISSUER, NOW, key, lenient, ours, signed, verdict, verifier, with_header};
use crate::refusal::Refusal::{Expired, Invalid};
use crate::verifier::{Verifier, VerifierError};

// SEC-31
#[test]
fn a_time_that_is_no_integer_in_range_is_refused() {
    for value in [
        "\"1700000600\"",
        "null",
        "1700000600.0",
        "1.7e9",
        "1e9",
        "1e999",
        "-1",
        "-0",
        "9223372036854775808",
        "9007199254740992",
        "true",
        "[]",
        "{}",
        "01700000600",
        "+1700000600",
        "0x65",
        "1700000600.",
        "NaN",
    ] {
        for (name, others) in [
            ("exp", r#""sub":"42","iat":1700000000"#),
            ("iat", r#""sub":"42","exp":1700000600"#),
            ("nbf", BARE),
        ] {
            let token = ours(&format!(
                r#"{others},"{name}":{value},"jti":"j","sid":"s","token_type":"access","iss":"{ISSUER}""#
            ));
            assert_eq!(verdict(&token), Err(Invalid), "{name}: {value}");
        }
    }
    let last = FULL.replace("1700000600", "9007199254740991");
    assert!(verdict(&ours(&last)).is_ok());
}

// SEC-31
#[test]
fn exp_iat_and_sub_are_required() {
    for absent in [r#""sub":"42","#, r#""iat":1700000000,"#, r#""exp":1700000600,"#] {
        let members = FULL.replace(absent, "");
        assert_ne!(members, FULL);
        assert_eq!(verdict(&ours(&members)), Err(Invalid), "{absent}");
    }
    for empty in [r#""42""#, r#""s1""#, r#""j1""#] {
        assert_eq!(verdict(&ours(&FULL.replace(empty, r#""""#))), Err(Invalid), "{empty}");
    }
    assert_eq!(verdict(&ours(&FULL.replace(r#""42""#, "42"))), Err(Invalid));
}

// SEC-32
#[test]
fn a_token_is_good_until_the_second_before_exp() {
    let token = ours(FULL);
    assert!(verifier().verify(&token, NOW + 599).is_ok());
    assert_eq!(verifier().verify(&token, NOW + 600), Err(Expired));
    assert_eq!(verifier().verify(&token, i64::MAX), Err(Expired));
    assert_eq!(verifier().verify(&token, i64::MIN), Err(Invalid));
}

// SEC-32
#[test]
fn leeway_is_counted_to_the_second_and_at_most_a_minute() {
    let build = |seconds| Verifier::builder().key(key(1)).leeway_seconds(seconds).build();
    let patient = build(60).unwrap();
    assert!(patient.verify(&ours(FULL), NOW + 659).is_ok());
    assert_eq!(patient.verify(&ours(FULL), NOW + 660), Err(Expired));
    let later = ours(&format!(r#"{FULL},"nbf":1700000100"#));
    assert!(patient.verify(&later, NOW + 40).is_ok());
    assert_eq!(patient.verify(&later, NOW + 39), Err(Invalid));
    assert_eq!(build(61).unwrap_err(), VerifierError::LeewayTooLong { seconds: 61 });
}

// SEC-32
#[test]
fn a_token_from_the_future_is_refused() {
    let later = ours(&format!(r#"{FULL},"nbf":1700000001"#));
    assert_eq!(verdict(&later), Err(Invalid));
    assert!(verifier().verify(&later, NOW + 1).is_ok());
    let ahead = |seconds: i64| ours(&FULL.replace("1700000000", &(NOW + seconds).to_string()));
    assert!(verdict(&ahead(60)).is_ok());
    assert_eq!(verdict(&ahead(61)), Err(Invalid));
}

// SEC-33
#[test]
fn only_access_tokens_are_taken() {
    for typ in ["id+jwt", "logout+jwt", "rt+jwt", "dpop+jwt", "at+jwt ", "", "jwe", "application/jwt"] {
        let token = signed(&key(1), format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#), format!("{{{FULL}}}"));
        assert_eq!(lenient().verify(&token, NOW), Err(Invalid), "{typ}");
    }
    assert_eq!(lenient().verify(&with_header(r#"{"alg":"HS256","typ":null}"#), NOW), Err(Invalid));
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert!(verdict(&with_header(&format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#))).is_ok(), "{typ}");
    }
    for kind in [r#""refresh""#, r#""Access""#, r#""""#, "null", "1", r#"["access"]"#] {
        let members = FULL.replace(r#""access""#, kind);
        assert_eq!(verdict(&ours(&members)), Err(Invalid), "{kind}");
        let bare = signed(&key(1), r#"{"alg":"HS256"}"#, format!(r#"{{{BARE},"token_type":{kind}}}"#));
        assert_eq!(lenient().verify(&bare, NOW), Err(Invalid), "{kind}");
    }
}

// SEC-33
#[test]
fn our_profile_demands_its_claims() {
    for absent in [
        r#","jti":"j1""#,
        r#","sid":"s1""#,
        r#","token_type":"access""#,
        r#","iss":"https://auth.example.com""#,
    ] {
        let members = FULL.replace(absent, "");
        assert_ne!(members, FULL);
        assert_eq!(verdict(&ours(&members)), Err(Invalid), "{absent}");
        assert_eq!(lenient().verify(&ours(&members), NOW), Err(Invalid), "{absent}");
    }
    let anyone = Verifier::builder().key(key(1)).build().unwrap();
    assert!(anyone.verify(&ours(&FULL.replace(r#","iss":"https://auth.example.com""#, "")), NOW).is_ok());
}

// SEC-33
#[test]
fn minimal_tokens_are_taken_only_where_asked_for() {
    for header in [r#"{"alg":"HS256"}"#, r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"typ":"jwt","alg":"HS256"}"#] {
        let token = signed(&key(1), header, format!("{{{BARE}}}"));
        assert_eq!(verifier().verify(&token, NOW), Err(Invalid));
        let claims = lenient().verify(&token, NOW).unwrap();
        assert_eq!((claims.subject.as_str(), claims.sign_in, claims.issuer), ("42", None, None));
        assert_eq!(lenient().verify(&token, NOW + 600), Err(Expired));
    }
}

// SEC-34
#[test]
fn the_issuer_must_match_letter_by_letter() {
    for issuer in ["", "https://auth.example.com/", "https://AUTH.example.com", "https://auth.example.co"] {
        let members = FULL.replace(ISSUER, issuer);
        assert_eq!(verdict(&ours(&members)), Err(Invalid), "{issuer}");
        let bare = signed(&key(1), r#"{"alg":"HS256"}"#, format!(r#"{{{BARE},"iss":"{issuer}"}}"#));
        assert_eq!(lenient().verify(&bare, NOW), Err(Invalid), "{issuer}");
    }
    assert_eq!(verdict(&ours(&FULL.replace(&format!("\"{ISSUER}\""), "null"))), Err(Invalid));
}

// SEC-34
#[test]
fn the_audience_must_name_us() {
    let api = Verifier::builder().key(key(1)).audience("api").accept_minimal(true).build().unwrap();
    for aud in [r#""api""#, r#"["api"]"#, r#"["other","api"]"#] {
        assert!(api.verify(&ours(&format!(r#"{FULL},"aud":{aud}"#)), NOW).is_ok(), "{aud}");
    }
    for aud in [
        r#""API""#,
        r#""api/""#,
        r#"["other"]"#,
        "[]",
        "null",
        r#"["api",1]"#,
        r#"{"api":1}"#,
        r#"[["api"]]"#,
    ] {
        assert_eq!(api.verify(&ours(&format!(r#"{FULL},"aud":{aud}"#)), NOW), Err(Invalid), "{aud}");
    }
    assert_eq!(api.verify(&ours(FULL), NOW), Err(Invalid));
    assert_eq!(api.verify(&signed(&key(1), r#"{"alg":"HS256"}"#, format!("{{{BARE}}}")), NOW), Err(Invalid));
}

// SEC-34
#[test]
fn a_token_for_somebody_else_is_refused_where_no_audience_is_set() {
    for aud in [r#""api""#, r#"["api"]"#, "[]"] {
        assert_eq!(verdict(&ours(&format!(r#"{FULL},"aud":{aud}"#))), Err(Invalid), "{aud}");
    }
}

// SEC-37
#[test]
fn a_forged_token_is_invalid_whatever_it_claims() {
    let forge = |members: &str| {
        let header = format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{}"}}"#, key(1).kid());
        signed(&key(2), header, format!("{{{members}}}"))
    };
    assert_eq!(verdict(&forge(FULL)), Err(Invalid));
    assert_eq!(verifier().verify(&forge(FULL), NOW + 600), Err(Invalid));
    assert_eq!(
        verdict(&signed(&key(2), r#"{"alg":"HS256","typ":"at+jwt"}"#, format!("{{{FULL}}}"))),
        Err(Invalid)
    );
}

// SEC-37
#[test]
fn only_a_token_that_was_good_has_expired() {
    for members in [
        FULL.replace(ISSUER, "https://other.example"),
        FULL.replace("access", "refresh"),
        format!(r#"{FULL},"aud":"api""#),
        FULL.replace(r#","sid":"s1""#, ""),
    ] {
        assert_eq!(verifier().verify(&ours(&members), NOW + 600), Err(Invalid), "{members}");
    }
}

#[test]
fn a_glance_says_what_the_claims_say_and_is_refused_where_they_are() {
    let key = crate::HmacKey::new(&[7; 32]).unwrap();
    let verifier = crate::Verifier::builder().key(key.clone()).issuer("i").build().unwrap();
    let new = crate::NewToken { subject: "42", sign_in: "7", token_id: "t", issued_at: 100, expires_at: 200 };
    let token = crate::Signer::new(key, "i", None).sign(&new);
    let seen = verifier.glance(&token, 150, |seen| {
        (seen.subject.to_owned(), seen.sign_in.map(str::to_owned), seen.issued_at, seen.expires_at)
    });
    assert_eq!(seen, Ok(("42".to_owned(), Some("7".to_owned()), 100, 200)));
    for (token, now) in [(token.as_str(), 200), ("a.b.c", 150), ("", 150)] {
        let refusal = verifier.verify(token, now).unwrap_err();
        assert_eq!(verifier.glance(token, now, |_| ()), Err(refusal));
    }
}

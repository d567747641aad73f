//! Tests of the header's reading; what the verifier makes of it is tested there.

use super::{Profile, read};
use crate::json::Malformed;

#[test]
fn the_members_that_matter_are_read_and_others_skipped() {
    let header = read(br#"{"x5t":"AA","alg":"HS256","cty":"JWT","kid":"k1","typ":"at+jwt"}"#).unwrap();
    assert_eq!((header.algorithm.as_ref(), header.kid.as_deref()), ("HS256", Some("k1")));
    assert_eq!(header.profile, Profile::AccessToken);
    let header = read(br#"{"alg":"HS256"}"#).unwrap();
    assert_eq!((header.kid, header.profile), (None, Profile::Minimal));
}

// SEC-33
#[test]
fn a_type_is_compared_without_regard_to_case() {
    for (typ, profile) in [
        ("at+jwt", Ok(Profile::AccessToken)),
        ("AT+JWT", Ok(Profile::AccessToken)),
        ("application/at+jwt", Ok(Profile::AccessToken)),
        ("JWT", Ok(Profile::Minimal)),
        ("jwt", Ok(Profile::Minimal)),
        ("at jwt", Err(Malformed)),
        ("id+jwt", Err(Malformed)),
        ("", Err(Malformed)),
    ] {
        let header = format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#);
        assert_eq!(read(header.as_bytes()).map(|header| header.profile), profile, "{typ}");
    }
}

// SEC-28
#[test]
fn a_member_that_brings_a_key_is_refused_whatever_its_value() {
    for name in ["crit", "b64", "zip", "jku", "jwk", "x5u", "x5c"] {
        for value in ["null", "true", "[]", "{}", r#""a""#] {
            let header = format!(r#"{{"alg":"HS256","{name}":{value}}}"#);
            assert_eq!(read(header.as_bytes()), Err(Malformed), "{header}");
        }
    }
}

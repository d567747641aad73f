//! An issuer that lies in every field. Each row is one lie and the check that finds it; the reference prints the rows.

use countersign_testbed::{Issuer, Person, SigningAlgorithm, Twist};
use serde_json::{Value, json};

use super::*;

/// What the issuer does, how, and the word of the fault that comes of it.
pub(super) struct Row {
    pub does: &'static str,
    twist: Twist,
    pub word: &'static str,
}

fn row(does: &'static str, twist: Twist, word: &'static str) -> Row {
    Row { does, twist, word }
}

fn claim(does: &'static str, claim: &'static str, value: impl Into<Value>, word: &'static str) -> Row {
    row(does, Twist::Claim(claim, value.into()), word)
}

pub(super) fn rows() -> Vec<Row> {
    [descriptions(), endpoints(), registrations(), answers(), signatures(), claims(), subjects(), others()]
        .into_iter()
        .flatten()
        .collect()
}

fn descriptions() -> Vec<Row> {
    let says = |does, member, value: Value, word| row(does, Twist::Discovery(member, value), word);
    vec![
        says(
            "discovery names another issuer",
            "issuer",
            json!("https://idp.example.com"),
            "discovered_issuer",
        ),
        says("discovery names no issuer", "issuer", json!(null), "malformed"),
        says("discovery names two issuers in a list", "issuer", json!(["a", "b"]), "malformed"),
    ]
}

fn endpoints() -> Vec<Row> {
    let says = |does, member, value: Value, word| row(does, Twist::Discovery(member, value), word);
    vec![
        says(
            "discovery sends people to plain http elsewhere",
            "authorization_endpoint",
            json!("http://idp.example.com/authorize"),
            "endpoint",
        ),
        says(
            "discovery sends people to a script",
            "authorization_endpoint",
            json!("javascript:alert(1)"),
            "endpoint",
        ),
        says(
            "the token endpoint is plain http elsewhere",
            "token_endpoint",
            json!("http://10.0.0.1/token"),
            "endpoint",
        ),
        says(
            "the token endpoint is in a private network",
            "token_endpoint",
            json!("https://10.0.0.1/token"),
            "private_address",
        ),
        says(
            "the keys are at the metadata service of a cloud",
            "jwks_uri",
            json!("https://169.254.169.254/jwks"),
            "private_address",
        ),
        says(
            "the keys are at a private address inside one of IPv6",
            "jwks_uri",
            json!("https://[64:ff9b::a00:1]/jwks"),
            "private_address",
        ),
        says("userinfo is a file", "userinfo_endpoint", json!("file:///etc/passwd"), "endpoint"),
        says(
            "userinfo carries a user name",
            "userinfo_endpoint",
            json!("https://me@idp.example.com/"),
            "endpoint",
        ),
    ]
}

fn registrations() -> Vec<Row> {
    let says = |does, member, value: Value, word| row(does, Twist::Discovery(member, value), word);
    vec![
        says(
            "it takes no client secret",
            "token_endpoint_auth_methods_supported",
            json!(["none"]),
            "misconfigured",
        ),
        says(
            "it wants PKCE without S256",
            "code_challenge_methods_supported",
            json!(["plain"]),
            "misconfigured",
        ),
    ]
}

fn answers() -> Vec<Row> {
    let redirects = |does, name, value: Value, word| row(does, Twist::Redirect(name, value), word);
    let answers = |does, name, value: Value, word| row(does, Twist::TokenAnswer(name, value), word);
    vec![
        redirects("the browser brings another iss", "iss", json!("https://idp.example.com"), "answer_issuer"),
        redirects(
            "the browser brings no iss, although one is announced",
            "iss",
            json!(null),
            "answer_issuer",
        ),
        redirects("the browser brings a code that is nobody's", "code", json!("made-up"), "refused"),
        answers("there is no ID token", "id_token", json!(null), "no_id_token"),
        answers("the ID token is an object", "id_token", json!({"sub": "ada"}), "malformed"),
        answers("there is no access token", "access_token", json!(null), "malformed"),
        answers("the access token was exchanged", "access_token", json!("another"), "access_token_hash"),
        answers("the access token is of an unknown kind", "token_type", json!("mac"), "token_type"),
    ]
}

fn signatures() -> Vec<Row> {
    let heads = |does, name, value: Value, word| row(does, Twist::Header(name, value), word);
    vec![
        row("the ID token has alg none and no signature", Twist::Unsigned, "algorithm"),
        heads("the ID token has alg nOnE", "alg", json!("nOnE"), "algorithm"),
        row(
            "the ID token is signed with HS256 by the client secret",
            Twist::SignedByClientSecret,
            "algorithm",
        ),
        row("the ID token is signed with HS256 by the public key", Twist::SignedByPublicKey, "algorithm"),
        heads("the ID token has an algorithm that is not on the list", "alg", json!("RS1"), "algorithm"),
        heads("the ID token has an algorithm that the key is not for", "alg", json!("ES256"), "unknown_key"),
        heads(
            "the ID token's algorithm has another padding than the key",
            "alg",
            json!("PS256"),
            "unknown_key",
        ),
        row("the ID token is signed by a foreign key", Twist::ForeignKey, "signature"),
        row("the ID token brings its own key along", Twist::ForeignKeyBrought, "signature"),
        row("the ID token names a key that is not the issuer's", Twist::UnknownKey, "unknown_key"),
        row("the ID token was changed after it was signed", Twist::ChangedAfterSigning, "signature"),
        heads("the ID token says that it is an access token", "typ", json!("at+jwt"), "token_form"),
        heads("the ID token has a critical extension", "crit", json!(["b64"]), "token_form"),
        heads("the ID token's key id is a number", "kid", json!(7), "token_form"),
        row("the issuer has no keys", Twist::Keys(json!({"keys": []})), "unknown_key"),
        row(
            "the issuer's keys are secret ones",
            Twist::Keys(json!({"keys": [{"kty": "oct", "kid": "key-0", "k": "c2VjcmV0"}]})),
            "unknown_key",
        ),
        row("the issuer's keys are no list", Twist::Keys(json!({"keys": {}})), "malformed"),
        row("the ID token is empty", Twist::IdToken(String::new()), "token_form"),
        row("the ID token has two parts", Twist::IdToken("e30.e30".into()), "token_form"),
        row("the ID token has five parts", Twist::IdToken("e30.e30.e30.e30.e30".into()), "token_form"),
        row("the ID token is padded", Twist::IdToken("e30=.e30.e30".into()), "token_form"),
        row("the ID token is of 100,000 letters", Twist::IdToken("a".repeat(100_000)), "token_form"),
    ]
}

fn claims() -> Vec<Row> {
    let now = Clock::System.now().as_seconds();
    vec![
        claim("iss is another", "iss", "https://idp.example.com", "token_issuer"),
        claim("iss is missing", "iss", Value::Null, "token_form"),
        claim("iss is a template", "iss", "http://127.0.0.1/{tenantid}", "token_issuer"),
        claim("aud is another client", "aud", "another", "audience"),
        claim("aud is missing", "aud", Value::Null, "token_form"),
        claim("aud is an empty list", "aud", json!([]), "audience"),
        claim("aud is a part of the client id", "aud", "countersign", "audience"),
        claim(
            "aud has several, and azp says not which",
            "aud",
            json!([Issuer::CLIENT_ID, "another"]),
            "authorized_party",
        ),
        claim("azp is another client", "azp", "another", "authorized_party"),
        claim("exp is over", "exp", now - 61, "expired"),
        claim("exp is missing", "exp", Value::Null, "token_form"),
        claim("exp is a text", "exp", "2100-01-01", "token_form"),
        claim("iat is in the future", "iat", now + 120, "issued_at"),
        claim("iat is older than the attempt", "iat", now - 120, "issued_at"),
        claim("iat is missing", "iat", Value::Null, "token_form"),
        claim("nonce is another", "nonce", "another", "nonce"),
        claim("nonce is missing", "nonce", Value::Null, "nonce"),
        claim("nonce is empty", "nonce", "", "nonce"),
        claim("at_hash is another", "at_hash", "AAAAAAAAAAAAAAAAAAAAAA", "access_token_hash"),
        row("a claim stands twice", Twist::ClaimTwice("nonce"), "token_form"),
        row("the address stands twice", Twist::ClaimTwice("email"), "token_form"),
    ]
}

fn subjects() -> Vec<Row> {
    vec![
        claim("sub is missing", "sub", Value::Null, "subject"),
        claim("sub is empty", "sub", "", "subject"),
        claim("sub is a number", "sub", 7, "subject"),
        claim("sub is a list", "sub", json!(["ada"]), "subject"),
        claim("sub is of 256 letters", "sub", "a".repeat(256), "subject"),
        claim("sub ends with a space", "sub", "ada ", "subject"),
        claim("sub has a line break", "sub", "ada\nadmin", "subject"),
        claim("sub has a letter without width", "sub", "ada\u{200b}", "subject"),
        row("sub stands twice", Twist::ClaimTwice("sub"), "token_form"),
    ]
}

fn others() -> Vec<Row> {
    let informs = |does, name, value: Value, word| row(does, Twist::Userinfo(name, value), word);
    vec![
        informs("userinfo is about somebody else", "sub", json!("eve"), "userinfo_subject"),
        informs("userinfo is about nobody", "sub", json!(null), "userinfo_subject"),
        informs("userinfo's sub is empty", "sub", json!(""), "userinfo_subject"),
    ]
}

// SEC-90, SEC-91, SEC-92, SEC-93
#[tokio::test]
async fn every_lie_of_an_issuer_is_found_by_the_check_that_is_for_it() {
    let issuer = Issuer::start();
    let rows = rows();
    assert!(rows.len() >= 70, "{}", rows.len());
    for Row { does, twist, word } in rows {
        // What was remembered would hide a lie.
        let trip = Trip::to(&issuer);
        issuer.set_thin(matches!(twist, Twist::Userinfo(..) | Twist::TokenAnswer("token_type", _)));
        issuer.set_twist(Some(twist));
        let fault = trip.whole().await.expect_err(does);
        assert_eq!(fault.word(), word, "{does}");
        issuer.set_twist(None);
        assert!(Trip::to(&issuer).whole().await.is_ok(), "{does}: the honest issuer is believed");
    }
}

/// The key may be for several algorithms: then the token's own must still be what the signature is.
#[tokio::test]
async fn a_key_without_an_algorithm_verifies_what_it_can() {
    let issuer = Issuer::start_with(SigningAlgorithm::Es256);
    issuer.set_twist(Some(Twist::NoKeyIds));
    assert!(Trip::to(&issuer).whole().await.is_ok());
    let other = Issuer::start_with(SigningAlgorithm::EdDsa);
    other.set_twist(Some(Twist::Header("alg", json!("ES256"))));
    assert_eq!(Trip::to(&other).whole().await.unwrap_err().word(), "unknown_key");
}

// SEC-90
#[tokio::test]
async fn an_iss_that_nobody_announced_is_compared_all_the_same() {
    let issuer = Issuer::start();
    issuer.set_twist(Some(Twist::Discovery("authorization_response_iss_parameter_supported", json!(false))));
    let trip = Trip::to(&issuer);
    let mut brought = trip.browse().await.unwrap();
    brought.insert("iss".to_owned(), "https://idp.example.com".to_owned());
    assert_eq!(trip.redeem(&brought).await.unwrap_err().word(), "answer_issuer");
    assert_eq!(issuer.requests("/token"), 0, "the code was shown to nobody");
    brought.remove("iss");
    assert!(trip.redeem(&brought).await.is_ok());
}

// SEC-89
#[tokio::test]
async fn a_code_is_bound_to_the_verifier_and_good_once() {
    let issuer = Issuer::start();
    let mut trip = Trip::to(&issuer);
    let brought = trip.browse().await.unwrap();
    assert!(trip.redeem(&brought).await.is_ok());
    assert_eq!(trip.redeem(&brought).await, Err(ProviderFault::Refused));
    let brought = trip.browse().await.unwrap();
    trip.verifier = SecretString::from("another-verifier-which-is-long-enough-as-well".to_owned());
    assert_eq!(trip.redeem(&brought).await, Err(ProviderFault::Refused));
}

#[tokio::test]
async fn a_registration_that_the_provider_does_not_know_is_told_apart() {
    let issuer = Issuer::start();
    let wrong = registration(Issuer::CLIENT_ID, "wrong", &issuer.url());
    assert_eq!(Trip::with("idp", wrong).whole().await.unwrap_err().word(), "misconfigured");
}

// SEC-91
#[tokio::test]
async fn a_tenant_can_not_speak_for_another() {
    let issuer = Issuer::start();
    let origin = issuer.url();
    let (mine, theirs) = ("9188040d-6c67-4c5b-b112-36a304b66dad", "72f988bf-86f1-41af-91ab-2d7cd011db47");
    issuer.set_url(&format!("{origin}/{{tenantid}}/v2.0"));
    let given = registration(Issuer::CLIENT_ID, Issuer::CLIENT_SECRET, &format!("{origin}/common/v2.0"));
    let trip = Trip::with("entra", given);
    let iss = |tid: &str| format!("{origin}/{tid}/v2.0");
    for (tid, token_iss, answer_iss, word) in [
        (theirs, iss(mine), iss(mine), "token_issuer"),
        ("common", iss("common"), iss("common"), "answer_issuer"),
        (mine, iss(mine), iss(theirs), "answer_issuer"),
        (mine, iss(mine), iss("{tenantid}"), "answer_issuer"),
        (mine, "https://idp.example.com/".to_owned(), iss(mine), "token_issuer"),
    ] {
        issuer.set_person(Person::new("ada").with("tid", tid));
        issuer.set_twist(Some(Twist::Claim("iss", json!(token_iss))));
        let mut brought = trip.browse().await.unwrap();
        brought.insert("iss".to_owned(), answer_iss.clone());
        assert_eq!(trip.redeem(&brought).await.unwrap_err().word(), word, "{tid} {token_iss} {answer_iss}");
    }
}

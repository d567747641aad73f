//! Honest issuers: what they say is believed, whatever they sign with.

use countersign_testbed::{Issuer, Person, SigningAlgorithm};
use serde_json::json;

use super::*;

// SEC-89
#[tokio::test]
async fn an_honest_issuer_vouches_for_somebody() {
    let issuer = Issuer::start();
    let trip = Trip::to(&issuer);
    let expected = Vouched {
        issuer: issuer.url(),
        subject: "ada".to_owned(),
        username: Some("ada".to_owned()),
        name: Some("Ada Lovelace".to_owned()),
        email: Some("ada@example.com".to_owned()),
        email_verified: true,
    };
    assert_eq!(trip.whole().await, Ok(expected));
    let sent = &issuer.received("/authorize")[0];
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", Issuer::CLIENT_ID),
        ("redirect_uri", "http://localhost:8000/oauth/idp/callback"),
        ("scope", "openid email profile"),
        ("state", "a state & more"),
        ("nonce", NONCE),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(sent[name], value, "{name}");
    }
    assert_ne!(sent["code_challenge"], VERIFIER);
    assert_eq!(issuer.requests("/userinfo"), 0, "the ID token says it all");
}

#[tokio::test]
async fn every_algorithm_of_the_list_is_taken() {
    for algorithm in
        [SigningAlgorithm::Rs256, SigningAlgorithm::Ps256, SigningAlgorithm::Es256, SigningAlgorithm::EdDsa]
    {
        let trip = Trip::to(&Issuer::start_with(algorithm));
        assert!(matches!(trip.whole().await, Err(ProviderFault::Unavailable(_))), "it has ended");
        let issuer = Issuer::start_with(algorithm);
        assert_eq!(Trip::to(&issuer).whole().await.unwrap().subject, "ada", "{algorithm:?}");
    }
}

#[tokio::test]
async fn discovery_and_keys_are_asked_for_once_an_hour() {
    let issuer = Issuer::start();
    let trip = Trip::to(&issuer);
    let counts = || (issuer.requests("/.well-known/openid-configuration"), issuer.requests("/jwks"));
    for _ in 0..3 {
        trip.whole().await.unwrap();
    }
    assert_eq!(counts(), (1, 1));
    issuer.set_time_offset(3_600);
    trip.clock.advance(Duration::from_secs(3_600));
    trip.whole().await.unwrap();
    assert_eq!(counts(), (2, 2));
}

#[tokio::test]
async fn what_the_id_token_leaves_out_userinfo_says() {
    let issuer = Issuer::start();
    issuer.set_twist(Some(countersign_testbed::Twist::Claim("email_verified", json!(null))));
    let vouched = Trip::to(&issuer).whole().await.unwrap();
    assert!(vouched.email_verified);
    assert_eq!(issuer.requests("/userinfo"), 1);
}

// SEC-94
#[tokio::test]
async fn an_address_is_verified_by_the_boolean_true_alone() {
    let issuer = Issuer::start();
    let trip = Trip::to(&issuer);
    for (said, expected) in [
        (json!(true), true),
        (json!(false), false),
        (json!("true"), false),
        (json!("false"), false),
        (json!(1), false),
        (json!("1"), false),
        (json!([true]), false),
        (json!({"a": true}), false),
        (json!(null), false),
    ] {
        issuer.set_person(Person::new("ada").with("email_verified", said.clone()));
        let vouched = trip.whole().await.unwrap();
        assert_eq!(vouched.email_verified, expected, "{said}");
        assert_eq!(vouched.email.as_deref(), Some("ada@example.com"));
    }
    for odd in [json!(null), json!(7), json!(["a@example.com"]), json!(""), json!("a\nb@example.com")] {
        issuer.set_person(Person::new("ada").with("email", odd.clone()));
        let vouched = trip.whole().await.unwrap();
        assert_eq!((vouched.email, vouched.email_verified), (None, false), "{odd}");
    }
}

#[tokio::test]
async fn the_answer_can_come_as_a_form() {
    let issuer = Issuer::start();
    let mut given = registration(Issuer::CLIENT_ID, Issuer::CLIENT_SECRET, &issuer.url());
    given.response_mode = crate::settings::ResponseMode::FormPost;
    let trip = Trip::with("idp", given);
    let url = trip.provider().authorization_url(&trip.asked()).await.unwrap();
    assert!(url.query_pairs().any(|pair| pair == ("response_mode".into(), "form_post".into())));
    assert!(browse(&url).contains("action=\"http://localhost:8000/oauth/idp/callback\""));
}

// SEC-91
#[tokio::test]
async fn a_person_of_any_tenant_is_one_of_their_tenants_own_issuer() {
    let issuer = Issuer::start();
    let tid = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let origin = issuer.url();
    issuer.set_url(&format!("{origin}/{{tenantid}}/v2.0"));
    let given = registration(Issuer::CLIENT_ID, Issuer::CLIENT_SECRET, &format!("{origin}/common/v2.0"));
    let trip = Trip::with("entra", given);
    // It names its template in the answer, too, which no real one does.
    let tenant = format!("{origin}/{tid}/v2.0");
    issuer.set_person(Person::new("ada").with("tid", tid).with("iss", tenant.as_str()));
    let mut brought = trip.browse().await.unwrap();
    brought.insert("iss".to_owned(), tenant.clone());
    issuer.set_twist(Some(countersign_testbed::Twist::Claim("iss", json!(tenant))));
    assert_eq!(trip.redeem(&brought).await.unwrap().issuer, tenant);
}

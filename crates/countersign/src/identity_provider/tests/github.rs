//! GitHub, which issues no ID tokens: what its API says, and what it must not be believed.

use countersign_testbed::{GitHubServer, Misbehaviour};
use serde_json::{Value, json};

use super::*;
use crate::settings::GITHUB;

const USER: &str = "/api/v3/user";
const EMAILS: &str = "/api/v3/user/emails";
const TOKEN: &str = "/login/oauth/access_token";

#[tokio::test]
async fn github_vouches_for_a_number_and_the_verified_primary_address() {
    let server = GitHubServer::start();
    let expected = Vouched {
        issuer: server.url(),
        subject: "583231".to_owned(),
        username: Some("octocat".to_owned()),
        name: Some("The Octocat".to_owned()),
        email: Some("octocat@example.com".to_owned()),
        email_verified: true,
    };
    assert_eq!(Trip::to_github(&server).whole().await, Ok(expected));
}

// SEC-89
#[tokio::test]
async fn github_gets_pkce_too() {
    let server = GitHubServer::start();
    let mut trip = Trip::to_github(&server);
    let url = trip.provider().authorization_url(&trip.asked()).await.unwrap();
    let query: Brought = url.query_pairs().into_owned().collect();
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["scope"], "read:user user:email");
    assert_eq!(query["redirect_uri"], "http://localhost:8000/oauth/github/callback");
    assert!(!query.contains_key("nonce"), "there is no ID token that could hold one");
    let brought = follow(&url);
    trip.verifier = SecretString::from("another-verifier-which-is-long-enough-as-well".to_owned());
    assert_eq!(trip.redeem(&brought).await, Err(ProviderFault::Refused));
}

// SEC-94
#[tokio::test]
async fn an_address_that_is_not_both_primary_and_verified_is_none() {
    let server = GitHubServer::start();
    let trip = Trip::to_github(&server);
    let email = |primary: Value, verified: Value| json!([{"email": "octocat@example.com", "primary": primary, "verified": verified}]);
    for emails in [
        json!([]),
        email(json!(true), json!(false)),
        email(json!(false), json!(true)),
        email(json!(true), json!("true")),
        email(json!("true"), json!(true)),
        email(json!(true), json!(1)),
        email(json!(true), json!(null)),
        json!([{"email": "octocat@example.com"}]),
        json!([{"email": null, "primary": true, "verified": true}]),
        json!([{"email": "a@example.com", "primary": true, "verified": false},
               {"email": "b@example.com", "primary": false, "verified": true}]),
    ] {
        server.set_emails(emails.clone());
        let vouched = trip.whole().await.unwrap();
        assert_eq!((vouched.email, vouched.email_verified), (None, false), "{emails}");
        assert_eq!(vouched.subject, "583231");
    }
}

// SEC-93
#[tokio::test]
async fn a_person_without_a_number_is_nobody() {
    let server = GitHubServer::start();
    let trip = Trip::to_github(&server);
    for (user, word) in [
        (json!({"id": 0, "login": "octocat"}), "subject"),
        (json!({"login": "octocat"}), "malformed"),
        (json!({"id": "583231", "login": "octocat"}), "malformed"),
        (json!({"id": null, "login": "octocat"}), "malformed"),
        (json!({"id": -1, "login": "octocat"}), "malformed"),
        (json!({"id": 1.5, "login": "octocat"}), "malformed"),
        (json!([583_231]), "malformed"),
    ] {
        server.set_user(user.clone());
        assert_eq!(trip.whole().await.unwrap_err().word(), word, "{user}");
    }
    server.set_user(json!({"id": 7, "login": 7, "name": ["x"]}));
    let vouched = trip.whole().await.unwrap();
    assert_eq!((vouched.subject.as_str(), vouched.username, vouched.name), ("7", None, None));
}

#[tokio::test]
async fn an_api_that_fails_vouches_for_nobody() {
    let server = GitHubServer::start();
    let trip = Trip::to_github(&server);
    for path in [USER, EMAILS, TOKEN] {
        for (how, word) in [
            (Misbehaviour::Status(500), "unavailable"),
            (Misbehaviour::Redirect("/elsewhere".into()), "redirect"),
            (Misbehaviour::Body("[".into()), "malformed"),
            (Misbehaviour::Closing, "unavailable"),
            (Misbehaviour::Endless, "too_large"),
        ] {
            server.misbehave(path, Some(how.clone()));
            assert_eq!(trip.whole().await.unwrap_err().word(), word, "{path} {how:?}");
        }
        server.misbehave(path, None);
    }
    // Somebody who may not see the addresses: the sign-in is not made with less than was asked for.
    server.misbehave(EMAILS, Some(Misbehaviour::Status(404)));
    assert_eq!(trip.whole().await.unwrap_err().word(), "status");
    assert_eq!(server.requests("/elsewhere"), 0);
}

#[tokio::test]
async fn a_refusal_that_comes_with_200_is_one() {
    let server = GitHubServer::start();
    let trip = Trip::to_github(&server);
    let brought = trip.browse().await.unwrap();
    assert!(trip.redeem(&brought).await.is_ok());
    assert_eq!(trip.redeem(&brought).await, Err(ProviderFault::Refused), "a code is good once");
    let with = |id, secret| Trip::with(GITHUB, registration(id, secret, &server.url()));
    for wrong in [with("another", GitHubServer::CLIENT_SECRET), with(GitHubServer::CLIENT_ID, "wrong")] {
        assert_eq!(wrong.whole().await.unwrap_err().word(), "misconfigured");
    }
}

// SEC-90
#[tokio::test]
async fn an_iss_of_somebody_else_is_refused_before_the_code_is_shown() {
    let server = GitHubServer::start();
    let trip = Trip::to_github(&server);
    let mut brought = trip.browse().await.unwrap();
    brought.insert("iss".to_owned(), "https://idp.example.com".to_owned());
    assert_eq!(trip.redeem(&brought).await.unwrap_err().word(), "answer_issuer");
    assert_eq!(server.requests(TOKEN), 0);
    brought.insert("iss".to_owned(), format!("{}/login/oauth", server.url()));
    assert!(trip.redeem(&brought).await.is_ok());
}

#[test]
fn the_public_server_has_its_api_elsewhere() {
    let given = OAuthProvider::new("id", SecretString::from("secret".to_owned()));
    let trip = Trip::with(GITHUB, given);
    assert_eq!(trip.provider().issuer(), "https://github.com");
    let printed = format!("{:?}", trip.provider());
    for path in ["/login/oauth/authorize", "/login/oauth/access_token"] {
        assert!(printed.contains(path), "{printed}");
    }
    assert!(printed.contains("api.github.com"), "{printed}");
}

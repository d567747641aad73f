//! `countersign doctor`: what it finds out about identity providers.

use countersign_testbed::{GitHubServer, Issuer, Misbehaviour, SigningAlgorithm, Twist};
use serde_json::{Value, json};

use crate::program::Operator;

/// What the doctor says of the providers that these variables set up: exit code, and findings.
fn examine(variables: &[(&str, &str)]) -> (i32, Vec<Value>) {
    let ran = Operator::new().run_with(&["doctor", "--json"], variables, "");
    (ran.code, serde_json::from_str(&ran.out).unwrap())
}

fn found<'a>(findings: &'a [Value], subject: &str) -> &'a Value {
    findings.iter().find(|it| it["subject"] == subject).unwrap_or_else(|| panic!("{subject}: {findings:#?}"))
}

fn registration(issuer: &str) -> [(&str, &str); 3] {
    [
        ("COUNTERSIGN_OAUTH_MY_IDP_CLIENT_ID", Issuer::CLIENT_ID),
        ("COUNTERSIGN_OAUTH_MY_IDP_CLIENT_SECRET", Issuer::CLIENT_SECRET),
        ("COUNTERSIGN_OAUTH_MY_IDP_ISSUER", issuer),
    ]
}

#[test]
fn an_issuer_that_can_be_worked_with_is_fine() {
    let issuer = Issuer::start_with(SigningAlgorithm::EdDsa);
    let url = issuer.url();
    let (code, findings) = examine(&registration(&url));
    assert_eq!(code, 0, "{findings:#?}");
    assert!(findings.iter().all(|it| it["severity"] == "ok" && it["provider"] == "my_idp"), "{findings:#?}");
    let uri = found(&findings, "redirect_uri")["text"].as_str().unwrap();
    assert!(uri.ends_with("http://localhost:8000/oauth/my_idp/callback"), "{uri}");
    assert_eq!(found(&findings, "keys")["text"], "1 can be used");
    assert_eq!(found(&findings, "client_secret")["text"], "is set");
    let lines = Operator::new().run_with(&["doctor"], &registration(&url), "");
    assert!(lines.out.contains("ok       my_idp     discovery") && lines.code == 0, "{lines:?}");
    assert!(!lines.out.contains(Issuer::CLIENT_SECRET), "{lines:?}");
}

#[test]
fn without_a_provider_there_is_nothing_to_ask() {
    let ran = Operator::new().run(&["doctor"]);
    assert!(ran.code == 0 && ran.out.starts_with("No identity provider is set up"), "{ran:?}");
}

#[test]
fn an_issuer_that_names_itself_otherwise_is_a_fault_with_its_mend() {
    let issuer = Issuer::start_with(SigningAlgorithm::EdDsa);
    let with_a_slash = format!("{}/", issuer.url());
    let (code, findings) = examine(&registration(&with_a_slash));
    let discovery = found(&findings, "discovery");
    assert_eq!((code, &discovery["severity"]), (1, &json!("fault")));
    assert!(discovery["text"].as_str().unwrap().contains("oauth_my_idp_issuer exactly as"), "{discovery}");
}

#[test]
fn an_issuer_that_is_away_or_has_no_keys_is_a_fault() {
    let issuer = Issuer::start_with(SigningAlgorithm::EdDsa);
    let url = issuer.url();
    issuer.set_twist(Some(Twist::Keys(json!({"keys": []}))));
    let (code, findings) = examine(&registration(&url));
    assert_eq!((code, &found(&findings, "keys")["severity"]), (1, &json!("fault")));
    issuer.misbehave("/.well-known/openid-configuration", Some(Misbehaviour::Status(503)));
    let (code, findings) = examine(&registration(&url));
    let discovery = found(&findings, "discovery");
    assert_eq!((code, &discovery["severity"]), (1, &json!("fault")));
    assert!(discovery["text"].as_str().unwrap().contains("it answered 503"), "{discovery}");
}

#[test]
fn clocks_that_are_apart_are_warned_of() {
    let issuer = Issuer::start_with(SigningAlgorithm::EdDsa);
    issuer.set_date("Sun, 06 Nov 1994 08:49:37 GMT");
    let url = issuer.url();
    let (code, findings) = examine(&registration(&url));
    let clock = found(&findings, "clock");
    assert_eq!((code, &clock["severity"]), (0, &json!("warning")));
    assert!(clock["text"].as_str().unwrap().contains("seconds apart"), "{clock}");
}

#[test]
fn a_github_server_is_asked_too() {
    let server = GitHubServer::start();
    let url = server.url();
    let variables = [
        ("COUNTERSIGN_OAUTH_GITHUB_CLIENT_ID", GitHubServer::CLIENT_ID),
        ("COUNTERSIGN_OAUTH_GITHUB_CLIENT_SECRET", " copied with a blank"),
        ("COUNTERSIGN_OAUTH_GITHUB_ISSUER", url.as_str()),
    ];
    let (code, findings) = examine(&variables);
    assert_eq!((code, &found(&findings, "api")["severity"]), (0, &json!("ok")), "{findings:#?}");
    assert_eq!(found(&findings, "client_secret")["severity"], "warning");
    server.misbehave("/api/v3/user", Some(Misbehaviour::Closing));
    assert_eq!(examine(&variables).0, 1);
}

#[test]
fn a_provider_of_an_unknown_name_needs_an_issuer() {
    let variables =
        [("COUNTERSIGN_OAUTH_OKTA_CLIENT_ID", "id"), ("COUNTERSIGN_OAUTH_OKTA_CLIENT_SECRET", "x")];
    let ran = Operator::new().run_with(&["doctor"], &variables, "");
    assert!(ran.code == 2 && ran.err.contains("oauth_okta_issuer") && ran.err.contains("Write"), "{ran:?}");
}

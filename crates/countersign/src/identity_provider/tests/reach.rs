//! Providers that are slow, huge, broken, or lead elsewhere: each costs a bounded time and is told by its name.

use countersign_testbed::{Issuer, Misbehaviour, SigningAlgorithm};
use tokio::task::JoinSet;

use super::*;
use crate::identity_provider::address::Reach;
use crate::identity_provider::client::Question;

/// What a provider does, how, and the word of the fault that comes of it.
pub(super) fn misbehaviours() -> Vec<(&'static str, Misbehaviour, &'static str)> {
    vec![
        ("answers 500", Misbehaviour::Status(500), "unavailable"),
        ("answers 503", Misbehaviour::Status(503), "unavailable"),
        ("answers 429", Misbehaviour::Status(429), "unavailable"),
        ("answers 404", Misbehaviour::Status(404), "status"),
        ("answers 204", Misbehaviour::Status(204), "status"),
        ("redirects to itself", Misbehaviour::Redirect("/elsewhere".into()), "redirect"),
        ("redirects into a private network", Misbehaviour::Redirect("http://10.0.0.1/".into()), "redirect"),
        ("takes the question and never answers", Misbehaviour::Silent, "unavailable"),
        ("hangs in the middle of its answer", Misbehaviour::Stalling, "unavailable"),
        ("closes the connection", Misbehaviour::Closing, "unavailable"),
        ("announces more than 1 MiB", Misbehaviour::Huge, "too_large"),
        ("sends chunks for ever", Misbehaviour::Endless, "too_large"),
        ("sends headers for ever", Misbehaviour::EndlessHead, "too_large"),
        ("answers something else than JSON", Misbehaviour::Body("<html>Welcome</html>".into()), "malformed"),
        ("answers nothing", Misbehaviour::Body(String::new()), "malformed"),
        ("answers null", Misbehaviour::Body("null".into()), "malformed"),
        ("answers JSON of great depth", Misbehaviour::Body("[".repeat(100_000)), "malformed"),
        ("answers JSON with something behind it", Misbehaviour::Body("{} {}".into()), "malformed"),
        ("speaks something else than HTTP", Misbehaviour::Gibberish, "malformed"),
    ]
}

const PATHS: [&str; 4] = ["/.well-known/openid-configuration", "/jwks", "/token", "/userinfo"];

// SEC-92
#[tokio::test]
async fn whatever_an_endpoint_does_costs_a_bounded_time_and_has_a_name() {
    for path in PATHS {
        let mut trips = JoinSet::new();
        for (does, how, word) in misbehaviours() {
            trips.spawn(async move {
                let issuer = Issuer::start_with(SigningAlgorithm::EdDsa);
                issuer.set_thin(true);
                let trip = Trip::to(&issuer);
                issuer.misbehave(path, Some(how));
                assert_eq!(trip.whole().await.expect_err(does).word(), word, "{path} {does}");
                assert_eq!(issuer.requests("/elsewhere"), 0, "{path} {does}");
                issuer.behave();
                assert!(trip.whole().await.is_ok(), "{path} {does}: nothing of it is remembered");
            });
        }
        trips.join_all().await;
    }
}

/// Each answer may take its time, but the person does not wait for all of it.
#[tokio::test]
async fn all_answers_of_a_step_have_a_bound_in_common() {
    let issuer = Issuer::start_with(SigningAlgorithm::EdDsa);
    let given = registration(Issuer::CLIENT_ID, Issuer::CLIENT_SECRET, &issuer.url());
    let long = Duration::from_secs(3_600);
    let bounds = Bounds { whole: long, step: Duration::from_millis(1_500), ..Bounds::default() };
    let trip = Trip::bounded("idp", given, bounds);
    issuer.misbehave("/token", Some(Misbehaviour::Silent));
    assert_eq!(trip.whole().await.unwrap_err().word(), "unavailable");
    let fresh = Trip::bounded("idp", registration("id", "secret", &issuer.url()), bounds);
    issuer.misbehave("/.well-known/openid-configuration", Some(Misbehaviour::Stalling));
    assert_eq!(fresh.browse().await.unwrap_err().word(), "unavailable");
}

#[tokio::test]
async fn a_provider_that_is_away_is_unavailable() {
    let issuer = Issuer::start_with(SigningAlgorithm::EdDsa);
    let trip = Trip::to(&issuer);
    let port = issuer.url().rsplit(':').next().unwrap().parse::<u16>().unwrap();
    drop(issuer);
    let gone = || TcpStream::connect(("127.0.0.1", port)).is_err();
    while !gone() {
        tokio::task::yield_now().await;
    }
    assert_eq!(trip.whole().await.unwrap_err().word(), "unavailable");
}

// SEC-92
#[tokio::test]
async fn a_name_that_leads_into_a_private_network_is_refused_after_it_was_looked_up() {
    let client = Client::new(Bounds::default()).unwrap();
    let public = Reach::of(&Url::parse("https://idp.example.com").unwrap(), false);
    for url in
        ["https://localhost:1/", "https://127.0.0.1:1/", "https://[::1]:1/", "https://[::ffff:127.0.0.1]:1/"]
    {
        let url = Url::parse(url).unwrap();
        let question = Question { url: &url, form: None, authorization: None };
        let fault = client.ask(public, &question).await.err().unwrap();
        assert_eq!(fault.word(), "private_address", "{url}");
    }
}

/// Plain HTTP to somebody who expects TLS, and TLS to somebody who doesn't speak it, come to nothing.
#[tokio::test]
async fn a_provider_without_tls_is_not_believed_where_tls_was_asked_for() {
    let issuer = Issuer::start_with(SigningAlgorithm::EdDsa);
    let secure = issuer.url().replace("http://", "https://");
    let trip = Trip::with("idp", registration(Issuer::CLIENT_ID, Issuer::CLIENT_SECRET, &secure));
    assert_eq!(trip.whole().await.unwrap_err().word(), "unavailable");
}

// SEC-108
#[tokio::test]
async fn nothing_that_can_be_printed_shows_a_secret() {
    let issuer = Issuer::start_with(SigningAlgorithm::EdDsa);
    let trip = Trip::to(&issuer);
    let brought = trip.browse().await.unwrap();
    let answer = Answer { code: &brought["code"], iss: None };
    let printed = format!("{:?} {:?} {:?}", trip.providers, trip.asked(), answer);
    let fault = trip.redeem(&BTreeMap::from([("code".to_owned(), "canary".to_owned())])).await.unwrap_err();
    let printed = format!("{printed} {fault} {fault:?} {}", fault.word());
    for secret in [Issuer::CLIENT_SECRET, VERIFIER, NONCE, &brought["code"], "canary"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

//! Who may read the metrics: this machine, or whoever has the token. To others the route is unknown.

use countersign::secret::SecretString;
use http::Request;

use super::{ask, routes_of, scrape};
use crate::app::{Answer, App};

const TOKEN: &str = "uI4q8-metrics-token-Zr7k";

async fn with_token() -> App {
    App::start_with(|settings| countersign::Settings {
        metrics_token: Some(SecretString::from(TOKEN)),
        ..settings
    })
    .await
}

/// What the same request to a route that nobody knows is answered.
async fn unknown(app: &App) -> Answer {
    let request = Request::get("/nowhere").header("x-request-id", "same-for-all");
    ask(&mut routes_of(&app.service), Some("192.0.2.1"), request).await
}

fn is_unknown(answer: &Answer, unknown: &Answer, who: &str) {
    assert_eq!(answer.status, 404, "{who}");
    assert_eq!((&answer.headers, &answer.text), (&unknown.headers, &unknown.text), "{who}");
}

fn is_open(answer: &Answer, who: &str) {
    assert_eq!(answer.status, 200, "{who}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.text.contains("\ncountersign_build_info{version="), "{who}: {}", answer.text);
}

// SEC-73
#[tokio::test]
async fn this_machine_may_read_and_another_finds_no_such_route() {
    let app = App::start().await;
    let unknown = unknown(&app).await;
    let mut router = routes_of(&app.service);
    for peer in ["127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1"] {
        is_open(&ask(&mut router, Some(peer), scrape()).await, peer);
    }
    for peer in ["10.0.0.1", "192.168.1.2", "203.0.113.9", "::", "fe80::1", "2001:db8::1", "::ffff:10.0.0.1"]
    {
        is_unknown(&ask(&mut router, Some(peer), scrape()).await, &unknown, peer);
    }
    is_unknown(&ask(&mut router, None, scrape()).await, &unknown, "nobody knows who");
}

// SEC-73
#[tokio::test]
async fn whatever_a_proxy_on_this_machine_hands_on_is_not_from_this_machine() {
    let trusting = |settings| countersign::Settings {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..settings
    };
    for app in [App::start().await, App::start_with(trusting).await] {
        let unknown = unknown(&app).await;
        let mut router = routes_of(&app.service);
        for header in [
            "X-Forwarded-For",
            "x-forwarded-host",
            "X-Forwarded-Proto",
            "X-Forwarded-Anything",
            "Forwarded",
            "Via",
            "X-Real-IP",
            "X-Client-IP",
            "X-Cluster-Client-IP",
            "X-Original-Forwarded-For",
            "True-Client-IP",
            "CF-Connecting-IP",
            "Fastly-Client-IP",
        ] {
            for value in ["127.0.0.1", "203.0.113.9", ""] {
                let answer = ask(&mut router, Some("127.0.0.1"), scrape().header(header, value)).await;
                is_unknown(&answer, &unknown, header);
            }
        }
    }
}

// SEC-36, SEC-73
#[tokio::test]
async fn the_token_opens_from_anywhere_and_nothing_that_is_like_it_does() {
    let app = with_token().await;
    let unknown = unknown(&app).await;
    let mut router = routes_of(&app.service);
    let right = format!("Bearer {TOKEN}");
    for peer in [Some("203.0.113.9"), None] {
        for good in [&right, &format!("bearer  {TOKEN}")] {
            let handed_on = scrape().header("x-forwarded-for", "198.51.100.7");
            is_open(&ask(&mut router, peer, handed_on.header("authorization", good)).await, good);
        }
        for wrong in [
            String::new(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            TOKEN.to_owned(),
            format!("Basic {TOKEN}"),
            format!("Bearer {}", &TOKEN[1..]),
            format!("Bearer {}", &TOKEN[..TOKEN.len() - 1]),
            format!("Bearer {TOKEN}x"),
            format!("Bearer {}", TOKEN.to_uppercase()),
            format!("Bearer {TOKEN} {TOKEN}"),
        ] {
            let answer = ask(&mut router, peer, scrape().header("authorization", &wrong)).await;
            is_unknown(&answer, &unknown, &wrong);
        }
        let twice = scrape().header("authorization", &right).header("authorization", &right);
        is_unknown(&ask(&mut router, peer, twice).await, &unknown, "two headers");
    }
    is_open(&ask(&mut router, Some("127.0.0.1"), scrape()).await, "this machine, although there is a token");
}

// SEC-73
#[tokio::test]
async fn where_no_token_is_set_none_opens() {
    let app = App::start().await;
    let unknown = unknown(&app).await;
    let session = app.somebody("ada").await;
    let mut router = routes_of(&app.service);
    for token in ["", "None", "null", &session.access_token] {
        let request = scrape().header("authorization", format!("Bearer {token}"));
        is_unknown(&ask(&mut router, Some("203.0.113.9"), request).await, &unknown, token);
    }
}

#[tokio::test]
async fn head_is_answered_as_get_is_and_other_methods_are_not_allowed() {
    let app = App::start().await;
    let mut router = routes_of(&app.service);
    let head = ask(&mut router, Some("127.0.0.1"), Request::head("/metrics")).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert!(head.header("content-type").unwrap().starts_with("text/plain"));
    let away = ask(&mut router, Some("203.0.113.9"), Request::head("/metrics")).await;
    assert_eq!((away.status, away.text.as_str()), (404, ""));
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        let answer =
            ask(&mut router, Some("127.0.0.1"), Request::builder().method(method).uri("/metrics")).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")), "{method}");
    }
}

//! Labels stay a closed set, figures add up, and every answer has a place.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{Method, StatusCode};

use super::requests::STATUSES;
use super::*;

fn meters() -> Meters {
    let meters = Meters::new(Timestamp::from_millis(1_795_512_600_500));
    let operations = [
        ("/me", vec![Method::GET, Method::PATCH]),
        ("/sessions", vec![Method::GET]),
        ("/sessions/{id}", vec![Method::DELETE]),
    ];
    meters.requests.know(operations);
    meters
}

fn answer(meters: &Meters, method: &str, path: &str, status: u16, took: Duration) {
    let row = meters.requests.row(&Method::from_bytes(method.as_bytes()).unwrap(), path);
    meters.requests.answered(row, StatusCode::from_u16(status).unwrap(), took);
}

/// The lines of the series, those that read 0 left out.
fn counted<'t>(text: &'t str, series: &str) -> Vec<&'t str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(series));
    lines.filter(|line| line.starts_with('{') && !line.ends_with(" 0")).collect()
}

#[test]
fn a_request_is_counted_under_its_routes_template_and_a_method_that_the_route_has() {
    let meters = meters();
    for (method, path, status) in [
        ("GET", "/me", 200),
        ("HEAD", "/me", 200),
        ("PUT", "/me", 405),
        ("DELETE", "/sessions/12345", 204),
        ("GET", "/sessions", 200),
        ("GET", "/sessions/1/2", 404),
        ("GET", "/ME", 404),
        ("DELETE", "*", 404),
    ] {
        answer(&meters, method, path, status, Duration::ZERO);
    }
    let text = meters.text();
    let expected = [
        r#"{method="other",route="unmatched",status="404"} 3"#,
        r#"{method="GET",route="/me",status="200"} 2"#,
        r#"{method="other",route="/me",status="405"} 1"#,
        r#"{method="GET",route="/sessions",status="200"} 1"#,
        r#"{method="DELETE",route="/sessions/{id}",status="204"} 1"#,
    ];
    assert_eq!(counted(&text, "countersign_http_requests_total"), expected);
}

#[test]
fn every_operation_shows_its_server_faults_before_there_are_any() {
    let text = meters().text();
    for operation in [r#"method="PATCH",route="/me""#, r#"method="DELETE",route="/sessions/{id}""#] {
        for status in [500, 503] {
            let line = format!("countersign_http_requests_total{{{operation},status=\"{status}\"}} 0\n");
            assert!(text.contains(&line), "{line} is not in {text}");
        }
    }
    assert!(!text.contains(r#"status="200""#), "{text}");
}

#[test]
fn no_number_of_made_up_paths_methods_and_statuses_adds_more_than_the_closed_set() {
    let meters = meters();
    for number in 0..5_000_u16 {
        answer(&meters, &format!("M{number}"), &format!("/no/{number}"), 404, Duration::ZERO);
        answer(&meters, &format!("M{number}"), "/me", 100 + number % 900, Duration::ZERO);
        answer(&meters, "DELETE", &format!("/sessions/{number}"), 404, Duration::ZERO);
    }
    let rows = counted(&meters.text(), "countersign_http_requests_total").len();
    assert_eq!(rows, 1 + (STATUSES.len() + 1) + 1);
}

#[test]
fn every_status_that_the_description_promises_has_a_place_of_its_own() {
    let description: serde_json::Value = serde_json::from_str(&crate::router::openapi()).unwrap();
    let mut promised = BTreeSet::from([404, 405, 414, 500, 503]);
    for path in description["paths"].as_object().unwrap().values() {
        for operation in path.as_object().unwrap().values() {
            let responses = operation["responses"].as_object().into_iter().flatten();
            promised.extend(responses.map(|(status, _)| status.parse::<u16>().unwrap()));
        }
    }
    let missing: Vec<_> = promised.iter().filter(|status| !STATUSES.contains(status)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(STATUSES.is_sorted(), "they are searched by halves");
}

#[test]
fn a_duration_falls_into_the_first_bucket_that_holds_it() {
    let meters = meters();
    for micros in [100, 101, 3_000, 90_000_000] {
        answer(&meters, "GET", "/me", 200, Duration::from_micros(micros));
    }
    let text = meters.text();
    let bucket = |bound: &str, count: u64| {
        let labels = format!(r#"{{method="GET",route="/me",le="{bound}"}}"#);
        let line = format!("countersign_http_request_duration_seconds_bucket{labels} {count}\n");
        assert!(text.contains(&line), "{line} is not in {text}");
    };
    bucket("0.0001", 1);
    bucket("0.00025", 2);
    bucket("0.0025", 2);
    bucket("0.005", 3);
    bucket("30", 3);
    bucket("+Inf", 4);
    let labels = r#"{method="GET",route="/me"}"#;
    assert!(text.contains(&format!("countersign_http_request_duration_seconds_count{labels} 4\n")));
    assert!(text.contains(&format!("countersign_http_request_duration_seconds_sum{labels} 90.003201\n")));
}

#[test]
fn threads_that_count_at_once_lose_nothing() {
    let meters = meters();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    answer(&meters, "GET", "/me", 200, Duration::from_micros(7));
                    meters.sign_ins.count(SignInResult::Success);
                }
            });
        }
    });
    let text = meters.text();
    let labels = r#"{method="GET",route="/me"}"#;
    assert!(text.contains(&format!("countersign_http_request_duration_seconds_count{labels} 40000\n")));
    assert!(text.contains(&format!("countersign_http_request_duration_seconds_sum{labels} 0.28\n")));
    assert!(text.contains("countersign_sign_ins_total{result=\"success\"} 40000\n"), "{text}");
}

#[test]
fn what_nobody_knows_is_no_number() {
    let meters = meters();
    meters.backlog.set(Table::Users, None);
    meters.backlog.set(Table::SignIns, Some(3));
    let text = meters.text();
    assert!(text.contains("countersign_cleanup_backlog_rows{table=\"users\"} NaN\n"), "{text}");
    assert!(text.contains("countersign_cleanup_backlog_rows{table=\"sign_ins\"} 3.0\n"), "{text}");
    assert!(text.contains("countersign_start_time_seconds 1795512600.5\n"), "{text}");
}

#[test]
fn no_two_results_share_a_word() {
    fn words<W: Word>() -> (usize, usize) {
        (W::ALL.iter().map(|word| word.word()).collect::<BTreeSet<_>>().len(), W::ALL.len())
    }
    for (different, all) in [words::<SignInResult>(), words::<RefreshResult>(), words::<Table>()] {
        assert_eq!(different, all);
    }
}

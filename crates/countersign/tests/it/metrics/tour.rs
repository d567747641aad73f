//! A tour of the flow, after which every series has something to say; and the page that lists them.

use std::collections::{BTreeMap, BTreeSet};

use countersign::jobs;
use reqwest::Method;
use serde_json::json;

use super::exposed;
use super::exposition::Exposition;
use crate::app::{App, DAY, MINUTE, PASSWORD};

const RETRY_KEY: &str = "0b6f7ef0-6f3a-4ce5-9c7c-6c9a6c6d3a11";

fn results<'e>(exposition: &'e Exposition, family: &str) -> BTreeMap<&'e str, f64> {
    let samples = &exposition.family(family).samples;
    samples.iter().map(|sample| (sample.labels["result"].as_str(), sample.value)).collect()
}

/// Somebody signs up, signs in, and does with refresh tokens whatever can be done with them.
async fn tour(app: &App) {
    app.sign_up("ada").await;
    app.authenticate("ada", "wrong horse battery").await;
    app.authenticate("nobody", PASSWORD).await;
    let first = app.sign_in("ada").await.refresh_token;
    let second = app.refresh_keyed(&first, Some(RETRY_KEY)).await.refresh_cookie().unwrap();
    app.refresh_keyed(&first, Some(RETRY_KEY)).await;
    app.refresh(&first).await;
    app.advance(MINUTE);
    app.refresh(&first).await;
    app.refresh(&second).await;
    app.refresh(&format!("{second}x")).await;
    app.call(Method::POST, "/refresh").send().await;
    let (left, right) = (app.sign_in("ada").await.refresh_token, app.sign_in("ada").await.refresh_token);
    let both = format!("refresh_token={left}; refresh_token={right}");
    app.call(Method::POST, "/refresh").header("cookie", &both).send().await;
    app.advance(31 * DAY);
    app.refresh(&left).await;
}

#[tokio::test]
async fn every_outcome_of_the_flow_is_counted_once() {
    let app = App::start().await;
    tour(&app).await;
    let exposition = exposed(&app).await;
    let sign_ins = results(&exposition, "countersign_sign_ins_total");
    let expected = [
        ("error", 0.0),
        ("invalid_credentials", 2.0),
        ("overloaded", 0.0),
        ("provider_unavailable", 0.0),
        ("rate_limited", 0.0),
        ("success", 3.0),
        ("unavailable", 0.0),
    ];
    assert_eq!(sign_ins, BTreeMap::from(expected));
    let refreshes = results(&exposition, "countersign_refreshes_total");
    let expected = [
        ("ambiguous", 1.0),
        ("error", 0.0),
        ("expired", 1.0),
        ("invalid", 1.0),
        ("missing", 1.0),
        ("ok", 1.0),
        ("race", 1.0),
        ("retry", 1.0),
        ("reuse", 1.0),
        ("revoked", 1.0),
        ("unavailable", 0.0),
    ];
    assert_eq!(refreshes, BTreeMap::from(expected));
    let asked = [("method", "POST"), ("route", "/refresh")];
    let took = exposition.value("countersign_http_request_duration_seconds_count", &asked);
    assert_eq!(took, refreshes.values().sum::<f64>(), "each was a request");
}

#[tokio::test]
async fn lanes_writer_and_clean_up_tell_what_they_did() {
    let app = App::start().await;
    tour(&app).await;
    let session = app.sign_in("ada").await;
    let body = json!({"current_password": PASSWORD});
    app.call(Method::DELETE, "/me").bearer(&session.access_token).json(&body).send().await;
    app.advance(32 * DAY);
    let due = exposed(&app).await;
    let table = |name| [("table", name)];
    assert_eq!(due.value("countersign_cleanup_backlog_rows", &table("sign_ins")), 4.0);
    assert_eq!(due.value("countersign_cleanup_backlog_rows", &table("users")), 1.0);
    jobs::sweep(&app.service, |_| {}).await.unwrap();
    let swept = exposed(&app).await;
    for (name, rows) in [("sign_ins", 4.0), ("users", 1.0)] {
        assert_eq!(swept.value("countersign_cleanup_backlog_rows", &table(name)), 0.0);
        assert_eq!(swept.value("countersign_cleanup_rows_total", &table(name)), rows);
    }
    let hashed = swept.value("countersign_hash_jobs_total", &[("result", "started")]);
    assert_eq!(hashed, 8.0, "one sign-up, six sign-ins, one proof");
    assert_eq!(swept.value("countersign_hash_queue_wait_seconds_count", &[]), hashed);
    assert!(swept.value("countersign_hash_capacity_per_second", &[]) > 0.0);
    assert!(swept.value("countersign_hash_lanes", &[]) >= 1.0);
    assert!(swept.value("countersign_hash_memory_bytes", &[]) >= 19_456.0 * 1_024.0);
    assert_eq!(swept.value("countersign_hash_queue_length", &[]), 0.0);
    if app.schema.is_some() { the_batchers_tell(&swept) } else { the_writer_tells(&swept) }
}

fn the_writer_tells(told: &Exposition) {
    let commits = told.value("countersign_store_commit_duration_seconds_count", &[]);
    assert!(commits >= 10.0, "{commits}");
    assert_eq!(told.value("countersign_store_batch_size_count", &[]), commits);
    assert_eq!(told.value("countersign_store_lost_batches_total", &[]), 0.0);
    assert_eq!(told.value("countersign_store_queue_length", &[]), 0.0);
}

fn the_batchers_tell(told: &Exposition) {
    for (of, least) in [("spend", 5.0), ("check", 1.0)] {
        let value = |what: &str| told.value(&format!("countersign_store_{of}_{what}"), &[]);
        assert!(value("batch_size_count") >= least, "{of}");
        assert_eq!(value("batch_size_count"), value("batch_duration_seconds_count"), "{of}");
        assert_eq!(value("queue_length"), 0.0, "{of}");
    }
    assert!(told.value("countersign_store_check_lookups_total", &[]) >= 1.0);
    let pool = |what: &str| told.value(&format!("countersign_store_pool_{what}"), &[]);
    assert!(pool("max_connections") >= 2.0);
    assert_eq!((pool("used_connections"), pool("waiting")), (0.0, 0.0));
}

#[tokio::test]
async fn a_store_that_is_away_is_counted_and_the_rest_is_still_told() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    app.service.shut_down().await;
    app.refresh(&session.refresh_token).await;
    app.authenticate("ada", PASSWORD).await;
    let exposition = exposed(&app).await;
    assert_eq!(results(&exposition, "countersign_refreshes_total")["unavailable"], 1.0);
    assert_eq!(results(&exposition, "countersign_sign_ins_total")["unavailable"], 1.0);
}

/// The rows of the reference, without those of the database that isn't asked: the name, what it is, its labels.
fn page(app: &App) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = include_str!("../../../../../docs/reference/metrics.md");
    let other = if app.schema.is_some() { "On SQLite" } else { "On PostgreSQL" };
    assert!(page.contains(&format!("### {other}\n")));
    let sections = page.split("\n### ").filter(|section| !section.starts_with(other));
    let rows = sections.flat_map(str::lines).filter(|line| line.starts_with("| `countersign_"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let labels = cells[3].split(", ").filter(|label| *label != "–");
        let labels = labels.map(|label| label.trim_matches('`').to_owned()).collect();
        (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels))
    };
    rows.map(row).collect()
}

/// Whether the reference has the series that this sample belongs to.
fn page_names(sample: &str) -> bool {
    let page = include_str!("../../../../../docs/reference/metrics.md");
    let suffixes = ["_bucket", "_sum", "_count", ""];
    let series = suffixes.iter().find_map(|suffix| sample.strip_suffix(suffix)).unwrap_or(sample);
    page.contains(&format!("\n| `{series}` |"))
}

#[tokio::test]
async fn the_how_to_asks_for_series_that_there_are() {
    let app = App::start().await;
    tour(&app).await;
    let exposed = exposed(&app).await;
    let samples = exposed.0.values().flat_map(|family| &family.samples);
    let known: BTreeSet<&str> = samples.map(|sample| sample.name.as_str()).collect();
    let page = include_str!("../../../../../docs/how-to/monitor.md");
    let words = page.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let named: Vec<&str> = words.filter(|word| word.starts_with("countersign_")).collect();
    assert!(named.len() > 15, "{named:?}");
    for name in named.iter().filter(|name| **name != "countersign_token") {
        let of_one_database = name.starts_with("countersign_store_") && page_names(name);
        assert!(known.contains(name) || of_one_database, "{name} is asked for, and not exposed");
    }
}

#[tokio::test]
async fn the_reference_lists_every_series_with_its_kind_and_labels_and_nothing_besides() {
    let app = App::start().await;
    tour(&app).await;
    let mut exposed_now = BTreeMap::new();
    for (name, family) in exposed(&app).await.0 {
        assert!(family.help.len() > 10 && family.help.ends_with('.'), "{name}: {}", family.help);
        assert!(!family.samples.is_empty(), "{name} has nothing to say after the tour");
        let labels = family.samples.iter().flat_map(|sample| sample.labels.keys().cloned());
        let labels = labels.filter(|label| label != "le").collect();
        exposed_now.insert(name, (family.kind, labels));
    }
    assert_eq!(exposed_now, page(&app));
}

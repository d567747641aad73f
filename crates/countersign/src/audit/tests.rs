use std::time::Duration;

use super::*;
use crate::error::FieldErrors;
use crate::secret::SecretString;
use crate::service::Countersign;
use crate::testing::TestService;
use crate::trail::{self, Recorded, Whose};
use crate::user::{NewUser, sign_up};

async fn rows(service: &Countersign) -> Vec<Recorded> {
    trail::list(service, Whose::Everybodys, None, 100_000).await.unwrap()
}

/// A failure from an address that nobody else has.
fn fail(service: &Countersign, from: u32) {
    let address = Some(IpAddr::V4(from.into()));
    service.record(Event::SignInFailed, About { address, ..About::default() }.because("unknown_name"));
}

fn disturb(service: &TestService, sql: &str) {
    let file = service.folder().join("data/countersign.db");
    rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

// SEC-107
#[tokio::test]
async fn a_change_and_its_event_happen_together_or_not_at_all() {
    let service = TestService::start().await;
    let new = || {
        let password = Some(SecretString::from("correct horse battery"));
        NewUser::judge(service.rules(), Some("ada"), None, password, FieldErrors::new()).unwrap()
    };
    sign_up(&service, new(), Some(IpAddr::from([192, 0, 2, 7]))).await.unwrap();
    assert!(sign_up(&service, new(), None).await.is_err());
    let rows = rows(&service).await;
    let words: Vec<_> =
        rows.iter().map(|row| (&*row.event, &*row.outcome, row.username.as_deref())).collect();
    assert_eq!(words, [("sign_up", "success", Some("ada"))]);
    assert_eq!((rows[0].address.as_deref(), rows[0].at), (Some("192.0.2.7"), service.now()));
    disturb(&service, "ALTER TABLE audit_events RENAME TO lost");
    let id = rows[0].user.unwrap();
    assert!(crate::operator::disable(&service, id).await.is_err());
    let account = crate::user::list(&service, None, 1).await.unwrap().remove(0);
    assert_eq!(account.disabled_at, None, "no change without its event");
}

#[tokio::test]
async fn failures_alike_share_a_row_that_counts_them() {
    let service = TestService::start().await;
    for from in [1, 2, 1, 1] {
        fail(&service, from);
    }
    service.record(Event::SignInFailed, About::default().because("unknown_name"));
    service.flush_audit().await;
    fail(&service, 1);
    service.flush_audit().await;
    let mut found: Vec<_> =
        rows(&service).await.into_iter().map(|row| (row.address.unwrap_or_default(), row.times)).collect();
    found.sort();
    let expected = [("", 1), ("0.0.0.1", 1), ("0.0.0.1", 3), ("0.0.0.2", 1)];
    assert_eq!(found, expected.map(|(address, times)| (address.to_owned(), times)));
}

#[tokio::test]
async fn a_flood_takes_bounded_room_and_says_what_is_missing() {
    let service = TestService::start().await;
    for from in 0..10_000 {
        fail(&service, from);
        fail(&service, from);
    }
    assert_eq!(service.audit().len(), 4_096);
    service.flush_audit().await;
    let rows = rows(&service).await;
    assert_eq!(rows.len(), 4_097);
    let dropped = rows.iter().find(|row| row.event == "audit_events_dropped").unwrap();
    assert_eq!(dropped.times, 2 * (10_000 - 4_096));
    let all: u64 = rows.iter().map(|row| row.times).sum();
    assert_eq!(all, 20_000, "every one is counted somewhere");
    assert!(rows.iter().any(|row| row.address.as_deref() == Some("0.0.39.15")), "the newest are kept");
}

/// Lets tokio's hands fly, and the writing thread, which lives in real time, get on with it, until so many rows stand
/// there; and a while longer, so that one too many would show.
async fn settle_at(service: &Countersign, expected: usize, what: &str) {
    let mut found = 0;
    for turn in 0..2_000 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        std::thread::sleep(Duration::from_millis(1));
        found = rows(service).await.len();
        if found >= expected && turn > 100 {
            break;
        }
    }
    assert_eq!(found, expected, "{what}");
}

#[tokio::test(start_paused = true)]
async fn they_are_written_soon_and_by_themselves_and_no_faster_than_allowed() {
    let service = TestService::start().await;
    fail(&service, 0);
    settle_at(&service, 1, "one alone").await;
    for from in 0..1_000 {
        fail(&service, from);
    }
    settle_at(&service, 500, "what may come at once").await;
    service.advance(Duration::from_secs(10));
    settle_at(&service, 550, "five a second").await;
    service.clock.step_back(Duration::from_secs(3_600));
    settle_at(&service, 550, "a clock that stepped back earns nothing").await;
    service.advance(Duration::from_secs(2));
    settle_at(&service, 560, "and starves nobody").await;
    service.advance(Duration::from_secs(600));
    settle_at(&service, 1_001, "all of them in the end").await;
}

#[tokio::test(start_paused = true)]
async fn while_the_table_is_away_they_wait_and_nothing_fails() {
    let service = TestService::start().await;
    disturb(&service, "ALTER TABLE audit_events RENAME TO lost");
    fail(&service, 1);
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        std::thread::sleep(Duration::from_millis(1));
    }
    fail(&service, 1);
    assert_eq!(service.audit().len(), 2, "the first is being written, and takes in no other");
    disturb(&service, "ALTER TABLE lost RENAME TO audit_events");
    settle_at(&service, 2, "both are there").await;
    assert_eq!(service.audit().len(), 0);
}

#[tokio::test]
async fn what_waits_is_written_when_the_service_shuts_down() {
    let service = TestService::start().await;
    fail(&service, 1);
    let again = service.second_node().await;
    service.shut_down().await;
    fail(&service, 2);
    assert_eq!(rows(&again).await.len(), 1);
    assert_eq!(service.audit().len(), 0, "nothing is taken in that can't be written");
}

// The task is dropped as soon as it is spawned then, and its end takes the lock that whoever records held before.
#[test]
fn a_runtime_that_has_ended_holds_nobody_up() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let service = runtime.block_on(TestService::start());
    let handle = runtime.handle().clone();
    drop(runtime);
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _within = handle.enter();
        fail(&service, 1);
        fail(&service, 2);
        done.send(service.audit().len())
    });
    assert_eq!(is_done.recv_timeout(Duration::from_secs(30)), Ok(2));
}

// SEC-108
#[test]
fn a_text_from_outside_is_shortened_and_harmless() {
    let about = About::default().saying(&format!("\u{1b}[2J\r\n{}", "x".repeat(1_000)));
    let detail = about.detail.unwrap();
    assert!(detail.as_str().starts_with("\\u001b[2J\\u000d\\u000a") && detail.as_str().ends_with('…'));
    assert!(detail.as_str().chars().count() < 280);
}

#[test]
fn every_event_has_a_word_of_its_own() {
    for event in Event::ALL {
        assert_eq!(Event::from_word(event.word()), Some(*event));
        assert!(!event.sentence().ends_with('.'));
    }
    assert_eq!(Event::from_word("bored"), None);
}

//! A database in trouble: locked, closed, damaged. Nothing is lost, nothing is let through, and the answer is 503.

use std::time::Duration;

use countersign::{Countersign, Settings};
use reqwest::Method;
use serde_json::json;

use crate::actors::Browser;
use crate::app::{Answer, App, PASSWORD, Session};
use crate::call::{Call, join_all};

fn is_unavailable(answer: &Answer) {
    let code = answer.code();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(matches!(code, "database_unavailable" | "overloaded"), "{answer:?}");
    assert_eq!(answer.media_type(), Some("application/problem+json"));
    assert!(answer.header("retry-after").is_some_and(|after| after.parse::<u64>().is_ok_and(|s| s > 0)));
    assert!(answer.set_cookies().is_empty(), "no cookie is deleted: {answer:?}");
    assert!(!answer.text.to_lowercase().contains("sqlite"), "the inside shows");
}

/// Everything that writes.
fn writes<'a>(app: &'a App, session: &Session) -> Vec<Call<'a>> {
    let right = json!({"username": "ada", "password": PASSWORD});
    let change = json!({"username": "countess", "current_password": PASSWORD});
    let current = json!({"current_password": PASSWORD});
    vec![
        app.call(Method::POST, "/users").json(&json!({"username": "eve", "password": PASSWORD})),
        app.call(Method::POST, "/authenticate").json(&right),
        app.call(Method::POST, "/refresh").refresh_cookie(&session.refresh_token),
        app.call(Method::DELETE, "/refresh").refresh_cookie(&session.refresh_token),
        app.call(Method::DELETE, "/refresh/all").bearer(&session.access_token),
        app.call(Method::PATCH, "/me").bearer(&session.access_token).json(&change),
        app.call(Method::DELETE, "/me").bearer(&session.access_token).json(&current),
        app.get("/health/ready"),
    ]
}

// SEC-106
#[tokio::test]
async fn while_another_program_holds_the_database_writes_are_503_and_reads_go_on() {
    let app = App::start().await;
    let mut browser = Browser::of(&app, "ada").await;
    let session = Session {
        access_token: browser.access_token.clone(),
        refresh_token: browser.refresh_token().unwrap().to_owned(),
    };
    let before = browser.me().await.body;
    let lock = app.database();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held = join_all(writes(&app, &session).into_iter().map(Call::send));
    let alive = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(app.get("/health/live").send().await.status, 200);
        assert_eq!(app.me(&session.access_token).await.body, before, "reads go on");
        assert_eq!(app.call(Method::POST, "/refresh").send().await.code(), "refresh_token_missing");
        assert_eq!(app.refresh("junk").await.code(), "refresh_token_invalid");
    };
    let (answers, ()) = tokio::join!(held, alive);
    answers.iter().for_each(is_unavailable);
    lock.execute_batch("ROLLBACK").unwrap();
    assert!(!app.service.metrics().await.contains("\ncountersign_store_lost_batches_total 0\n"));
    assert_eq!(browser.me().await.body, before, "nothing was half done");
    assert_eq!(browser.refresh().await.status, 200, "the token was not spent");
    assert_eq!(app.get("/health/ready").send().await.status, 200);
    assert_eq!(app.authenticate("ada", PASSWORD).await.status, 200);
    assert_eq!(app.sign_up("eve").await.status, 201, "the name was not taken");
}

// SEC-106
#[tokio::test]
async fn a_short_lock_is_waited_for() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let lock = app.database();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let release = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        lock.execute_batch("ROLLBACK").unwrap();
    };
    let (answer, ()) = tokio::join!(app.refresh(&session.refresh_token), release);
    assert_eq!(answer.status, 200);
}

// SEC-106
#[tokio::test]
async fn a_closed_store_refuses_and_lets_nobody_in() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    app.service.shut_down().await;
    for call in writes(&app, &session) {
        is_unavailable(&call.send().await);
    }
    assert_eq!(app.get("/health/live").send().await.status, 200);
    assert_eq!(app.get("/me").bearer("a.b.c").send().await.status, 401);
    let settings = app.service.settings().clone();
    let reopened = App::start_with(|_| settings).await;
    assert_eq!(reopened.me(&session.access_token).await.status, 200);
    assert_eq!(reopened.refresh(&session.refresh_token).await.status, 200, "nothing was lost");
}

/// A service's folder after some use, with the program stopped.
async fn stopped(app: &App) -> Settings {
    app.somebody("ada").await;
    app.service.shut_down().await;
    app.service.settings().clone()
}

async fn refusal(settings: Settings) -> String {
    match Countersign::open(settings).await {
        Ok(_) => panic!("it opened"),
        Err(refusal) => refusal.to_string(),
    }
}

// SEC-106
#[tokio::test]
async fn a_damaged_or_foreign_file_stops_the_start_and_is_left_as_it_is() {
    for (what, spoil) in [
        (
            "no database at all",
            (|file: &[u8]| b"not a database".repeat(file.len() / 14)) as fn(&[u8]) -> Vec<u8>,
        ),
        ("cut short", |file| file[..file.len() / 2].to_vec()),
        ("zeroed pages", |file| [&file[..4_096], &vec![0; file.len() - 4_096]].concat()),
    ] {
        let app = App::start().await;
        let settings = stopped(&app).await;
        let file = app.database_file();
        rusqlite::Connection::open(&file).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let spoiled = spoil(&std::fs::read(&file).unwrap());
        std::fs::write(&file, &spoiled).unwrap();
        for wal in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{wal}", file.display()));
        }
        let told = refusal(settings).await;
        assert!(told.contains("countersign.db"), "{what}: {told}");
        assert_eq!(std::fs::read(&file).unwrap(), spoiled, "{what}: it was written over");
    }
}

// SEC-106
#[tokio::test]
async fn an_emptied_file_is_never_taken_for_a_fresh_database() {
    let app = App::start().await;
    app.somebody("ada").await;
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { data_dir: folder.path().join("data"), ..app.service.settings().clone() };
    std::fs::create_dir(&settings.data_dir).unwrap();
    std::fs::write(settings.data_dir.join("countersign.db"), b"").unwrap();
    std::fs::copy(
        format!("{}-wal", app.database_file().display()),
        settings.data_dir.join("countersign.db-wal"),
    )
    .unwrap();
    let told = refusal(settings).await;
    assert!(told.contains("restore the file from a backup"), "{told}");
}

// SEC-106
#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let app = App::start().await;
    let settings = stopped(&app).await;
    let sql = "INSERT INTO schema_migrations SELECT version + 1000, name, checksum, applied_at FROM schema_migrations";
    app.execute_sql(sql);
    let told = refusal(settings).await;
    assert!(told.contains("newer") || told.contains("1001"), "{told}");
}

//! `POST /refresh`: what it answers, and how each refusal reads.

use std::time::Duration;

use countersign::Settings;
use reqwest::Method;
use serde_json::json;

use crate::actors::Browser;
use crate::app::{Answer, App, DAY, MINUTE, codes_of, refresh_problem};

const INVALID: &str = "Invalid refresh token";

/// The whole answer: the body, the challenge, and whether the cookie goes.
fn is_refused(answer: &Answer, code: &str, detail: &str, session_ended: bool, deletes: bool) {
    assert_eq!((answer.status, &answer.body), (401, &refresh_problem(code, detail, session_ended)));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    let deletion = "refresh_token=; HttpOnly; Secure; SameSite=Strict; Path=/refresh; Max-Age=0";
    assert_eq!(answer.set_cookies(), if deletes { vec![deletion] } else { vec![] });
}

#[tokio::test]
async fn the_answer_is_a_new_pair() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let answer = app.refresh(&session.refresh_token).await;
    let token = answer.body["access_token"].as_str().unwrap();
    let expected = json!({"access_token": token, "token_type": "Bearer", "expires_in": 600});
    assert_eq!((answer.status, &answer.body), (200, &expected));
    assert_ne!(answer.refresh_cookie().unwrap(), session.refresh_token);
    assert_eq!(app.me(token).await.status, 200);
    assert_eq!(app.me(&session.access_token).await.status, 200, "the older access token lives on");
}

// SEC-65
#[tokio::test]
async fn each_refusal_has_its_word_and_says_whether_the_session_ended() {
    let app = App::start().await;
    is_refused(
        &app.call(Method::POST, "/refresh").send().await,
        "refresh_token_missing",
        "No refresh token",
        false,
        false,
    );
    is_refused(&app.refresh("nonsense").await, "refresh_token_invalid", INVALID, false, true);
    let session = app.somebody("ada").await;
    let next = app.refresh(&session.refresh_token).await.refresh_cookie().unwrap();
    is_refused(&app.refresh(&session.refresh_token).await, "refresh_token_spent", INVALID, false, false);
    app.advance(Duration::from_millis(10_001));
    is_refused(&app.refresh(&session.refresh_token).await, "refresh_token_reused", INVALID, true, true);
    is_refused(&app.refresh(&next).await, "refresh_token_revoked", INVALID, true, true);
    let other = app.sign_in("ada").await;
    app.advance(30 * DAY);
    is_refused(
        &app.refresh(&other.refresh_token).await,
        "refresh_token_expired",
        "Refresh token has expired",
        true,
        true,
    );
}

// SEC-45
#[tokio::test]
async fn a_token_that_was_never_issued_or_is_altered_in_one_character_ends_nothing() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let good = session.refresh_token.as_bytes();
    for at in 0..good.len() {
        let mut altered = good.to_vec();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert_eq!(app.refresh(&altered).await.code(), "refresh_token_invalid", "character {at}");
    }
    for wrong in
        [&session.refresh_token[1..], &format!("{}A", session.refresh_token), "A", &session.access_token]
    {
        assert_eq!(app.refresh(wrong).await.code(), "refresh_token_invalid", "{wrong}");
    }
    assert_eq!(app.refresh(&session.refresh_token).await.status, 200);
}

#[tokio::test]
async fn an_expired_token_is_told_so_for_a_day_at_least() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    app.advance(30 * DAY - Duration::from_secs(1));
    let kept = app.sign_in("ada").await;
    app.advance(Duration::from_secs(1));
    assert_eq!(app.refresh(&session.refresh_token).await.code(), "refresh_token_expired");
    app.advance(DAY);
    countersign::jobs::sweep(&app.service, |_| {}).await.unwrap();
    assert_eq!(app.refresh(&session.refresh_token).await.code(), "refresh_token_expired");
    app.advance(2 * DAY);
    countersign::jobs::sweep(&app.service, |_| {}).await.unwrap();
    assert_eq!(app.refresh(&session.refresh_token).await.code(), "refresh_token_invalid", "forgotten");
    assert_eq!(app.refresh(&kept.refresh_token).await.status, 200);
}

// SEC-49
#[tokio::test]
async fn each_refresh_moves_the_idle_end_and_none_the_absolute_one() {
    let app = App::start().await;
    let mut token = app.somebody("ada").await.refresh_token;
    let mut ages = Vec::new();
    for _ in 0..4 {
        app.advance(20 * DAY);
        let answer = app.refresh(&token).await;
        token = answer.refresh_cookie().unwrap();
        ages.push(answer.header("set-cookie").unwrap().rsplit('=').next().unwrap().to_owned());
    }
    let days = |days: u64| (days * 86_400).to_string();
    assert_eq!(ages, [days(30), days(30), days(30), days(10)]);
    app.advance(10 * DAY - Duration::from_millis(1));
    let last = app.refresh(&token).await;
    assert_eq!(last.status, 200);
    app.advance(Duration::from_millis(1));
    assert_eq!(app.refresh(&last.refresh_cookie().unwrap()).await.code(), "refresh_token_expired");
}

// SEC-49
#[tokio::test]
async fn an_access_token_does_not_outlive_its_sign_in_here() {
    let app = App::start_with(|settings| Settings { refresh_token_lifetime: 5 * MINUTE, ..settings }).await;
    let session = app.somebody("ada").await;
    app.advance(5 * MINUTE);
    assert_eq!(app.me(&session.access_token).await.code(), "access_token_invalid");
}

// SEC-50
#[tokio::test]
async fn a_refresh_asks_whether_the_user_still_lives() {
    let app = App::start().await;
    for column in ["disabled_at", "deleted_at"] {
        let session = app.somebody(&column.replace("_at", "")).await;
        let sql =
            format!("UPDATE users SET {column} = 1 WHERE username_key = '{}'", column.replace("_at", ""));
        app.execute_sql(&sql);
        assert_eq!(app.refresh(&session.refresh_token).await.code(), "refresh_token_revoked", "{column}");
    }
}

// SEC-67
#[tokio::test]
async fn a_stale_authorization_header_does_not_disturb_a_refresh() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    app.advance(11 * MINUTE);
    let call = app.call(Method::POST, "/refresh").bearer(&session.access_token);
    let answer = call.refresh_cookie(&session.refresh_token).send().await;
    assert_eq!(answer.status, 200);
}

// SEC-52
#[tokio::test]
async fn other_methods_spend_nothing() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::OPTIONS] {
        let answer = app.call(method.clone(), "/refresh").refresh_cookie(&session.refresh_token).send().await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("POST,DELETE"), "{method}");
    }
    assert_eq!(app.refresh(&session.refresh_token).await.status, 200);
}

#[tokio::test]
async fn a_key_has_to_be_long_and_single() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let long = "k".repeat(256);
    for key in ["short", "0123456789abcdefghijk", "0123456789abcdefghij l", "", &long] {
        let answer = app.refresh_keyed(&session.refresh_token, Some(key)).await;
        assert_eq!(codes_of(&answer, "Idempotency-Key"), ["invalid_idempotency_key"], "{key:?}");
        assert_eq!((answer.status, answer.set_cookies().len()), (400, 0));
    }
    let key = "0123456789abcdefghijkl";
    let call = app.call(Method::POST, "/refresh").refresh_cookie(&session.refresh_token);
    let twice = call.header("idempotency-key", key).header("idempotency-key", key).send().await;
    assert_eq!(codes_of(&twice, "Idempotency-Key"), ["invalid_idempotency_key"]);
    assert_eq!(app.refresh_keyed(&session.refresh_token, Some(key)).await.status, 200, "nothing was spent");
}

// SEC-42
#[tokio::test]
async fn the_database_holds_no_token() {
    let app = App::start().await;
    let mut browser = Browser::of(&app, "ada").await;
    let mut seen = vec![browser.refresh_token().unwrap().to_owned(), browser.access_token.clone()];
    browser.refresh().await;
    seen.extend([browser.refresh_token().unwrap().to_owned(), browser.access_token.clone()]);
    let stored = stored(&app);
    let holds = |needle: &[u8]| stored.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"$argon2id$"), "the files are read at the right place");
    for token in seen {
        use base64::Engine as _;
        let part = token.rsplit('.').next().unwrap();
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!holds(token.as_bytes()) && !holds(&bytes) && !holds(hex.as_bytes()), "{token}");
    }
    assert!(!holds(crate::app::PASSWORD.as_bytes()));
}

/// All files of the database, or all its rows as text.
fn stored(app: &App) -> Vec<u8> {
    let mut stored = Vec::new();
    if let Some(schema) = &app.schema {
        for row in
            schema.query_text("SELECT u::text || s::text FROM users u JOIN sign_ins s ON s.user_id = u.id")
        {
            stored.extend(row[0].clone().unwrap().into_bytes());
        }
        return stored;
    }
    for file in std::fs::read_dir(&app.service.settings().data_dir).unwrap() {
        stored.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    stored
}

//! What a link is: from `public_url` alone, of no use to whoever reads the database, spent by one of many.

use countersign::Settings;
use countersign::jobs::send_mails;
use reqwest::Method;
use serde_json::json;

use crate::app::{App, MINUTE, PASSWORD};
use crate::call::join_all;

const OTHER: &str = "a wholly other staple";

// SEC-83
#[tokio::test]
async fn of_64_at_once_one_uses_the_link() {
    let app = App::start_with(|mut settings| {
        // Which password holds is found by trying all of them.
        settings.rate_limits.on = false;
        settings
    })
    .await;
    app.confirmed("ada", "ada@example.com").await;
    let reset = app.forgotten("ada@example.com").await;
    let resets = (0..64).map(|number| {
        let password = format!("a wholly other staple {number}");
        let body = json!({"token": reset.token(), "password": password});
        let app = &app;
        async move { (app.post("/password-reset/confirm", body).await, password) }
    });
    let answers = join_all(resets).await;
    let won: Vec<_> = answers.iter().filter(|(answer, _)| answer.status == 204).collect();
    assert_eq!(won.len(), 1);
    for (answer, password) in &answers {
        assert!(matches!(answer.code(), "" | "invalid_token" | "overloaded"), "{answer:?}");
        let is_in = app.authenticate("ada", password).await.status == 200;
        assert_eq!(is_in, answer.status == 204, "{password}");
    }
    let session =
        app.post("/users", json!({"username": "bob", "password": PASSWORD, "email": "bob@x.example"})).await;
    assert_eq!(session.status, 201);
    let token = app.sign_in("bob").await.access_token;
    app.ask_for_link(&token).await;
    let mails = app.mails().await;
    let link = mails.iter().find(|mail| mail.to == "bob@x.example").unwrap().token();
    let confirms = (0..64).map(|_| app.post("/verify-email", json!({"token": link})));
    let statuses: Vec<u16> = join_all(confirms).await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 63);
}

// SEC-88
#[tokio::test]
async fn a_scanner_that_opens_every_link_first_spends_none() {
    let app = App::start().await;
    app.confirmed("ada", "ada@example.com").await;
    let mail = app.forgotten("ada@example.com").await;
    let path = mail.link().split("localhost:8000").nth(1).unwrap().to_owned();
    let page = path.split('#').next().unwrap();
    // With the fragment taken for a query too, as careless programs do.
    for opened in [page.to_owned(), path.replace('#', "?"), format!("{page}?token={}", mail.token())] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            let answer = app.request(method, &opened).send().await.unwrap();
            assert!(answer.status().as_u16() < 500, "{opened}");
        }
    }
    assert_eq!(app.reset(mail.token(), OTHER).await.status, 204);
}

// SEC-87
#[tokio::test]
async fn no_header_of_a_request_changes_where_a_link_leads() {
    let app = App::start().await;
    app.confirmed("ada", "ada@example.com").await;
    let call = app.call(Method::POST, "/password-reset").json(&json!({"email": "ada@example.com"}));
    let answer = call
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "gopher")
        .header("forwarded", "host=evil.example;proto=gopher")
        .header("x-original-host", "evil.example")
        .header("origin", "https://evil.example")
        .header("referer", "https://evil.example/")
        .send()
        .await;
    assert_eq!(answer.status, 202);
    let mail = app.last_mail().await;
    assert!(!mail.text.contains("evil.example"), "{}", mail.text);
    assert!(mail.link().starts_with("http://localhost:8000/password-reset#token="));
}

#[tokio::test]
async fn links_lead_below_the_path_of_the_public_url_or_where_the_operator_says() {
    for (public_url, own, begin) in [
        ("https://x.example/auth", None, "https://x.example/auth/password-reset#token="),
        (
            "https://x.example",
            Some("https://app.example/new-password?t={token}"),
            "https://app.example/new-password?t=",
        ),
    ] {
        let app = App::start_with(|settings| Settings {
            public_url: public_url.parse().unwrap(),
            password_reset_url: own.map(str::to_owned),
            ..settings
        })
        .await;
        app.confirmed("ada", "ada@example.com").await;
        app.post("/password-reset", json!({"email": "ada@example.com"})).await;
        let mail = app.last_mail().await;
        assert!(mail.text.lines().any(|line| line.starts_with(begin)), "{}", mail.text);
    }
}

#[tokio::test]
async fn a_mail_is_in_the_language_of_the_request_that_caused_it() {
    let app = App::start().await;
    app.confirmed("ada", "ada@example.com").await;
    let call =
        app.call(Method::POST, "/password-reset").header("accept-language", "fr, de-AT;q=0.8, en;q=0.3");
    assert_eq!(call.json(&json!({"email": "ada@example.com"})).send().await.status, 202);
    let mail = app.last_mail().await;
    assert_eq!(mail.language, "de");
    assert!(
        mail.text.contains("Wählen Sie") || mail.text.contains("Öffnen Sie diesen Link"),
        "{}",
        mail.text
    );
}

// SEC-82, SEC-108
#[tokio::test]
async fn the_database_never_holds_a_token_that_is_good() {
    let app = App::start().await;
    if app.schema.is_some() {
        // The file is looked at; that it holds the same rows as a server is another test's.
        return;
    }
    app.confirmed("ada", "ada@example.com").await;
    app.post("/password-reset", json!({"email": "ada@example.com"})).await;
    let dump = || {
        let file = app.database_file();
        let mut bytes = std::fs::read(&file).unwrap();
        bytes.extend(std::fs::read(file.with_extension("db-wal")).unwrap_or_default());
        bytes
    };
    let mut seen = dump();
    send_mails(&app.service).await.unwrap();
    seen.extend(dump());
    let token = app.last_mail().await.token().to_owned();
    let holds = |text: &str| seen.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("ada@example.com"), "the dump is one");
    assert!(!holds(&token));
    assert_eq!(app.reset(&token, OTHER).await.status, 204);
}

// SEC-23
#[tokio::test]
async fn an_account_gets_five_links_an_hour_and_whoever_asks_for_more_is_told_only_when_signed_in() {
    let app = App::start().await;
    let session = app.confirmed("ada", "ada@example.com").await;
    let change = |number| {
        let body = crate::postbox::new_email(format!("new{number}@example.com"));
        app.call(Method::PATCH, "/me").bearer(&session.access_token).json(&body).send()
    };
    assert_eq!(change(1).await.status, 200);
    for _ in 0..3 {
        assert_eq!(app.ask_for_link(&session.access_token).await.status, 202);
    }
    app.mails().await;
    let refused = app.ask_for_link(&session.access_token).await;
    assert_eq!((refused.status, refused.code()), (429, "rate_limited"), "{refused:?}");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(change(2).await.status, 429, "nor is one had by asking for yet another address");
    let before = app.mails().await.len();
    assert_eq!(app.post("/password-reset", json!({"email": "ada@example.com"})).await.status, 202);
    assert_eq!(app.mails().await.len(), before);
    app.advance(60 * crate::app::MINUTE);
    assert_eq!(app.post("/password-reset", json!({"email": "ada@example.com"})).await.status, 202);
    assert_eq!(app.mails().await.len(), before + 1);
}

// SEC-23, SEC-84
#[tokio::test]
async fn over_the_limit_of_the_asker_the_answer_is_the_same_and_nothing_is_noted() {
    let app = App::start().await;
    app.confirmed("ada", "ada@example.com").await;
    // One was used by the link that confirmed.
    for number in 0..19 {
        let body = json!({"email": format!("nobody{number}@example.com")});
        assert_eq!(app.post("/password-reset", body).await.status, 202);
    }
    let before = app.mails().await.len();
    let answer = app.post("/password-reset", json!({"email": "ada@example.com"})).await;
    assert_eq!((answer.status, answer.text.as_str(), answer.header("retry-after")), (202, "", None));
    assert_eq!(app.mails().await.len(), before);
}

// SEC-23
#[tokio::test]
async fn whoever_sends_thirty_links_that_are_none_waits_wherever_they_lead() {
    let app = App::start().await;
    app.confirmed("ada", "ada@example.com").await;
    let mail = app.forgotten("ada@example.com").await;
    for number in 0..15 {
        let junk = format!("link {number}");
        assert_eq!(app.post("/verify-email", json!({"token": junk})).await.code(), "invalid_token");
        assert_eq!(app.reset(&junk, OTHER).await.code(), "invalid_token");
    }
    for refused in
        [app.post("/verify-email", json!({"token": "x"})).await, app.reset(mail.token(), OTHER).await]
    {
        assert_eq!(
            (refused.status, refused.code(), refused.header("retry-after")),
            (429, "rate_limited", Some("900"))
        );
    }
    assert_eq!(app.authenticate("ada", PASSWORD).await.status, 200, "a password is another matter");
    app.advance(15 * MINUTE);
    assert_eq!(app.reset(app.forgotten("ada@example.com").await.token(), OTHER).await.status, 204);
}

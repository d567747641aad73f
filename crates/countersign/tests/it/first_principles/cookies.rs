//! The refresh cookie: its attributes, a real jar, and several cookies of one name.

use countersign::Settings;
use reqwest::Method;

use crate::actors::Browser;
use crate::app::{App, PASSWORD, problem};
use crate::jar::Place;

// SEC-56
#[tokio::test]
async fn the_cookie_has_every_attribute_and_no_domain() {
    let app = App::start().await;
    app.sign_up("ada").await;
    let answer = app.authenticate("ada", PASSWORD).await;
    let token = answer.refresh_cookie().unwrap();
    let expected =
        format!("refresh_token={token}; HttpOnly; Secure; SameSite=Strict; Path=/refresh; Max-Age=2592000");
    assert_eq!(answer.set_cookies().first(), Some(&expected.as_str()));
    assert!(token.len() >= 43, "256 bits and more");
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
    let again = app.refresh(&token).await;
    let successor = again.refresh_cookie().unwrap();
    assert_eq!(again.set_cookies(), [expected.replace(&token, &successor).as_str()]);
}

// SEC-56
#[tokio::test]
async fn only_refresh_receives_the_cookie_and_no_script_reads_it() {
    let app = App::start().await;
    let browser = Browser::of(&app, "ada").await;
    let now = app.clock.now();
    let at = |path, same_site| Place { host: "localhost", path, secure: false, same_site, is_link: false };
    assert!(browser.jar.send(at("/refresh", true), now).is_some());
    assert!(browser.jar.send(at("/refresh/all", true), now).is_some());
    for path in ["/", "/me", "/users", "/refreshing", "/openapi.json"] {
        assert_eq!(browser.jar.send(at(path, true), now), None, "{path}");
    }
    let elsewhere = browser.jar.send(at("/authenticate", true), now).unwrap();
    assert!(elsewhere.starts_with("device=") && !elsewhere.contains("refresh_token"), "{elsewhere}");
    assert_eq!(browser.jar.send(at("/refresh", false), now), None, "from another site");
    assert!(browser.jar.readable_by_scripts(at("/refresh", true), now).is_empty());
}

// SEC-57
#[tokio::test]
async fn every_deletion_takes_the_token_out_of_a_real_jar() {
    let app = App::start().await;
    let mut browser = Browser::of(&app, "ada").await;
    assert_eq!(browser.sign_out().await.status, 204);
    assert_eq!(browser.refresh_token(), None, "sign-out");
    browser.sign_in("ada", PASSWORD).await;
    let everywhere = browser.call(Method::DELETE, "/refresh/all").bearer(&browser.access_token);
    browser.send(everywhere).await;
    assert_eq!(browser.refresh_token(), None, "sign-out everywhere");
    browser.sign_in("ada", PASSWORD).await;
    app.sign_out(browser.refresh_token().unwrap()).await;
    browser.refresh().await;
    assert_eq!(browser.refresh_token(), None, "revoked elsewhere");
    browser.sign_in("ada", PASSWORD).await;
    let body = serde_json::json!({"current_password": PASSWORD});
    let call = browser.call(Method::DELETE, "/me").bearer(&browser.access_token).json(&body);
    browser.send(call).await;
    assert_eq!(browser.refresh_token(), None, "deleted");
    assert_eq!(browser.refresh().await.code(), "refresh_token_missing");
}

#[tokio::test]
async fn the_cookie_is_gone_from_the_jar_when_its_time_is_over() {
    let app = App::start().await;
    let mut browser = Browser::of(&app, "ada").await;
    app.advance(30 * crate::app::DAY);
    assert_eq!(browser.refresh().await.code(), "refresh_token_missing");
}

// SEC-58
#[tokio::test]
async fn the_one_living_token_among_several_cookies_is_used() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let dead = app.sign_in("ada").await.refresh_token;
    app.sign_out(&dead).await;
    let live = &session.refresh_token;
    let altered = format!("{}A", &live[..live.len() - 1]);
    let altered = if altered == *live { format!("{}B", &live[..live.len() - 1]) } else { altered };
    let mut live = live.clone();
    for others in [vec!["junk"], vec![dead.as_str(), "junk"], vec![altered.as_str()], vec![""]] {
        let before: String = others.iter().map(|other| format!("refresh_token={other}; ")).collect();
        let line = format!("{before}a=b; refresh_token={live}; Refresh_Token=another");
        let answer = app.call(Method::POST, "/refresh").header("cookie", &line).send().await;
        assert_eq!(answer.status, 200, "{line}: {answer:?}");
        live = answer.refresh_cookie().unwrap();
    }
    let call = app.call(Method::POST, "/refresh").refresh_cookie("junk").refresh_cookie(&live);
    let answer = call.send().await;
    assert_eq!(answer.status, 200, "in two header lines");
    let live = answer.refresh_cookie().unwrap();
    let line = format!("refresh_token={live}; refresh_token={live}");
    let answer = app.call(Method::POST, "/refresh").header("cookie", &line).send().await;
    assert_eq!(answer.status, 200, "twice the same is one");
}

// SEC-58
#[tokio::test]
async fn two_living_ones_are_ambiguous_and_neither_is_spent_nor_deleted() {
    let app = App::start().await;
    let (one, other) = (app.somebody("ada").await, app.sign_in("ada").await);
    let line = format!("refresh_token={}; refresh_token={}", one.refresh_token, other.refresh_token);
    let answer = app.call(Method::POST, "/refresh").header("cookie", &line).send().await;
    let detail = "Several live refresh tokens came along; none was used";
    assert_eq!(answer.body, problem(400, "Bad Request", "ambiguous_refresh_cookie", detail));
    assert_eq!((answer.status, answer.set_cookies().len()), (400, 0));
    for session in [one, other] {
        assert_eq!(app.refresh(&session.refresh_token).await.status, 200);
    }
}

// SEC-58
#[tokio::test]
async fn theft_is_seen_among_several_dead_cookies() {
    let app = App::start().await;
    let stolen = app.somebody("ada").await.refresh_token;
    let next = app.refresh(&stolen).await.refresh_cookie().unwrap();
    app.advance(crate::app::MINUTE);
    let line = format!("refresh_token=junk; refresh_token={stolen}");
    let answer = app.call(Method::POST, "/refresh").header("cookie", &line).send().await;
    assert_eq!(answer.code(), "refresh_token_reused");
    assert_eq!(app.refresh(&next).await.code(), "refresh_token_revoked");
}

#[tokio::test]
async fn a_cookie_wins_over_any_body() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    for (content_type, body) in [("application/json", r#"{"refresh_token":"x"}"#), ("text/plain", "junk")] {
        let call = app.call(Method::POST, "/refresh").refresh_cookie("junk").body(content_type, body);
        assert_eq!(call.send().await.code(), "refresh_token_invalid");
    }
    let call = app.call(Method::POST, "/refresh").refresh_cookie(&session.refresh_token);
    assert_eq!(call.body("text/plain", "junk").send().await.status, 200);
}

#[tokio::test]
async fn the_cookie_is_called_as_the_operator_says() {
    let app = App::start_with(|settings| Settings {
        cookie_name: "__Secure-refresh".to_owned(),
        public_url: "https://id.example/auth".parse().unwrap(),
        ..settings
    })
    .await;
    app.sign_up("ada").await;
    let answer = app.authenticate("ada", PASSWORD).await;
    let line = answer.header("set-cookie").unwrap();
    assert!(line.starts_with("__Secure-refresh="), "{line}");
    assert!(line.contains("; Path=/auth/refresh;"), "{line}");
    let value = line.split(['=', ';']).nth(1).unwrap();
    let call = app.call(Method::POST, "/refresh").header("cookie", &format!("__Secure-refresh={value}"));
    assert_eq!(call.send().await.status, 200);
    assert_eq!(app.refresh(value).await.code(), "refresh_token_missing");
}

#[tokio::test]
async fn on_plain_loopback_the_cookie_may_do_without_secure() {
    let app = App::start_with(|settings| Settings { cookie_secure: false, ..settings }).await;
    app.sign_up("ada").await;
    let answer = app.authenticate("ada", PASSWORD).await;
    assert!(!answer.header("set-cookie").unwrap().contains("Secure"));
}

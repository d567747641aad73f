//! The pages behind the links: nothing foreign in them, and they do nothing by themselves.

use reqwest::Method;

use crate::app::{Answer, App};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PAGES: [&str; 2] = ["/verify-email", "/password-reset"];

async fn get(app: &App, path: &str, language: &str) -> Answer {
    app.get(path).header("accept-language", language).send().await
}

// SEC-63, SEC-88
#[tokio::test]
async fn a_page_is_kept_by_nobody_and_sends_no_referrer() {
    let app = App::start().await;
    for path in PAGES {
        let page = get(&app, path, "en").await;
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        for (name, value) in [
            ("content-security-policy", POLICY),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("vary", "accept-language"),
            ("content-language", "en"),
        ] {
            assert_eq!(page.header(name), Some(value), "{path} {name}");
        }
        let head = app.call(Method::HEAD, path).send().await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
    }
}

// SEC-63
#[tokio::test]
async fn the_pages_keep_to_their_own_policy_in_both_languages() {
    let app = App::start().await;
    for path in PAGES {
        let mut titles = Vec::new();
        for language in ["en", "de"] {
            let page = get(&app, path, language).await.text;
            assert!(page.contains(&format!("<html lang=\"{language}\">")) && !page.contains("{{"), "{page}");
            assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick="));
            assert_eq!(page.matches("<script").count(), page.matches("<script src=").count());
            assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("=\"/"), "{page}");
            titles.push(page.split("<title>").nth(1).unwrap().split('<').next().unwrap().to_owned());
        }
        assert_ne!(titles[0], titles[1]);
        for file in ["page.js", "page.css"] {
            let answer = get(&app, &format!("{path}/{file}"), "en").await;
            assert_eq!((answer.status, answer.header("cache-control")), (200, Some("public, max-age=300")));
            for forbidden in
                ["innerHTML", "outerHTML", "document.write", "eval(", "Function(", "localStorage", "http"]
            {
                assert!(!answer.text.contains(forbidden), "{path}/{file}: {forbidden}");
            }
        }
    }
}

#[tokio::test]
async fn the_page_shows_the_rules_that_hold() {
    let app = App::start_with(|mut settings| {
        settings.password_min_length = 15;
        settings.password_rules.numeric = false;
        settings
    })
    .await;
    let page = get(&app, "/password-reset", "en").await.text;
    assert!(page.contains("data-rules=\"length common similarity\" data-min-length=\"15\""), "{page}");
    assert!(page.contains("At least 15 characters"));
}

//! The page that shows the description to people: nothing foreign in it, and it works wherever it is mounted.

use axum::Router;
use countersign::Settings;
use url::Url;

use crate::app::{Answer, App};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

async fn get(app: &App, path: &str) -> Answer {
    app.get(path).send().await
}

// SEC-63
#[tokio::test]
async fn the_page_its_script_and_its_style_have_their_types_and_a_strict_policy() {
    let app = App::start().await;
    for (path, content_type) in [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/page.js", "text/javascript; charset=utf-8"),
        ("/docs/page.css", "text/css; charset=utf-8"),
    ] {
        let answer = get(&app, path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)), "{path}");
        assert_eq!(answer.header("content-security-policy"), Some(POLICY), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"), "{path}");
        assert!(!answer.text.is_empty());
    }
    let page = get(&app, "/docs").await;
    assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));
    assert_eq!(page.header("cross-origin-resource-policy"), Some("same-origin"));
}

/// What stands in these attributes.
fn links(page: &str) -> Vec<&str> {
    let after = |attribute: &'static str| {
        let rests = page.split(attribute).skip(1);
        rests.filter_map(|rest| rest.split('"').next()).collect::<Vec<_>>()
    };
    [after("href=\""), after("src=\"")].concat()
}

// SEC-63
#[tokio::test]
async fn the_page_keeps_to_its_own_policy() {
    let app = App::start().await;
    let (page, script) = (get(&app, "/docs").await.text, get(&app, "/docs/page.js").await.text);
    assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick="), "inline");
    assert!(page.matches("<script").count() == page.matches("<script src=").count(), "inline script");
    assert!(links(&page).iter().all(|link| !link.starts_with("http") && !link.starts_with('/')), "{page}");
    for forbidden in
        ["innerHTML", "outerHTML", "document.write", "eval(", "Function(", "localStorage", "http:"]
    {
        assert!(!script.contains(forbidden), "{forbidden}");
    }
}

#[tokio::test]
async fn every_link_of_the_page_leads_somewhere_at_the_root_and_below_a_path() {
    let at_root = App::start().await;
    let nested = App::start_mounted(
        "/auth",
        |settings| Settings { public_url: "http://localhost:8000/auth".parse().unwrap(), ..settings },
        |service| Router::new().nest("/auth", countersign::router(service)),
    )
    .await;
    for app in [&at_root, &nested] {
        let page = get(app, "/docs").await;
        assert_eq!(page.status, 200);
        let here = Url::parse(&app.url("/docs")).unwrap();
        let mut followed = Vec::new();
        for link in links(&page.text).into_iter().filter(|link| !link.starts_with("data:")) {
            let url = here.join(link).unwrap();
            assert!(url.path().starts_with(app.prefix), "{url} leaves the mount");
            let answer = app.client.get(url.clone()).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 200, "{url}");
            followed.push(url.path().strip_prefix(app.prefix).unwrap().to_owned());
        }
        followed.sort();
        followed.dedup();
        assert_eq!(followed, ["/docs/page.css", "/docs/page.js", "/openapi.json"]);
    }
    let script = get(&at_root, "/docs/page.js").await.text;
    assert!(script.contains(r#"fetch("openapi.json")"#) && script.contains("path.slice(1)"), "relative too");
}

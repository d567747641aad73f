//! What is refused before anybody is sent anywhere, and what a person sees then.

use super::*;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

// SEC-95
#[tokio::test]
async fn nobody_sets_out_who_wants_to_return_where_the_operator_sends_nobody() {
    let site = Site::start().await;
    for return_to in [
        "https://evil.example/",
        "//evil.example",
        "https://app.example.evil.example/in/",
        "/",
        "",
        "https://app.example/in/&return_to=https://app.example/in/",
    ] {
        let answer = site.app.get(&format!("/oauth/stub?return_to={return_to}")).send().await;
        assert_eq!((answer.status, answer.code()), (400, "validation_failed"), "{return_to}");
        assert!(answer.set_cookies().is_empty());
        assert!(!answer.text.contains("evil"), "{answer:?}");
    }
    assert_eq!(site.app.cell("SELECT count(*) FROM oauth_attempts"), "0");
}

// SEC-95: what the operator took off the list meanwhile is not gone to.
#[tokio::test]
async fn where_to_is_judged_again_when_the_person_is_back() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    let callback = ada.up_to_callback("stub").await;
    site.app.execute_sql("UPDATE oauth_attempts SET return_to = 'https://evil.example/'");
    let back = ada.come_back(&callback).await;
    assert_eq!(sent_to(&back), (303, "http://localhost:8000/"));
}

// SEC-61
#[tokio::test]
async fn no_script_of_another_origin_gets_to_read_anything_there() {
    let site = Site::start_with(|settings| Settings {
        cors_allowed_origins: vec!["https://app.example".to_owned()],
        ..settings
    })
    .await;
    let asked = |path: &'static str| site.app.get(path).header("origin", "https://app.example");
    for path in ["/oauth/stub", "/oauth/stub/callback?state=x", "/oauth/nobody"] {
        let answer = asked(path).send().await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path} {answer:?}");
    }
    assert_eq!(asked("/me").send().await.header("access-control-allow-origin"), Some("https://app.example"));
    let preflight = site.app.call(Method::OPTIONS, "/oauth/stub").header("origin", "https://app.example");
    let preflight = preflight.header("access-control-request-method", "GET").send().await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (405, None));
}

// SEC-96
#[tokio::test]
async fn a_person_sees_a_page_and_a_program_a_problem_and_neither_repeats_anything() {
    let site = Site::start().await;
    let path = "/oauth/stub/callback?state=%3Cscript%3Ealert(1)%3C/script%3E&code=secret-code";
    for (language, title) in
        [("en", "<h1>This sign-in is over</h1>"), ("de", "<h1>Diese Anmeldung ist vorbei</h1>")]
    {
        let page = site.app.get(path).header("accept", BROWSER).header("accept-language", language);
        let page = page.send().await;
        assert_eq!((page.status, page.media_type()), (400, Some("text/html")));
        assert!(
            page.text.contains(title) && page.text.contains("href=\"http://localhost:8000/\""),
            "{page:?}"
        );
        assert!(!page.text.contains("alert") && !page.text.contains("secret-code"), "{page:?}");
        assert_eq!(page.header("content-language"), Some(language));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    }
    let problem = site.app.get(path).send().await;
    assert_eq!((problem.status, problem.code()), (400, "invalid_state"));
    assert!(!problem.text.contains("alert") && !problem.text.contains("secret-code"));
    let unknown = site.app.get("/oauth/%3Cb%3E").header("accept", BROWSER).send().await;
    assert_eq!((unknown.status, unknown.media_type()), (404, Some("text/html")));
    assert!(!unknown.text.contains("<b>"));
}

#[tokio::test]
async fn while_the_database_fails_nothing_is_spent() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    let callback = ada.up_to_callback("stub").await;
    let renamed = "oauth_attempts RENAME TO elsewhere";
    site.app.execute_sql(&format!("ALTER TABLE {renamed}"));
    let call = ada.browser.sent_from_another_site(Method::GET, &callback);
    let broken = Answer::of(call.into_request().send().await.unwrap()).await;
    assert!(broken.status >= 500 && broken.set_cookies().is_empty(), "{broken:?}");
    site.app.execute_sql("ALTER TABLE elsewhere RENAME TO oauth_attempts");
    assert_eq!(sent_to(&ada.come_back(&callback).await), (303, DONE));
}

#[tokio::test]
async fn a_form_is_read_for_what_it_may_say_and_no_further() {
    let site = Site::start().await;
    let post = |body: String| {
        let call = site.app.call(Method::POST, "/oauth/poster/callback");
        call.body("application/x-www-form-urlencoded; charset=UTF-8", body).send()
    };
    let twice = post("state=a&state=b".to_owned()).await;
    assert_eq!((twice.status, twice.code()), (400, "validation_failed"));
    assert_eq!(post("x=".to_owned() + &"y".repeat(70_000)).await.status, 413);
    let handed_on = post("state=a%26b&code=%0d%0aSet-Cookie:x&id_token=secret&user=x".to_owned()).await;
    let to = handed_on.header("location").unwrap();
    assert_eq!(to, "http://localhost:8000/oauth/poster/callback?state=a%26b&code=%0D%0ASet-Cookie%3Ax");
}

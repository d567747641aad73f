//! There and back, and what may go wrong at the provider.

use std::collections::BTreeMap;

use countersign_testbed::{GitHubServer, Misbehaviour, Twist};
use serde_json::json;

use super::*;

// SEC-89, SEC-96
#[tokio::test]
async fn a_person_goes_there_and_back_and_is_signed_in() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    let sent = ada.set_out("stub").await;
    assert_eq!(sent.header("cache-control"), Some("no-store"));
    assert_eq!(sent.header("referrer-policy"), Some("no-referrer"));
    let [cookie] = sent.set_cookies()[..] else { panic!("{sent:?}") };
    let attributes = cookie.split_once("; ").unwrap().1;
    assert_eq!(
        attributes, "HttpOnly; Secure; SameSite=Lax; Path=/oauth/stub/callback; Max-Age=600",
        "{cookie}"
    );
    assert!(cookie.starts_with("oauth_"), "{cookie}");
    let to = Url::parse(sent.header("location").unwrap()).unwrap();
    let asked: BTreeMap<String, String> = to.query_pairs().into_owned().collect();
    assert_eq!(asked["redirect_uri"], "http://localhost:8000/oauth/stub/callback");
    assert_eq!((asked["code_challenge_method"].as_str(), asked["response_type"].as_str()), ("S256", "code"));
    assert!(asked["state"].len() == 64 && asked["nonce"].len() == 43 && asked["code_challenge"].len() == 43);
    assert!(!cookie.contains(&asked["state"]));

    let callback = ada.through_issuer(to.as_str()).await;
    let back = ada.come_back(&callback).await;
    assert_eq!(sent_to(&back), (303, DONE), "{back:?}");
    assert_eq!((back.header("cache-control"), back.text.as_str()), (Some("no-store"), ""));
    let name = cookie.split('=').next().unwrap().to_owned();
    assert_eq!(
        cookies_of(&back),
        [("refresh_token".to_owned(), "2592000".to_owned()), (name, "0".to_owned())]
    );
    assert!(back.set_cookies()[0].contains("HttpOnly; Secure; SameSite=Strict; Path=/refresh;"));

    let me = ada.open_page().await.body;
    assert_eq!((&me["username"], &me["email"]), (&json!("ada"), &json!("ada@example.com")));
    assert_eq!(me["email_verified"], true);
    let verifier = &site.issuer.received("/token")[0]["code_verifier"];
    assert_eq!(verifier.len(), 43);
    assert!(!callback.contains(verifier) && !to.as_str().contains(verifier));
    // The next time it is the same account.
    let mut again = site.visitor();
    again.sign_in().await;
    assert_eq!(again.open_page().await.body["id"], me["id"]);
}

// SEC-15
#[tokio::test]
async fn a_sign_in_through_a_provider_from_a_new_device_is_told() {
    let site = Site::start().await;
    let come_with = async |user_agent: &str| {
        let mut ada = site.visitor();
        let callback = ada.up_to_callback("stub").await;
        let call =
            ada.browser.sent_from_another_site(Method::GET, &callback).header("user-agent", user_agent);
        assert_eq!(ada.browser.send(call).await.status, 303);
    };
    come_with("curl/8.5.0").await;
    assert_eq!(site.app.mails().await.len(), 0, "a new account has no old device");
    site.advance(std::time::Duration::from_millis(5));
    come_with("curl/8.5.0").await;
    assert_eq!(site.app.mails().await.len(), 0, "that one is known");
    come_with("Wget/1.21.4").await;
    let mail = site.app.last_mail().await;
    assert_eq!(mail.subject, "A new device signed in to your account at localhost");
    assert!(mail.text.contains("ada") && mail.text.contains("(127.0.0.1)"), "{}", mail.text);
}

// SEC-10
#[tokio::test]
async fn whoever_came_that_way_has_no_password_and_looks_at_authenticate_like_nobody() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    ada.sign_in().await;
    let mine = site.app.authenticate("ada", "any password at all").await;
    let nobodys = site.app.authenticate("nobody", "any password at all").await;
    assert_eq!((mine.status, mine.text), (nobodys.status, nobodys.text));
    assert_eq!(mine.status, 401);
}

#[tokio::test]
async fn a_provider_that_posts_is_handed_on_to_the_same_address_by_get() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    let sent = ada.set_out("poster").await;
    let page = site.app.client.get(sent.header("location").unwrap()).send().await.unwrap();
    let page = page.text().await.unwrap();
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for field in page.split("name=\"").skip(1) {
        let (name, rest) = field.split_once("\" value=\"").unwrap();
        form.append_pair(name, rest.split('"').next().unwrap());
    }
    form.append_pair("user", "{\"name\":\"Ada\"}");
    let path = "/oauth/poster/callback";
    let post = ada.browser.sent_from_another_site(Method::POST, path);
    let handed_on = ada.browser.send(post.body("application/x-www-form-urlencoded", form.finish())).await;
    assert_eq!((handed_on.status, handed_on.set_cookies().len()), (303, 0), "{handed_on:?}");
    let to = handed_on.header("location").unwrap().to_owned();
    assert!(
        to.starts_with("http://localhost:8000/oauth/poster/callback?state=") && !to.contains("user="),
        "{to}"
    );
    let back = ada.come_back(to.strip_prefix("http://localhost:8000").unwrap()).await;
    assert_eq!(sent_to(&back), (303, DONE), "{back:?}");
    assert_eq!(ada.open_page().await.body["username"], "ada");
}

#[tokio::test]
async fn without_return_to_a_person_returns_to_public_url() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    let sent = ada.browser.send(ada.browser.sent_from_another_site(Method::GET, "/oauth/stub")).await;
    let callback = ada.through_issuer(sent.header("location").unwrap()).await;
    assert_eq!(sent_to(&ada.come_back(&callback).await), (303, "http://localhost:8000/"));
}

#[tokio::test]
async fn below_a_path_everything_has_that_path() {
    let below = |mut settings: Settings| {
        settings.public_url = Url::parse("http://localhost:8000/auth").unwrap();
        settings
    };
    let mount =
        |service: &countersign::Countersign| axum::Router::new().nest("/auth", countersign::router(service));
    let site = Site::start_mounted("/auth", below, mount).await;
    let mut ada = site.visitor();
    let sent = ada.set_out("stub").await;
    assert!(sent.set_cookies()[0].contains("; Path=/auth/oauth/stub/callback;"), "{sent:?}");
    let callback = ada.through_issuer(sent.header("location").unwrap()).await;
    let back = ada.come_back(&callback).await;
    assert_eq!(sent_to(&back), (303, DONE), "{back:?}");
    assert_eq!(ada.open_page().await.body["username"], "ada");
    let again = ada.come_back(&callback).await;
    assert!(again.text.contains("href=\"/auth/verify-email/page.css\""), "{again:?}");
    assert!(again.text.contains("href=\"http://localhost:8000/auth\""), "{again:?}");
}

/// What went wrong at the provider, and the word that the page gets.
#[tokio::test]
async fn what_goes_wrong_at_the_provider_comes_back_as_a_word_and_signs_nobody_in_or_out() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    ada.sign_in().await;
    ada.open_page().await;
    let before = ada.browser.refresh_token().unwrap().to_owned();
    let refused = |answer: &Answer, word: &str| {
        assert_eq!(sent_to(answer), (303, refused_with(word).as_str()), "{answer:?}");
        assert!(!answer.set_cookies().iter().any(|line| line.contains("refresh_token")), "{answer:?}");
    };
    site.issuer.set_denies(true);
    refused(&ada.sign_in().await, "access_denied");
    site.issuer.set_denies(false);
    let callback = ada.up_to_callback("stub").await;
    site.issuer.misbehave("/token", Some(Misbehaviour::Status(503)));
    refused(&ada.come_back(&callback).await, "provider_unavailable");
    site.issuer.behave();
    for lie in [
        Twist::Claim("nonce", "of another attempt".into()),
        Twist::Claim("aud", "somebody else".into()),
        Twist::Unsigned,
        Twist::Redirect("iss", "https://evil.example".into()),
        Twist::Claim("sub", "".into()),
    ] {
        let told = format!("{lie:?}");
        site.issuer.set_twist(Some(lie));
        let answer = ada.sign_in().await;
        assert_eq!(sent_to(&answer), (303, refused_with("provider_error").as_str()), "{told}");
    }
    site.issuer.set_twist(None);
    let callback = ada.up_to_callback("stub").await;
    let without_code = callback.replace("code=", "cod=");
    refused(&ada.come_back(&without_code).await, "provider_error");
    assert_eq!(ada.browser.refresh_token(), Some(before.as_str()), "the sign-in that was there goes on");
    assert_eq!(ada.browser.refresh().await.status, 200);
    assert_eq!(site.app.cell("SELECT count(*) FROM users"), "1");
    assert_eq!(site.app.cell("SELECT count(*) FROM sign_ins"), "1");
}

#[tokio::test]
async fn a_provider_that_is_down_is_told_before_anybody_is_sent_there() {
    let site = Site::start().await;
    site.issuer.misbehave("/.well-known/openid-configuration", Some(Misbehaviour::Status(500)));
    let mut ada = site.visitor();
    let sent = ada.set_out("stub").await;
    assert_eq!(sent_to(&sent), (303, refused_with("provider_unavailable").as_str()));
    assert!(sent.set_cookies().is_empty());
    assert_eq!(site.app.cell("SELECT count(*) FROM oauth_attempts"), "0");
}

#[tokio::test]
async fn sign_ins_through_a_provider_are_counted_with_the_others() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    ada.sign_in().await;
    let callback = ada.up_to_callback("stub").await;
    ada.come_back(&format!("{}&error=access_denied", callback.replace("code=", "cod="))).await;
    let callback = ada.up_to_callback("stub").await;
    site.issuer.misbehave("/token", Some(Misbehaviour::Closing));
    ada.come_back(&callback).await;
    let metrics = site.app.service.metrics().await;
    for (result, count) in
        [("success", 1), ("invalid_credentials", 1), ("provider_unavailable", 1), ("error", 0)]
    {
        let line = format!("countersign_sign_ins_total{{result=\"{result}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

// SEC-93: who somebody is at GitHub is a number; the login and the addresses may change hands.
#[tokio::test]
async fn github_vouches_by_a_number_and_a_verified_primary_address() {
    let github = GitHubServer::start();
    let app = App::start_with(|mut settings| {
        let secret = SecretString::from(GitHubServer::CLIENT_SECRET);
        let provider = OAuthProvider::new(GitHubServer::CLIENT_ID, secret);
        let provider = OAuthProvider { issuer: Some(github.url()), ..provider };
        settings.oauth.insert("github".to_owned(), provider);
        settings
    })
    .await;
    let there_and_back = async || {
        let mut browser = Browser::new(&app);
        let sent = browser.send(browser.sent_from_another_site(Method::GET, "/oauth/github")).await;
        let to = sent.header("location").unwrap().to_owned();
        let answer = app.client.get(to).header("user-agent", "a browser").send().await.unwrap();
        let back = answer.headers()["location"].to_str().unwrap().to_owned();
        let callback = back.strip_prefix("http://localhost:8000").unwrap().to_owned();
        let back = browser.send(browser.sent_from_another_site(Method::GET, &callback)).await;
        assert_eq!(sent_to(&back), (303, "http://localhost:8000/"), "{back:?}");
        browser.refresh().await;
        browser.me().await.body
    };
    let me = there_and_back().await;
    assert_eq!((&me["username"], &me["email"]), (&json!("octocat"), &json!("octocat@example.com")));
    assert_eq!(me["email_verified"], true);
    github.set_user(json!({"id": 583_231, "login": "renamed", "name": null}));
    github.set_emails(json!([]));
    assert_eq!(there_and_back().await, me, "the number is the same");
    github.set_user(json!({"id": 1, "login": "octocat", "name": "Somebody Else"}));
    let other = there_and_back().await;
    assert_eq!((&other["username"], &other["email"]), (&json!("octocat-2"), &json!(null)));
}

// SEC-96: what comes along is secret; what is told and stored is not.
#[tokio::test]
async fn the_trail_tells_who_came_and_why_somebody_did_not() {
    let site = Site::start().await;
    let mut ada = site.visitor();
    ada.sign_in().await;
    site.issuer.set_twist(Some(Twist::Claim("nonce", "x".into())));
    ada.sign_in().await;
    site.app.service.shut_down().await;
    let column = |sql: &str| site.app.cell(sql);
    let sign_in = column("SELECT detail FROM audit_events WHERE event = 'sign_in'");
    assert!(sign_in.starts_with("stub"), "{sign_in}");
    assert_eq!(column("SELECT detail FROM audit_events WHERE event = 'sign_up'"), "stub");
    let failed = column("SELECT detail FROM audit_events WHERE event = 'sign_in_failed'");
    assert_eq!(failed, "stub (nonce): the provider's answer can't be believed (nonce)");
}

//! `GET /verify`: what a reverse proxy asks. 204 with whose the token is, or 401.

use reqwest::Method;

use crate::app::{Answer, App, DAY, MINUTE};
use crate::call::Call;

fn verify(app: &App) -> Call<'_> {
    app.get("/verify")
}

fn identity(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("x-auth-user-id"), answer.header("x-auth-username"))
}

fn is_refused(answer: &Answer, code: &str) {
    assert_eq!((answer.status, answer.code()), (401, code), "{answer:?}");
    assert_eq!(identity(answer), (None, None), "{answer:?}");
    assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
}

/// What clients make up, and what broken or deceived proxies pass on.
const HEARSAY: [(&str, &[u8]); 12] = [
    ("x-auth-user-id", b"1"),
    ("x-auth-username", b"root"),
    ("x-auth-username", b"admin"),
    ("x-forwarded-uri", b"/public/../admin?x=%zz\xff"),
    ("x-forwarded-uri", b"http://[::1"),
    ("x-forwarded-method", b"\x80\x81 BREW"),
    ("x-forwarded-host", b"\xfe:99999"),
    ("x-forwarded-proto", b"gopher"),
    ("x-forwarded-for", b"\xff, , 999.999.999.999"),
    ("x-original-url", b"\xc3\x28"),
    ("x-original-method", b"DELETE"),
    ("remote-user", b"root"),
];

fn with_hearsay(call: Call<'_>) -> Call<'_> {
    HEARSAY.into_iter().fold(call, |call, (name, value)| call.raw_header(name, value))
}

// SEC-76
#[tokio::test]
async fn a_good_token_is_let_through_with_its_user_and_nobody_else() {
    let app = App::start().await;
    let user = app.sign_up("Ada").await.body["id"].as_str().unwrap().to_owned();
    let token = app.sign_in("ada").await.access_token;
    for call in [verify(&app), with_hearsay(verify(&app))] {
        let answer = call.bearer(&token).send().await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{answer:?}");
        assert_eq!(identity(&answer), (Some(user.as_str()), Some("Ada")));
        assert_eq!(answer.headers.get_all("x-auth-username").iter().count(), 1);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

// SEC-76
#[tokio::test]
async fn everything_else_is_401_whatever_the_forwarded_headers_say() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    let calls = || [verify(&app), with_hearsay(verify(&app))];
    for call in calls() {
        is_refused(&call.send().await, "access_token_missing");
    }
    for call in calls() {
        is_refused(&call.bearer(&format!("{token}x")).send().await, "access_token_invalid");
    }
    for call in calls() {
        is_refused(&call.bearer(&token).bearer(&token).send().await, "access_token_invalid");
    }
    for odd in [&b"Basic cm9vdDpyb290"[..], b"Bearer", b"Bearer \xff", b"", b"Bearer a b", &[b'x'; 9_000]] {
        let answer = verify(&app).raw_header("authorization", odd).send().await;
        assert_eq!((answer.status, identity(&answer)), (401, (None, None)), "{odd:?}");
    }
    app.advance(10 * MINUTE);
    for call in calls() {
        is_refused(&call.bearer(&token).send().await, "access_token_expired");
    }
}

// SEC-38, SEC-76
#[tokio::test]
async fn whoever_has_signed_out_or_is_disabled_is_turned_away_at_once() {
    let app = App::start().await;
    let (out, disabled) = (app.somebody("ada").await, app.somebody("eve").await);
    app.sign_out(&out.refresh_token).await;
    is_refused(&verify(&app).bearer(&out.access_token).send().await, "access_token_invalid");
    let name = countersign::names::Username::parse("eve").unwrap();
    let eve = countersign::user::find_by_name(&app.service, &name).await.unwrap().unwrap().user.id;
    countersign::operator::disable(&app.service, eve).await.unwrap();
    is_refused(&verify(&app).bearer(&disabled.access_token).send().await, "access_token_invalid");
}

// SEC-76: neither the address nor a cookie opens anything.
#[tokio::test]
async fn a_token_elsewhere_is_none_and_a_body_is_not_read() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let token = &session.access_token;
    let in_query = app.get(&format!("/verify?access_token={token}")).send().await;
    is_refused(&in_query, "access_token_missing");
    let cookies = format!("access_token={token}; refresh_token={}", session.refresh_token);
    is_refused(&verify(&app).header("cookie", &cookies).send().await, "access_token_missing");
    let long = verify(&app).bearer(token).body("application/json", vec![b'{'; 100_000]).send().await;
    assert_eq!(long.status, 204, "{long:?}");
    let head = app.call(Method::HEAD, "/verify").bearer(token).send().await;
    assert_eq!((head.status, head.header("x-auth-username")), (204, Some("ada")));
}

// SEC-76, SEC-106: what can't be checked is not let through, and nobody is told to sign in again for it.
#[tokio::test]
async fn a_database_in_trouble_is_503_and_lets_nobody_through() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    app.execute_sql("ALTER TABLE users RENAME TO lost");
    let answer = verify(&app).bearer(&token).send().await;
    assert_eq!((answer.status, answer.code()), (503, "database_unavailable"), "{answer:?}");
    assert_eq!(identity(&answer), (None, None));
    is_refused(&verify(&app).bearer("a.b.c").send().await, "access_token_invalid");
    app.execute_sql("ALTER TABLE lost RENAME TO users");
    assert_eq!(verify(&app).bearer(&token).send().await.status, 204);
    app.advance(DAY);
    is_refused(&verify(&app).bearer(&token).send().await, "access_token_expired");
}

// SEC-76: a name that never came in by the front door gets no header of its own making.
#[tokio::test]
async fn a_name_that_no_header_can_carry_lets_nobody_through() {
    let app = App::start().await;
    let token = app.somebody("ada").await.access_token;
    app.execute_sql("UPDATE users SET username = 'ada\r\nX-Admin: 1'");
    let answer = verify(&app).bearer(&token).send().await;
    assert_eq!((answer.status, answer.header("x-admin")), (503, None), "{answer:?}");
}

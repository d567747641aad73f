//! `DELETE /refresh` and `DELETE /refresh/all`: leave here, leave everywhere.

use reqwest::Method;

use crate::app::{Answer, App, MINUTE};

fn is_signed_out(answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{answer:?}");
    let deletion = "refresh_token=; HttpOnly; Secure; SameSite=Strict; Path=/refresh; Max-Age=0";
    assert_eq!(answer.set_cookies(), [deletion]);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn signing_out_succeeds_whatever_came_along() {
    let app = App::start().await;
    let out = || app.call(Method::DELETE, "/refresh");
    is_signed_out(&out().send().await);
    is_signed_out(&out().refresh_cookie("nonsense").send().await);
    is_signed_out(&out().raw_header("cookie", b"refresh_token=\xff\xfe").send().await);
    is_signed_out(&out().header("authorization", "Bearer nonsense").send().await);
    let session = app.somebody("ada").await;
    app.advance(11 * MINUTE);
    let stale = out().bearer(&session.access_token).refresh_cookie(&session.refresh_token).send().await;
    is_signed_out(&stale);
    assert_eq!(app.refresh(&session.refresh_token).await.code(), "refresh_token_revoked");
    is_signed_out(&app.sign_out(&session.refresh_token).await);
}

#[tokio::test]
async fn a_spent_token_signs_out_too() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let next = app.refresh(&session.refresh_token).await.refresh_cookie().unwrap();
    is_signed_out(&app.sign_out(&session.refresh_token).await);
    let answer = app.refresh(&next).await;
    assert_eq!((answer.code(), &answer.body["session_ended"]), ("refresh_token_revoked", &true.into()));
}

#[tokio::test]
async fn every_sign_in_whose_token_came_along_ends() {
    let app = App::start().await;
    let (one, other) = (app.somebody("ada").await, app.sign_in("ada").await);
    let both = format!("refresh_token={}; refresh_token={}", one.refresh_token, other.refresh_token);
    is_signed_out(&app.call(Method::DELETE, "/refresh").header("cookie", &both).send().await);
    assert_eq!(app.me(&one.access_token).await.status, 401);
    assert_eq!(app.me(&other.access_token).await.status, 401);
}

// SEC-48
#[tokio::test]
async fn signing_out_everywhere_ends_every_sign_in_of_this_user_alone() {
    let app = App::start().await;
    let (here, there) = (app.somebody("ada").await, app.sign_in("ada").await);
    let somebody_else = app.somebody("eve").await;
    is_signed_out(&app.call(Method::DELETE, "/refresh/all").bearer(&here.access_token).send().await);
    for session in [&here, &there] {
        assert_eq!(app.me(&session.access_token).await.code(), "access_token_invalid");
        assert_eq!(app.refresh(&session.refresh_token).await.code(), "refresh_token_revoked");
    }
    assert_eq!(app.refresh(&somebody_else.refresh_token).await.status, 200);
    assert_eq!(app.me(&app.sign_in("ada").await.access_token).await.status, 200);
}

#[tokio::test]
async fn signing_out_everywhere_needs_an_access_token() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let bare = app.call(Method::DELETE, "/refresh/all").refresh_cookie(&session.refresh_token).send().await;
    assert_eq!((bare.status, bare.code()), (401, "access_token_missing"));
    assert!(bare.set_cookies().is_empty());
    assert_eq!(app.refresh(&session.refresh_token).await.status, 200);
}

// SEC-54
#[tokio::test]
async fn the_operator_lists_a_users_sign_ins_and_ends_one_or_all() {
    use countersign::sign_in::{self, EndReason, State};
    let app = App::start().await;
    let sessions = [app.somebody("ada").await, app.sign_in("ada").await, app.sign_in("ada").await];
    let name = countersign::names::Username::parse("ada").unwrap();
    let id = countersign::user::find_by_name(&app.service, &name).await.unwrap().unwrap().user.id;
    let listed = sign_in::list(&app.service, id).await.unwrap();
    assert_eq!(listed.iter().filter(|sign_in| sign_in.state == State::Live).count(), 3);
    assert!(sign_in::end(&app.service, listed[0].id, EndReason::Operator).await.unwrap());
    let mut alive = 0;
    for session in &sessions {
        alive += u16::from(app.me(&session.access_token).await.status == 200);
    }
    assert_eq!(alive, 2);
    sign_in::end_all(&app.service, id, EndReason::Operator).await.unwrap();
    for session in &sessions {
        assert_eq!(app.me(&session.access_token).await.code(), "access_token_invalid");
        assert_eq!(app.refresh(&session.refresh_token).await.code(), "refresh_token_revoked");
    }
}

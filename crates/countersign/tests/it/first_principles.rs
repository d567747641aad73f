//! The flow, walked through once from sign-up to sign-out.

use std::time::Duration;

use crate::app::{App, Session};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_flow_from_sign_up_to_sign_out() {
    let app = App::start().await;
    let created = app.sign_up("Ada").await;
    assert_eq!(created.status, 201, "{created:?}");
    let session = app.sign_in("ada").await;
    assert_eq!(app.me(&session.access_token).await.body, created.body);
    app.advance(Duration::from_secs(600));
    assert_eq!(app.me(&session.access_token).await.code(), "access_token_expired");
    let refreshed = app.refresh(&session.refresh_token).await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    let next = Session::of(&refreshed);
    assert_eq!(app.me(&next.access_token).await.status, 200);
    assert_eq!(app.refresh(&session.refresh_token).await.code(), "refresh_token_spent");
    assert_eq!(app.sign_out(&next.refresh_token).await.status, 204);
    assert_eq!(app.me(&next.access_token).await.code(), "access_token_invalid");
    assert_eq!(app.refresh(&next.refresh_token).await.code(), "refresh_token_revoked");
}

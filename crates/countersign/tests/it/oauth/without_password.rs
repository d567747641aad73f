//! An account that came without a password.

use std::time::Duration;

use super::*;

async fn ada(site: &Site) -> Visitor<'_> {
    let mut ada = site.visitor();
    ada.sign_in().await;
    ada.open_page().await;
    ada
}

async fn change(ada: &mut Visitor<'_>, body: serde_json::Value) -> Answer {
    let call = ada.browser.call(Method::PATCH, "/me").bearer(&ada.browser.access_token).json(&body);
    ada.browser.send(call).await
}

#[tokio::test]
async fn a_first_password_takes_a_fresh_sign_in_and_opens_the_account_from_then_on() {
    let site = Site::start().await;
    let mut ada = ada(&site).await;
    let mut elsewhere = site.visitor();
    elsewhere.sign_in().await;
    elsewhere.open_page().await;
    let password = json!({"password": "a wholly other staple"});
    let weak = change(&mut ada, json!({"password": "1234567"})).await;
    assert_eq!((weak.status, weak.code()), (400, "validation_failed"));
    assert_eq!(change(&mut ada, password.clone()).await.status, 200);
    assert_eq!(site.app.authenticate("ada", "a wholly other staple").await.status, 200);
    assert_eq!(elsewhere.browser.me().await.status, 401, "a new password ends every other sign-in");
    assert_eq!(ada.browser.me().await.status, 200);
    // From now on the password is asked for.
    let refused = change(&mut ada, json!({"username": "lovelace"})).await;
    assert_eq!(refused.body["errors"]["current_password"][0]["code"], "required");
    let wrong = change(&mut ada, json!({"username": "lovelace", "current_password": "wrong"})).await;
    assert_eq!((wrong.status, wrong.code()), (403, "wrong_password"));
    // The identity opens it too, and can go.
    let mut again = site.visitor();
    again.sign_in().await;
    again.open_page().await;
    let id = again.identities().await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(again.remove(&id).await.status, 204);
}

#[tokio::test]
async fn after_ten_minutes_every_change_asks_for_another_sign_in() {
    let site = Site::start().await;
    let mut ada = ada(&site).await;
    site.advance(Duration::from_secs(601));
    ada.browser.refresh().await;
    for body in [
        json!({"password": "a wholly other staple"}),
        json!({"username": "lovelace"}),
        json!({"email": "other@example.com"}),
        json!({"email": null}),
        json!({"username": "lovelace", "current_password": "anything"}),
    ] {
        let refused = change(&mut ada, body.clone()).await;
        assert_eq!((refused.status, refused.code()), (403, "reauthentication_required"), "{body}");
    }
    let delete = ada.browser.call(Method::DELETE, "/me").bearer(&ada.browser.access_token);
    let refused = ada.browser.send(delete).await;
    assert_eq!((refused.status, refused.code()), (403, "reauthentication_required"));
    // Through the provider again, and everything is open.
    assert_eq!(sent_to(&ada.sign_in().await), (303, DONE));
    assert_eq!(ada.open_page().await.body["username"], "ada");
    assert_eq!(change(&mut ada, json!({"username": "lovelace"})).await.status, 200);
    let delete = ada.browser.call(Method::DELETE, "/me").bearer(&ada.browser.access_token);
    assert_eq!(ada.browser.send(delete).await.status, 204);
    assert_eq!(sent_to(&ada.sign_in().await), (303, refused_with("account_closed").as_str()));
}

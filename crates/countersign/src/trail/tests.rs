use std::net::IpAddr;

use super::*;
use crate::authenticate::{Attempt, authenticate};
use crate::error::{Error, FieldErrors};
use crate::names::Username;
use crate::secret::SecretString;
use crate::sign_in::{self, Client, EndReason, Transport};
use crate::testing::TestService;
use crate::user::{self, NewUser, sign_up};
use crate::{jobs, operator};

const PASSWORD: &str = "correct horse battery";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

async fn make(service: &Countersign, name: &str) -> UserId {
    let password = Some(SecretString::from(PASSWORD));
    let new = NewUser::judge(service.rules(), Some(name), None, password, FieldErrors::new()).unwrap();
    sign_up(service, new, None).await.unwrap().id
}

async fn try_password(service: &Countersign, name: &str, password: &str) -> bool {
    let (user_agent, address) = (Some("curl/8.5.0".to_owned()), Some(IpAddr::from([192, 0, 2, 7])));
    let client = Client { user_agent, address, transport: Transport::Cookie };
    let password = SecretString::from(password);
    let attempt = Attempt { username: name.to_owned(), password, client, replaced: vec![], devices: vec![] };
    let came_in = authenticate(service, attempt).await.is_ok();
    service.flush_audit().await;
    came_in
}

fn words(events: &[Recorded]) -> Vec<&str> {
    events.iter().map(|event| event.event.as_str()).collect()
}

async fn newest_sign_in(service: &Countersign, user: UserId) -> SignInId {
    sign_in::list(service, user).await.unwrap()[0].id
}

fn sentences(told: &[Told]) -> Vec<&str> {
    told.iter().map(|told| told.sentence.as_str()).collect()
}

#[tokio::test]
async fn the_newest_are_listed_in_their_order_for_everybody_for_one_user_and_for_one_sign_in() {
    let service = TestService::start().await;
    let ada = make(&service, "ada").await;
    service.advance(MINUTE);
    make(&service, "eve").await;
    service.advance(MINUTE);
    assert!(!try_password(&service, "ada", "wrong horse battery").await);
    service.advance(MINUTE);
    assert!(try_password(&service, "ada", PASSWORD).await);
    let id = newest_sign_in(&service, ada).await;
    let everybodys = list(&service, Whose::Everybodys, None, 10).await.unwrap();
    assert_eq!(words(&everybodys), ["sign_up", "sign_up", "sign_in_failed", "sign_in"]);
    let newest = list(&service, Whose::Everybodys, None, 2).await.unwrap();
    assert_eq!(words(&newest), ["sign_in_failed", "sign_in"]);
    let hers = list(&service, Whose::User(ada), None, 10).await.unwrap();
    assert_eq!(words(&hers), ["sign_up", "sign_in_failed", "sign_in"]);
    assert_eq!(hers[2].detail.as_deref(), Some("curl 8.5"));
    let of_one = list(&service, Whose::SignIn(id), None, 10).await.unwrap();
    assert_eq!((words(&of_one), of_one[0].sign_in), (vec!["sign_in"], Some(id)));
    for since in [Since::Ago(MINUTE), Since::At(service.now().minus(MINUTE))] {
        let since = list(&service, Whose::Everybodys, Some(since), 10).await.unwrap();
        assert_eq!(words(&since), ["sign_in_failed", "sign_in"]);
    }
}

#[tokio::test]
async fn a_follower_tells_each_event_once_and_those_too_that_come_late() {
    let service = TestService::start().await;
    make(&service, "ada").await;
    let mut follower = Follower::begin(&service, Whose::Everybodys).await.unwrap();
    assert_eq!(follower.next(&service).await.unwrap(), [], "what was there is not told");
    service.advance(MINUTE);
    make(&service, "eve").await;
    assert_eq!(words(&follower.next(&service).await.unwrap()), ["sign_up"]);
    assert_eq!(follower.next(&service).await.unwrap(), []);
    // Another node's clock is 90 seconds behind.
    service.clock.step_back(Duration::from_secs(90));
    make(&service, "bob").await;
    service.advance(Duration::from_secs(90));
    assert_eq!(words(&follower.next(&service).await.unwrap()), ["sign_up"]);
    service.advance(10 * MINUTE);
    assert_eq!(follower.next(&service).await.unwrap(), []);
    make(&service, "mia").await;
    let listed = list(&service, Whose::Everybodys, None, 1).await.unwrap();
    follower.skip(&listed);
    assert_eq!(follower.next(&service).await.unwrap(), [], "it was told by whoever listed it");
}

#[tokio::test]
async fn what_is_older_than_the_retention_is_swept_and_no_younger_event() {
    let service = TestService::start().await;
    for name in ["ada", "eve", "bob"] {
        make(&service, name).await;
        service.advance(DAY);
    }
    service.advance(87 * DAY);
    assert_eq!(backlog(&service, 100).await.unwrap(), 0, "ninety days to the millisecond");
    service.advance(Duration::from_millis(1));
    assert_eq!(backlog(&service, 100).await.unwrap(), 1);
    assert_eq!(jobs::sweep(&service, |_| {}).await.unwrap().unwrap().removed(), 1);
    assert_eq!(list(&service, Whose::Everybodys, None, 10).await.unwrap().len(), 2);
    service.advance(DAY);
    assert_eq!(sweep(&service, 1).await.unwrap(), 1);
    service.advance(30 * DAY);
    assert_eq!(backlog(&service, 100).await.unwrap(), 1);
}

#[tokio::test]
async fn an_account_is_explained_by_its_events_and_its_living_sign_ins() {
    let service = TestService::start().await;
    let ada = make(&service, "ada").await;
    for _ in 0..2 {
        try_password(&service, "ada", "wrong horse battery").await;
    }
    service.advance(MINUTE);
    assert!(try_password(&service, "ada", PASSWORD).await);
    let id = newest_sign_in(&service, ada).await;
    let account =
        || async { user::find_by_name(&service, &Username::parse("ada").unwrap()).await.unwrap().unwrap() };
    let told = explain_user(&service, &account().await).await.unwrap();
    let lives = format!(
        "The sign-in {id} began at 2026-11-24T09:31:00.000Z from 192.0.2.7 with curl 8.5. It was last used at \
         2026-11-24T09:31:00.000Z, lives, and ends at 2026-12-24T09:31:00.000Z unless it is refreshed."
    );
    let mut expected = vec![
        "The account was made.",
        "A sign-in was refused: the password was wrong (from 192.0.2.7).",
        "A sign-in was refused: the password was wrong (from 192.0.2.7).",
        "A sign-in began: curl 8.5 (from 192.0.2.7).",
        "ada is active.",
        "There is 1 living sign-in.",
        &lives,
    ];
    let mut found = sentences(&told);
    // What happened in one millisecond is in no order.
    found[..3].sort_unstable();
    expected[..3].sort_unstable();
    assert_eq!(found, expected);
    operator::disable(&service, ada).await.unwrap();
    let told = explain_user(&service, &account().await).await.unwrap();
    let end = [
        "ada has been disabled since 2026-11-24T09:31:00.000Z: nobody signs in.",
        "There is no living sign-in.",
    ];
    assert_eq!(sentences(&told)[5..], end);
}

#[tokio::test]
async fn a_sign_in_is_explained_by_how_it_ended() {
    let service = TestService::start().await;
    let ada = make(&service, "ada").await;
    for (why, ending) in [
        (EndReason::SignedOut, "its owner signed out."),
        (EndReason::Operator, "the operator ended it."),
        (EndReason::EndedByOwner, "its owner ended it from the list of sign-ins."),
    ] {
        service.advance(MINUTE);
        assert!(try_password(&service, "ada", PASSWORD).await);
        let id = newest_sign_in(&service, ada).await;
        sign_in::end(&service, id, why).await.unwrap();
        let told = explain_sign_in(&service, id).await.unwrap();
        let at = service.now().to_rfc3339();
        assert_eq!(sentences(&told).last().unwrap(), &format!("It ended at {at}: {ending}"));
        assert_eq!(told.len(), 3, "began, was ended, and so: {told:?}");
    }
    service.advance(MINUTE);
    try_password(&service, "ada", PASSWORD).await;
    let id = newest_sign_in(&service, ada).await;
    service.advance(31 * DAY);
    let told = explain_sign_in(&service, id).await.unwrap();
    let expired = "It ended at 2026-12-24T09:34:00.000Z: its time was over, and nobody had refreshed it since \
                   2026-11-24T09:34:00.000Z.";
    assert_eq!(sentences(&told).last().unwrap(), &expired);
    assert!(matches!(explain_sign_in(&service, SignInId::from_i64(7)).await, Err(Error::NotFound)));
}

#[tokio::test]
async fn a_sign_in_whose_row_is_gone_is_explained_by_the_trail() {
    let service = TestService::start().await;
    let ada = make(&service, "ada").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        service.advance(MINUTE);
        try_password(&service, "ada", PASSWORD).await;
        ids.push(newest_sign_in(&service, ada).await);
    }
    sign_in::end(&service, ids[0], EndReason::SignedOut).await.unwrap();
    service.advance(MINUTE);
    sign_in::end_all(&service, ada, EndReason::SignedOutEverywhere).await.unwrap();
    service.advance(MINUTE);
    try_password(&service, "ada", PASSWORD).await;
    ids.push(newest_sign_in(&service, ada).await);
    service.advance(40 * DAY);
    jobs::sweep(&service, |_| {}).await.unwrap();
    assert_eq!(sign_in::list(&service, ada).await.unwrap(), []);
    let last = |told: Vec<Told>| told.last().unwrap().sentence.clone();
    let told = explain_sign_in(&service, ids[0]).await.unwrap();
    assert_eq!(last(told), "The owner signed out.");
    let told = explain_sign_in(&service, ids[1]).await.unwrap();
    assert_eq!(last(told), "The owner signed out everywhere: all sign-ins ended.");
    let told = explain_sign_in(&service, ids[3]).await.unwrap();
    assert!(last(told).contains("most likely it expired"));
}

// SEC-108
#[test]
fn a_sentence_is_harmless_and_knows_the_words() {
    let mut event = Recorded {
        id: AuditId::from_i64(1),
        at: Timestamp::from_millis(0),
        event: "refresh_refused".to_owned(),
        outcome: "failure".to_owned(),
        times: 12,
        request_id: None,
        user: None,
        username: None,
        sign_in: None,
        address: Some("2001:db8::1".to_owned()),
        detail: Some("expired".to_owned()),
    };
    assert_eq!(event.sentence(), "A refresh was refused: its time was over (from 2001:db8::1, 12 times).");
    event.event = "of_another\u{1b}_version".to_owned();
    event.detail = Some("\u{202e}x".to_owned());
    assert_eq!(event.sentence(), "of_another\\u001b_version: \\u202ex (from 2001:db8::1, 12 times).");
}

#[tokio::test]
async fn everybodys_sign_ins_end_at_the_operators_word() {
    let service = TestService::start().await;
    let (ada, eve) = (make(&service, "ada").await, make(&service, "eve").await);
    for name in ["ada", "eve", "ada"] {
        assert!(try_password(&service, name, PASSWORD).await);
    }
    assert_eq!(operator::revoke_everyone(&service).await.unwrap(), 2);
    for user in [ada, eve] {
        let ended = sign_in::list(&service, user).await.unwrap();
        assert!(ended.iter().all(|one| one.state != sign_in::State::Live), "{ended:?}");
        let events = list(&service, Whose::User(user), None, 100).await.unwrap();
        let revoked = events.iter().find(|event| event.event == "all_sign_ins_revoked").unwrap();
        assert_eq!(revoked.detail.as_deref(), Some("operator"));
    }
}

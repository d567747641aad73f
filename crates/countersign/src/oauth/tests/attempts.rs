use proptest::prelude::*;

use super::*;
use crate::keys::OAuthKey;

fn key(letter: &str) -> OAuthKey {
    OAuthKey::derive(&SecretString::from(letter.repeat(48)))
}

// SEC-89, SEC-33
#[test]
fn nonce_and_verifier_follow_from_the_state_and_the_key_and_from_neither_alone() {
    let handle = Handle::draw(&key("k"));
    let texts = |handle: &Handle| {
        let (nonce, verifier) = (handle.nonce(), handle.verifier());
        [handle.text().to_string(), nonce.expose_secret().to_owned(), verifier.expose_secret().to_owned()]
    };
    let again = Handle::recognise(&[key("l"), key("k")], &handle.text()).unwrap();
    assert_eq!(texts(&again), texts(&handle), "a former key recognises");
    assert!(Handle::recognise(&[key("l")], &handle.text()).is_none());
    let other = Handle::draw(&key("k"));
    let different: std::collections::HashSet<_> = texts(&handle).into_iter().chain(texts(&other)).collect();
    assert_eq!(different.len(), 6);
    assert_eq!(texts(&handle).map(|text| text.len()), [64, 43, 43]);
    assert_ne!(handle.cookie_name(), other.cookie_name());
}

#[test]
fn a_state_that_is_altered_in_one_character_is_not_ours() {
    let state = Handle::draw(&key("k")).text();
    for at in 0..state.len() {
        let mut altered = state.to_string();
        let letter = if &altered[at..=at] == "A" { "B" } else { "A" };
        altered.replace_range(at..=at, letter);
        assert!(Handle::recognise(&[key("k")], &altered).is_none(), "{at}");
    }
    for junk in ["", "x", &"A".repeat(64), &"=".repeat(64), &"é".repeat(32)] {
        assert!(Handle::recognise(&[key("k")], junk).is_none());
    }
}

/// An attempt that is under way, with the mark of its browser.
async fn begun(service: &Countersign, provider: &str) -> (Handle, Zeroizing<String>) {
    let handle = Handle::draw(&service.oauth_keys()[0]);
    let mark = attempt::draw_mark();
    let new = NewAttempt {
        state_hash: handle.hash(),
        browser_hash: attempt::hash_of_mark(&mark),
        provider: provider.to_owned(),
        return_to: "http://localhost:8000/".to_owned(),
        purpose: Purpose::SignIn,
        now: service.now(),
    };
    write(service, new, Budgets::default(), None).await.unwrap();
    (handle, mark)
}

async fn come_back(service: &Countersign, provider: &str, handle: &Handle, mark: &str) -> Result<Attempt> {
    let provider = service.identity_providers().get(provider).unwrap();
    let returned = Returned { state: Some(handle.text()), ..Returned::default() };
    take(service, provider, &returned, &[mark]).await.map(|(_, attempt)| attempt)
}

fn is_refused(outcome: Result<Attempt>) -> bool {
    matches!(outcome, Err(Error::OAuthState))
}

// SEC-89
#[tokio::test]
async fn an_attempt_is_one_browsers_and_one_providers_and_good_once() {
    let service = service().await;
    let (handle, mark) = begun(&service, "stub").await;
    let (other, others_mark) = begun(&service, "stub").await;
    assert!(is_refused(come_back(&service, "stub", &handle, "another browser").await));
    assert!(is_refused(come_back(&service, "stub", &handle, &others_mark).await), "another tab's cookie");
    assert!(is_refused(come_back(&service, "other", &handle, &mark).await), "another provider's callback");
    assert_eq!(come_back(&service, "stub", &handle, &mark).await.unwrap().purpose, Purpose::SignIn);
    assert!(is_refused(come_back(&service, "stub", &handle, &mark).await), "a second time");
    assert!(come_back(&service, "stub", &other, &others_mark).await.is_ok(), "the other tab goes on");
}

// SEC-89
#[tokio::test(flavor = "multi_thread")]
async fn of_64_that_come_back_at_once_with_one_state_one_gets_in() {
    let service = service().await;
    let (handle, mark) = begun(&service, "stub").await;
    let state = handle.text();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (service, mark) = (Countersign::clone(&service), mark.clone());
            let handle = Handle::recognise(service.oauth_keys(), &state).unwrap();
            tokio::spawn(async move { come_back(&service, "stub", &handle, &mark).await.is_ok() })
        })
        .collect();
    let mut winners = 0;
    for task in tasks {
        winners += usize::from(task.await.unwrap());
    }
    assert_eq!(winners, 1);
}

// SEC-89
#[tokio::test]
async fn after_ten_minutes_an_attempt_is_over_and_after_an_hour_it_is_swept() {
    let service = service().await;
    let (_, _) = begun(&service, "stub").await;
    let (handle, mark) = begun(&service, "stub").await;
    service.advance(Duration::from_secs(600));
    let attempt = come_back(&service, "stub", &handle, &mark).await.unwrap();
    assert!(attempt.has_expired(service.now()));
    assert!(!attempt.has_expired(service.now().minus(Duration::from_millis(1))));
    assert_eq!((backlog(&service, 10).await.unwrap(), sweep(&service, 10).await.unwrap()), (0, 0));
    service.advance(Duration::from_secs(3_001));
    assert_eq!((backlog(&service, 10).await.unwrap(), sweep(&service, 10).await.unwrap()), (1, 1));
}

// SEC-89: the table has nothing that could be presented anywhere.
#[tokio::test]
async fn no_table_holds_a_state_a_nonce_a_verifier_or_a_mark() {
    let service = service().await;
    let (handle, mark) = begun(&service, "stub").await;
    let rows = service.store().read((), |tx, ()| {
        Box::pin(async move {
            tx.all("SELECT state_hash, browser_hash FROM oauth_attempts", &[], |row| {
                Ok((row.blob::<32>(0)?, row.blob::<32>(1)?))
            })
            .await
        })
    });
    let rows = rows.await.unwrap();
    assert_eq!(rows, [(handle.hash(), attempt::hash_of_mark(&mark))]);
}

proptest! {
    // SEC-110
    #[test]
    fn whatever_comes_back_is_read_without_harm_and_each_parameter_once(query in "(\\PC|[&=%+]|state=|code=){0,40}") {
        if let Ok(returned) = http::returned(&query) {
            let times = |name: &str| {
                url::form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name).count()
            };
            prop_assert_eq!(times("state"), usize::from(returned.state.is_some()));
            prop_assert_eq!(times("code"), usize::from(returned.code.is_some()));
        }
    }
}

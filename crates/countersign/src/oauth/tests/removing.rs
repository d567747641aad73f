use super::*;
use crate::audit::Event;
use crate::profile::{Change, change};
use crate::sign_in::{self as sign_ins, EndReason, State};

/// Somebody who has signed in with so many identities of their own, and nothing else.
async fn with_identities(service: &Countersign, name: &str, count: usize) -> CurrentUser {
    let vouched =
        |n: usize| Vouched { username: Some(name.to_owned()), ..vouched(&format!("{name}{n}"), None, false) };
    let who = enter_as(service, &vouched(0)).await.unwrap();
    for n in 1..count {
        attach_as(service, &who, &vouched(n)).await.unwrap();
    }
    who
}

// SEC-97
#[tokio::test]
async fn the_last_way_in_stays_until_there_is_another() {
    let service = service().await;
    let ada = with_identities(&service, "ada", 1).await;
    let only = identities(&service, &ada.user).await[0].id;
    assert!(matches!(remove(&service, &ada, only, None).await, Err(Error::LastWayIn)));
    let bob = with_identities(&service, "bob", 1).await;
    assert!(matches!(remove(&service, &bob, only, None).await, Err(Error::NotFound)), "it is Ada's");
    let password = Some(SecretString::from("a wholly other staple"));
    let first = Change::judge(&service, &ada.user, None, None, password, FieldErrors::new()).unwrap();
    change(&service, &ada, first, None, None).await.unwrap();
    let epoch = ada.epoch + 1;
    let ada = CurrentUser { epoch, ..ada };
    remove(&service, &ada, only, None).await.unwrap();
    assert!(identities(&service, &ada.user).await.is_empty());
    assert!(matches!(
        remove(&service, &CurrentUser { epoch: epoch + 1, ..ada }, only, None).await,
        Err(Error::NotFound)
    ));
}

// SEC-12, SEC-15
#[tokio::test]
async fn removing_an_identity_ends_every_other_sign_in_and_is_told() {
    let service = service().await;
    let vouched = vouched("1", Some("ada@example.com"), true);
    member(&service, "ada", Some(("ada@example.com", true))).await;
    let here = enter_as(&service, &vouched).await.unwrap();
    let there = enter_as(&service, &vouched).await.unwrap();
    let linked = service.mails().await.pop().unwrap();
    assert!(linked.contains("can be opened through stub now"), "{linked}");
    attach_as(&service, &here, &Vouched { subject: "2".to_owned(), ..vouched }).await.unwrap();
    let linked = service.mails().await.into_iter().filter(|mail| mail.contains("opened through stub now"));
    assert_eq!(linked.count(), 2, "by itself, and by hand");
    let id = identities(&service, &here.user).await[0].id;
    service.advance(Duration::from_secs(60));
    remove(&service, &here, id, None).await.unwrap();
    let sign_ins = sign_ins::list(&service, here.user.id).await.unwrap();
    let state = |who: &CurrentUser| {
        sign_ins.iter().find(|sign_in| sign_in.id == who.sign_in.unwrap().id).unwrap().state
    };
    let ended = State::Ended { at: service.now(), why: EndReason::IdentityRemoved };
    assert_eq!((state(&here), state(&there)), (State::Live, ended));
    let removed = service.mails().await.pop().unwrap();
    assert!(removed.contains("can't be opened through stub any more"), "{removed}");
    let events = service.store().read(here.user.id, |tx, user| {
        Box::pin(async move {
            let sql = "SELECT event FROM audit_events WHERE user_id = $1 ORDER BY id";
            tx.all(sql, &[(*user).into()], |row| row.text(0)).await
        })
    });
    let events = events.await.unwrap();
    let of = |event: Event| events.iter().filter(|word| *word == event.word()).count();
    assert_eq!(
        (of(Event::IdentityLinked), of(Event::SignIn), of(Event::IdentityRemoved)),
        (2, 2, 1),
        "{events:?}"
    );
}

/// All identities of the account are removed at once, each by a task of its own; one stays.
async fn race(service: &TestService, count: usize) {
    let ada = with_identities(service, "ada", count).await;
    let ids: Vec<IdentityId> = identities(service, &ada.user).await.iter().map(|it| it.id).collect();
    assert_eq!(ids.len(), count);
    let tasks: Vec<_> = ids
        .into_iter()
        .map(|id| {
            let (service, ada) = (Countersign::clone(service), ada.clone());
            tokio::spawn(async move {
                // Each removal begins a new epoch: whoever is overtaken by one tries with the next.
                for epoch in ada.epoch.. {
                    match remove(&service, &CurrentUser { epoch, ..ada.clone() }, id, None).await {
                        Err(Error::AccessToken(_)) => {}
                        other => return other.is_ok(),
                    }
                }
                false
            })
        })
        .collect();
    let mut removed = 0;
    for task in tasks {
        removed += usize::from(task.await.unwrap());
    }
    assert_eq!((removed, identities(service, &ada.user).await.len()), (count - 1, 1));
}

// SEC-97
#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_remove_the_last_two_identities_one_succeeds() {
    for _ in 0..8 {
        race(&service().await, 2).await;
    }
}

// SEC-97
#[tokio::test(flavor = "multi_thread")]
async fn of_64_identities_that_are_removed_at_once_one_stays() {
    race(&service().await, 64).await;
}

// SEC-97: the statement itself, without the epoch before it.
#[tokio::test(flavor = "multi_thread")]
async fn the_guard_holds_without_the_help_of_the_epoch() {
    let service = service().await;
    let ada = with_identities(&service, "ada", 64).await;
    let tasks: Vec<_> = identities(&service, &ada.user)
        .await
        .into_iter()
        .map(|identity| {
            let (store, user, epoch) = (service.store().clone(), ada.user.id, ada.epoch);
            tokio::spawn(async move {
                let steps = store.write((identity.id, user, epoch), |tx, (id, user, epoch)| {
                    Box::pin(async move {
                        assert!(tx.hold_user(*user, *epoch).await?);
                        tx.remove_identity(*id, *user).await
                    })
                });
                // A database that is too busy refuses, and then nothing was removed.
                steps.await.ok().flatten().is_some()
            })
        })
        .collect();
    let mut removed = 0;
    for task in tasks {
        removed += usize::from(task.await.unwrap());
    }
    assert_eq!(identities(&service, &ada.user).await.len(), 64 - removed);
    assert!(removed < 64 && removed > 0, "{removed}");
}

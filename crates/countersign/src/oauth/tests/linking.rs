use super::*;
use crate::operator;
use crate::sign_in::{self as sign_ins, EndReason};

const ADA: &str = "ada@example.com";

// SEC-93
#[tokio::test]
async fn a_new_person_gets_an_account_and_finds_it_again_by_the_subject_alone() {
    let service = service().await;
    let first = enter_as(&service, &vouched("1", Some(ADA), true)).await.unwrap();
    assert_eq!((&*first.user.username, first.user.email.as_deref()), ("ada", Some(ADA)));
    assert!(first.user.email_verified);
    let again = enter_as(&service, &vouched("1", Some("new@example.com"), false)).await.unwrap();
    assert_eq!(again.user, first.user, "what the profile says later changes nothing");
    let other = enter_as(&service, &vouched("2", None, true)).await.unwrap();
    assert_eq!((&*other.user.username, other.user.email, other.user.email_verified), ("ada-2", None, false));
    let found = identities(&service, &first.user).await;
    assert_eq!((found.len(), found[0].provider.as_str(), found[0].subject.as_str()), (1, "stub", "1"));
    assert_eq!(found[0].email.as_deref(), Some("new@example.com"));
    assert!(found[0].last_used_at.is_some());
}

// SEC-93: the same subject of another issuer, or of another provider, is somebody else.
#[tokio::test]
async fn an_identity_is_provider_issuer_and_subject_together() {
    let service = service().await;
    let ada = enter_as(&service, &vouched("1", None, false)).await.unwrap();
    let elsewhere = Vouched { issuer: "http://127.0.0.1:10".to_owned(), ..vouched("1", None, false) };
    assert_ne!(enter_as(&service, &elsewhere).await.unwrap().user.id, ada.user.id);
    let person = Person::of("other", &vouched("1", None, false));
    assert!(account::sign_in(&service, person, client()).await.unwrap().is_ok());
    assert_eq!(accounts(&service).await, 3);
}

// SEC-77: nobody's name is taken over, however many have it.
#[tokio::test]
async fn names_that_are_taken_get_a_number_and_nobody_loses_one() {
    let service = service().await;
    let ada = member(&service, "ADA", None).await;
    let mut names = Vec::new();
    for subject in 0..14 {
        let who = enter_as(&service, &vouched(&subject.to_string(), None, false)).await.unwrap();
        names.push(who.user.username.to_string());
    }
    assert_eq!(names[0], "ada-2");
    assert_eq!(names[7], "ada-9");
    assert!(names[8].starts_with("ada-") && names[8] != "ada-10", "{names:?}");
    assert_eq!(signed_in(&service, "ada").await.user.id, ada.id);
}

/// One row of the matrix: (what the provider says of the address, what the account here has made of it), and what comes of
/// it, by itself and from a signed-in session.
const MATRIX: [(bool, Option<bool>, &str, &str); 6] = [
    (true, Some(true), "linked", "linked"),
    (true, Some(false), "new account, which gets the address", "linked"),
    (true, None, "new account, which gets the address", "linked"),
    (false, Some(true), "error=email_in_use", "linked"),
    (false, Some(false), "new account, the address unconfirmed", "linked"),
    (false, None, "new account, the address unconfirmed", "linked"),
];

async fn by_itself(provider: bool, local: Option<bool>) -> &'static str {
    let service = service().await;
    let ada = member(&service, "ada", local.map(|verified| (ADA, verified))).await;
    let outcome = enter_as(&service, &vouched("1", Some("Ada@Example.com"), provider)).await;
    // Whatever came of it, the account that was there is as it was, and opens as before.
    let now = signed_in(&service, "ada").await.user;
    assert_eq!((now.email.as_deref(), now.email_verified), (local.map(|_| ADA), local == Some(true)));
    match outcome {
        Ok(who) if who.user.id == ada.id => "linked",
        Ok(who) if who.user.email_verified => "new account, which gets the address",
        Ok(_) => "new account, the address unconfirmed",
        Err(Refusal::EmailInUse) if accounts(&service).await == 1 => "error=email_in_use",
        Err(other) => panic!("{other:?}"),
    }
}

async fn from_a_session(provider: bool, local: Option<bool>) -> &'static str {
    let service = service().await;
    let ada = member(&service, "ada", local.map(|verified| (ADA, verified))).await;
    let who = signed_in(&service, "ada").await;
    let vouched = vouched("1", Some(ADA), provider);
    attach_as(&service, &who, &vouched).await.unwrap();
    assert_eq!(enter_as(&service, &vouched).await.unwrap().user.id, ada.id);
    assert_eq!(accounts(&service).await, 1);
    "linked"
}

// SEC-81, SEC-94
#[tokio::test]
async fn the_linking_matrix_is_that_of_the_guide() {
    let mut table = String::from(
        "| the provider says the address is theirs | the account here | not signed in | signed in, by `POST /me/identities/…` |\n\
         | --- | --- | --- | --- |\n",
    );
    for (provider, local, alone, session) in MATRIX {
        assert_eq!(by_itself(provider, local).await, alone, "{provider} {local:?}");
        assert_eq!(from_a_session(provider, local).await, session, "{provider} {local:?}");
        let says = if provider { "yes" } else { "no" };
        let local = match local {
            Some(true) => "has confirmed it",
            Some(false) => "has merely entered it",
            None => "has another or none",
        };
        table.push_str(&format!("| {says} | {local} | {alone} | {session} |\n"));
    }
    let page = include_str!("../../../../../docs/first-principles/10-another-vouches.md");
    assert!(page.contains(&table), "the table of the guide has to be\n{table}");
}

// SEC-94: somebody entered the address of another person, and waits for its owner.
#[tokio::test]
async fn whoever_waits_in_an_account_with_somebody_elses_address_waits_in_vain() {
    let service = service().await;
    let thief = member(&service, "thief", Some((ADA, false))).await;
    let ada = enter_as(&service, &vouched("1", Some(ADA), true)).await.unwrap();
    assert_ne!(ada.user.id, thief.id);
    assert!(ada.user.email_verified);
    let thief = signed_in(&service, "thief").await;
    assert_eq!((thief.user.email.as_deref(), thief.user.email_verified), (Some(ADA), false));
    // The other way round: the thief has an identity linked, and the owner of the address comes.
    attach_as(&service, &thief, &vouched("thief", None, false)).await.unwrap();
    assert_eq!(enter_as(&service, &vouched("1", Some(ADA), true)).await.unwrap().user.id, ada.user.id);
}

#[tokio::test]
async fn an_identity_that_opens_another_account_is_not_linked_and_ones_own_stays() {
    let service = service().await;
    member(&service, "ada", None).await;
    let who = signed_in(&service, "ada").await;
    let bob = enter_as(&service, &vouched("bob", None, false)).await.unwrap();
    assert_eq!(attach_as(&service, &who, &vouched("bob", None, false)).await, Err(Refusal::IdentityInUse));
    assert_eq!(identities(&service, &bob.user).await.len(), 1);
    attach_as(&service, &who, &vouched("1", None, false)).await.unwrap();
    attach_as(&service, &who, &vouched("1", None, false)).await.unwrap();
    assert_eq!(identities(&service, &who.user).await.len(), 1);
}

// SEC-97
#[tokio::test]
async fn nothing_is_linked_to_a_sign_in_that_ended_meanwhile() {
    let service = service().await;
    let ada = member(&service, "ada", None).await;
    let ended = signed_in(&service, "ada").await;
    sign_ins::end(&service, ended.sign_in.unwrap().id, EndReason::SignedOut).await.unwrap();
    let refused = Err(Refusal::SessionEnded);
    assert_eq!(attach_as(&service, &ended, &vouched("1", None, false)).await, refused);
    let all_ended = signed_in(&service, "ada").await;
    sign_ins::end_all(&service, ada.id, EndReason::SignedOutEverywhere).await.unwrap();
    assert_eq!(attach_as(&service, &all_ended, &vouched("1", None, false)).await, refused);
    // A sign-in of a former epoch is dead even if nobody ended its row.
    let former = signed_in(&service, "ada").await;
    let steps = service.store().write((ada.id, service.now()), |tx, (user, now)| {
        Box::pin(async move { tx.begin_epoch(*user, *now).await })
    });
    steps.await.unwrap();
    assert_eq!(attach_as(&service, &former, &vouched("1", None, false)).await, refused);
    let disabled = signed_in(&service, "ada").await;
    operator::disable(&service, ada.id).await.unwrap();
    assert_eq!(attach_as(&service, &disabled, &vouched("1", None, false)).await, refused);
    assert!(identities(&service, &ada).await.is_empty());
}

// SEC-10
#[tokio::test]
async fn a_disabled_or_deleted_account_is_not_opened_and_a_purged_one_leaves_nothing() {
    let service = service().await;
    let vouched = vouched("1", Some(ADA), true);
    let ada = enter_as(&service, &vouched).await.unwrap().user;
    operator::disable(&service, ada.id).await.unwrap();
    assert_eq!(enter_as(&service, &vouched).await, Err(Refusal::AccountClosed));
    operator::enable(&service, ada.id).await.unwrap();
    assert_eq!(enter_as(&service, &vouched).await.unwrap().user.id, ada.id);
    operator::delete(&service, ada.id).await.unwrap();
    assert_eq!(enter_as(&service, &vouched).await, Err(Refusal::AccountClosed));
    let by_address = Vouched { subject: "2".to_owned(), ..vouched.clone() };
    assert_eq!(enter_as(&service, &by_address).await, Err(Refusal::AccountClosed));
    service.advance(Duration::from_secs(31 * 86_400));
    assert_eq!(crate::user::purge(&service, 10).await.unwrap(), 1);
    assert!(identities(&service, &ada).await.is_empty());
    assert_ne!(enter_as(&service, &vouched).await.unwrap().user.id, ada.id);
}

#[tokio::test]
async fn where_addresses_have_to_be_confirmed_an_unconfirmed_one_does_not_get_in() {
    let service = service_with(|settings| Settings { require_verified_email: true, ..settings }).await;
    assert_eq!(enter_as(&service, &vouched("1", None, false)).await, Err(Refusal::EmailMissing));
    assert_eq!(accounts(&service).await, 0);
    let unconfirmed = vouched("2", Some(ADA), false);
    assert_eq!(enter_as(&service, &unconfirmed).await, Err(Refusal::EmailNotVerified));
    let link = service.mails().await.pop().unwrap();
    let token = SecretString::from(crate::testing::token_in(&link).unwrap());
    assert_eq!(enter_as(&service, &unconfirmed).await, Err(Refusal::EmailNotVerified));
    crate::verify_email::confirm(&service, token, None).await.unwrap();
    assert!(enter_as(&service, &unconfirmed).await.is_ok());
    assert!(enter_as(&service, &vouched("3", Some("eve@example.com"), true)).await.is_ok());
}

/// All of them sign in at once, each in a task of its own.
async fn all_at_once(service: &TestService, people: Vec<Vouched>) {
    let tasks: Vec<_> = people
        .into_iter()
        .map(|vouched| {
            let service = Countersign::clone(service);
            tokio::spawn(async move { enter_as(&service, &vouched).await.map(|who| who.user.id) })
        })
        .collect();
    let mut ids = std::collections::HashSet::new();
    for task in tasks {
        ids.insert(task.await.unwrap().unwrap());
    }
    assert_eq!((ids.len(), accounts(service).await), (1, 1));
}

// SEC-78, SEC-93: two tabs of somebody who is new here.
#[tokio::test(flavor = "multi_thread")]
async fn however_often_a_new_person_comes_at_once_there_is_one_account() {
    for _ in 0..4 {
        all_at_once(&service().await, (0..16).map(|_| vouched("1", Some(ADA), true)).collect()).await;
    }
}

// SEC-78, SEC-81: the index of confirmed addresses decides who makes the account; the others are linked to it.
#[tokio::test(flavor = "multi_thread")]
async fn several_identities_of_one_confirmed_address_that_come_at_once_share_an_account() {
    for _ in 0..4 {
        let service = service().await;
        let people = (0..8).map(|subject| vouched(&subject.to_string(), Some(ADA), true));
        all_at_once(&service, people.collect()).await;
        let user = crate::user::list(&service, None, 1).await.unwrap().remove(0).user;
        assert_eq!(identities(&service, &user).await.len(), 8);
    }
}

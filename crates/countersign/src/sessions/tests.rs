use std::time::Duration;

use super::*;
use crate::access::resolve;
use crate::authenticate::{Attempt, Tokens, authenticate};
use crate::error::FieldErrors;
use crate::secret::SecretString;
use crate::sign_in::{self, Client, State, Transport};
use crate::testing::TestService;
use crate::user::{NewUser, sign_up};

const PASSWORD: &str = "correct horse battery";

async fn user(service: &Countersign, name: &str) {
    let password = Some(SecretString::from(PASSWORD));
    let new = NewUser::judge(service.rules(), Some(name), None, password, FieldErrors::new()).unwrap();
    sign_up(service, new, None).await.unwrap();
}

async fn begin(service: &Countersign, name: &str) -> (CurrentUser, Tokens) {
    let client = Client { user_agent: None, address: None, transport: Transport::Cookie };
    let password = SecretString::from(PASSWORD);
    let attempt = Attempt { username: name.to_owned(), password, client, replaced: vec![], devices: vec![] };
    let tokens = authenticate(service, attempt).await.unwrap();
    (resolve(service, &tokens.access_token).await.unwrap(), tokens)
}

fn id(who: &CurrentUser) -> SignInId {
    who.sign_in.unwrap().id
}

async fn listed(service: &Countersign, who: &CurrentUser) -> Vec<SignInId> {
    list(service, who).await.unwrap().into_iter().map(|sign_in| sign_in.id).collect()
}

// SEC-54
#[tokio::test]
async fn only_living_sign_ins_of_ones_own_are_listed_the_newest_first() {
    let service = TestService::start().await;
    user(&service, "ada").await;
    user(&service, "eve").await;
    let (old, _) = begin(&service, "ada").await;
    service.advance(Duration::from_secs(29 * 86_400));
    begin(&service, "eve").await;
    let (ended, _) = begin(&service, "ada").await;
    service.advance(Duration::from_secs(1));
    let (new, _) = begin(&service, "ada").await;
    sign_in::end(&service, id(&ended), EndReason::SignedOut).await.unwrap();
    assert_eq!(listed(&service, &new).await, [id(&new), id(&old)]);
    service.advance(Duration::from_secs(86_400));
    assert_eq!(listed(&service, &new).await, [id(&new)], "the old one has expired");
}

// SEC-54
#[tokio::test]
async fn a_sign_in_is_ended_by_its_owner_alone_and_once() {
    let service = TestService::start().await;
    user(&service, "ada").await;
    user(&service, "eve").await;
    let (here, _) = begin(&service, "ada").await;
    let (there, tokens) = begin(&service, "ada").await;
    let (eve, _) = begin(&service, "eve").await;
    assert!(matches!(end(&service, &eve, id(&there), None).await, Err(Error::NotFound)));
    assert!(resolve(&service, &tokens.access_token).await.is_ok(), "it goes on");
    end(&service, &here, id(&there), None).await.unwrap();
    assert!(resolve(&service, &tokens.access_token).await.is_err());
    assert!(matches!(end(&service, &here, id(&there), None).await, Err(Error::NotFound)), "it has ended");
    let all = sign_in::list(&service, here.user.id).await.unwrap();
    let ended = all.iter().find(|sign_in| sign_in.id == id(&there)).unwrap();
    assert_eq!(ended.state, State::Ended { at: service.now(), why: EndReason::EndedByOwner });
}

#[tokio::test]
async fn an_expired_sign_in_keeps_its_own_end() {
    let service = TestService::start().await;
    user(&service, "ada").await;
    let (old, _) = begin(&service, "ada").await;
    service.advance(Duration::from_secs(31 * 86_400));
    let (new, _) = begin(&service, "ada").await;
    assert!(matches!(end(&service, &new, id(&old), None).await, Err(Error::NotFound)));
    let all = sign_in::list(&service, new.user.id).await.unwrap();
    assert_eq!(all.last().unwrap().state, State::Expired);
}

// A sign-in of a former epoch is dead, even if nobody ended its row.
#[tokio::test]
async fn a_forgotten_row_of_a_former_epoch_is_not_listed() {
    let service = TestService::start().await;
    user(&service, "ada").await;
    let (old, _) = begin(&service, "ada").await;
    let forgot = service.store().write((), |tx, ()| {
        Box::pin(async move { tx.execute("UPDATE users SET epoch = epoch + 1", &[]).await })
    });
    forgot.await.unwrap();
    let (new, _) = begin(&service, "ada").await;
    assert_eq!(listed(&service, &new).await, [id(&new)]);
    assert_ne!(id(&old), id(&new));
}

#[tokio::test]
async fn the_list_is_bounded() {
    let service = TestService::start().await;
    user(&service, "ada").await;
    let (who, _) = begin(&service, "ada").await;
    let copied = service.store().write((), |tx, ()| {
        Box::pin(async move {
            let copy = "
                WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 1200)
                INSERT INTO sign_ins (id, user_id, epoch, generation, current_hash, spendings, transport, created_at,
                                      last_used_at, expires_at, ends_at, sweep_day)
                SELECT id - n, user_id, epoch, 0, current_hash, '', transport, created_at, last_used_at, expires_at,
                       ends_at, sweep_day
                FROM sign_ins, counted";
            tx.execute(copy, &[]).await
        })
    });
    assert_eq!(copied.await.unwrap(), 1_200);
    let all = listed(&service, &who).await;
    assert_eq!((all.len(), all[0]), (1_000, id(&who)));
}

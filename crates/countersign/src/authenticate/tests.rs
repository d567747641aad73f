use super::*;
use crate::error::FieldErrors;
use crate::operator;
use crate::sign_in::{State, Transport};
use crate::testing::TestService;
use crate::user::{NewUser, User, sign_up};

const PASSWORD: &str = "correct horse battery";
/// `PASSWORD`, hashed by argon2-cffi with far too little memory.
const WEAK_ARGON2: &str =
    "$argon2id$v=19$m=64,t=1,p=1$DyHdBLxHE7NU5HwSMMx/VQ$C3BGHPAwWwnBC641ERSjBgfSE7dnLaYba0KpaxxUplU";

async fn ada(service: &Countersign) -> User {
    let password = Some(SecretString::from(PASSWORD));
    let new = NewUser::judge(service.rules(), Some("ada"), None, password, FieldErrors::new()).unwrap();
    sign_up(service, new, None).await.unwrap()
}

fn client() -> Client {
    Client { user_agent: Some("tests".to_owned()), address: None, transport: Transport::Cookie }
}

fn attempt(username: &str, password: &str) -> Attempt {
    let password = SecretString::from(password.to_owned());
    Attempt { username: username.to_owned(), password, client: client(), replaced: vec![], devices: vec![] }
}

async fn store_hash(service: &Countersign, user: UserId, hash: &str) {
    let input = (user, hash.to_owned());
    let stored = service.store().write(input, |tx, (user, hash)| {
        Box::pin(async move { tx.set_password_hash(*user, None, hash).await })
    });
    assert!(stored.await.unwrap());
}

async fn stored_hash(service: &Countersign, user: UserId) -> String {
    user::credential_by_id(service, user).await.unwrap().unwrap().password_hash.unwrap()
}

// SEC-10
#[tokio::test]
async fn all_that_opens_nothing_is_refused_in_the_same_words() {
    let service = TestService::start().await;
    ada(&service).await;
    let overlong = "x".repeat(1_025);
    for (username, password) in [
        ("ada", "wrong"),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("no name", PASSWORD),
        ("ada", ""),
        ("ada", &*overlong),
    ] {
        let refused = authenticate(&service, attempt(username, password)).await.err();
        assert!(matches!(refused, Some(Error::InvalidCredentials)), "{username:?} {password:?}");
    }
    assert!(authenticate(&service, attempt("aDa", PASSWORD)).await.is_ok());
}

// SEC-51
#[tokio::test]
async fn a_sign_in_that_came_along_is_ended_only_by_a_success() {
    let service = TestService::start().await;
    let ada = ada(&service).await;
    authenticate(&service, attempt("ada", PASSWORD)).await.unwrap();
    let old = sign_in::list(&service, ada.id).await.unwrap()[0].id;
    let again = |password| Attempt { replaced: vec![old], ..attempt("ada", password) };
    assert!(authenticate(&service, again("wrong")).await.is_err());
    assert_eq!(sign_in::list(&service, ada.id).await.unwrap()[0].state, State::Live);
    authenticate(&service, again(PASSWORD)).await.unwrap();
    let states = sign_in::list(&service, ada.id).await.unwrap();
    let ended = State::Ended { at: service.now(), why: EndReason::Replaced };
    let of_old = states.iter().find(|sign_in| sign_in.id == old).map(|sign_in| sign_in.state);
    assert_eq!(of_old, Some(ended));
}

// SEC-48: the proof was made before the account changed.
#[tokio::test]
async fn a_proof_that_was_overtaken_opens_nothing() {
    let service = TestService::start().await;
    let ada = ada(&service).await;
    let credential = user::credential_by_id(&service, ada.id).await.unwrap().unwrap();
    let proof = Proof { user: credential.user, epoch: credential.epoch };
    operator::set_password(&service, &ada, SecretString::from("staple battery horse")).await.unwrap();
    let refused = open(&service, proof, client(), Along::default()).await.err();
    assert!(matches!(refused, Some(Error::InvalidCredentials)));
    assert_eq!(sign_in::list(&service, ada.id).await.unwrap(), []);
}

// SEC-8
#[tokio::test]
async fn an_old_hash_is_upgraded_by_the_next_sign_in() {
    let service = TestService::start().await;
    let ada = ada(&service).await;
    store_hash(&service, ada.id, WEAK_ARGON2).await;
    authenticate(&service, attempt("ada", PASSWORD)).await.unwrap();
    let upgraded = stored_hash(&service, ada.id).await;
    assert!(upgraded.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{upgraded}");
    authenticate(&service, attempt("ada", PASSWORD)).await.unwrap();
    assert_eq!(stored_hash(&service, ada.id).await, upgraded, "and not again");
}

// SEC-8
#[tokio::test]
async fn an_upgrade_never_overwrites_a_newer_password() {
    let service = TestService::start().await;
    let ada = ada(&service).await;
    let newer = stored_hash(&service, ada.id).await;
    let input = (ada.id, WEAK_ARGON2.to_owned());
    let upgraded = service.store().write(input, |tx, (user, old)| {
        Box::pin(async move { tx.upgrade_password_hash(*user, old, "$new").await })
    });
    assert!(!upgraded.await.unwrap());
    assert_eq!(stored_hash(&service, ada.id).await, newer);
}

/// Commits that changed something, as the index of the write-ahead log counts them. Another program reads it: to close
/// the file in this one would give up its locks.
fn commits(service: &Countersign) -> u32 {
    let index = service.settings().data_dir.join("countersign.db-shm");
    let read = std::process::Command::new("head").args(["-c", "12"]).arg(index).output().unwrap();
    u32::from_ne_bytes(read.stdout[8..12].try_into().unwrap())
}

#[tokio::test]
async fn a_right_password_costs_one_commit_and_a_refusal_none() {
    let service = TestService::start().await;
    ada(&service).await;
    let told = |outcome: Result<Tokens>| {
        outcome.map(drop).map_err(|error| matches!(error, Error::InvalidCredentials))
    };
    let sign_in = async |password| told(authenticate(&service, attempt("ada", password)).await);
    assert_eq!(sign_in("wrong").await, Err(true));
    service.flush_audit().await;
    let before = commits(&service);
    assert_eq!(sign_in(PASSWORD).await, Ok(()));
    assert_eq!(commits(&service) - before, 1, "giving the tries back travels with the sign-in");
    for _ in 0..10 {
        assert_eq!(sign_in("wrong").await, Err(true));
    }
    service.flush_audit().await;
    let before = commits(&service);
    for password in ["wrong", PASSWORD] {
        assert_eq!(sign_in(password).await, Err(false));
    }
    service.flush_audit().await;
    assert_eq!(commits(&service), before, "nor is a refusal a row of the trail");
}

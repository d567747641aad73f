use super::*;
use crate::authenticate::{Attempt, authenticate};
use crate::names::Username;
use crate::sign_in::{self, Client, State, Transport};
use crate::testing::TestService;
use crate::user::{self, NewUser};

const PASSWORD: &str = "correct horse battery";

async fn ada(service: &Countersign) -> User {
    let password = Some(SecretString::from(PASSWORD));
    let new = NewUser::judge(service.rules(), Some("ada"), None, password, FieldErrors::new()).unwrap();
    user::sign_up(service, new, None).await.unwrap()
}

async fn sign_in_with(service: &Countersign, password: &str) -> Result<()> {
    let client = Client { user_agent: None, address: None, transport: Transport::Cookie };
    let password = SecretString::from(password);
    let attempt = Attempt { username: "ada".to_owned(), password, client, replaced: vec![], devices: vec![] };
    authenticate(service, attempt).await.map(drop)
}

async fn reasons(service: &Countersign, user: &User) -> Vec<EndReason> {
    let sign_ins = sign_in::list(service, user.id).await.unwrap();
    let why = |state| match state {
        State::Ended { why, .. } => Some(why),
        _ => None,
    };
    sign_ins.into_iter().filter_map(|sign_in| why(sign_in.state)).collect()
}

// SEC-12
#[tokio::test]
async fn a_new_password_replaces_the_old_one_and_ends_every_sign_in() {
    let service = TestService::start().await;
    let ada = ada(&service).await;
    sign_in_with(&service, PASSWORD).await.unwrap();
    let refused = set_password(&service, &ada, SecretString::from("ada")).await;
    assert!(matches!(refused, Err(Error::Invalid(_))));
    set_password(&service, &ada, SecretString::from("staple battery horse")).await.unwrap();
    assert_eq!(reasons(&service, &ada).await, [EndReason::PasswordChanged]);
    assert!(matches!(sign_in_with(&service, PASSWORD).await, Err(Error::InvalidCredentials)));
    sign_in_with(&service, "staple battery horse").await.unwrap();
}

#[tokio::test]
async fn a_disabled_account_signs_in_again_only_when_it_is_enabled() {
    let service = TestService::start().await;
    let ada = ada(&service).await;
    sign_in_with(&service, PASSWORD).await.unwrap();
    disable(&service, ada.id).await.unwrap();
    assert!(matches!(sign_in_with(&service, PASSWORD).await, Err(Error::InvalidCredentials)));
    enable(&service, ada.id).await.unwrap();
    assert_eq!(reasons(&service, &ada).await, [EndReason::UserDisabled], "what was ended stays ended");
    sign_in_with(&service, PASSWORD).await.unwrap();
}

// SEC-111
#[tokio::test]
async fn a_deleted_account_keeps_its_name_until_the_purge_removes_it() {
    let service = TestService::start().await;
    let ada = ada(&service).await;
    sign_in_with(&service, PASSWORD).await.unwrap();
    delete(&service, ada.id).await.unwrap();
    assert!(matches!(delete(&service, ada.id).await, Err(Error::NotFound)));
    assert!(matches!(disable(&service, ada.id).await, Err(Error::NotFound)));
    let name = Username::parse("ada").unwrap();
    let kept = user::find_by_name(&service, &name).await.unwrap().unwrap();
    assert_eq!(kept.deleted_at, Some(service.now()));

    let retention = service.settings().deleted_user_retention;
    service.advance(retention);
    assert_eq!(user::purge(&service, 100).await.unwrap(), 0, "the retention is not over yet");
    service.advance(std::time::Duration::from_millis(1));
    assert_eq!(user::purge(&service, 100).await.unwrap(), 1);
    assert_eq!(user::find_by_name(&service, &name).await.unwrap(), None);
    assert_eq!(sign_in::list(&service, ada.id).await.unwrap(), [], "its sign-ins went with it");
}

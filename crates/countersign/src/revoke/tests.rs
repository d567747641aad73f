use super::*;
use crate::access::resolve;
use crate::authenticate::{Attempt, Tokens, authenticate};
use crate::error::FieldErrors;
use crate::secret::SecretString;
use crate::sign_in::{Client, SignIn, State, Transport};
use crate::testing::TestService;
use crate::user::{NewUser, sign_up};

const PASSWORD: &str = "correct horse battery";

async fn ada() -> TestService {
    let service = TestService::start().await;
    let password = Some(SecretString::from(PASSWORD));
    let new = NewUser::judge(service.rules(), Some("ada"), None, password, FieldErrors::new()).unwrap();
    sign_up(&service, new, None).await.unwrap();
    service
}

async fn begin(service: &Countersign) -> Tokens {
    let client = Client { user_agent: None, address: None, transport: Transport::Cookie };
    let password = SecretString::from(PASSWORD);
    let attempt = Attempt { username: "ada".to_owned(), password, client, replaced: vec![], devices: vec![] };
    authenticate(service, attempt).await.unwrap()
}

async fn live(service: &Countersign, who: &CurrentUser) -> usize {
    let sign_ins = sign_in::list(service, who.user.id).await.unwrap();
    let lives = |sign_in: &&SignIn| sign_in.state == State::Live;
    sign_ins.iter().filter(lives).count()
}

#[tokio::test]
async fn leaving_ends_the_sign_in_of_each_authentic_token_and_ignores_the_rest() {
    let service = ada().await;
    let (one, two, three) = (begin(&service).await, begin(&service).await, begin(&service).await);
    let who = resolve(&service, &three.access_token).await.unwrap();
    let junk = "x".repeat(one.refresh_token.len());
    leave(&service, &[&junk, "", &one.refresh_token, &two.refresh_token], None).await.unwrap();
    assert_eq!(live(&service, &who).await, 1);
    leave(&service, &[&one.refresh_token], None).await.unwrap();
    assert_eq!(live(&service, &who).await, 1, "leaving twice is leaving once");
}

// SEC-38
#[tokio::test]
async fn leaving_everywhere_ends_every_sign_in_and_every_access_token() {
    let service = ada().await;
    let (one, two) = (begin(&service).await, begin(&service).await);
    let who = resolve(&service, &one.access_token).await.unwrap();
    leave_everywhere(&service, &who, None).await.unwrap();
    assert_eq!(live(&service, &who).await, 0);
    for tokens in [one, two] {
        assert!(resolve(&service, &tokens.access_token).await.is_err());
    }
}

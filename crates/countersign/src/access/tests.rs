use std::time::Duration;

use countersign_token::{HmacKey, NewToken, Signer};
use hmac::{KeyInit as _, Mac as _};

use super::*;
use crate::authenticate::{Attempt, Tokens, authenticate};
use crate::error::FieldErrors;
use crate::secret::{ExposeSecret as _, SecretString};
use crate::sign_in::{self, Client, EndReason, Transport};
use crate::testing::TestService;
use crate::user::{NewUser, sign_up};

const PASSWORD: &str = "correct horse battery";

async fn user(service: &Countersign) -> User {
    let password = Some(SecretString::from(PASSWORD));
    let new = NewUser::judge(service.rules(), Some("ada"), None, password, FieldErrors::new()).unwrap();
    sign_up(service, new, None).await.unwrap()
}

async fn tokens(service: &Countersign) -> Tokens {
    let client = Client { user_agent: None, address: None, transport: Transport::Cookie };
    let password = SecretString::from(PASSWORD);
    let attempt = Attempt { username: "ADA".to_owned(), password, client, replaced: vec![], devices: vec![] };
    authenticate(service, attempt).await.unwrap()
}

fn secret_key(service: &Countersign) -> String {
    service.settings().secret_key.as_ref().unwrap().expose_secret().to_owned()
}

/// What a few lines of somebody else's code make: `sub`, `iat`, `exp`, signed with the shared key.
fn minimal_token(key: &str, subject: &str, issued_at: i64) -> String {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let claims = format!(r#"{{"sub":"{subject}","iat":{issued_at},"exp":{}}}"#, issued_at + 600);
    let signed = format!("{}.{}", base64.encode(r#"{"typ":"JWT","alg":"HS256"}"#), base64.encode(claims));
    let mac = crate::keys::Mac::new_from_slice(key.as_bytes()).unwrap().chain_update(&signed);
    format!("{signed}.{}", base64.encode(mac.finalize().into_bytes()))
}

fn refusal(outcome: Result<CurrentUser>) -> AccessRefusal {
    match outcome {
        Err(Error::AccessToken(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_resolves_to_its_user_and_sign_in_until_it_expires() {
    let service = TestService::start().await;
    let ada = user(&service).await;
    let tokens = tokens(&service).await;
    let current = resolve(&service, &tokens.access_token).await.unwrap();
    assert_eq!(current.user, ada);
    assert_eq!(current.sign_in.unwrap().created_at, service.now());
    service.advance(Duration::from_secs(599));
    assert!(resolve(&service, &tokens.access_token).await.is_ok());
    service.advance(Duration::from_secs(1));
    assert_eq!(refusal(resolve(&service, &tokens.access_token).await), AccessRefusal::Expired);
}

// SEC-38
#[tokio::test]
async fn a_token_dies_with_its_sign_in_and_with_no_other() {
    let service = TestService::start().await;
    user(&service).await;
    let (one, other) = (tokens(&service).await, tokens(&service).await);
    let ended = resolve(&service, &one.access_token).await.unwrap().sign_in.unwrap().id;
    sign_in::end(&service, ended, EndReason::SignedOut).await.unwrap();
    assert_eq!(refusal(resolve(&service, &one.access_token).await), AccessRefusal::Invalid);
    assert!(resolve(&service, &other.access_token).await.is_ok());
}

#[tokio::test]
async fn a_minimal_token_of_the_shared_key_is_accepted_until_the_credentials_change() {
    let service = TestService::start().await;
    let ada = user(&service).await;
    let token = |issued_at| minimal_token(&secret_key(&service), &ada.id.to_string(), issued_at);
    let now = service.now().as_seconds();
    let current = resolve(&service, &token(now)).await.unwrap();
    assert_eq!((current.user.id, current.sign_in), (ada.id, None));
    sign_in::end_all(&service, ada.id, EndReason::PasswordChanged).await.unwrap();
    assert_eq!(refusal(resolve(&service, &token(now)).await), AccessRefusal::Invalid, "of the same second");
    service.advance(Duration::from_secs(1));
    assert!(resolve(&service, &token(now + 1)).await.is_ok());
}

// SEC-34
#[tokio::test]
async fn a_token_for_somebody_else_or_of_nobody_is_refused() {
    let service = TestService::start().await;
    user(&service).await;
    let tokens = tokens(&service).await;
    let sign_in = resolve(&service, &tokens.access_token).await.unwrap().sign_in.unwrap().id.to_string();
    let now = service.now().as_seconds();
    let key = HmacKey::new(secret_key(&service).as_bytes()).unwrap();
    let signer = Signer::new(key, service.settings().issuer(), None);
    for (subject, sign_in) in [("1", &*sign_in), ("ada", &sign_in), ("1", "1"), ("1", "x"), ("01", &sign_in)]
    {
        let token = NewToken { subject, sign_in, token_id: "t", issued_at: now, expires_at: now + 60 };
        let refused = resolve(&service, &signer.sign(&token)).await;
        assert_eq!(refusal(refused), AccessRefusal::Invalid, "{subject} {sign_in}");
    }
    for subject in ["1", "ada", "-5", "99999999999999999999"] {
        let token = minimal_token(&secret_key(&service), subject, now);
        assert_eq!(refusal(resolve(&service, &token).await), AccessRefusal::Invalid, "{subject}");
    }
}

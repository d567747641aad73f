mod attempts;
mod linking;
mod removing;
mod return_urls;

use std::time::Duration;

use super::*;
use crate::access::resolve;
use crate::authenticate::{Attempt as Try, authenticate};
use crate::error::FieldErrors;
use crate::secret::{ExposeSecret as _, SecretString};
use crate::settings::{OAuthProvider, Settings};
use crate::sign_in::Transport;
use crate::testing::TestService;
use crate::user::{NewUser, User, sign_up};

pub(super) const PASSWORD: &str = "correct horse battery";
pub(super) const ISSUER: &str = "http://127.0.0.1:9";

/// A service with the provider `stub`, which nobody asks.
pub(super) async fn service() -> TestService {
    service_with(|settings| settings).await
}

pub(super) async fn service_with(adjust: impl FnOnce(Settings) -> Settings) -> TestService {
    TestService::start_with(|mut settings| {
        for name in ["stub", "other"] {
            let provider = OAuthProvider::new("id", SecretString::from("secret"));
            let provider = OAuthProvider { issuer: Some(ISSUER.to_owned()), ..provider };
            settings.oauth.insert(name.to_owned(), provider);
        }
        adjust(settings)
    })
    .await
}

pub(super) fn client() -> Client {
    Client { user_agent: None, address: None, transport: Transport::Cookie }
}

/// Whom the provider vouches for.
pub(super) fn vouched(subject: &str, email: Option<&str>, email_verified: bool) -> Vouched {
    Vouched {
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
        username: Some("ada".to_owned()),
        name: Some("Ada Lovelace".to_owned()),
        email: email.map(str::to_owned),
        email_verified,
    }
}

/// Signs in as the person whom the provider vouches for.
pub(super) async fn enter_as(
    service: &Countersign,
    vouched: &Vouched,
) -> std::result::Result<CurrentUser, Refusal> {
    let person = Person::of("stub", vouched);
    let opened = account::sign_in(service, person, client()).await.unwrap();
    let opened = opened.map_err(|(why, _)| why)?;
    let family = service
        .store()
        .read(opened.token.sign_in, |tx, id| Box::pin(async move { tx.family(*id).await }))
        .await
        .unwrap()
        .unwrap();
    let tokens = crate::authenticate::issue(service, family.user, &opened.token, opened.expires_at).unwrap();
    Ok(resolve(service, &tokens.access_token).await.unwrap())
}

/// Somebody with a password, and perhaps an address, confirmed or not.
pub(super) async fn member(service: &Countersign, name: &str, email: Option<(&str, bool)>) -> User {
    let password = Some(SecretString::from(PASSWORD));
    let address = email.map(|(address, _)| address);
    let new = NewUser::judge(service.rules(), Some(name), address, password, FieldErrors::new()).unwrap();
    let user = sign_up(service, new, None).await.unwrap();
    if let Some((address, true)) = email {
        let input = (user.id, address.to_owned(), service.now());
        let steps = service.store().write(input, |tx, (user, address, now)| {
            Box::pin(async move { tx.set_verified_email(*user, 0, address, *now).await })
        });
        steps.await.unwrap();
    }
    user
}

pub(super) async fn signed_in(service: &Countersign, name: &str) -> CurrentUser {
    let attempt = Try {
        username: name.to_owned(),
        password: SecretString::from(PASSWORD),
        client: client(),
        replaced: vec![],
        devices: vec![],
    };
    let tokens = authenticate(service, attempt).await.unwrap();
    resolve(service, &tokens.access_token).await.unwrap()
}

/// Links the identity from a signed-in session.
pub(super) async fn attach_as(
    service: &Countersign,
    who: &CurrentUser,
    vouched: &Vouched,
) -> std::result::Result<(), Refusal> {
    let to = link::To { user: who.user.id, sign_in: who.sign_in.unwrap().id };
    link::attach(service, Person::of("stub", vouched), to, None).await.unwrap()
}

pub(super) async fn identities(service: &Countersign, user: &User) -> Vec<Identity> {
    list(service, user.id).await.unwrap()
}

/// So many accounts there are.
pub(super) async fn accounts(service: &Countersign) -> usize {
    crate::user::list(service, None, 1_000).await.unwrap().len()
}

/// The table of words is the guide's for whoever writes a page.
#[test]
fn every_word_of_an_error_is_explained() {
    let page = include_str!("../../../../docs/reference/errors.md");
    for refusal in Refusal::ALL {
        assert!(page.contains(&format!("\n| `{}` | ", refusal.word())), "{refusal:?}");
    }
}

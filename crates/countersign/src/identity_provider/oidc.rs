//! A sign-in with an OpenID Connect issuer: the authorization code flow with PKCE (OpenID Connect Core 1.0 §3.1).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::{self, Serializer};

use super::client::{Client, Question, Reply, parse};
use super::discovery::{ClientAuthentication, Discovered, discovery_url};
use super::fault::{Lie, ProviderFault, Refusal};
use super::id_token::{self, Expected, Named, Unverified};
use super::kept::Kept;
use super::keys::KeySet;
use super::person::Claims;
use super::{Answer, Asked, Registration, Vouched};
use crate::secret::{ExposeSecret as _, SecretString};
use crate::time::Timestamp;

/// What is remembered of an issuer.
#[derive(Debug, Default)]
pub(super) struct Oidc {
    discovered: Kept<Discovered>,
    keys: Kept<KeySet>,
}

/// The token endpoint's answer (RFC 6749 §5.1, OpenID Connect Core 1.0 §3.1.3.3).
#[derive(Deserialize)]
struct Tokens {
    access_token: SecretString,
    token_type: String,
    id_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct TokenError {
    error: String,
}

#[derive(Deserialize)]
struct Userinfo {
    sub: Option<Value>,
    #[serde(flatten)]
    claims: Claims,
}

impl Oidc {
    pub(super) async fn authorization_url(
        &self,
        registration: &Registration,
        asked: &Asked<'_>,
        now: Timestamp,
    ) -> Result<Url, ProviderFault> {
        let discovered = self.discovered(registration, now).await?;
        let mut url = registration.authorization_url(&discovered.authorization_endpoint, asked);
        url.query_pairs_mut().append_pair("nonce", asked.nonce.expose_secret());
        Ok(url)
    }

    /// # Errors
    /// The first check that fails, in this order: who answered in the browser, before the code is shown to anybody; the
    /// token endpoint; the ID token; userinfo.
    pub(super) async fn redeem(
        &self,
        registration: &Registration,
        answer: &Answer<'_>,
        asked: &Asked<'_>,
        now: Timestamp,
    ) -> Result<Vouched, ProviderFault> {
        let discovered = self.discovered(registration, now).await?;
        let is_this_issuer = match answer.iss {
            Some(iss) => discovered.issuer.could_be(iss),
            None => !discovered.answers_name_issuer,
        };
        if !is_this_issuer {
            return Err(Lie::AnswerIssuer.into());
        }
        let tokens = trade(registration, &discovered, answer, asked).await?;
        let named = self.named(registration, &discovered, &tokens, asked, now).await?;
        if answer.iss.is_some_and(|iss| iss != named.issuer) {
            return Err(Lie::AnswerIssuer.into());
        }
        let Named { issuer, subject, claims } = named;
        let claims = match &discovered.userinfo_endpoint {
            Some(url) if !claims.is_complete() => {
                claims.or(userinfo(registration, url, &tokens, &subject).await?)
            }
            _ => claims,
        };
        Ok(Vouched {
            issuer,
            subject,
            username: claims.username(),
            name: claims.name(),
            email: claims.email(),
            email_verified: claims.email().is_some() && claims.email_verified(),
        })
    }

    async fn discovered(
        &self,
        registration: &Registration,
        now: Timestamp,
    ) -> Result<Arc<Discovered>, ProviderFault> {
        self.discovered.get(now, async { Ok(discover(registration).await?.0) }).await
    }

    /// Whom the ID token names, once its signature and all else of it are found good. A key that is not known may be a
    /// new one: then the keys are fetched anew, once a minute at most.
    async fn named(
        &self,
        registration: &Registration,
        discovered: &Discovered,
        tokens: &Tokens,
        asked: &Asked<'_>,
        now: Timestamp,
    ) -> Result<Named, ProviderFault> {
        let token = tokens.id_token.as_ref().ok_or(Lie::NoIdToken)?;
        let token = Unverified::parse(token.expose_secret())?;
        let mut keys = self.keys.get(now, fetch_keys(registration, &discovered.jwks_uri)).await?;
        if let Err(lie) = token.verify(&keys)
            && token.may_be_of_a_new_key(lie)
        {
            keys = self.keys.renew(now, keys, fetch_keys(registration, &discovered.jwks_uri)).await?;
        }
        let named = token.judge(&Expected {
            issuer: &discovered.issuer,
            key_issuer: token.verify(&keys)?,
            client_id: &registration.client_id,
            nonce: asked.nonce.expose_secret(),
            access_token: tokens.access_token.expose_secret(),
            asked_at: asked.asked_at,
            now,
        })?;
        Ok(named)
    }
}

/// An issuer's description of itself, and the time that it has.
pub(super) async fn discover(
    registration: &Registration,
) -> Result<(Discovered, Option<String>), ProviderFault> {
    let url = discovery_url(&registration.issuer, registration.reach)?;
    let reply = get(registration, &url).await?;
    let discovered = Discovered::parse(&reply.body, &registration.issuer, registration.reach)?;
    Ok((discovered, reply.date))
}

/// An issuer's keys.
pub(super) async fn fetch_keys(registration: &Registration, url: &Url) -> Result<KeySet, ProviderFault> {
    KeySet::parse(&get(registration, url).await?.body)
}

async fn get(registration: &Registration, url: &Url) -> Result<Reply, ProviderFault> {
    let question = Question { url, form: None, authorization: None };
    let reply = registration.client.ask(registration.reach, &question).await?;
    if reply.status == http::StatusCode::OK { Ok(reply) } else { Err(Lie::Status.into()) }
}

/// Trades the code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.5).
async fn trade(
    registration: &Registration,
    discovered: &Discovered,
    answer: &Answer<'_>,
    asked: &Asked<'_>,
) -> Result<Tokens, ProviderFault> {
    let basic = discovered.client_authentication == ClientAuthentication::Basic;
    let form = registration.code_form(answer, asked, !basic);
    let authorization = basic.then(|| basic_authorization(registration));
    let question = Question {
        url: &discovered.token_endpoint,
        form: Some(&form),
        authorization: authorization.as_ref(),
    };
    let reply = registration.client.ask(registration.reach, &question).await?;
    if reply.status == http::StatusCode::OK { parse(&reply.body) } else { Err(refused(&reply)) }
}

/// What the token endpoint's refusal means (RFC 6749 §5.2).
fn refused(reply: &Reply) -> ProviderFault {
    let named = parse::<TokenError>(&reply.body).map(|error| error.error);
    match named.as_deref() {
        Ok("invalid_grant") => ProviderFault::Refused,
        Ok("invalid_client") => Refusal::InvalidClient.into(),
        Ok("unauthorized_client") => Refusal::UnauthorizedClient.into(),
        Ok("unsupported_grant_type") => Refusal::UnsupportedGrantType.into(),
        Ok("invalid_request" | "invalid_scope" | "invalid_target") => Refusal::InvalidRequest.into(),
        _ if reply.status == http::StatusCode::UNAUTHORIZED => Refusal::InvalidClient.into(),
        _ => Lie::Status.into(),
    }
}

/// Both parts are written as in a form before they are put together (RFC 6749 §2.3.1).
fn basic_authorization(registration: &Registration) -> SecretString {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let (id, secret) = (encode(&registration.client_id), encode(registration.client_secret.expose_secret()));
    SecretString::from(format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))
}

/// What userinfo adds (OpenID Connect Core 1.0 §5.3). It is about whom the ID token names, or it is nothing (SEC-91).
async fn userinfo(
    registration: &Registration,
    url: &Url,
    tokens: &Tokens,
    subject: &str,
) -> Result<Claims, ProviderFault> {
    if !tokens.token_type.eq_ignore_ascii_case("Bearer") {
        return Err(Lie::TokenType.into());
    }
    let bearer = SecretString::from(format!("Bearer {}", tokens.access_token.expose_secret()));
    let question = Question { url, form: None, authorization: Some(&bearer) };
    let found: Userinfo = registration.client.document(registration.reach, &question).await?;
    if id_token::subject(found.sub.as_ref()) == Some(subject) {
        Ok(found.claims)
    } else {
        Err(Lie::UserinfoSubject.into())
    }
}

impl Registration {
    /// The way to the provider, with what every provider is asked (RFC 6749 §4.1.1, RFC 7636 §4.3).
    pub(super) fn authorization_url(&self, endpoint: &Url, asked: &Asked<'_>) -> Url {
        let mut url = endpoint.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &self.client_id)
                .append_pair("redirect_uri", asked.redirect_uri.as_str())
                .append_pair("scope", &self.scopes)
                .append_pair("state", asked.state)
                .append_pair("code_challenge", &asked.challenge())
                .append_pair("code_challenge_method", "S256");
            if self.form_post {
                query.append_pair("response_mode", "form_post");
            }
        }
        url
    }

    /// The form that trades a code.
    pub(super) fn code_form(
        &self,
        answer: &Answer<'_>,
        asked: &Asked<'_>,
        with_client: bool,
    ) -> SecretString {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", answer.code)
            .append_pair("redirect_uri", asked.redirect_uri.as_str())
            .append_pair("code_verifier", asked.verifier.expose_secret());
        if with_client {
            form.append_pair("client_id", &self.client_id)
                .append_pair("client_secret", self.client_secret.expose_secret());
        }
        SecretString::from(form.finish())
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

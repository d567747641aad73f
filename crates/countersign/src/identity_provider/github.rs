//! A sign-in with GitHub, which issues no ID tokens: OAuth 2.0 with PKCE, then its API says who it was.

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::client::{Question, parse};
use super::fault::{Lie, ProviderFault, Refusal};
use super::person::text;
use super::{Answer, Asked, Registration, Vouched};
use crate::secret::{ExposeSecret as _, SecretString};

const PUBLIC: &str = "https://github.com";
const PUBLIC_API: &str = "https://api.github.com";

/// The addresses of a GitHub server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GitHub {
    base: String,
    authorize: Url,
    token: Url,
    user: Url,
    emails: Url,
}

#[derive(Deserialize)]
struct Outcome {
    access_token: Option<SecretString>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct User {
    /// A number that stays when the login is changed or given to somebody else.
    id: u64,
    login: Option<Value>,
    name: Option<Value>,
}

#[derive(Deserialize)]
struct Email {
    email: Value,
    #[serde(default)]
    primary: Value,
    #[serde(default)]
    verified: Value,
}

impl GitHub {
    /// The addresses below that of the server: those of github.com, or of a GitHub Enterprise Server.
    ///
    /// # Errors
    /// [`Lie::Endpoint`] where they are none that may be used.
    pub(super) fn new(registration: &Registration) -> Result<Self, Lie> {
        let base = registration.issuer.trim_end_matches('/').to_owned();
        let api = if base == PUBLIC { PUBLIC_API.to_owned() } else { format!("{base}/api/v3") };
        let url = |text: String| registration.reach.endpoint(&text);
        Ok(Self {
            authorize: url(format!("{base}/login/oauth/authorize"))?,
            token: url(format!("{base}/login/oauth/access_token"))?,
            user: url(format!("{api}/user"))?,
            emails: url(format!("{api}/user/emails"))?,
            base,
        })
    }

    pub(super) fn authorization_url(&self, registration: &Registration, asked: &Asked<'_>) -> Url {
        registration.authorization_url(&self.authorize, asked)
    }

    /// Where it says who somebody is.
    pub(super) fn user_url(&self) -> &Url {
        &self.user
    }

    /// # Errors
    /// As the check of an OpenID Connect issuer, as far as GitHub has what is checked there.
    pub(super) async fn redeem(
        &self,
        registration: &Registration,
        answer: &Answer<'_>,
        asked: &Asked<'_>,
    ) -> Result<Vouched, ProviderFault> {
        // It announces nothing; where it names itself all the same, it is by one of these (RFC 9207 §2.4).
        let is_it = |iss: &str| iss == self.base || iss.strip_suffix("/login/oauth") == Some(&self.base);
        if answer.iss.is_some_and(|iss| !is_it(iss)) {
            return Err(Lie::AnswerIssuer.into());
        }
        let bearer = self.trade(registration, answer, asked).await?;
        let question = |url| Question { url, form: None, authorization: Some(&bearer) };
        let (client, reach) = (registration.client(), registration.reach);
        let user: User = client.document(reach, &question(&self.user)).await?;
        if user.id == 0 {
            return Err(Lie::Subject.into());
        }
        let emails: Vec<Email> = client.document(reach, &question(&self.emails)).await?;
        let is_true = |value: &Value| *value == Value::Bool(true);
        let primary = emails.iter().find(|email| is_true(&email.primary) && is_true(&email.verified));
        let email = primary.and_then(|email| text(Some(&email.email)));
        Ok(Vouched {
            issuer: self.base.clone(),
            subject: user.id.to_string(),
            username: text(user.login.as_ref()),
            name: text(user.name.as_ref()),
            email_verified: email.is_some(),
            email,
        })
    }

    /// Trades the code for an access token. GitHub answers `200` to refusals too.
    async fn trade(
        &self,
        registration: &Registration,
        answer: &Answer<'_>,
        asked: &Asked<'_>,
    ) -> Result<SecretString, ProviderFault> {
        let form = registration.code_form(answer, asked, true);
        let question = Question { url: &self.token, form: Some(&form), authorization: None };
        let reply = registration.client().ask(registration.reach, &question).await?;
        // An unknown client id is a 404 there.
        if reply.status == http::StatusCode::NOT_FOUND {
            return Err(Refusal::InvalidClient.into());
        }
        let outcome: Outcome = parse(&reply.body)?;
        match outcome {
            Outcome { error: Some(error), .. } => Err(match error.as_str() {
                "bad_verification_code" => ProviderFault::Refused,
                "incorrect_client_credentials" => Refusal::InvalidClient.into(),
                "unauthorized_client" | "application_suspended" => Refusal::UnauthorizedClient.into(),
                _ => Refusal::InvalidRequest.into(),
            }),
            Outcome { access_token: Some(token), .. } if reply.status == http::StatusCode::OK => {
                Ok(SecretString::from(format!("Bearer {}", token.expose_secret())))
            }
            _ => Err(Lie::Malformed.into()),
        }
    }
}

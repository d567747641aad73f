//! What a provider says of a person beside who they are: hints, but for the address that it vouches for.

use serde::Deserialize;
use serde_json::Value;

/// The standard claims that a sign-in uses (OpenID Connect Core 1.0 §5.1). They are read as any JSON, so that one of an
/// odd type is as good as none and spoils nothing else.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct Claims {
    preferred_username: Option<Value>,
    name: Option<Value>,
    email: Option<Value>,
    email_verified: Option<Value>,
}

/// Longer names are somebody's joke.
const MAX_TEXT: usize = 320;

impl Claims {
    pub(super) fn username(&self) -> Option<String> {
        text(self.preferred_username.as_ref())
    }

    pub(super) fn name(&self) -> Option<String> {
        text(self.name.as_ref())
    }

    pub(super) fn email(&self) -> Option<String> {
        text(self.email.as_ref())
    }

    /// The boolean `true` alone; everything else is `false` (SEC-94).
    pub(super) fn email_verified(&self) -> bool {
        self.email_verified == Some(Value::Bool(true))
    }

    /// Whether nothing is left that userinfo could say.
    pub(super) fn is_complete(&self) -> bool {
        self.email.is_some() && self.email_verified.is_some()
    }

    /// These, with the others' where these have none. An address and whether it is verified come from one document: what
    /// one says of its address is nothing about the other's.
    pub(super) fn or(self, other: Self) -> Self {
        let (email, email_verified) = match (&self.email, &other.email) {
            (Some(own), Some(theirs)) if own == theirs && self.email_verified.is_none() => {
                (other.email, other.email_verified)
            }
            (Some(_), _) => (self.email, self.email_verified),
            (None, _) => (other.email, other.email_verified),
        };
        Self {
            preferred_username: self.preferred_username.or(other.preferred_username),
            name: self.name.or(other.name),
            email,
            email_verified,
        }
    }
}

/// A text that is there, of a bearable length, in one line.
pub(super) fn text(given: Option<&Value>) -> Option<String> {
    let text = given?.as_str()?.trim();
    let is_fine = !text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
    is_fine.then(|| text.to_owned())
}

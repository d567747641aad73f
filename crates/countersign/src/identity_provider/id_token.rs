//! The check of an ID token (OpenID Connect Core 1.0 §3.1.3.7): form, key, signature, and only then what it says.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::discovery::IssuerRule;
use super::fault::Lie;
use super::keys::{KeySet, TokenAlgorithm};
use super::person::Claims;
use crate::secret;
use crate::time::Timestamp;

/// How far an issuer's clock and ours may be apart.
pub(super) const LEEWAY: Duration = Duration::from_secs(60);

/// A token is longer than this only by mistake or on purpose.
const MAX_LENGTH: usize = 64 << 10;

/// What an ID token is held to.
pub(super) struct Expected<'a> {
    pub issuer: &'a IssuerRule,
    /// Whose tokens the key that verified it may sign, where that is said.
    pub key_issuer: Option<&'a str>,
    pub client_id: &'a str,
    pub nonce: &'a str,
    /// The access token that came with it.
    pub access_token: &'a str,
    /// When the attempt began.
    pub asked_at: Timestamp,
    pub now: Timestamp,
}

/// A token that has the form of one, its signature not yet checked.
pub(super) struct Unverified<'a> {
    algorithm: TokenAlgorithm,
    kid: Option<String>,
    message: &'a [u8],
    signature: Vec<u8>,
    payload: Vec<u8>,
}

/// What else may stand in it, such as `jwk`, `jku` or `x5c`, is no key of ours to believe (RFC 8725 §3.10).
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Payload {
    iss: String,
    sub: Option<serde_json::Value>,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nonce: Option<String>,
    at_hash: Option<String>,
    tid: Option<String>,
    #[serde(flatten)]
    claims: Claims,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Whom an ID token names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    pub issuer: String,
    pub subject: String,
    pub claims: Claims,
}

impl<'a> Unverified<'a> {
    /// Takes a compact JWS apart (RFC 7515 §3.1).
    ///
    /// # Errors
    /// [`Lie::TokenForm`]; [`Lie::Algorithm`] for one that is not on the list.
    pub(super) fn parse(token: &'a str) -> Result<Self, Lie> {
        if token.len() > MAX_LENGTH {
            return Err(Lie::TokenForm);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Lie::TokenForm)?;
        let (header, payload) = signed.split_once('.').ok_or(Lie::TokenForm)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Lie::TokenForm);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Lie::TokenForm)?;
        if header.crit.is_some() || header.typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err(Lie::TokenForm);
        }
        let algorithm = TokenAlgorithm::named(&header.alg).ok_or(Lie::Algorithm)?;
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        Ok(Self { algorithm, kid: header.kid, message: signed.as_bytes(), signature, payload })
    }

    /// Whether newer keys could change the verdict: the key is not known, or the token names none.
    pub(super) fn may_be_of_a_new_key(&self, lie: Lie) -> bool {
        lie == Lie::UnknownKey || (lie == Lie::Signature && self.kid.is_none())
    }

    /// # Errors
    /// [`Lie::UnknownKey`], [`Lie::Signature`].
    pub(super) fn verify<'k>(&self, keys: &'k KeySet) -> Result<Option<&'k str>, Lie> {
        keys.verify(self.algorithm, self.kid.as_deref(), self.message, &self.signature)
    }

    /// Holds what the token says to what was asked; to be called after [`Unverified::verify`].
    ///
    /// # Errors
    /// The first check that fails.
    pub(super) fn judge(&self, expected: &Expected<'_>) -> Result<Named, Lie> {
        let payload: Payload = serde_json::from_slice(&self.payload).map_err(|_| Lie::TokenForm)?;
        let is_of_issuer = expected.issuer.is(&payload.iss, payload.tid.as_deref());
        if !is_of_issuer || !expected.issuer.allows_key_of(expected.key_issuer, &payload.iss) {
            return Err(Lie::TokenIssuer);
        }
        judge_audience(&payload, expected.client_id)?;
        judge_times(&payload, expected)?;
        let nonce = payload.nonce.as_deref().unwrap_or_default();
        if nonce.is_empty() || !secret::equal(nonce.as_bytes(), expected.nonce.as_bytes()) {
            return Err(Lie::Nonce);
        }
        if payload.at_hash.is_some_and(|hash| !self.is_hash_of(&hash, expected.access_token)) {
            return Err(Lie::AccessTokenHash);
        }
        let subject = subject(payload.sub.as_ref()).ok_or(Lie::Subject)?;
        Ok(Named { issuer: payload.iss, subject: subject.to_owned(), claims: payload.claims })
    }

    /// The left half of the hash that goes with the signature's algorithm (OpenID Connect Core 1.0 §3.1.3.6).
    fn is_hash_of(&self, given: &str, access_token: &str) -> bool {
        let algorithm = match self.algorithm {
            TokenAlgorithm::EdDsa => &digest::SHA512,
            _ => &digest::SHA256,
        };
        let hash = digest::digest(algorithm, access_token.as_bytes());
        let half = hash.as_ref().get(..hash.as_ref().len() / 2).unwrap_or_default();
        secret::equal(URL_SAFE_NO_PAD.encode(half).as_bytes(), given.as_bytes())
    }
}

/// A token for several must say which of them asked for it, and that must be us.
fn judge_audience(payload: &Payload, client_id: &str) -> Result<(), Lie> {
    let (is_ours, several) = match &payload.aud {
        Audience::One(one) => (one == client_id, false),
        Audience::Several(all) => (all.iter().any(|one| one == client_id), all.len() > 1),
    };
    if !is_ours {
        return Err(Lie::Audience);
    }
    match payload.azp.as_deref() {
        Some(party) if party != client_id => Err(Lie::AuthorizedParty),
        None if several => Err(Lie::AuthorizedParty),
        _ => Ok(()),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds since 1970 are whole in an f64 for millions of years"
)]
fn judge_times(payload: &Payload, expected: &Expected<'_>) -> Result<(), Lie> {
    let seconds = |instant: Timestamp| instant.as_seconds() as f64;
    if payload.exp <= seconds(expected.now.minus(LEEWAY)) {
        return Err(Lie::Expired);
    }
    let is_future = payload.iat > seconds(expected.now.plus(LEEWAY));
    let is_older = payload.iat < seconds(expected.asked_at.minus(LEEWAY));
    if is_future || is_older { Err(Lie::IssuedAt) } else { Ok(()) }
}

/// A subject is text, never empty and at most 255 ASCII characters (OpenID Connect Core 1.0 §2); one with characters
/// that can't be seen could pass for another in a list (SEC-93).
pub(super) fn subject(given: Option<&serde_json::Value>) -> Option<&str> {
    let text = given?.as_str()?;
    let is_visible = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.trim() == text;
    ((1..=255).contains(&text.len()) && is_visible).then_some(text)
}

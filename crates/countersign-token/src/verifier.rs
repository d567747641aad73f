//! Decides whether a token is good: keys with exactly one algorithm each, and the time, make claims or one of three
//! refusals.

use std::error::Error;
use std::fmt;

use crate::base64url;
use crate::claims::{self, Claims, Glance, RawClaims};
use crate::clock::{Clock, system_clock};
use crate::jose::{self, Profile};
use crate::key::{VerifyingKey, header_segment};
use crate::refusal::Refusal;

/// The longest token that is looked at, in bytes. Ours have about 400.
pub const MAX_TOKEN_LENGTH: usize = 8 * 1024;

/// The longest leeway that can be set, in seconds.
const MAX_LEEWAY_SECONDS: u32 = 60;

/// How far ahead of ours the clock of the node that signed may be: `iat` is the only claim that our own tokens carry
/// before it has come true. It tells apart a clock that is a little off from a token made up for the future.
const MAX_CLOCK_DIFFERENCE_SECONDS: i64 = 60;

/// Settings that make no verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifierError {
    /// Without a key nothing can be checked.
    NoKey,
    /// Two keys have the same name.
    DuplicateKid {
        /// The name.
        kid: String,
    },
    /// The keys are of different algorithms: one that leaks or is weak would speak for all.
    MixedAlgorithms,
    /// A leeway over 60 seconds keeps dead tokens alive.
    LeewayTooLong {
        /// What was asked for, in seconds.
        seconds: u32,
    },
}

impl fmt::Display for VerifierError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => formatter.write_str("a verifier needs at least one key"),
            Self::DuplicateKid { kid } => write!(formatter, "two keys are named {kid:?}"),
            Self::MixedAlgorithms => formatter.write_str("the keys of a verifier must share one algorithm"),
            Self::LeewayTooLong { seconds } => {
                write!(
                    formatter,
                    "a leeway of {seconds} s is over the {MAX_LEEWAY_SECONDS} s that are allowed"
                )
            }
        }
    }
}

impl Error for VerifierError {}

/// Gathers what a [`Verifier`] needs.
#[derive(Debug)]
pub struct VerifierBuilder {
    keys: Vec<VerifyingKey>,
    rules: Rules,
    leeway_seconds: u32,
    clock: Clock,
}

impl VerifierBuilder {
    /// Adds a key. The first one is the current key; those after it are fallbacks, which still verify.
    #[must_use]
    pub fn key(mut self, key: impl Into<VerifyingKey>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// Adds keys, in their order.
    #[must_use]
    pub fn keys(mut self, keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        self.keys.extend(keys);
        self
    }

    /// Demands exactly this `iss`, letter by letter. A minimal token may have none.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.rules.issuer = Some(issuer.into());
        self
    }

    /// Demands that `aud` contains this. Without an audience a token that names one is refused: it was made for
    /// somebody else.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.rules.audience = Some(audience.into());
        self
    }

    /// How many seconds clocks may differ; 0 unless set, at most 60.
    #[must_use]
    pub fn leeway_seconds(mut self, seconds: u32) -> Self {
        self.leeway_seconds = seconds;
        self
    }

    /// Whether tokens with no `typ`, or `JWT`, that say only `sub`, `iat` and `exp` are taken; they are not unless
    /// set. Only for a key whose every token is an access token, such as the service's own.
    #[must_use]
    pub fn accept_minimal(mut self, accept: bool) -> Self {
        self.rules.accept_minimal = accept;
        self
    }

    /// The clock of [`Verifier::verify_now`] and of the extractor; [`system_clock`] unless set.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The verifier.
    ///
    /// # Errors
    /// [`VerifierError`] where the keys or the leeway can't be used.
    pub fn build(mut self) -> Result<Verifier, VerifierError> {
        if self.leeway_seconds > MAX_LEEWAY_SECONDS {
            return Err(VerifierError::LeewayTooLong { seconds: self.leeway_seconds });
        }
        check_key_set(self.keys.iter().map(|key| (key.kid(), key.algorithm())))?;
        self.rules.leeway_seconds = i64::from(self.leeway_seconds);
        let keys = self.keys.into_iter().map(KnownKey::from).collect();
        Ok(Verifier { keys, rules: self.rules, clock: self.clock })
    }
}

/// Refuses a set of keys in which a token could mean two things (RFC 8725 §3.1, §3.10).
fn check_key_set<'a, A: PartialEq>(keys: impl Iterator<Item = (&'a str, A)>) -> Result<(), VerifierError> {
    let mut seen: Vec<(&str, A)> = Vec::new();
    for (kid, algorithm) in keys {
        if seen.iter().any(|(other, _)| *other == kid) {
            return Err(VerifierError::DuplicateKid { kid: kid.to_owned() });
        }
        if seen.iter().any(|(_, other)| *other != algorithm) {
            return Err(VerifierError::MixedAlgorithms);
        }
        seen.push((kid, algorithm));
    }
    if seen.is_empty() { Err(VerifierError::NoKey) } else { Ok(()) }
}

/// A key and the header segment of our own tokens under it.
#[derive(Clone, Debug)]
struct KnownKey {
    key: VerifyingKey,
    header: String,
}

impl From<VerifyingKey> for KnownKey {
    fn from(key: VerifyingKey) -> Self {
        Self { header: header_segment(key.algorithm(), key.kid()), key }
    }
}

/// What is asked of the claims.
#[derive(Clone, Debug, Default)]
struct Rules {
    issuer: Option<String>,
    audience: Option<String>,
    leeway_seconds: i64,
    accept_minimal: bool,
}

/// Checks access tokens; made once, shared by all threads.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Vec<KnownKey>,
    rules: Rules,
    clock: Clock,
}

impl Verifier {
    /// Begins a verifier.
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder { keys: Vec::new(), rules: Rules::default(), leeway_seconds: 0, clock: system_clock }
    }

    /// The claims of a good token at this moment, in seconds since 1970.
    ///
    /// # Errors
    /// [`Refusal::Expired`] for a token that is good in everything but its time; [`Refusal::Missing`] for an empty
    /// one; [`Refusal::Invalid`] for any other.
    pub fn verify(&self, token: &str, now_seconds: i64) -> Result<Claims, Refusal> {
        self.judge(token, now_seconds, |claims| claims.into_claims())
    }

    /// As [`Verifier::verify`], but the claims are lent instead of given: nothing of them is copied. For whoever checks
    /// every request and needs no more than who is asking.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub fn glance<T>(
        &self,
        token: &str,
        now_seconds: i64,
        look: impl FnOnce(Glance<'_>) -> T,
    ) -> Result<T, Refusal> {
        self.judge(token, now_seconds, |claims| look(claims.glance()))
    }

    fn judge<T>(
        &self,
        token: &str,
        now_seconds: i64,
        take: impl FnOnce(RawClaims<'_>) -> T,
    ) -> Result<T, Refusal> {
        let parts = Parts::split(token)?;
        let profile = self.authenticate(&parts)?;
        let payload = base64url::decode(parts.payload).ok_or(Refusal::Invalid)?;
        let claims = claims::read(&payload)?;
        self.rules.judge(&claims, profile, now_seconds)?;
        Ok(take(claims))
    }

    /// As [`Verifier::verify`], with the verifier's own clock.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub fn verify_now(&self, token: &str) -> Result<Claims, Refusal> {
        self.verify(token, (self.clock)())
    }

    /// Checks header and signature; no claim has been looked at before this returns.
    fn authenticate(&self, parts: &Parts<'_>) -> Result<Profile, Refusal> {
        // Nearly every token carries a header that we wrote ourselves: the same letters are the same header.
        if let Some(known) = self.keys.iter().find(|known| known.header == parts.header) {
            let authentic = known.key.accepts(parts.signed.as_bytes(), parts.signature);
            return if authentic { Ok(Profile::AccessToken) } else { Err(Refusal::Invalid) };
        }
        let header = base64url::decode(parts.header).ok_or(Refusal::Invalid)?;
        let header = jose::read(&header)?;
        if header.profile == Profile::Minimal && !self.rules.accept_minimal {
            return Err(Refusal::Invalid);
        }
        let authentic = self
            .keys
            .iter()
            .map(|known| &known.key)
            .filter(|key| header.kid.as_deref().is_none_or(|kid| kid == key.kid()))
            .filter(|key| header.algorithm == key.algorithm().name())
            .any(|key| key.accepts(parts.signed.as_bytes(), parts.signature));
        if authentic { Ok(header.profile) } else { Err(Refusal::Invalid) }
    }
}

impl Rules {
    /// Judges authentic claims. Expiry comes last: only a token that was good can have expired.
    fn judge(&self, claims: &RawClaims<'_>, profile: Profile, now: i64) -> Result<(), Refusal> {
        let complete = match profile {
            Profile::AccessToken => {
                claims.token_id.is_some()
                    && claims.sign_in.is_some()
                    && claims.token_type.is_some()
                    && (claims.issuer.is_some() || self.issuer.is_none())
            }
            // Where it is not accepted it was refused by its header.
            Profile::Minimal => true,
        };
        let an_access_token = claims.token_type.as_deref().is_none_or(|kind| kind == "access");
        if !(complete && an_access_token && self.issued_by_ours(claims) && self.meant_for_us(claims)) {
            return Err(Refusal::Invalid);
        }
        let latest_now = now.saturating_add(self.leeway_seconds);
        let begun = claims.not_before.is_none_or(|not_before| not_before <= latest_now);
        if !begun || claims.issued_at > latest_now.saturating_add(MAX_CLOCK_DIFFERENCE_SECONDS) {
            return Err(Refusal::Invalid);
        }
        if claims.expires_at <= now.saturating_sub(self.leeway_seconds) {
            return Err(Refusal::Expired);
        }
        Ok(())
    }

    fn issued_by_ours(&self, claims: &RawClaims<'_>) -> bool {
        match (&self.issuer, &claims.issuer) {
            (Some(wanted), Some(issuer)) => wanted == issuer,
            _ => true,
        }
    }

    fn meant_for_us(&self, claims: &RawClaims<'_>) -> bool {
        match (&self.audience, &claims.audience) {
            (Some(wanted), Some(audience)) => audience.iter().any(|one| one == wanted),
            (None, None) => true,
            _ => false,
        }
    }
}

/// The three segments of a token (RFC 7515 §7.1).
struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// What the signature covers: header, dot and payload as they stand.
    signed: &'a str,
}

impl<'a> Parts<'a> {
    /// A fourth segment would stay in `signature`, where its dot is no base64url.
    fn split(token: &'a str) -> Result<Self, Refusal> {
        if token.is_empty() {
            return Err(Refusal::Missing);
        }
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(Refusal::Invalid);
        }
        let (header, rest) = token.split_once('.').ok_or(Refusal::Invalid)?;
        let (payload, signature) = rest.split_once('.').ok_or(Refusal::Invalid)?;
        let signed = token.get(..header.len() + 1 + payload.len()).ok_or(Refusal::Invalid)?;
        Ok(Self { header, payload, signature, signed })
    }
}

#[cfg(test)]
mod tests;

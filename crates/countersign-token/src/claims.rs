//! What an access token says, and the strict reading of it (RFC 7519 §4).

use std::borrow::Cow;

use crate::json::{Malformed, read_object, set_once};

/// The claims of an access token whose signature, times, issuer and audience have been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// `sub`: the id of the user, an opaque string that is never reused.
    pub subject: String,
    /// `iat`: when the token was made, in seconds since 1970.
    pub issued_at: i64,
    /// `exp`: the first second in which the token is no longer good, in seconds since 1970.
    pub expires_at: i64,
    /// `nbf`: the first second in which the token is good, where it says so.
    pub not_before: Option<i64>,
    /// `jti`: the id of this very token.
    pub token_id: Option<String>,
    /// `sid`: the sign-in that the token belongs to. A token of the minimal profile may have none.
    pub sign_in: Option<String>,
    /// `iss`: who made the token.
    pub issuer: Option<String>,
    /// `aud`: for whom it was made; empty where the token does not say.
    pub audience: Vec<String>,
}

/// What most of those who check a token ask of it, lent for as long as they look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Glance<'a> {
    /// As [`Claims::subject`].
    pub subject: &'a str,
    /// As [`Claims::sign_in`].
    pub sign_in: Option<&'a str>,
    /// As [`Claims::issued_at`].
    pub issued_at: i64,
    /// As [`Claims::expires_at`].
    pub expires_at: i64,
}

/// The claims as they stand in the payload: well-formed, not yet judged.
pub(crate) struct RawClaims<'a> {
    pub(crate) subject: Cow<'a, str>,
    pub(crate) issued_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) not_before: Option<i64>,
    pub(crate) token_id: Option<Cow<'a, str>>,
    pub(crate) sign_in: Option<Cow<'a, str>>,
    pub(crate) issuer: Option<Cow<'a, str>>,
    pub(crate) token_type: Option<Cow<'a, str>>,
    pub(crate) audience: Option<Vec<Cow<'a, str>>>,
}

/// Reads a payload. A claim of the wrong type is refused, never taken for absent; unknown claims are skipped.
pub(crate) fn read(payload: &[u8]) -> Result<RawClaims<'_>, Malformed> {
    let (mut sub, mut iat, mut exp, mut nbf) = (None, None, None, None);
    let (mut jti, mut sid, mut iss, mut token_type, mut aud) = (None, None, None, None, None);
    read_object(payload, |name, reader| match name {
        "sub" => set_once(&mut sub, reader.nonempty_string()?),
        "iat" => set_once(&mut iat, reader.integer()?),
        "exp" => set_once(&mut exp, reader.integer()?),
        "nbf" => set_once(&mut nbf, reader.integer()?),
        "jti" => set_once(&mut jti, reader.nonempty_string()?),
        "sid" => set_once(&mut sid, reader.nonempty_string()?),
        "iss" => set_once(&mut iss, reader.string()?),
        "token_type" => set_once(&mut token_type, reader.string()?),
        "aud" => set_once(&mut aud, reader.string_or_strings()?),
        _ => Ok(crate::json::Member::Unknown),
    })?;
    Ok(RawClaims {
        subject: sub.ok_or(Malformed)?,
        issued_at: iat.ok_or(Malformed)?,
        expires_at: exp.ok_or(Malformed)?,
        not_before: nbf,
        token_id: jti,
        sign_in: sid,
        issuer: iss,
        token_type,
        audience: aud,
    })
}

impl RawClaims<'_> {
    pub(crate) fn glance(&self) -> Glance<'_> {
        Glance {
            subject: &self.subject,
            sign_in: self.sign_in.as_deref(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
        }
    }

    /// The claims as a value of their own, once they have been judged.
    pub(crate) fn into_claims(self) -> Claims {
        Claims {
            subject: self.subject.into_owned(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            not_before: self.not_before,
            token_id: self.token_id.map(Cow::into_owned),
            sign_in: self.sign_in.map(Cow::into_owned),
            issuer: self.issuer.map(Cow::into_owned),
            audience: self.audience.unwrap_or_default().into_iter().map(Cow::into_owned).collect(),
        }
    }
}

//! Reads a token's header: which key it names and which profile it claims (RFC 7515 §4).

use std::borrow::Cow;

use crate::json::{Malformed, Member, read_object, set_once};

/// What kind of token the header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// `typ: at+jwt`: a token of ours, or of another RFC 9068 issuer.
    AccessToken,
    /// No `typ`, or `JWT`: says nothing about its purpose.
    Minimal,
}

/// The part of a header that matters here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header<'a> {
    pub(crate) algorithm: Cow<'a, str>,
    pub(crate) kid: Option<Cow<'a, str>>,
    pub(crate) profile: Profile,
}

/// Reads a decoded header. Members that bring their own key, or that change what is signed, are refused; others
/// that we do not know are skipped, as RFC 7515 §4 demands.
pub(crate) fn read(header: &[u8]) -> Result<Header<'_>, Malformed> {
    let (mut alg, mut typ, mut kid) = (None, None, None);
    read_object(header, |name, reader| match name {
        "alg" => set_once(&mut alg, reader.string()?),
        "typ" => set_once(&mut typ, reader.string()?),
        "kid" => set_once(&mut kid, reader.string()?),
        "crit" | "b64" | "zip" | "jku" | "jwk" | "x5u" | "x5c" => Err(Malformed),
        _ => Ok(Member::Unknown),
    })?;
    Ok(Header { algorithm: alg.ok_or(Malformed)?, kid, profile: profile(typ.as_deref())? })
}

/// Media types are compared without regard to case (RFC 7515 §4.1.9).
fn profile(typ: Option<&str>) -> Result<Profile, Malformed> {
    let Some(typ) = typ else {
        return Ok(Profile::Minimal);
    };
    if typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt") {
        Ok(Profile::AccessToken)
    } else if typ.eq_ignore_ascii_case("JWT") {
        Ok(Profile::Minimal)
    } else {
        Err(Malformed)
    }
}

#[cfg(test)]
mod tests;

//! The `Idempotency-Key` of a refresh: whoever lost an answer asks again with the same one.

use std::fmt;

use crate::error::{Error, FieldError, FieldErrors, Result};
use crate::sign_in::RefreshToken;

const MIN_CHARACTERS: usize = 22;
const MAX_CHARACTERS: usize = 255;

/// A key of at least 128 bits' worth of URL-safe characters, or a UUID. Only its hash is kept.
pub(crate) struct RetryKey(String);

impl fmt::Debug for RetryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryKey(…)")
    }
}

impl RetryKey {
    /// Reads the header's value. The quotes of a structured field (RFC 9651 §3.3.3) are taken off, since the draft of
    /// the `Idempotency-Key` header demands them and most clients leave them out.
    ///
    /// # Errors
    /// [`Error::Invalid`] on `Idempotency-Key`.
    pub(crate) fn parse(value: &[u8]) -> Result<Self> {
        let value = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
        let fits = (MIN_CHARACTERS..=MAX_CHARACTERS).contains(&value.len());
        let url_safe = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        match std::str::from_utf8(value) {
            Ok(key) if fits && value.iter().all(url_safe) => Ok(Self(key.to_owned())),
            _ => Err(refusal()),
        }
    }

    /// What the database keeps, bound to the token that it is used with.
    pub(crate) fn hash_for(&self, token: &RefreshToken) -> [u8; 32] {
        token.retry_key_hash(&self.0)
    }
}

pub(super) fn refusal() -> Error {
    let message = format!(
        "Send one Idempotency-Key of {MIN_CHARACTERS} to {MAX_CHARACTERS} characters of A-Z a-z 0-9 - _ . ~, such as \
         a random UUID, or none."
    );
    Error::Invalid(FieldErrors::of("Idempotency-Key", FieldError::new("invalid_idempotency_key", message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_long_enough_and_url_safe() {
        for good in
            ["0123456789abcdefghijkl", "8e03978e-40d5-43e8-bc93-6894a57f9324", "\"0123456789abcdefghijkl\""]
        {
            assert!(RetryKey::parse(good.as_bytes()).is_ok(), "{good}");
        }
        let long = "k".repeat(256);
        for bad in
            ["", "0123456789abcdefghijk", "0123456789abcdefghij l", "0123456789abcdefghijké", "\"\"", &long]
        {
            assert!(RetryKey::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}

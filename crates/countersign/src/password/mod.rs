//! Passwords as values: what one is, which ones are good enough, and the hashes that stored ones have become.

pub mod common;
pub mod django;
pub mod phc;
pub mod rules;
pub mod stored;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::{UnicodeNormalization, is_nfc};
use zeroize::Zeroizing;

use crate::error::FieldError;

pub use phc::Params;
pub use rules::Rules;
pub use stored::{StoredHash, UnknownHash};

/// A password of acceptable length: every byte of it counts, nothing is trimmed, cut or mapped.
///
/// What is hashed is its NFC form (Unicode UAX 15), so that two keyboards that compose accents differently type the
/// same password. The form as typed stays at hand for imported hashes, whose makers may not have normalised.
#[derive(Clone)]
pub struct Password {
    raw: SecretString,
    /// `None` where `raw` is in NFC already.
    composed: Option<Zeroizing<String>>,
}

impl Password {
    /// The longest password, in bytes of UTF-8 after NFC.
    pub const MAX_BYTES: usize = 1024;

    /// The password that somebody signs in with; no rule but the upper limit binds it.
    /// `None` above the limit: no account has such a password.
    #[must_use]
    pub fn for_sign_in(typed: SecretString) -> Option<Self> {
        let password = Self::of_any_length(typed);
        (password.nfc().len() <= Self::MAX_BYTES).then_some(password)
    }

    /// The password that an account shall have from now on.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub fn for_account(
        typed: SecretString,
        rules: &Rules,
        username: Option<&str>,
        email: Option<&str>,
    ) -> Result<Self, Vec<FieldError>> {
        let password = Self::of_any_length(typed);
        let broken = rules.check_composed(password.nfc(), username, email);
        if broken.is_empty() { Ok(password) } else { Err(broken) }
    }

    fn of_any_length(typed: SecretString) -> Self {
        let composed = compose(typed.expose_secret());
        Self { raw: typed, composed }
    }

    /// The form that is hashed.
    pub(crate) fn nfc(&self) -> &str {
        self.composed.as_ref().map_or_else(|| self.raw.expose_secret(), |composed| composed.as_str())
    }

    /// The form as typed, where it is not the one that is hashed.
    pub(crate) fn raw_if_different(&self) -> Option<&str> {
        self.composed.as_ref().map(|_| self.raw.expose_secret())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([REDACTED])")
    }
}

/// The NFC form, where the text is not in it already.
pub(crate) fn compose(text: &str) -> Option<Zeroizing<String>> {
    if is_nfc(text) {
        return None;
    }
    // NFC grows UTF-8 at most threefold (UAX 15): with room for that, no copy is left behind by growing.
    let mut composed = Zeroizing::new(String::with_capacity(text.len().saturating_mul(3)));
    composed.extend(text.nfc());
    Some(composed)
}

#[cfg(test)]
pub(crate) mod vectors;

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Option<Password> {
        Password::for_sign_in(SecretString::from(text.to_owned()))
    }

    // SEC-6
    #[test]
    fn composed_and_decomposed_spellings_are_one_password() {
        let composed = typed("caf\u{e9}").unwrap();
        let decomposed = typed("cafe\u{301}").unwrap();
        assert_eq!(composed.nfc(), decomposed.nfc());
        assert_eq!(composed.raw_if_different(), None);
        assert_eq!(decomposed.raw_if_different(), Some("cafe\u{301}"));
    }

    // SEC-2
    #[test]
    fn a_thousand_and_twenty_four_bytes_pass_and_one_more_does_not() {
        assert!(typed(&"a".repeat(1024)).is_some());
        assert!(typed(&"a".repeat(1025)).is_none());
    }

    // SEC-2
    #[test]
    fn the_limit_counts_bytes_after_nfc() {
        assert!(typed(&"e\u{301}".repeat(512)).is_some(), "1536 bytes typed, 1024 composed");
        assert!(typed(&"e\u{301}".repeat(513)).is_none());
        assert!(typed(&"\u{344}".repeat(256)).is_some(), "512 bytes typed, 1024 composed");
        assert!(typed(&"\u{344}".repeat(257)).is_none());
    }

    // SEC-3
    #[test]
    fn spaces_nul_and_emoji_stay_in_the_password() {
        for text in [" a ", "a\0b", "\u{1f511} key", "\t\n"] {
            assert_eq!(typed(text).unwrap().nfc(), text);
        }
    }

    #[test]
    fn a_password_for_an_account_keeps_the_rules_and_one_for_signing_in_need_not() {
        let refused = Password::for_account(SecretString::from("ada"), &Rules::default(), Some("ada"), None);
        let codes: Vec<_> = refused.unwrap_err().into_iter().map(|error| error.code).collect();
        assert_eq!(codes, ["password_too_short", "password_too_common", "password_too_similar"]);
        assert!(
            Password::for_account(SecretString::from("hedge trombone"), &Rules::default(), Some("ada"), None)
                .is_ok()
        );
        assert!(typed("ada").is_some());
    }

    #[test]
    fn a_password_does_not_print_itself() {
        let password = typed("cafe\u{301} secret").unwrap();
        assert_eq!(format!("{password:?}"), "Password([REDACTED])");
    }

    #[test]
    fn composing_leaves_no_copy_behind_by_growing() {
        for text in ["\u{1d160}", "\u{344}", "\u{fb2c}", "\u{1fb7}e\u{301}"] {
            let long = text.repeat(300);
            if let Some(composed) = compose(&long) {
                assert!(
                    composed.len() <= long.len() * 3 && composed.capacity() == long.len() * 3,
                    "{text:?}"
                );
            }
        }
    }
}

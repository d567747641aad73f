//! Secrets: text that can't be printed, the one door to randomness, and comparison in constant time.

pub use secrecy::{ExposeSecret, SecretString};

use subtle::ConstantTimeEq;

/// `N` bytes from the operating system's generator.
///
/// # Panics
/// If the operating system has no randomness to give: nothing that this service does is safe then.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::disallowed_methods, clippy::expect_used, reason = "the one door; see # Panics")]
    getrandom::fill(&mut bytes).expect("the operating system's random generator failed");
    bytes
}

/// Compares two byte strings in a time that depends on their lengths alone (SEC-36).
#[must_use]
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_text_does_not_print_itself() {
        let secret = SecretString::from("correct horse".to_owned());
        assert!(!format!("{secret:?}").contains("horse"));
    }

    #[test]
    fn equality_is_that_of_the_bytes() {
        assert!(equal(b"same", b"same"));
        assert!(!equal(b"same", b"sama"));
        assert!(!equal(b"same", b"same longer"));
    }

    #[test]
    fn random_bytes_differ_from_call_to_call() {
        assert_ne!(random_bytes::<32>(), random_bytes::<32>());
    }
}

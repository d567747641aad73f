//! The list of common passwords: 40,101 of them, as sorted truncated hashes inside the program.
//!
//! `common.bin` holds the first eight bytes of the SHA-256 of each password (trimmed, lower-cased, NFC) in ascending
//! order. Sources, licences and how to build it again: `docs/decisions/0003-common-passwords.md`.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::compose;

const ENTRY: usize = 8;
static LIST: &[u8] = include_bytes!("common.bin");

/// Whether a password, without regard to case and to spaces around it, is on the list.
#[must_use]
pub fn is_common(password: &str) -> bool {
    let lower = Zeroizing::new(password.trim().to_lowercase());
    let composed = compose(&lower);
    let digest = Sha256::digest(composed.as_ref().unwrap_or(&lower).as_bytes());
    let (entries, _) = LIST.as_chunks::<ENTRY>();
    let wanted = digest.first_chunk::<ENTRY>();
    wanted.is_some_and(|wanted| entries.binary_search(wanted).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    // SEC-4
    #[test]
    fn well_known_passwords_are_found_in_any_case() {
        for common in
            ["password", "PassWord", "12345678", "qwertyuiop", "iloveyou", "  letmein  ", "TRUSTNO1"]
        {
            assert!(is_common(common), "{common}");
        }
    }

    #[test]
    fn uncommon_passwords_are_not_found() {
        for uncommon in ["", "correct horse battery staple", "pass\0word", "tr0mb0ne-Hedge"] {
            assert!(!is_common(uncommon), "{uncommon:?}");
        }
    }

    // SEC-4
    #[test]
    fn the_list_is_sorted_whole_and_long_enough() {
        let (entries, rest) = LIST.as_chunks::<ENTRY>();
        assert!(rest.is_empty());
        assert!(entries.len() >= 10_000);
        assert!(entries.is_sorted_by(|left, right| left < right));
    }
}

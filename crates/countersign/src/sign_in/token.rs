//! The refresh token: it proves by itself which sign-in and generation it was issued for.
//!
//! ```text
//! token = base64url( version(1) ‖ sign_in_id(8) ‖ generation(4) ‖ random(32) ‖ tag(16) )
//! ```
//! The tag is an HMAC over everything before it, so that junk never reaches the database. The successor's random part
//! is an HMAC too, over a fresh salt and the token that is spent for it: whoever presents that token again, with the
//! key under which it was spent, gets the same successor. A copy of the database has the salts but no key; the key
//! alone has no salts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::id::SignInId;
use crate::keys::RefreshKey;
use crate::secret;

const VERSION: u8 = 1;
const SIGNED: usize = 1 + 8 + 4 + 32;
const TAG: usize = 16;
const BYTES: usize = SIGNED + TAG;
/// The length of a token's text.
const TEXT: usize = (BYTES * 8).div_ceil(6);

/// A token that one of our keys made. It can't be printed, and is wiped when dropped.
#[derive(Clone)]
pub(crate) struct RefreshToken {
    bytes: [u8; BYTES],
    pub(crate) sign_in: SignInId,
    pub(crate) generation: u32,
}

impl Drop for RefreshToken {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl RefreshToken {
    /// The first token of a sign-in.
    pub(crate) fn first(key: &RefreshKey, sign_in: SignInId) -> Self {
        Self::make(key, sign_in, 0, &Zeroizing::new(secret::random_bytes::<32>()))
    }

    /// Reads a token and checks its tag against each key, in constant time. `None`: no key of ours made it.
    pub(crate) fn recognise(keys: &[RefreshKey], text: &str) -> Option<Self> {
        if text.len() != TEXT {
            return None;
        }
        let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        let bytes: [u8; BYTES] = decoded.as_slice().try_into().ok()?;
        let (signed, tag) = bytes.split_at(SIGNED);
        keys.iter().find(|key| secret::equal(&tag_of(key, signed), tag))?;
        let (version, rest) = signed.split_first_chunk::<1>()?;
        let (sign_in, rest) = rest.split_first_chunk::<8>()?;
        let (generation, _random) = rest.split_first_chunk::<4>()?;
        (*version == [VERSION]).then_some(Self {
            bytes,
            sign_in: SignInId::from_i64(i64::from_be_bytes(*sign_in)),
            generation: u32::from_be_bytes(*generation),
        })
    }

    /// The token that this one is spent for; `None` after four billion generations.
    pub(crate) fn successor(&self, key: &RefreshKey, salt: &[u8; 32]) -> Option<Self> {
        let generation = self.generation.checked_add(1)?;
        let mac = key.successor.clone().chain_update(salt).chain_update(self.bytes);
        let random =
            Zeroizing::new(mac.chain_update(generation.to_be_bytes()).finalize().into_bytes().into());
        Some(Self::make(key, self.sign_in, generation, &random))
    }

    fn make(key: &RefreshKey, sign_in: SignInId, generation: u32, random: &[u8; 32]) -> Self {
        let mut bytes = [0; BYTES];
        let parts: [&[u8]; 4] =
            [&[VERSION], &sign_in.as_i64().to_be_bytes(), &generation.to_be_bytes(), random];
        let signed = parts.into_iter().flatten();
        bytes.iter_mut().zip(signed).for_each(|(place, byte)| *place = *byte);
        let (signed, tag) = bytes.split_at_mut(SIGNED);
        tag.copy_from_slice(&tag_of(key, signed));
        Self { bytes, sign_in, generation }
    }

    /// All that the database keeps of a token.
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.bytes).into()
    }

    /// The hash of an `Idempotency-Key`, bound to this token: the same key opens nothing for another one.
    pub(crate) fn retry_key_hash(&self, retry_key: &str) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"countersign idempotency key 1");
        hash.update(self.bytes);
        hash.update(retry_key.as_bytes());
        hash.finalize().into()
    }

    /// The text that the client keeps.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.bytes))
    }
}

fn tag_of(key: &RefreshKey, signed: &[u8]) -> [u8; TAG] {
    let full = key.tag.clone().chain_update(signed).finalize().into_bytes();
    let mut tag = [0; TAG];
    tag.iter_mut().zip(full).for_each(|(place, byte)| *place = byte);
    tag
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secret::SecretString;

    fn key(letter: &str) -> RefreshKey {
        RefreshKey::derive(&SecretString::from(letter.repeat(48)))
    }

    fn token() -> RefreshToken {
        RefreshToken::first(&key("a"), SignInId::from_i64(77))
    }

    #[test]
    fn a_token_is_recognised_with_its_sign_in_and_generation() {
        let next = token().successor(&key("a"), &[7; 32]).unwrap();
        let read = RefreshToken::recognise(&[key("a")], &next.text()).unwrap();
        assert_eq!((read.sign_in, read.generation), (SignInId::from_i64(77), 1));
        assert_eq!(read.hash(), next.hash());
    }

    // SEC-42: 32 of the 61 bytes are random, and no two tokens share them.
    #[test]
    fn first_tokens_of_one_sign_in_differ() {
        assert_ne!(token().hash(), token().hash());
    }

    // SEC-55
    #[test]
    fn a_token_of_a_former_key_is_recognised() {
        let text = token().text();
        assert!(RefreshToken::recognise(&[key("b"), key("a")], &text).is_some());
        assert!(RefreshToken::recognise(&[key("b")], &text).is_none());
    }

    // SEC-47
    #[test]
    fn the_successor_follows_from_token_salt_and_key_alone() {
        let spent = token();
        let successor = |salt, key: &RefreshKey| spent.successor(key, &salt).unwrap().hash();
        assert_eq!(successor([1; 32], &key("a")), successor([1; 32], &key("a")));
        assert_ne!(successor([1; 32], &key("a")), successor([2; 32], &key("a")));
        assert_ne!(successor([1; 32], &key("a")), successor([1; 32], &key("b")));
        let other = token();
        assert_ne!(other.successor(&key("a"), &[1; 32]).unwrap().hash(), successor([1; 32], &key("a")));
    }

    #[test]
    fn a_retry_key_is_bound_to_its_token() {
        let (one, other) = (token(), token());
        assert_eq!(one.retry_key_hash("k"), one.retry_key_hash("k"));
        assert_ne!(one.retry_key_hash("k"), other.retry_key_hash("k"));
        assert_ne!(one.retry_key_hash("k"), one.retry_key_hash("l"));
    }

    #[test]
    fn the_last_generation_has_no_successor() {
        let last = RefreshToken::make(&key("a"), SignInId::from_i64(1), u32::MAX, &[0; 32]);
        assert!(last.successor(&key("a"), &[0; 32]).is_none());
    }

    proptest! {
        // SEC-45: a token altered in one character is not ours.
        #[test]
        fn one_altered_character_makes_it_a_stranger(at in 0..TEXT, letter in "[A-Za-z0-9_-]") {
            let text = token().text().to_string();
            let mut altered = text.clone();
            altered.replace_range(at..=at, &letter);
            let recognised = RefreshToken::recognise(&[key("a")], &altered).is_some();
            prop_assert_eq!(recognised, altered == text);
        }

        #[test]
        fn any_text_is_read_without_harm(text in ".{0,200}") {
            prop_assert!(RefreshToken::recognise(&[key("a")], &text).is_none());
        }

        #[test]
        fn any_bytes_of_the_right_length_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), BYTES)) {
            let text = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert!(RefreshToken::recognise(&[key("a")], &text).is_none());
        }
    }
}

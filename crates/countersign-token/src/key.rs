//! Keys that sign and check tokens: each has exactly one algorithm, and none of them can be printed.

use std::error::Error;
use std::fmt;
use std::mem::needs_drop;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::base64url;

/// The shortest HMAC key: as long as the hash (RFC 7518 §3.2).
const MIN_HMAC_KEY_LENGTH: usize = 32;

/// Hash states wipe themselves only where `zeroize` is among the features of `hmac` and `sha2`; without it they would
/// have nothing to do when dropped.
const _: () = assert!(needs_drop::<Hmac<Sha256>>(), "the key would stay in memory");

/// What is authenticated, under the key itself, to give the key its name.
const KID_LABEL: &[u8] = b"countersign kid";

/// A signature algorithm of RFC 7518. A key has one, and takes no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256: whoever can check a token can also make one.
    Hs256,
}

impl Algorithm {
    /// The name in a token's header, compared letter by letter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
        }
    }
}

/// Bytes that can't serve as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// An HMAC key must be at least 32 bytes long.
    TooShort {
        /// How many bytes there were.
        length: usize,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { length } => {
                write!(formatter, "an HS256 key needs at least {MIN_HMAC_KEY_LENGTH} bytes, not {length}")
            }
        }
    }
}

impl Error for KeyError {}

/// A key for HS256.
///
/// Not the bytes are kept but the hash state that they lead to: half of the work of each check is done here, once.
/// The state is as good as the key, so it is wiped when dropped.
#[derive(Clone)]
pub struct HmacKey {
    state: Hmac<Sha256>,
    kid: String,
}

impl HmacKey {
    /// Takes a key of at least 32 bytes, which should come from a random generator: the length is all that can be
    /// checked here. The caller wipes its own copy.
    ///
    /// # Errors
    /// [`KeyError::TooShort`] for fewer bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        let too_short = KeyError::TooShort { length: bytes.len() };
        if bytes.len() < MIN_HMAC_KEY_LENGTH {
            return Err(too_short);
        }
        let state = <Hmac<Sha256> as KeyInit>::new_from_slice(bytes).map_err(|_| too_short)?;
        let name = state.clone().chain_update(KID_LABEL).finalize().into_bytes();
        let kid = base64url::encode(name.first_chunk::<8>().map_or(&[], <[u8; 8]>::as_slice));
        Ok(Self { state, kid })
    }

    /// The key's name in a token's header: 8 bytes that follow from the key and tell nothing about it, so that
    /// nodes that share a key also share its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    fn sign(&self, message: &[u8], token: &mut String) {
        base64url::encode_into(&self.state.clone().chain_update(message).finalize().into_bytes(), token);
    }

    fn accepts(&self, message: &[u8], signature: &str) -> bool {
        // The comparison of `verify` takes the same time wherever the first difference stands.
        base64url::decode_exactly::<32>(signature)
            .is_some_and(|tag| self.state.clone().chain_update(message).verify(&tag.into()).is_ok())
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HmacKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// A key that makes tokens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SigningKey {
    /// HS256.
    Hmac(HmacKey),
}

impl SigningKey {
    /// The one algorithm of this key.
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Hmac(_) => Algorithm::Hs256,
        }
    }

    /// The key's name in a token's header.
    pub fn kid(&self) -> &str {
        match self {
            Self::Hmac(key) => key.kid(),
        }
    }

    /// What a verifier needs to check this key's tokens.
    pub fn verifying_key(&self) -> VerifyingKey {
        match self {
            Self::Hmac(key) => VerifyingKey::Hmac(key.clone()),
        }
    }

    /// Appends the signature segment of `message`.
    pub(crate) fn sign(&self, message: &[u8], token: &mut String) {
        match self {
            Self::Hmac(key) => key.sign(message, token),
        }
    }
}

impl From<HmacKey> for SigningKey {
    fn from(key: HmacKey) -> Self {
        Self::Hmac(key)
    }
}

/// A key that checks tokens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum VerifyingKey {
    /// HS256.
    Hmac(HmacKey),
}

impl VerifyingKey {
    /// The one algorithm of this key.
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Hmac(_) => Algorithm::Hs256,
        }
    }

    /// The key's name in a token's header.
    pub fn kid(&self) -> &str {
        match self {
            Self::Hmac(key) => key.kid(),
        }
    }

    /// Whether the signature segment is this key's for `message`.
    pub(crate) fn accepts(&self, message: &[u8], signature: &str) -> bool {
        match self {
            Self::Hmac(key) => key.accepts(message, signature),
        }
    }
}

impl From<HmacKey> for VerifyingKey {
    fn from(key: HmacKey) -> Self {
        Self::Hmac(key)
    }
}

/// The header segment of every token of ours under this key (RFC 9068 §2.1): it never changes, so it is made once,
/// and the verifier knows it by its letters. A `kid` of ours is base64url and needs no escaping.
pub(crate) fn header_segment(algorithm: Algorithm, kid: &str) -> String {
    base64url::encode(format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"{kid}"}}"#, algorithm.name()).as_bytes())
}

#[cfg(test)]
mod tests;

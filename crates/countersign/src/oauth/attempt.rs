//! An attempt: from the moment somebody is sent to a provider until they come back, once and soon.
//!
//! ```text
//! state = base64url( random(32) ‖ tag(16) )
//! ```
//! The tag is an HMAC, so that junk never reaches the database. The nonce and the PKCE verifier are HMACs of the state:
//! the row holds nothing but the state's hash, so a copy of the database yields none of the three, and the key alone
//! yields none either.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::id::{SignInId, UserId};
use crate::keys::{Mac, OAuthKey};
use crate::secret::{self, SecretString};
use crate::time::Timestamp;

/// How long somebody may take at the provider (SEC-89).
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// How long a row is kept, so that whoever comes back too late is told so and can begin anew.
pub(super) const KEPT: Duration = Duration::from_secs(60 * 60);

const RANDOM: usize = 32;
const TAG: usize = 16;
const BYTES: usize = RANDOM + TAG;
/// The length of a state's text.
const TEXT: usize = BYTES * 8 / 6;
/// How much of the state's hash tells the cookies of one browser's attempts apart: 72 bits.
const NAME: usize = 12;
/// What the names of these cookies begin with.
pub(super) const COOKIE: &str = "oauth_";

/// A state that one of our keys made. It can't be printed, and is wiped when dropped.
pub(super) struct Handle {
    bytes: [u8; BYTES],
    key: OAuthKey,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl Handle {
    /// A new one: 256 random bits.
    pub(super) fn draw(key: &OAuthKey) -> Self {
        let mut bytes = [0; BYTES];
        let (random, tag) = bytes.split_at_mut(RANDOM);
        random.copy_from_slice(Zeroizing::new(secret::random_bytes::<RANDOM>()).as_slice());
        tag.copy_from_slice(&tag_of(key, random));
        Self { bytes, key: key.clone() }
    }

    /// Reads a state and checks its tag against each key, in constant time. `None`: no key of ours made it.
    pub(super) fn recognise(keys: &[OAuthKey], text: &str) -> Option<Self> {
        if text.len() != TEXT {
            return None;
        }
        let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        let bytes: [u8; BYTES] = decoded.as_slice().try_into().ok()?;
        let (random, tag) = bytes.split_at(RANDOM);
        let key = keys.iter().find(|key| secret::equal(&tag_of(key, random), tag))?;
        Some(Self { bytes, key: key.clone() })
    }

    /// The text that travels as `state`.
    pub(super) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.bytes))
    }

    /// All that the database keeps of it.
    pub(super) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.bytes).into()
    }

    /// What the ID token has to repeat.
    pub(super) fn nonce(&self) -> SecretString {
        self.derived(&self.key.nonce)
    }

    /// What proves at the token endpoint that we began the attempt (RFC 7636): 43 characters.
    pub(super) fn verifier(&self) -> SecretString {
        self.derived(&self.key.verifier)
    }

    /// The name of the cookie that binds the attempt to its browser: one for each attempt, so that tabs don't overwrite
    /// one another's.
    pub(super) fn cookie_name(&self) -> String {
        let hash = URL_SAFE_NO_PAD.encode(self.hash());
        format!("{COOKIE}{}", hash.get(..NAME).unwrap_or_default())
    }

    fn derived(&self, mac: &Mac) -> SecretString {
        let derived = mac.clone().chain_update(self.bytes).finalize().into_bytes();
        SecretString::from(URL_SAFE_NO_PAD.encode(derived))
    }
}

fn tag_of(key: &OAuthKey, random: &[u8]) -> [u8; TAG] {
    let full = key.tag.clone().chain_update(random).finalize().into_bytes();
    let mut tag = [0; TAG];
    tag.iter_mut().zip(full).for_each(|(place, byte)| *place = byte);
    tag
}

/// What the cookie of an attempt holds: 256 random bits that have nothing to do with the state, which travels.
pub(super) fn draw_mark() -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(Zeroizing::new(secret::random_bytes::<32>()).as_slice()))
}

/// All that the database keeps of a mark.
pub(super) fn hash_of_mark(mark: &str) -> [u8; 32] {
    Sha256::digest(mark.as_bytes()).into()
}

/// What somebody has been sent to a provider for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To sign in.
    SignIn,
    /// To link the identity to this account, as long as this sign-in lives.
    Link { user: UserId, sign_in: SignInId },
}

/// An attempt about to begin.
#[derive(Debug, Clone)]
pub(super) struct NewAttempt {
    pub(super) state_hash: [u8; 32],
    pub(super) browser_hash: [u8; 32],
    pub(super) provider: String,
    pub(super) return_to: String,
    pub(super) purpose: Purpose,
    pub(super) now: Timestamp,
}

/// An attempt whose person is back: its row is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) return_to: String,
    pub(super) purpose: Purpose,
    pub(super) created_at: Timestamp,
}

impl Attempt {
    /// Whether the person took too long.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.created_at.plus(LIFETIME) <= now
    }
}

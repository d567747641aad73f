//! A stored hash of any known format, and the question whether it still is good enough.

use super::django::ForeignHash;
use super::phc::{Argon2Hash, Params, Variant, Version};

const SALT_BYTES: usize = 16;
const TAG_BYTES: usize = 32;
/// No known hash is longer; what is longer isn't looked at.
const MAX_TEXT: usize = 512;

/// Why a stored text is no hash that a password could match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownHash {
    /// The account has no password: empty, or Django's `!…`.
    Unusable,
    /// No known format.
    Malformed,
    /// A known format with a cost, a salt or a length that is out of bounds.
    TooCostly,
}

/// A hash that a password can be compared with, at a bounded cost.
#[derive(Debug, Clone, PartialEq)]
pub enum StoredHash {
    /// A bare PHC string: ours, or somebody else's in the same format.
    Argon2(Argon2Hash),
    /// The same behind Django's `argon2` prefix.
    DjangoArgon2(Argon2Hash),
    /// Anything else.
    Foreign(ForeignHash),
}

impl StoredHash {
    /// Reads a hash as the database keeps it: a PHC string of Argon2, any of Django's formats, or bare bcrypt.
    ///
    /// # Errors
    /// What keeps the text from being compared with.
    pub fn parse(text: &str) -> Result<Self, UnknownHash> {
        if text.is_empty() || text.starts_with('!') {
            return Err(UnknownHash::Unusable);
        }
        if text.len() > MAX_TEXT {
            return Err(UnknownHash::Malformed);
        }
        if text.starts_with("$argon2") {
            return Argon2Hash::parse(text).map(Self::Argon2);
        }
        match text.strip_prefix("argon2").filter(|phc| phc.starts_with('$')) {
            Some(phc) => Argon2Hash::parse(phc).map(Self::DjangoArgon2),
            None => ForeignHash::parse(text).map(Self::Foreign),
        }
    }

    /// Whether a sign-in should replace the hash: all that is not a bare Argon2id string at least as strong as new
    /// ones. Stronger ones stay.
    #[must_use]
    pub fn needs_upgrade(&self, current: &Params) -> bool {
        let Self::Argon2(hash) = self else { return true };
        !is_modern(hash) || !hash.params.at_least(current)
    }

    /// The parameters for the hash that replaces this one: the current ones, or this one's own where those are
    /// stronger, so that an upgrade of the format never weakens what was imported.
    #[must_use]
    pub fn params_for_upgrade(&self, current: &Params) -> Params {
        match self {
            Self::Argon2(hash) | Self::DjangoArgon2(hash) if hash.params.at_least(current) => hash.params,
            _ => *current,
        }
    }

    /// Whether the hash is of another maker, for all that its text tells: only then may it have been made of a
    /// password that was not normalised. A hash of our own shape and present cost is taken for ours; an importer
    /// of such strings marks them by Django's prefix.
    pub(crate) fn may_be_imported(&self, current: &Params) -> bool {
        !matches!(self, Self::Argon2(hash) if is_modern(hash) && hash.params == *current
            && hash.salt.len() == SALT_BYTES && hash.tag.len() == TAG_BYTES)
    }

    /// How much work one comparison is; 1,000 is one Argon2id hash at the default parameters.
    pub(crate) fn work(&self) -> u64 {
        match self {
            Self::Argon2(hash) | Self::DjangoArgon2(hash) => hash.params.work(),
            Self::Foreign(hash) => hash.work(),
        }
    }
}

fn is_modern(hash: &Argon2Hash) -> bool {
    hash.variant == Variant::Id
        && hash.version == Version::V19
        && hash.salt.len() >= SALT_BYTES
        && hash.tag.len() >= TAG_BYTES
}

/// What a new hash is made of.
pub(crate) fn new_hash(params: Params, salt: [u8; SALT_BYTES], tag: [u8; TAG_BYTES]) -> Argon2Hash {
    Argon2Hash { variant: Variant::Id, version: Version::V19, params, salt: salt.to_vec(), tag: tag.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &str = "c2l4dGVlbiBieXRlcyEhIQ";
    const TAG: &str = "3q2+796tvu/erb7v3q2+796tvu/erb7v3q2+796tvu8";

    fn hash(head: &str) -> StoredHash {
        StoredHash::parse(&format!("{head}${SALT}${TAG}")).unwrap()
    }

    #[test]
    fn weaker_hashes_and_other_formats_are_upgraded_and_stronger_ones_stay() {
        for (head, upgrades) in [
            ("$argon2id$v=19$m=19456,t=2,p=1", false),
            ("$argon2id$v=19$m=19456,t=3,p=1", false),
            ("$argon2id$v=19$m=65536,t=3,p=4", false),
            ("$argon2id$v=19$m=47104,t=1,p=1", false),
            ("$argon2id$v=19$m=19456,t=1,p=1", true),
            ("$argon2id$v=19$m=9216,t=4,p=1", true),
            ("$argon2i$v=19$m=65536,t=3,p=4", true),
            ("$argon2d$v=19$m=65536,t=3,p=4", true),
            ("$argon2id$v=16$m=65536,t=3,p=4", true),
            ("argon2$argon2id$v=19$m=102400,t=2,p=8", true),
        ] {
            assert_eq!(hash(head).needs_upgrade(&Params::default()), upgrades, "{head}");
        }
        let short_salt =
            StoredHash::parse(&format!("$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ${TAG}")).unwrap();
        assert!(short_salt.needs_upgrade(&Params::default()));
    }

    #[test]
    fn an_upgrade_never_weakens_an_imported_hash() {
        let strong = Params { memory_kib: 102_400, iterations: 2, parallelism: 8 };
        assert_eq!(
            hash("argon2$argon2id$v=19$m=102400,t=2,p=8").params_for_upgrade(&Params::default()),
            strong
        );
        assert_eq!(
            hash("$argon2id$v=19$m=64,t=1,p=1").params_for_upgrade(&Params::default()),
            Params::default()
        );
    }

    #[test]
    fn only_a_hash_of_our_shape_and_cost_is_taken_for_ours() {
        let imported = |head| hash(head).may_be_imported(&Params::default());
        assert!(!imported("$argon2id$v=19$m=19456,t=2,p=1"));
        assert!(imported("$argon2id$v=19$m=65536,t=3,p=4"));
        assert!(imported("argon2$argon2id$v=19$m=19456,t=2,p=1"));
    }

    #[test]
    fn an_unusable_password_is_told_from_an_unknown_format() {
        for (text, why) in [
            ("", UnknownHash::Unusable),
            ("!", UnknownHash::Unusable),
            ("!43rMwJSqQmeoM9EB3RDtL47M3hiMniCHB0Gux9ot", UnknownHash::Unusable),
            ("plain text", UnknownHash::Malformed),
            ("argon2", UnknownHash::Malformed),
            ("argon2id$v=19", UnknownHash::Malformed),
            ("md5$salt$hash", UnknownHash::Malformed),
            ("sha1$$da39a3ee5e6b4b0d3255bfef95601890afd80709", UnknownHash::Malformed),
            (
                "pbkdf2_sha256$99999999$salt$47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                UnknownHash::TooCostly,
            ),
        ] {
            assert_eq!(StoredHash::parse(text), Err(why), "{text}");
        }
        assert_eq!(StoredHash::parse(&"$".repeat(513)), Err(UnknownHash::Malformed));
    }
}

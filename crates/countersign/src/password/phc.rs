//! Argon2 hashes as PHC strings: `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<tag>`, read strictly and with bounded cost.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::UnknownHash;

/// The work of one Argon2id hash at the default parameters, in the unit in which lanes weigh their queue.
pub(crate) const WORK_OF_DEFAULT: u64 = 1_000;

const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_ITERATIONS: u32 = 32;
const MAX_PARALLELISM: u32 = 16;
/// Memory times iterations: about 27 hashes at the default parameters.
const MAX_KIB_PASSES: u64 = 1024 * 1024;
const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=64;
const TAG_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// How much an Argon2 hash costs. The default is OWASP's: 19 MiB, 2 iterations, 1 lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// Memory in KiB (`m`).
    pub memory_kib: u32,
    /// Passes over the memory (`t`).
    pub iterations: u32,
    /// Lanes (`p`): they change the hash, not the number of threads that make it.
    pub parallelism: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1 }
    }
}

impl Params {
    /// Whether the cost is one that this program is willing to pay (RFC 9106 §3.1 sets the lower bounds).
    #[must_use]
    pub fn are_bounded(&self) -> bool {
        (1..=MAX_PARALLELISM).contains(&self.parallelism)
            && (1..=MAX_ITERATIONS).contains(&self.iterations)
            && (8 * self.parallelism..=MAX_MEMORY_KIB).contains(&self.memory_kib)
            && self.kib_passes() <= MAX_KIB_PASSES
    }

    fn kib_passes(&self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.iterations)
    }

    /// At least as much memory, and at least as much memory times passes. OWASP's table trades the one for the
    /// other, so the number of passes alone says nothing; lanes only say how the memory is walked.
    #[must_use]
    pub fn at_least(&self, other: &Self) -> bool {
        self.memory_kib >= other.memory_kib && self.kib_passes() >= other.kib_passes()
    }

    /// How much work one hash is, where 1,000 is one at the default parameters.
    pub(crate) fn work(&self) -> u64 {
        (self.kib_passes() * WORK_OF_DEFAULT / Self::default().kib_passes()).max(1)
    }
}

/// Argon2's three variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Data-dependent addressing.
    D,
    /// Data-independent addressing.
    I,
    /// Both, one after the other: what new hashes use.
    Id,
}

impl Variant {
    const ALL: [(Self, &'static str); 3] =
        [(Self::D, "argon2d"), (Self::I, "argon2i"), (Self::Id, "argon2id")];

    fn name(self) -> &'static str {
        match self {
            Self::D => "argon2d",
            Self::I => "argon2i",
            Self::Id => "argon2id",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(variant, _)| variant)
    }
}

/// Argon2's two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `v=16`, 1.0: read, never written.
    V16,
    /// `v=19`, 1.3, as RFC 9106 describes it.
    V19,
}

impl Version {
    fn number(self) -> u32 {
        match self {
            Self::V16 => 16,
            Self::V19 => 19,
        }
    }

    fn numbered(text: &str) -> Option<Self> {
        [Self::V16, Self::V19].into_iter().find(|version| decimal(text) == Some(version.number()))
    }
}

/// A parsed Argon2 hash, whose cost is within bounds.
#[derive(Clone, PartialEq, Eq)]
pub struct Argon2Hash {
    /// Which of the three.
    pub variant: Variant,
    /// Which of the two.
    pub version: Version,
    /// What it costs.
    pub params: Params,
    /// 8–64 bytes.
    pub salt: Vec<u8>,
    /// 16–64 bytes.
    pub tag: Vec<u8>,
}

impl Argon2Hash {
    /// Reads a PHC string: the fields in their one order, numbers without sign or leading zero, base64 without
    /// padding or stray bits.
    ///
    /// # Errors
    /// [`UnknownHash::TooCostly`] where a parameter is out of bounds, else [`UnknownHash::Malformed`].
    pub fn parse(text: &str) -> Result<Self, UnknownHash> {
        let mut fields = text.split('$');
        let mut next = || fields.next().ok_or(UnknownHash::Malformed);
        let (before, name, version, costs, salt, tag) =
            (next()?, next()?, next()?, next()?, next()?, next()?);
        if !before.is_empty() || fields.next().is_some() {
            return Err(UnknownHash::Malformed);
        }
        let hash = Self {
            variant: Variant::named(name).ok_or(UnknownHash::Malformed)?,
            version: version.strip_prefix("v=").and_then(Version::numbered).ok_or(UnknownHash::Malformed)?,
            params: parse_costs(costs).ok_or(UnknownHash::Malformed)?,
            salt: STANDARD_NO_PAD.decode(salt).map_err(|_| UnknownHash::Malformed)?,
            tag: STANDARD_NO_PAD.decode(tag).map_err(|_| UnknownHash::Malformed)?,
        };
        let sized = SALT_BYTES.contains(&hash.salt.len()) && TAG_BYTES.contains(&hash.tag.len());
        if sized && hash.params.are_bounded() { Ok(hash) } else { Err(UnknownHash::TooCostly) }
    }
}

impl fmt::Display for Argon2Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Params { memory_kib, iterations, parallelism } = self.params;
        let (salt, tag) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.tag));
        write!(f, "${}$v={}", self.variant.name(), self.version.number())?;
        write!(f, "$m={memory_kib},t={iterations},p={parallelism}${salt}${tag}")
    }
}

impl fmt::Debug for Argon2Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2Hash")
            .field("variant", &self.variant)
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

fn parse_costs(text: &str) -> Option<Params> {
    let mut fields = text.split(',');
    let mut next = |name: &str| fields.next()?.strip_prefix(name).and_then(decimal);
    let params = Params { memory_kib: next("m=")?, iterations: next("t=")?, parallelism: next("p=")? };
    fields.next().is_none().then_some(params)
}

/// A decimal number as it would be written: no sign, no leading zero.
pub(super) fn decimal(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = digits && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyEhIQ$3q2+796tvu/erb7v3q2+796tvu/erb7v3q2+796tvu8";

    #[test]
    fn a_hash_reads_and_writes_the_same() {
        let hash = Argon2Hash::parse(GOOD).unwrap();
        assert_eq!(hash.params, Params::default());
        assert_eq!((hash.variant, hash.version), (Variant::Id, Version::V19));
        assert_eq!(hash.to_string(), GOOD);
    }

    #[test]
    fn anything_but_the_one_spelling_is_refused() {
        for (from, to) in [
            ("$argon2id", "argon2id"),
            ("argon2id", "argon2"),
            ("argon2id", "Argon2id"),
            ("v=19", "v=18"),
            ("v=19", "v=019"),
            ("$v=19", ""),
            ("m=19456,t=2", "t=2,m=19456"),
            ("m=", "m=+"),
            ("m=", "m= "),
            ("t=2", "t=02"),
            ("p=1", "p=1,x=1"),
            ("p=1", "p=1,"),
            (",p=1", ""),
            ("IQ$", "IR$"),
            ("IQ$", "IQ==$"),
            ("vu8", "vu8="),
            ("vu8", "vu8$"),
            ("vu8", "vu8\n"),
            ("m=19456", "m=4294967296"),
            ("m=19456", "m=\u{661}"),
            ("p=1", "p=-1"),
        ] {
            let changed = GOOD.replacen(from, to, 1);
            assert_ne!(changed, GOOD);
            assert_eq!(Argon2Hash::parse(&changed), Err(UnknownHash::Malformed), "{changed}");
        }
    }

    #[test]
    fn costs_out_of_bounds_are_refused_and_the_bounds_themselves_pass() {
        for (costs, passes) in [
            ("m=262144,t=4,p=16", true),
            ("m=262145,t=1,p=1", false),
            ("m=262144,t=5,p=1", false),
            ("m=8,t=32,p=1", true),
            ("m=8,t=33,p=1", false),
            ("m=8,t=0,p=1", false),
            ("m=7,t=1,p=1", false),
            ("m=15,t=1,p=2", false),
            ("m=136,t=1,p=17", false),
            ("m=8,t=1,p=0", false),
            ("m=4294967295,t=4294967295,p=4294967295", false),
        ] {
            let parsed = Argon2Hash::parse(&GOOD.replace("m=19456,t=2,p=1", costs));
            assert_eq!(parsed.is_ok(), passes, "{costs}");
        }
    }

    #[test]
    fn salts_and_tags_have_bounded_lengths() {
        let with = |salt: usize, tag: usize| {
            let mut hash = Argon2Hash::parse(GOOD).unwrap();
            hash.salt = vec![1; salt];
            hash.tag = vec![1; tag];
            Argon2Hash::parse(&hash.to_string()).is_ok()
        };
        assert!(with(8, 16) && with(64, 64));
        assert!(!with(7, 32) && !with(65, 32) && !with(16, 15) && !with(16, 65));
    }

    #[test]
    fn more_of_everything_is_at_least_as_much() {
        let params = |memory_kib, iterations| Params { memory_kib, iterations, parallelism: 1 };
        assert!(params(19_456, 2).at_least(&Params::default()));
        assert!(params(47_104, 1).at_least(&Params::default()), "OWASP's equal");
        assert!(!params(19_456, 1).at_least(&Params::default()));
        assert!(!params(19_455, 9).at_least(&Params::default()));
        assert!(!params(12_288, 3).at_least(&Params::default()), "less memory is cheaper to attack");
    }

    proptest! {
        #[test]
        fn what_parses_is_written_back_unchanged(text in "\\$argon2(id|i|d)\\$v=1[69]\\$m=[0-9]{1,4},t=[0-9],p=[0-9]\\$[a-zA-Z0-9+/]{11,22}\\$[a-zA-Z0-9+/]{22,43}") {
            if let Ok(hash) = Argon2Hash::parse(&text) {
                prop_assert_eq!(hash.to_string(), text);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[$a-z0-9=,+/]{0,80}|\\PC{0,40}") {
            let _ = Argon2Hash::parse(&text);
        }
    }
}

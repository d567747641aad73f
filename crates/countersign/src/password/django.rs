//! Hashes of other makers: Django's formats (but for its Argon2, see `phc`) and bare bcrypt. Verified, never made.
//!
//! Every cost is bounded before anything is computed: a stored text must not be able to stop a lane for minutes.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::UnknownHash;
use super::phc::decimal;
use crate::secret::equal;

const MAX_SALT: usize = 128;
const MAX_ITERATIONS: u32 = 5_000_000;
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=15;
const BCRYPT_SALT_LETTERS: usize = 22;
const BCRYPT_KEY_BYTES: usize = 72;
const MAX_SCRYPT_MEMORY: u64 = 256 * 1024 * 1024;
/// `n · r · p`.
const MAX_SCRYPT_BLOCKS: u64 = 1 << 22;

/// bcrypt's own base64. Makers differ in the four spare bits of a salt, and every reader ignores them.
const BCRYPT_BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));

/// A parsed hash whose cost is within bounds.
#[derive(Clone, PartialEq)]
pub enum ForeignHash {
    /// Django's `pbkdf2_sha256$iterations$salt$base64`.
    Pbkdf2Sha256 {
        /// Rounds of HMAC.
        iterations: u32,
        /// Used as text.
        salt: String,
        /// What the password derives.
        key: [u8; 32],
    },
    /// Django's `pbkdf2_sha1$iterations$salt$base64`.
    Pbkdf2Sha1 {
        /// Rounds of HMAC.
        iterations: u32,
        /// Used as text.
        salt: String,
        /// What the password derives.
        key: [u8; 20],
    },
    /// Django's `scrypt$n$salt$r$p$base64`.
    Scrypt {
        /// Cost, block size, parallelism (RFC 7914 §2).
        params: scrypt::Params,
        /// Used as text.
        salt: String,
        /// What the password derives.
        key: [u8; 64],
    },
    /// `$2b$cost$…`, bare or behind Django's `bcrypt$` or `bcrypt_sha256$`.
    Bcrypt {
        /// Two to its power rounds.
        cost: u32,
        /// Sixteen bytes.
        salt: [u8; 16],
        /// bcrypt's output without its last byte.
        tag: [u8; 23],
        /// `bcrypt_sha256`: the hex SHA-256 of the password is what was hashed.
        of_sha256: bool,
    },
}

impl ForeignHash {
    /// Reads any of the formats above.
    ///
    /// # Errors
    /// [`UnknownHash::TooCostly`] where a cost is out of bounds, else [`UnknownHash::Malformed`].
    pub fn parse(text: &str) -> Result<Self, UnknownHash> {
        if text.starts_with("$2") {
            return parse_bcrypt(text, false);
        }
        match text.split_once('$') {
            Some(("pbkdf2_sha256", rest)) => {
                let (iterations, salt, key) = parse_pbkdf2(rest)?;
                Ok(Self::Pbkdf2Sha256 { iterations, salt, key })
            }
            Some(("pbkdf2_sha1", rest)) => {
                let (iterations, salt, key) = parse_pbkdf2(rest)?;
                Ok(Self::Pbkdf2Sha1 { iterations, salt, key })
            }
            Some(("scrypt", rest)) => parse_scrypt(rest),
            Some(("bcrypt", rest)) => parse_bcrypt(rest, false),
            Some(("bcrypt_sha256", rest)) => parse_bcrypt(rest, true),
            _ => Err(UnknownHash::Malformed),
        }
    }

    /// Whether the password is the one that was hashed, compared in constant time.
    pub(crate) fn matches(&self, password: &[u8]) -> bool {
        match self {
            Self::Pbkdf2Sha256 { iterations, salt, key } => {
                let mut made = Zeroizing::new([0; 32]);
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt.as_bytes(), *iterations, &mut *made);
                equal(&*made, key)
            }
            Self::Pbkdf2Sha1 { iterations, salt, key } => {
                let mut made = Zeroizing::new([0; 20]);
                pbkdf2::pbkdf2_hmac::<sha1::Sha1>(password, salt.as_bytes(), *iterations, &mut *made);
                equal(&*made, key)
            }
            Self::Scrypt { params, salt, key } => {
                let mut made = Zeroizing::new([0; 64]);
                scrypt::scrypt(password, salt.as_bytes(), params, &mut *made).is_ok() && equal(&*made, key)
            }
            Self::Bcrypt { cost, salt, tag, of_sha256: false } => {
                equal(&*bcrypt_tag(*cost, *salt, password), tag)
            }
            Self::Bcrypt { cost, salt, tag, of_sha256: true } => {
                equal(&*bcrypt_tag(*cost, *salt, hex_of_sha256(password).as_bytes()), tag)
            }
        }
    }

    /// How much work one comparison is, where 1,000 is one Argon2id hash at the default parameters. Measured once
    /// beside that hash: a million rounds of PBKDF2 take as long as 15, bcrypt at cost 12 as long as 31.
    pub(crate) fn work(&self) -> u64 {
        match self {
            Self::Pbkdf2Sha256 { iterations, .. } | Self::Pbkdf2Sha1 { iterations, .. } => {
                u64::from(*iterations) * 15 / 1_000
            }
            Self::Scrypt { params, .. } => scrypt_blocks(params.n(), params.r(), params.p()) * 36 / 1_000,
            Self::Bcrypt { cost, .. } => (31_000 << cost) >> 12,
        }
        .max(1)
    }
}

/// The name of the format alone: parameters are of no use in a log, and the rest is nobody's business.
impl fmt::Debug for ForeignHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pbkdf2Sha256 { .. } => "Pbkdf2Sha256",
            Self::Pbkdf2Sha1 { .. } => "Pbkdf2Sha1",
            Self::Scrypt { .. } => "Scrypt",
            Self::Bcrypt { .. } => "Bcrypt",
        })
    }
}

fn parse_pbkdf2<const N: usize>(text: &str) -> Result<(u32, String, [u8; N]), UnknownHash> {
    let [iterations, salt, key] = fields(text)?;
    let iterations = decimal(iterations).ok_or(UnknownHash::Malformed)?;
    let (salt, key) = (parse_salt(salt)?, parse_key(key)?);
    if (1..=MAX_ITERATIONS).contains(&iterations) {
        Ok((iterations, salt, key))
    } else {
        Err(UnknownHash::TooCostly)
    }
}

fn parse_scrypt(text: &str) -> Result<ForeignHash, UnknownHash> {
    let [n, salt, r, p, key] = fields(text)?;
    let number = |text| decimal(text).ok_or(UnknownHash::Malformed);
    let (n, r, p) = (number(n)?, number(r)?, number(p)?);
    let (salt, key) = (parse_salt(salt)?, parse_key(key)?);
    let memory = u64::from(n).saturating_mul(u64::from(r)).saturating_mul(128);
    let bounded = memory <= MAX_SCRYPT_MEMORY && scrypt_blocks(n.into(), r, p) <= MAX_SCRYPT_BLOCKS;
    if !n.is_power_of_two() || n < 2 || !bounded {
        return Err(UnknownHash::TooCostly);
    }
    let log_n = u8::try_from(n.ilog2()).map_err(|_| UnknownHash::TooCostly)?;
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| UnknownHash::TooCostly)?;
    Ok(ForeignHash::Scrypt { params, salt, key })
}

fn scrypt_blocks(n: u64, r: u32, p: u32) -> u64 {
    n.saturating_mul(r.into()).saturating_mul(p.into())
}

/// `2x` is left out: it marks hashes of a broken implementation, and no reader here repeats its mistake.
fn parse_bcrypt(text: &str, of_sha256: bool) -> Result<ForeignHash, UnknownHash> {
    let [before, version, cost, digits] = fields(text)?;
    if !before.is_empty() || !matches!(version, "2a" | "2b" | "2y") || cost.len() != 2 {
        return Err(UnknownHash::Malformed);
    }
    let cost = cost.bytes().all(|byte| byte.is_ascii_digit()).then(|| cost.parse().ok()).flatten();
    let cost = cost.ok_or(UnknownHash::Malformed)?;
    let (salt, tag) = digits.split_at_checked(BCRYPT_SALT_LETTERS).ok_or(UnknownHash::Malformed)?;
    let salt = exactly(BCRYPT_BASE64.decode(salt))?;
    let tag = exactly(BCRYPT_BASE64.decode(tag))?;
    if BCRYPT_COSTS.contains(&cost) {
        Ok(ForeignHash::Bcrypt { cost, salt, tag, of_sha256 })
    } else {
        Err(UnknownHash::TooCostly)
    }
}

/// The text between dollars, in exactly `N` fields.
fn fields<const N: usize>(text: &str) -> Result<[&str; N], UnknownHash> {
    let fields: Vec<&str> = text.split('$').collect();
    fields.try_into().map_err(|_| UnknownHash::Malformed)
}

fn parse_salt(salt: &str) -> Result<String, UnknownHash> {
    if (1..=MAX_SALT).contains(&salt.len()) { Ok(salt.to_owned()) } else { Err(UnknownHash::Malformed) }
}

fn parse_key<const N: usize>(key: &str) -> Result<[u8; N], UnknownHash> {
    exactly(STANDARD.decode(key))
}

fn exactly<const N: usize, E>(bytes: Result<Vec<u8>, E>) -> Result<[u8; N], UnknownHash> {
    bytes.ok().and_then(|bytes| bytes.try_into().ok()).ok_or(UnknownHash::Malformed)
}

/// bcrypt as Django calls it: the bytes and a closing NUL, cut at 72. A NUL inside counts as any other byte.
fn bcrypt_tag(cost: u32, salt: [u8; 16], password: &[u8]) -> Zeroizing<[u8; 23]> {
    let mut key = Zeroizing::new(Vec::with_capacity(BCRYPT_KEY_BYTES));
    key.extend(password.iter().chain(&[0]).take(BCRYPT_KEY_BYTES));
    let made = Zeroizing::new(bcrypt::bcrypt(cost, salt, &key));
    let mut tag = Zeroizing::new([0; 23]);
    tag.iter_mut().zip(made.iter()).for_each(|(to, from)| *to = *from);
    tag
}

fn hex_of_sha256(password: &[u8]) -> Zeroizing<String> {
    let mut hex = Zeroizing::new(String::with_capacity(64));
    let digest = Sha256::digest(password);
    hex.extend(
        digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|nibble| char::from_digit(nibble.into(), 16)),
    );
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn costs_out_of_bounds_are_refused_before_any_work() {
        let key = |bytes: usize| STANDARD.encode(vec![7; bytes]);
        let scrypt = |n: &str, r: &str, p: &str| format!("scrypt${n}$salt${r}${p}${}", key(64));
        let bcrypt = |cost: &str| format!("$2b${cost}${}", "a".repeat(53));
        for (text, expected) in [
            (format!("pbkdf2_sha256$5000000$salt${}", key(32)), None),
            (format!("pbkdf2_sha256$5000001$salt${}", key(32)), Some(UnknownHash::TooCostly)),
            (format!("pbkdf2_sha256$0$salt${}", key(32)), Some(UnknownHash::TooCostly)),
            (format!("pbkdf2_sha1$4294967295$salt${}", key(20)), Some(UnknownHash::TooCostly)),
            (scrypt("131072", "8", "1"), None),
            (scrypt("16384", "8", "5"), None),
            (scrypt("16385", "8", "5"), Some(UnknownHash::TooCostly)),
            (scrypt("1", "8", "1"), Some(UnknownHash::TooCostly)),
            (scrypt("1048576", "8", "1"), Some(UnknownHash::TooCostly)),
            (scrypt("16384", "8", "33"), Some(UnknownHash::TooCostly)),
            (scrypt("16384", "0", "1"), Some(UnknownHash::TooCostly)),
            (scrypt("4294967295", "4294967295", "4294967295"), Some(UnknownHash::TooCostly)),
            (bcrypt("15"), None),
            (bcrypt("16"), Some(UnknownHash::TooCostly)),
            (bcrypt("03"), Some(UnknownHash::TooCostly)),
        ] {
            assert_eq!(ForeignHash::parse(&text).err(), expected, "{text}");
        }
    }

    #[test]
    fn malformed_texts_are_refused() {
        let key = STANDARD.encode([7; 32]);
        for text in [
            "$2b$10$",
            "$2x$10$",
            "$2$10$",
            "$2b$1$",
            "pbkdf2_sha256",
            "pbkdf2_sha256$1$salt",
            "bcrypt$",
            "bcrypt_sha256$2b$10",
            "scrypt$16$salt$8$1$",
            "pbkdf2_sha256$1$$47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "pbkdf2_md5$1$salt$AAAA",
        ] {
            assert_eq!(ForeignHash::parse(text), Err(UnknownHash::Malformed), "{text}");
        }
        for text in [
            format!("$2x$10${}", "a".repeat(53)),
            format!("$2b$10${}", "a".repeat(52)),
            format!("$2b$10${}", "a".repeat(54)),
            format!("$2b$10${}\u{e9}", "a".repeat(20)),
            format!("$2b$+9${}", "a".repeat(53)),
            format!("pbkdf2_sha256$01$salt${key}"),
            format!("pbkdf2_sha256$1$salt${key}$"),
            format!("pbkdf2_sha1$1$salt${key}"),
            format!("pbkdf2_sha256$1${}${key}", "s".repeat(129)),
        ] {
            assert_eq!(ForeignHash::parse(&text), Err(UnknownHash::Malformed), "{text}");
        }
    }

    #[test]
    fn bare_bcrypt_of_other_makers_verifies_under_each_prefix() {
        // From the test suite that jBCrypt and the reference share.
        for prefix in ["2a", "2b", "2y"] {
            let hash = ForeignHash::parse(&format!(
                "${prefix}$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"
            ))
            .unwrap();
            assert!(hash.matches(b"a"));
            assert!(!hash.matches(b"b") && !hash.matches(b""));
        }
    }

    // SEC-6: what a bcrypt import does with NUL is what Django's bcrypt did.
    #[test]
    fn a_nul_counts_as_a_byte_in_bcrypt_as_in_the_library_that_django_calls() {
        // bcrypt.hashpw(b"abc\0def", …) and of b"abc", by Python's bcrypt 4.3.
        let with_nul =
            ForeignHash::parse("$2b$04$l3vTWcfYVwFMDfNoo1.5HeXoMWpu6OhcWK8J2gFATiRtbITQJq0yO").unwrap();
        let without =
            ForeignHash::parse("$2b$04$l3vTWcfYVwFMDfNoo1.5HeQduZXrEbVjlX/fEM.3ccs.RYortEtUW").unwrap();
        assert!(with_nul.matches(b"abc\0def") && !with_nul.matches(b"abc"));
        assert!(without.matches(b"abc") && !without.matches(b"abc\0def"));
    }

    #[test]
    fn a_costlier_hash_weighs_more() {
        let work = |text: &str| ForeignHash::parse(text).unwrap().work();
        let key = STANDARD.encode([7; 32]);
        assert_eq!(work(&format!("pbkdf2_sha256$1000000$salt${key}")), 15_000);
        assert_eq!(work(&format!("pbkdf2_sha256$1$salt${key}")), 1);
        assert_eq!(work(&format!("$2b$12${}", "a".repeat(53))), 31_000);
        assert_eq!(work(&format!("$2b$15${}", "a".repeat(53))), 248_000);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(pbkdf2_sha256|scrypt|bcrypt|\\$2b)?[$a-z0-9=,+/.é]{0,90}") {
            let _ = ForeignHash::parse(&text);
        }
    }
}

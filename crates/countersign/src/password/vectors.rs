//! The hashes that Django itself made (`django_vectors.json`), for the tests.

use serde::Deserialize;

use super::{StoredHash, UnknownHash};

/// The whole file.
#[derive(Deserialize)]
pub(crate) struct Document {
    /// The hashes.
    pub(crate) vectors: Vec<Vector>,
    unusable: String,
}

/// One hash that Django made.
#[derive(Deserialize)]
pub(crate) struct Vector {
    /// Django's name of the hasher.
    pub(crate) algorithm: String,
    cost: String,
    what: String,
    /// What was hashed.
    pub(crate) password: String,
    /// What came of it.
    pub(crate) hash: String,
}

impl Vector {
    /// Whether its cost was turned down for the tests.
    pub(crate) fn is_cheap(&self) -> bool {
        self.cost == "low"
    }

    /// Whether its password is not in NFC.
    pub(crate) fn is_decomposed(&self) -> bool {
        self.what == "unicode_nfd"
    }
}

/// All of them.
pub(crate) fn document() -> Document {
    serde_json::from_str(include_str!("django_vectors.json")).unwrap()
}

#[test]
fn every_hasher_of_django_is_among_the_vectors_at_low_and_at_default_cost() {
    for algorithm in ["pbkdf2_sha256", "pbkdf2_sha1", "bcrypt", "bcrypt_sha256", "scrypt", "argon2"] {
        for (cost, kinds) in [("low", 6), ("default", 1)] {
            let vectors = document().vectors;
            let of_it = vectors.iter().filter(|vector| vector.algorithm == algorithm && vector.cost == cost);
            assert!(of_it.count() >= kinds, "{algorithm} {cost}");
        }
    }
}

#[test]
fn hashes_that_django_made_match_their_password_and_no_other() {
    for vector in document().vectors {
        let StoredHash::Foreign(parsed) = StoredHash::parse(&vector.hash).unwrap() else { continue };
        let Vector { what, password, hash, .. } = &vector;
        assert!(parsed.matches(password.as_bytes()), "{what} {hash}");
        // A million rounds of PBKDF2 take seconds in an unoptimised build: once is enough.
        let refused = !vector.is_cheap() || !parsed.matches(format!("!{password}").as_bytes());
        assert!(refused, "{what} {hash}");
    }
}

// SEC-2: the cut at 72 bytes is bcrypt's own and stays inside its imports.
#[test]
fn the_last_byte_of_a_long_password_counts_but_for_plain_bcrypt() {
    for Vector { algorithm, what, password, hash, .. } in document().vectors {
        let StoredHash::Foreign(parsed) = StoredHash::parse(&hash).unwrap() else { continue };
        if what == "long" {
            let mut changed = password;
            changed.pop();
            changed.push('!');
            assert_eq!(parsed.matches(changed.as_bytes()), algorithm == "bcrypt", "{hash}");
        }
    }
}

#[test]
fn a_password_that_django_made_unusable_is_no_password() {
    assert_eq!(StoredHash::parse(&document().unusable), Err(UnknownHash::Unusable));
}

#[test]
fn a_changed_hash_matches_no_more() {
    for Vector { password, hash, .. } in document().vectors.into_iter().filter(Vector::is_cheap) {
        let changed = hash.replacen("$", "$$", 1);
        assert!(StoredHash::parse(&changed).is_err(), "{changed}");
        let StoredHash::Foreign(parsed) = StoredHash::parse(&hash).unwrap() else { continue };
        let place = hash.len() - 6;
        let other = if hash.as_bytes()[place] == b'A' { "B" } else { "A" };
        let changed = format!("{}{other}{}", &hash[..place], &hash[place + 1..]);
        if let Ok(StoredHash::Foreign(changed)) = StoredHash::parse(&changed) {
            assert!(parsed != changed && !changed.matches(password.as_bytes()), "{hash}");
        }
    }
}

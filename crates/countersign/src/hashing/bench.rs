//! What a job finds on its lane: an engine with its memory, and the three things that are done with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use zeroize::Zeroizing;

use super::Verdict;
use super::engine::{self, Engine, Recipe};
use super::pace::Pace;
use crate::error::{Error, Internal, Result};
use crate::password::phc::Argon2Hash;
use crate::password::stored::new_hash;
use crate::password::{Params, Password, StoredHash};
use crate::secret::{equal, random_bytes};

/// One lane's engine and books.
pub(super) struct Bench {
    engine: Box<dyn Engine>,
    /// The parameters of new hashes.
    current: Params,
    /// What is compared where there is nothing to compare: same shape, same cost, no password known.
    nobody: StoredHash,
    pace: Arc<Pace>,
    /// What all lanes hold together, in KiB, and this one's part of it.
    held: Arc<AtomicU64>,
    held_here: u64,
}

impl Bench {
    pub(super) fn new(current: Params, pace: Arc<Pace>, held: Arc<AtomicU64>) -> Self {
        let nobody = StoredHash::Argon2(new_hash(current, random_bytes(), random_bytes()));
        Self { engine: engine::best(), current, nobody, pace, held, held_here: 0 }
    }

    /// A PHC string of Argon2id with a fresh salt.
    pub(super) fn hash(&mut self, password: &Password, params: Params) -> Result<String> {
        self.hash_text(password.nfc(), params)
    }

    /// The same of a text that may not be in NFC, as other makers hash it.
    pub(super) fn hash_text(&mut self, text: &str, params: Params) -> Result<String> {
        let mut hash = new_hash(params, random_bytes(), [0; 32]);
        let tag = self.tag(&hash, text.as_bytes())?;
        hash.tag.copy_from_slice(&tag);
        Ok(hash.to_string())
    }

    /// Compares a password with a hash; where one of them is missing, the same work is done for nothing (SEC-10).
    pub(super) fn verify(
        &mut self,
        password: Option<&Password>,
        stored: Option<&StoredHash>,
    ) -> Result<Verdict> {
        let (Some(password), Some(stored)) = (password, stored) else {
            let nobody = self.nobody.clone();
            self.matches(&nobody, password.map_or("", Password::nfc))?;
            return Ok(Verdict::Wrong);
        };
        let outdated = stored.needs_upgrade(&self.current);
        if let Some(raw) = raw_form(password, stored, &self.current)
            && self.matches(stored, raw)?
        {
            return Ok(Verdict::Right { upgrade: true });
        }
        let right = self.matches(stored, password.nfc())?;
        Ok(if right { Verdict::Right { upgrade: outdated } } else { Verdict::Wrong })
    }

    fn matches(&mut self, stored: &StoredHash, password: &str) -> Result<bool> {
        match stored {
            StoredHash::Foreign(hash) => Ok(hash.matches(password.as_bytes())),
            StoredHash::Argon2(hash) | StoredHash::DjangoArgon2(hash) => {
                let tag = self.tag(hash, password.as_bytes())?;
                Ok(equal(&tag, &hash.tag))
            }
        }
    }

    fn tag(&mut self, hash: &Argon2Hash, password: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let Argon2Hash { variant, version, params, salt, tag } = hash;
        let recipe =
            Recipe { variant: *variant, version: *version, params: *params, salt, secret: &[], data: &[] };
        let mut made = Zeroizing::new(vec![0; tag.len()]);
        let begun = Instant::now();
        let result = self.engine.tag(&recipe, password, &mut made);
        self.pace.learn(params.work(), begun.elapsed());
        match result {
            Ok(()) => Ok(made),
            Err(fault) => Err(Error::Fault(Internal::new(format!("Argon2 failed: {fault}")))),
        }
    }

    /// Hashes twice, so that the second finds its memory in place as under load, and gives the memory back.
    pub(super) fn measure(&mut self) -> Result<()> {
        let nobody = self.nobody.clone();
        self.matches(&nobody, "")?;
        self.pace.begin_anew();
        self.matches(&nobody, "")?;
        self.engine.release();
        Ok(())
    }

    /// After a job: memory beyond what new hashes need goes back, and the books are kept.
    pub(super) fn tidy(&mut self) {
        if self.engine.held_kib() > u64::from(self.current.memory_kib) {
            self.engine.release();
        }
        let now = self.engine.held_kib();
        self.held.fetch_add(now, Ordering::Relaxed);
        self.held.fetch_sub(self.held_here, Ordering::Relaxed);
        self.held_here = now;
    }

    /// Whether the lane keeps memory.
    pub(super) fn holds_memory(&self) -> bool {
        self.held_here > 0
    }

    /// After a panic nobody knows what state the engine is in.
    pub(super) fn replace_engine(&mut self) {
        self.engine = engine::best();
    }

    /// Gives all memory back.
    pub(super) fn release(&mut self) {
        self.engine.release();
        self.tidy();
    }
}

/// The password as typed, where a hash of another maker may have been made of it.
pub(super) fn raw_form<'a>(password: &'a Password, stored: &StoredHash, current: &Params) -> Option<&'a str> {
    password.raw_if_different().filter(|_| stored.may_be_imported(current))
}

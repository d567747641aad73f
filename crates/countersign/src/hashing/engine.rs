//! The two Argon2 engines behind one trait: `argon2-rust`, the fastest found, and RustCrypto's, the way back from it.
//!
//! Which of them runs is decided once: by the feature `argon2-rustcrypto`, or by a self-test at start that the fast
//! one has to pass on this very processor.

use std::fmt;
use std::sync::OnceLock;

use zeroize::Zeroize;

use crate::password::Params;
use crate::password::phc::{Variant, Version};

/// All that makes a tag besides the password.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe<'a> {
    pub(crate) variant: Variant,
    pub(crate) version: Version,
    pub(crate) params: Params,
    pub(crate) salt: &'a [u8],
    /// The key of RFC 9106 §3.1; empty but in its test vectors.
    pub(crate) secret: &'a [u8],
    /// The associated data of RFC 9106 §3.1; empty but in its test vectors.
    pub(crate) data: &'a [u8],
}

/// What an engine says when it can't: no memory, or parameters that it does not take.
#[derive(Debug)]
pub(crate) struct EngineFault(String);

impl fmt::Display for EngineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl EngineFault {
    fn of(error: &impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Something that computes Argon2 and may keep its memory from one hash to the next.
pub(crate) trait Engine: Send {
    /// Fills `tag` with what the password makes of the recipe.
    fn tag(&mut self, recipe: &Recipe<'_>, password: &[u8], tag: &mut [u8]) -> Result<(), EngineFault>;
    /// How much memory is kept, in KiB.
    fn held_kib(&self) -> u64;
    /// Wipes the memory and gives it back.
    fn release(&mut self);
}

/// `argon2-rust`: SIMD chosen at run time, memory kept in huge pages, wiped after each hash.
pub(crate) struct Fast(argon2_rust::Hasher);

impl Fast {
    pub(crate) fn new() -> Self {
        let (variant, version) = (argon2_rust::Algorithm::Argon2id, argon2_rust::Version::V0x13);
        Self(argon2_rust::Argon2::new(variant, version, argon2_rust::Params::default()).hasher())
    }
}

impl Engine for Fast {
    fn tag(&mut self, recipe: &Recipe<'_>, password: &[u8], tag: &mut [u8]) -> Result<(), EngineFault> {
        use argon2_rust::params::{Memory, TagLen};
        let variant = match recipe.variant {
            Variant::D => argon2_rust::Algorithm::Argon2d,
            Variant::I => argon2_rust::Algorithm::Argon2i,
            Variant::Id => argon2_rust::Algorithm::Argon2id,
        };
        let version = match recipe.version {
            Version::V16 => argon2_rust::Version::V0x10,
            Version::V19 => argon2_rust::Version::V0x13,
        };
        let params = argon2_rust::Params::builder()
            .memory(Memory::kib(recipe.params.memory_kib.into()))
            .passes(recipe.params.iterations)
            .lanes(recipe.params.parallelism)
            // A job has one lane of ours, however many Argon2 has.
            .threads(1)
            .tag_len(TagLen::bytes(u64::try_from(tag.len()).unwrap_or(u64::MAX)))
            .build()
            .map_err(|error| EngineFault::of(&error))?;
        self.0.set_argon2(argon2_rust::Argon2::new(variant, version, params));
        self.0
            .hash_into_with_ad(password, recipe.salt, recipe.secret, recipe.data, tag)
            .map_err(|error| EngineFault::of(&error))
    }

    fn held_kib(&self) -> u64 {
        u64::try_from(self.0.reserved_blocks()).unwrap_or(u64::MAX)
    }

    fn release(&mut self) {
        self.0.clear();
    }
}

/// RustCrypto's `argon2` with memory of our own, wiped when it is given back.
#[derive(Default)]
pub(crate) struct RustCrypto(Vec<argon2::Block>);

impl Engine for RustCrypto {
    fn tag(&mut self, recipe: &Recipe<'_>, password: &[u8], tag: &mut [u8]) -> Result<(), EngineFault> {
        let variant = match recipe.variant {
            Variant::D => argon2::Algorithm::Argon2d,
            Variant::I => argon2::Algorithm::Argon2i,
            Variant::Id => argon2::Algorithm::Argon2id,
        };
        let version = match recipe.version {
            Version::V16 => argon2::Version::V0x10,
            Version::V19 => argon2::Version::V0x13,
        };
        let made = (|| {
            let mut params = argon2::ParamsBuilder::new();
            params.m_cost(recipe.params.memory_kib).t_cost(recipe.params.iterations);
            params.p_cost(recipe.params.parallelism).output_len(tag.len());
            params.data(argon2::AssociatedData::new(recipe.data)?);
            let params = params.build()?;
            let blocks = params.block_count();
            if self.0.len() < blocks {
                let missing = blocks - self.0.len();
                self.0.try_reserve_exact(missing).map_err(|_| argon2::Error::OutOfMemory)?;
                self.0.resize(blocks, argon2::Block::new());
            }
            argon2::Argon2::new_with_secret(recipe.secret, variant, version, params)?
                .hash_password_into_with_memory(password, recipe.salt, tag, self.0.as_mut_slice())
        })();
        made.map_err(|error: argon2::Error| EngineFault::of(&error))
    }

    fn held_kib(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    fn release(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
        self.0 = Vec::new();
    }
}

impl Drop for RustCrypto {
    fn drop(&mut self) {
        self.release();
    }
}

/// An engine that has passed the self-test on this processor, or RustCrypto's.
pub(crate) fn best() -> Box<dyn Engine> {
    static FAST_IS_SOUND: OnceLock<bool> = OnceLock::new();
    if cfg!(feature = "argon2-rustcrypto") {
        return Box::new(RustCrypto::default());
    }
    let sound = FAST_IS_SOUND.get_or_init(|| {
        let sound = self_test(&mut Fast::new());
        if !sound {
            tracing::error!(
                "argon2-rust computes wrong hashes on this processor: RustCrypto's argon2 takes over"
            );
        }
        sound
    });
    if *sound { Box::new(Fast::new()) } else { Box::new(RustCrypto::default()) }
}

/// Whether an engine gives the known answers: RFC 9106 §5.3, and one of the shape that passwords have.
pub(crate) fn self_test(engine: &mut dyn Engine) -> bool {
    KNOWN_ANSWERS.iter().all(|(recipe, password, answer)| {
        let mut tag = [0; 32];
        let made = engine.tag(recipe, password, &mut tag);
        engine.release();
        made.is_ok() && tag == *answer
    })
}

type KnownAnswer = (Recipe<'static>, &'static [u8], [u8; 32]);

#[rustfmt::skip]
static KNOWN_ANSWERS: [KnownAnswer; 2] = [
    (
        Recipe {
            variant: Variant::Id,
            version: Version::V19,
            params: Params { memory_kib: 32, iterations: 3, parallelism: 4 },
            salt: &[2; 16], secret: &[3; 8], data: &[4; 12],
        },
        &[1; 32],
        [
            0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9,
            0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
        ],
    ),
    (
        // By the C reference (argon2-cffi 25.1).
        Recipe {
            variant: Variant::Id,
            version: Version::V19,
            params: Params { memory_kib: 256, iterations: 2, parallelism: 1 },
            salt: b"sixteen byte sal", secret: &[], data: &[],
        },
        b"countersign self-test",
        [
            0x6d, 0x76, 0xdd, 0xb4, 0x42, 0x94, 0x96, 0x43, 0x7b, 0xa9, 0xf7, 0x49, 0xfd, 0x14, 0xe0, 0x99,
            0x40, 0x7a, 0xd7, 0xa4, 0x66, 0xdc, 0xb0, 0xb1, 0xa8, 0x2a, 0x42, 0xf3, 0x15, 0x62, 0xb7, 0xe8,
        ],
    ),
];

#[cfg(test)]
mod tests;

use proptest::prelude::*;

use super::*;

const PASSWORD: &[u8] = &[1; 32];

fn engines() -> [(&'static str, Box<dyn Engine>); 2] {
    [("argon2-rust", Box::new(Fast::new())), ("RustCrypto", Box::<RustCrypto>::default())]
}

fn rfc_recipe(variant: Variant) -> Recipe<'static> {
    let params = Params { memory_kib: 32, iterations: 3, parallelism: 4 };
    Recipe { variant, version: Version::V19, params, salt: &[2; 16], secret: &[3; 8], data: &[4; 12] }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// RFC 9106 §5.1–5.3
#[test]
fn both_engines_give_the_tags_of_rfc_9106() {
    for (variant, expected) in [
        (Variant::D, "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb"),
        (Variant::I, "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8"),
        (Variant::Id, "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"),
    ] {
        for (name, mut engine) in engines() {
            let mut tag = [0; 32];
            engine.tag(&rfc_recipe(variant), PASSWORD, &mut tag).unwrap();
            assert_eq!(hex(&tag), expected, "{name} {variant:?}");
        }
    }
}

#[test]
fn both_engines_pass_the_self_test() {
    for (name, mut engine) in engines() {
        assert!(self_test(&mut *engine), "{name}");
        assert_eq!(engine.held_kib(), 0, "{name} gives its memory back");
    }
}

/// An engine that errs in one bit, as a broken SIMD path would.
struct Broken(Fast);

impl Engine for Broken {
    fn tag(&mut self, recipe: &Recipe<'_>, password: &[u8], tag: &mut [u8]) -> Result<(), EngineFault> {
        self.0.tag(recipe, password, tag)?;
        tag.iter_mut().for_each(|byte| *byte ^= 1);
        Ok(())
    }
    fn held_kib(&self) -> u64 {
        0
    }
    fn release(&mut self) {}
}

#[test]
fn an_engine_that_errs_fails_the_self_test() {
    assert!(!self_test(&mut Broken(Fast::new())));
}

#[test]
fn memory_is_kept_between_hashes_and_given_back_on_demand() {
    for (name, mut engine) in engines() {
        let params = Params { memory_kib: 64, iterations: 1, parallelism: 1 };
        let recipe = Recipe { params, secret: &[], data: &[], ..rfc_recipe(Variant::Id) };
        assert_eq!(engine.held_kib(), 0, "{name} touches nothing before its first hash");
        let mut tags = [[0; 32]; 3];
        engine.tag(&recipe, b"one", &mut tags[0]).unwrap();
        assert_eq!(engine.held_kib(), 64, "{name}");
        engine.tag(&recipe, b"two", &mut tags[1]).unwrap();
        engine.release();
        assert_eq!(engine.held_kib(), 0, "{name}");
        engine.tag(&recipe, b"one", &mut tags[2]).unwrap();
        assert_eq!(tags[0], tags[2], "{name}");
        assert_ne!(tags[0], tags[1], "{name}");
    }
}

#[test]
fn impossible_parameters_are_a_fault_and_not_a_panic() {
    for (name, mut engine) in engines() {
        for params in [
            Params { memory_kib: 0, iterations: 1, parallelism: 1 },
            Params { memory_kib: 8, iterations: 0, parallelism: 1 },
            Params { memory_kib: 8, iterations: 1, parallelism: 0 },
        ] {
            let recipe = Recipe { params, ..rfc_recipe(Variant::Id) };
            assert!(engine.tag(&recipe, PASSWORD, &mut [0; 32]).is_err(), "{name} {params:?}");
        }
        let recipe = Recipe { salt: b"short", ..rfc_recipe(Variant::Id) };
        assert!(engine.tag(&recipe, PASSWORD, &mut [0; 32]).is_err(), "{name}");
    }
}

/// The third opinion: `rust-argon2`, scalar and older than both.
fn oracle(recipe: &Recipe<'_>, password: &[u8], length: usize) -> Vec<u8> {
    let config = argon2_oracle::Config {
        ad: recipe.data,
        hash_length: u32::try_from(length).unwrap(),
        lanes: recipe.params.parallelism,
        mem_cost: recipe.params.memory_kib,
        secret: recipe.secret,
        time_cost: recipe.params.iterations,
        variant: match recipe.variant {
            Variant::D => argon2_oracle::Variant::Argon2d,
            Variant::I => argon2_oracle::Variant::Argon2i,
            Variant::Id => argon2_oracle::Variant::Argon2id,
        },
        version: match recipe.version {
            Version::V16 => argon2_oracle::Version::Version10,
            Version::V19 => argon2_oracle::Version::Version13,
        },
        ..argon2_oracle::Config::default()
    };
    argon2_oracle::hash_raw(password, recipe.salt, &config).unwrap()
}

fn variants() -> impl Strategy<Value = (Variant, Version)> {
    let variant = prop_oneof![Just(Variant::D), Just(Variant::I), Just(Variant::Id)];
    (variant, prop_oneof![4 => Just(Version::V19), 1 => Just(Version::V16)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    // One engine lives through all rounds of a case: memory kept from a larger hash must not show in a smaller one.
    #[test]
    fn three_implementations_agree_on_random_inputs(
        (variant, version) in variants(),
        password in proptest::collection::vec(any::<u8>(), 0..200),
        salt in proptest::collection::vec(any::<u8>(), 8..64),
        secret in proptest::collection::vec(any::<u8>(), 0..32),
        data in proptest::collection::vec(any::<u8>(), 0..32),
        costs in proptest::collection::vec((0_u32..400, 1_u32..4, 1_u32..5, 16_usize..65), 1..4),
    ) {
        let (mut fast, mut rust_crypto) = (Fast::new(), RustCrypto::default());
        for (extra, iterations, parallelism, length) in costs {
            let params = Params { memory_kib: 8 * parallelism + extra, iterations, parallelism };
            let recipe = Recipe { variant, version, params, salt: &salt, secret: &secret, data: &data };
            let (mut left, mut right) = (vec![0; length], vec![0; length]);
            fast.tag(&recipe, &password, &mut left).unwrap();
            rust_crypto.tag(&recipe, &password, &mut right).unwrap();
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(&left, &oracle(&recipe, &password, length));
        }
    }
}

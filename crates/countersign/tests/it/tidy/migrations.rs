//! Migrations: the same numbers and names for each database, without a gap, and never changed once they are pinned.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::tree::{files, root};

/// A migration that somebody has applied never changes. A new one is pinned here.
const PINNED: &[(&str, &str)] = &[
    ("0001_flow.sqlite.sql", "876e7e3d76930321b931326021d80d17d50c7a3acb678d1a12615d0dbd9434bc"),
    ("0001_flow.postgres.sql", "a5e336b672bb4f2f94c67d8aa9d9e4a4e217b6e21721bcdbc46830abbb6be1d1"),
    ("0002_audit.sqlite.sql", "61167e75bd5f92aa2b8f9556eee9a0016d0121d35f51de14ef051c4694eb4650"),
    ("0002_audit.postgres.sql", "58caef988347934a78cca1d1f47ff3354c4cf7a1c024a5ca7255f52e5aa82def"),
    ("0003_limits.sqlite.sql", "7cc022327099a53822b9d8857d2d4fd7e1d8564027f19e25ed8ef50d258f9532"),
    ("0003_limits.postgres.sql", "f6c748d543505f24ded97459c0a25a365f75319d71bc0c6bc54587a2c1a86c72"),
    ("0004_mail.sqlite.sql", "08dc1ca9c3e739263451f2c2b7957f9495362f845f681d77a7774d92d38e37f0"),
    ("0004_mail.postgres.sql", "b9a58e021cd5945c89afa48ea4186adac2697583f6406cc9476d19ca5bb2bc0e"),
    ("0005_changes.sqlite.sql", "10afebef6ae10a82d6b054c321282cbc93580be9f82985177dff3b7408b9d753"),
    ("0005_changes.postgres.sql", "9dfade3234caf0797f901133d1b5182ab280d4d8e3f7bf693482971d4e698800"),
    ("0006_oauth.sqlite.sql", "ac6e666b3fa8fede0716bd1774e3462e4c184f7f69b3a60ca89e9cbd81580cb2"),
    ("0006_oauth.postgres.sql", "ebd74746cc0d796ab8a56078f16c6c9733921aea5fa327eb65e0a0e54a3af037"),
    ("0007_refreshes.sqlite.sql", "c1b2addbb97fee64d4e556a284633fbf5a2c88cd9afefe4cd9fc9cc2b3a1cbe3"),
    ("0007_refreshes.postgres.sql", "c69cd3541114f57b95c2e0b7c850b910968b2a50746216afaf63eb1b3836af71"),
];

const DIALECTS: [&str; 2] = ["sqlite", "postgres"];
const FOLDER: &str = "crates/countersign/migrations/";

fn migrations() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for file in files() {
        if let Some(name) = file.path.strip_prefix(FOLDER) {
            found.push((name.to_owned(), file.bytes));
        }
    }
    found
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn no_migration_changes() {
    let found = migrations();
    for (name, bytes) in &found {
        let pinned = PINNED.iter().find(|(pinned, _)| pinned == name).map(|(_, sum)| *sum);
        assert_eq!(
            pinned,
            Some(sum(bytes).as_str()),
            "{name} is not as it was pinned: write a new migration"
        );
    }
    for (name, _) in PINNED {
        assert!(found.iter().any(|(found, _)| found == name), "{name} is gone");
    }
}

#[test]
fn each_database_gets_the_same_steps_without_a_gap() {
    let mut steps: BTreeMap<&str, BTreeSet<(u32, String)>> = BTreeMap::new();
    let found = migrations();
    let parted: Vec<&str> = DIALECTS
        .into_iter()
        .filter(|dialect| found.iter().any(|(name, _)| name.contains(&format!(".{dialect}."))))
        .collect();
    for (file, _) in &found {
        let stem = file.strip_suffix(".sql").unwrap_or_else(|| panic!("{file} is no migration"));
        let (stem, dialect) =
            stem.split_once('.').map_or((stem, None), |(stem, dialect)| (stem, Some(dialect)));
        let (number, name) = stem.split_once('_').unwrap_or_else(|| panic!("{file}: NNNN_name"));
        assert!(number.len() == 4 && dialect.is_none_or(|dialect| DIALECTS.contains(&dialect)), "{file}");
        let step = (number.parse().unwrap(), name.to_owned());
        for dialect in parted.iter().filter(|it| dialect.is_none_or(|dialect| dialect == **it)) {
            assert!(steps.entry(dialect).or_default().insert(step.clone()), "{file}: given twice");
        }
    }
    let first = steps.values().next().expect("there are migrations").clone();
    for (dialect, of_it) in &steps {
        assert_eq!(*of_it, first, "{dialect} has other steps");
    }
    let numbers: Vec<u32> = first.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=u32::try_from(first.len()).unwrap()).collect::<Vec<_>>());
}

#[test]
fn every_migration_is_in_the_program() {
    let source = std::fs::read_to_string(root().join("crates/countersign/src/store/migrate.rs")).unwrap();
    for (name, _) in migrations() {
        assert!(source.contains(&format!("migrations/{name}\")")), "{name} is not in store/migrate.rs");
    }
}

//! The list of what is copied, held against the catalogues of both databases.

use std::collections::BTreeMap;

use super::super::tables::{NOT_COPIED, TABLES, Table};
use super::site::Site;

/// What a catalogue says about one table.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// Name and kind, sorted.
    columns: Vec<(String, String)>,
    key: Vec<String>,
    refers_to: Vec<String>,
}

type Catalogue = BTreeMap<String, Found>;

fn sqlite(site: &Site) -> Catalogue {
    let connection = site.connection();
    let texts = |sql: &str| -> Vec<(String, String, i64)> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    };
    let mut catalogue = Catalogue::new();
    let tables = "SELECT name, '', 0 FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    for (table, ..) in texts(tables) {
        let found = catalogue.entry(table.clone()).or_default();
        let mut columns = texts(&format!("SELECT name, type, pk FROM pragma_table_info('{table}')"));
        columns.sort_by_key(|(.., place)| *place);
        let in_key = columns.iter().filter(|(.., place)| *place > 0);
        found.key = in_key.map(|(name, ..)| name.clone()).collect();
        found.columns = columns.into_iter().map(|(name, kind, _)| (name, kind)).collect();
        let refers = texts(&format!("SELECT \"table\", '', 0 FROM pragma_foreign_key_list('{table}')"));
        found.refers_to = refers.into_iter().map(|(table, ..)| table).collect();
        found.columns.sort();
    }
    catalogue
}

fn postgres(site: &Site) -> Catalogue {
    let texts = |sql: &str| -> Vec<[String; 3]> {
        let rows = site.schema.as_ref().unwrap().query_text(sql);
        let text = |row: &Vec<Option<String>>, at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        rows.iter().map(|row| [text(row, 0), text(row, 1), text(row, 2)]).collect()
    };
    let mut catalogue = Catalogue::new();
    let columns = "SELECT table_name, column_name, data_type FROM information_schema.columns
        WHERE table_schema = current_schema()";
    for [table, column, kind] in texts(columns) {
        catalogue.entry(table).or_default().columns.push((column, kind));
    }
    let keys = "SELECT conrelid::regclass::text, attname FROM pg_constraint, unnest(conkey) WITH ORDINALITY AS k (n, place),
        pg_attribute WHERE contype = 'p' AND attrelid = conrelid AND attnum = k.n
        AND connamespace = current_schema()::regnamespace ORDER BY 1, k.place";
    for [table, column, _] in texts(keys) {
        catalogue.get_mut(&table).unwrap().key.push(column);
    }
    let references = "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
        WHERE contype = 'f' AND connamespace = current_schema()::regnamespace";
    for [table, other, _] in texts(references) {
        catalogue.get_mut(&table).unwrap().refers_to.push(other);
    }
    catalogue.values_mut().for_each(|found| found.columns.sort());
    catalogue
}

/// Everything in which the list is not what the catalogue says.
fn complaints(catalogue: &Catalogue, kinds: [&str; 3]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut known: Vec<&str> = NOT_COPIED.iter().map(|(name, _)| *name).collect();
    for table in TABLES {
        match catalogue.get(table.name) {
            None => wrong.push(format!("there is no table {}", table.name)),
            Some(found) => wrong.extend(differences(table, found, &known, kinds)),
        }
        known.push(table.name);
    }
    for (name, found) in catalogue.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        wrong.push(format!(
            "the table {name} is not copied: list it in store/copy/tables.rs, or say there why it stays: {found:?}"
        ));
    }
    wrong
}

fn differences(table: &Table, found: &Found, above: &[&str], kinds: [&str; 3]) -> Vec<String> {
    let mut wrong = Vec::new();
    let columns =
        table.columns.iter().map(|column| (column.name.to_owned(), kinds[column.kind as usize].to_owned()));
    let mut columns: Vec<_> = columns.collect();
    columns.sort();
    if columns != found.columns {
        wrong.push(format!("{}: the columns are {:?}, not {columns:?}", table.name, found.columns));
    }
    let key: Vec<&str> = table.key_columns().iter().map(|column| column.name).collect();
    if key != found.key {
        wrong.push(format!("{}: the primary key is {:?}, not {key:?}", table.name, found.key));
    }
    for other in &found.refers_to {
        if !above.contains(&other.as_str()) && other != table.name {
            wrong.push(format!("{} refers to {other}, which must stand above it", table.name));
        }
    }
    wrong
}

const OF_SQLITE: [&str; 3] = ["INTEGER", "TEXT", "BLOB"];
const OF_POSTGRES: [&str; 3] = ["bigint", "text", "bytea"];

#[tokio::test]
async fn every_table_and_column_of_both_schemas_is_copied() {
    let site = Site::sqlite();
    site.open().await.unwrap();
    assert_eq!(complaints(&sqlite(&site), OF_SQLITE), [""; 0]);
    if countersign_testbed::postgres_or_skip() {
        let site = Site::postgres();
        site.open().await.unwrap();
        assert_eq!(complaints(&postgres(&site), OF_POSTGRES), [""; 0]);
    }
}

/// The test above fails where something is forgotten.
#[tokio::test]
async fn what_a_migration_adds_and_the_list_forgets_is_found() {
    let site = Site::sqlite();
    site.open().await.unwrap();
    let changes = [
        ("CREATE TABLE strangers (name TEXT PRIMARY KEY) STRICT", "the table strangers is not copied"),
        ("ALTER TABLE users ADD COLUMN nickname TEXT", "nickname"),
        ("ALTER TABLE sign_ins DROP COLUMN address", "sign_ins: the columns"),
    ];
    for (at, (change, complaint)) in changes.into_iter().enumerate() {
        site.execute(change);
        let found = complaints(&sqlite(&site), OF_SQLITE);
        assert_eq!(found.len(), at + 1, "{found:?}");
        assert!(found.iter().any(|found| found.contains(complaint)), "{found:?}");
    }
    if countersign_testbed::postgres_or_skip() {
        let site = Site::postgres();
        site.open().await.unwrap();
        site.execute(
            "CREATE TABLE strangers (a BIGINT, b TEXT, PRIMARY KEY (b, a)); ALTER TABLE users ADD COLUMN nickname TEXT",
        );
        let found = complaints(&postgres(&site), OF_POSTGRES);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[1].contains(r#"key: ["b", "a"]"#), "{found:?}");
    }
}

//! The statements of a copy: the one place where text is put together, from the names in `tables.rs` and nothing else.
//!
//! Their shape is the same for every table, and to write them out would be to write each table's columns five times.
//! The names are `&'static str` of one list: nothing that was read or typed can get in here.

use super::tables::{Column, TABLES, Table};

/// Rows that are read and written together: a few MiB at the most, whatever the size of the table.
pub(in crate::store) const PAGE: usize = 4_096;

fn list<'t>(names: impl Iterator<Item = &'t str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn names(columns: &[Column]) -> String {
    list(columns.iter().map(|column| column.name))
}

/// `$1, $2, …`
fn places(many: usize) -> String {
    (1..=many).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

/// The first rows in the order of the primary key.
pub(in crate::store) fn first_page(table: &Table) -> String {
    let (columns, key) = (names(table.columns), names(table.key_columns()));
    format!("SELECT {columns} FROM {} ORDER BY {key} LIMIT {PAGE}", table.name)
}

/// The rows that follow the key `$1, …`: found by the index of the key, however far it is.
pub(in crate::store) fn next_page(table: &Table) -> String {
    let (columns, key) = (names(table.columns), names(table.key_columns()));
    let after = places(table.key);
    format!("SELECT {columns} FROM {} WHERE ({key}) > ({after}) ORDER BY {key} LIMIT {PAGE}", table.name)
}

pub(in crate::store) fn insert(table: &Table) -> String {
    let (columns, values) = (names(table.columns), places(table.columns.len()));
    format!("INSERT INTO {} ({columns}) VALUES ({values})", table.name)
}

pub(in crate::store) fn count(table: &Table) -> String {
    format!("SELECT count(*) FROM {}", table.name)
}

/// Whether there is any row.
pub(in crate::store) fn any(table: &Table) -> String {
    format!("SELECT 1 FROM {} LIMIT 1", table.name)
}

/// SQLite empties a whole table at once.
pub(in crate::store) fn empty(table: &Table) -> String {
    format!("DELETE FROM {}", table.name)
}

/// PostgreSQL empties tables that refer to each other in one statement. It refuses where somebody else's table refers to
/// ours, which is right.
pub(in crate::store) fn empty_all() -> String {
    format!("TRUNCATE {}", list(TABLES.iter().map(|table| table.name)))
}

/// PostgreSQL's fastest way in.
pub(in crate::store) fn load(table: &Table) -> String {
    format!("COPY {} ({}) FROM STDIN (FORMAT BINARY)", table.name, names(table.columns))
}

/// So that the planner knows a table that was empty a moment ago.
pub(in crate::store) fn analyze(table: &Table) -> String {
    format!("ANALYZE {}", table.name)
}

/// How many rows PostgreSQL has, and which transactions wrote them: another sum means that somebody has written since.
pub(in crate::store) fn testimony(table: &Table) -> String {
    format!(
        "SELECT count(*), CAST(coalesce(sum(CAST(CAST(xmin AS TEXT) AS BIGINT)), 0) AS TEXT) FROM {}",
        table.name
    )
}

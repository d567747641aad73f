//! The SQL: static, in one place for each chapter, and guarded where something can be spent only once.

use super::rust::Source;
use super::tree::service_modules;

const VERBS: [&str; 4] = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM "];

/// The one file that puts statements together: a copy has the same few for every table, and their names come from one list
/// in the program's text.
const ASSEMBLED: &str = "crates/countersign/src/store/copy/statements.rs";
const LIST: &str = "crates/countersign/src/store/copy/tables.rs";

/// Every statement of the service with the file that it stands in.
fn statements() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (source, _) in service_modules() {
        for text in &source.texts {
            let trimmed = text.trim_start();
            let is_statement =
                VERBS.iter().any(|verb| trimmed.starts_with(verb)) && trimmed.contains(char::is_lowercase);
            if is_statement || trimmed.starts_with("WHERE ") {
                found.push((source.path.clone(), text.split_whitespace().collect::<Vec<_>>().join(" ")));
            }
        }
    }
    assert!(found.len() > 20, "the statements were not found: {}", found.len());
    found
}

// SEC-104
#[test]
fn statements_stand_in_sql_rs_or_in_the_store() {
    for (path, statement) in statements() {
        let is_at_home = path.ends_with("/sql.rs") || path.starts_with("crates/countersign/src/store/");
        assert!(is_at_home, "{path}: {statement}");
    }
}

// SEC-104
#[test]
fn statements_are_static_and_number_their_parameters() {
    for (path, statement) in statements() {
        let is_assembled = statement.contains('{') && path != ASSEMBLED;
        let odd = statement.contains('?') || is_assembled || statement.contains("$0");
        assert!(!odd, "{path}: write $1, $2, … and nothing that is put in later: {statement}");
        let quoted = statement.split('\'').skip(1).step_by(2);
        for text in quoted {
            assert!(text.is_empty() || text == "schema_migrations", "{path}: a value in the text: {text:?}");
        }
    }
    for (source, _) in service_modules().iter().filter(|(source, _)| source.path.ends_with("/sql.rs")) {
        for maker in ["format", "push_str", "write"] {
            assert!(!source.names(maker), "{} makes a statement with {maker}", source.path);
        }
    }
}

// SEC-104
#[test]
fn what_is_put_into_a_statement_is_a_name_from_one_list() {
    let modules = service_modules();
    let list = modules.iter().find(|(source, _)| source.path == LIST).map(|(source, _)| source).unwrap();
    for field in ["name: &'static str", "columns: &'static [Column]"] {
        assert!(list.code.contains(field), "{LIST}: {field}: only what is in the program's text is so");
    }
    for (source, _) in modules.iter().filter(|(source, _)| source.path.contains("/store/")) {
        let makes_names = source.names("leak") || source.path != LIST && source.code.contains(" Table {");
        assert!(
            !makes_names || source.code.contains("struct Table {"),
            "{} makes names of tables",
            source.path
        );
    }
    let assembled =
        modules.iter().find(|(source, _)| source.path == ASSEMBLED).map(|(source, _)| source).unwrap();
    for function in assembled.functions() {
        let head = assembled.code.split(&format!("fn {}", function.name)).nth(1).unwrap();
        let takes = head.split(['(', ')']).nth(1).unwrap();
        let is_inner = ["list", "names", "places"].contains(&function.name.as_str());
        assert!(is_inner || ["", "table: &Table"].contains(&takes), "{} takes {takes}", function.name);
    }
}

#[test]
fn every_change_says_which_rows_it_means() {
    for (path, statement) in statements() {
        let is_change = statement.starts_with("UPDATE ") || statement.starts_with("DELETE ");
        assert!(!is_change || statement.contains(" WHERE "), "{path}: {statement}");
    }
}

/// The columns that an `UPDATE` sets.
fn set_columns(statement: &str) -> Vec<String> {
    let Some((_, rest)) = statement.split_once(" SET ") else { return Vec::new() };
    let set = rest.split(" WHERE ").next().unwrap();
    let names = set.split('=').filter_map(|before| before.trim().rsplit([' ', ',']).next());
    names.map(str::to_owned).collect()
}

// SEC-43
#[test]
fn a_refresh_token_is_spent_by_one_guarded_statement_and_nowhere_else() {
    let mut spends = 0;
    for (path, statement) in statements() {
        if !statement.starts_with("UPDATE sign_ins") {
            continue;
        }
        let columns = set_columns(&statement);
        let spent = ["generation", "current_hash", "successor_salt", "retry_key_hash", "spendings"];
        if !columns.iter().any(|column| spent.contains(&column.as_str())) {
            continue;
        }
        assert_eq!(path, "crates/countersign/src/store/spend.rs", "{statement}");
        let alone = ["generation = $2", "current_hash = $3", "expires_at > $8", "transport = $10"];
        let together = [
            "s.generation = b.generation",
            "s.current_hash = substr(b.packed, 1, 32)",
            "s.expires_at > b.now",
            "s.transport = b.transport",
        ];
        let guards = if statement.contains("unnest") { together } else { alone };
        let guarded = statement.split_once(" WHERE ").unwrap().1;
        for guard in guards.into_iter().chain(["ended_at IS NULL", "users.epoch", "RETURNING"]) {
            assert!(guarded.contains(guard), "the guard {guard} is missing");
        }
        spends += 1;
    }
    assert_eq!(spends, 2, "alone, and many together");
}

/// One door in, one door out: whatever a refusal of these would mean is decided in one place.
#[test]
fn every_way_in_ends_in_open_and_every_credential_change_ends_the_others() {
    let mut changes = 0;
    for (source, _) in service_modules() {
        if source.code.contains(".insert_sign_in(") {
            assert_eq!(source.path, "crates/countersign/src/sign_in/mod.rs");
        }
        changes += credential_changes(source);
    }
    assert!(changes >= 5, "{changes}");
}

fn credential_changes(source: &Source) -> usize {
    let mut changes = 0;
    for function in source.functions() {
        let body = &function.body;
        let sets = [".set_password_hash(", ".flag_as_deleted(", ".set_disabled_at(*id, Some"];
        if sets.iter().any(|call| body.contains(call)) && !source.is_test() && in_code(source, &function.name)
        {
            let ends = body.contains(".end_all_sign_ins(");
            assert!(ends, "{} in {} changes a credential and ends no sign-in", function.name, source.path);
            changes += 1;
        }
    }
    changes
}

/// Whether the function is more than a unit test.
fn in_code(source: &Source, name: &str) -> bool {
    source.code.contains(&format!("fn {name}"))
}

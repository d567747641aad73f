//! Who may name what: HTTP, transactions and the database each stay in their rooms.

use super::tree::{service_modules, sources, table_of_contents};

/// Chapters whose `mod.rs` may name axum, and why.
const PAGES: [(&str, &str); 1] = [("api_docs", "it serves files and has no flow to keep apart from HTTP")];

fn chapters() -> Vec<String> {
    let contents = table_of_contents();
    contents.into_iter().filter(|(_, part)| *part == 3 || *part == 4).map(|(name, _)| name).collect()
}

#[test]
fn http_knows_no_transaction() {
    let mut seen = 0;
    for (source, path) in
        service_modules().iter().filter(|(_, path)| path.last().is_some_and(|it| it == "http"))
    {
        assert!(!source.names("Tx"), "{} names Tx: let its chapter's mod.rs do that", source.path);
        assert!(!source.crate_paths().contains(&"store".to_owned()), "{} names the store", source.path);
        assert!(chapters().contains(&path[0]), "{} stands in no chapter", source.path);
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
}

#[test]
fn chapters_know_no_http() {
    let chapters = chapters();
    let mut pages = 0;
    for (source, path) in service_modules().iter().filter(|(_, path)| chapters.contains(&path[0])) {
        let is_chapter = source.path.ends_with("/mod.rs") && path.len() == 1;
        if PAGES.iter().any(|(page, _)| *page == path[0]) {
            pages += usize::from(source.names("axum"));
        } else if is_chapter {
            for library in ["axum", "StatusCode", "HeaderMap", "Response"] {
                assert!(
                    !source.names(library),
                    "{} names {library}: that belongs into its http.rs",
                    source.path
                );
            }
        }
    }
    assert_eq!(pages, PAGES.len(), "an exception is not needed any more: take it off the list");
}

/// What is asked all the time pays nothing for what limits guesses.
#[test]
fn the_paths_that_are_hot_know_no_limits() {
    let hot = ["access", "refresh", "revoke"];
    let mut seen = 0;
    for (source, _) in service_modules().iter().filter(|(_, path)| hot.contains(&path[0].as_str())) {
        assert!(!source.crate_paths().contains(&"limits".to_owned()), "{} names the limits", source.path);
        seen += 1;
    }
    assert!(seen >= 7, "{seen}");
}

#[test]
fn statements_know_the_store_and_words_alone() {
    let contents = table_of_contents();
    let words: Vec<&str> =
        contents.iter().filter(|(_, part)| *part == 1).map(|(name, _)| name.as_str()).collect();
    let mut seen = 0;
    for (source, _) in service_modules().iter().filter(|(_, path)| path.last().is_some_and(|it| it == "sql"))
    {
        for name in source.crate_paths() {
            let is_known = name == "store" || words.contains(&name.as_str());
            assert!(is_known, "{} names {name}", source.path);
        }
        assert!(source.names("Tx"));
        seen += 1;
    }
    assert!(seen >= 2, "{seen}");
}

#[test]
fn only_the_store_names_the_database() {
    for source in sources().iter().filter(|source| !source.is_test() && source.path.contains("crates/")) {
        let is_store = source.path.starts_with("crates/countersign/src/store/");
        let is_of_tests = source.path.starts_with("crates/countersign-testbed/");
        for library in ["rusqlite", "tokio_postgres"] {
            assert!(is_store || is_of_tests || !source.names(library), "{} names {library}", source.path);
        }
    }
}

/// The command line and embedding applications call what HTTP calls.
#[test]
fn the_program_calls_functions_not_statements() {
    for source in sources().iter().filter(|source| source.path.starts_with("crates/countersign-server/src/"))
    {
        assert!(!source.names("Tx") && !source.names("rusqlite"), "{}", source.path);
    }
}

/// A folder is a noun of the contract, a handler its operation's id.
#[test]
fn a_handler_is_called_as_its_operation() {
    let mut seen = 0;
    for source in sources().iter().filter(|source| source.path.starts_with("crates/countersign/src/")) {
        for after in source.text.split("operation_id = \"").skip(1) {
            let id = after.split('"').next().unwrap();
            let handler = after.split("async fn ").nth(1).and_then(|rest| rest.split('(').next()).unwrap();
            assert_eq!(handler, id, "{}", source.path);
            seen += 1;
        }
    }
    assert!(seen >= 15, "{seen}");
}

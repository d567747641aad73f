//! What one can take in at a glance: files and functions have a length, and a first line that says what they are for.

use super::tree::sources;

const FILE: usize = 400;
const FUNCTION: usize = 60;

/// Files that were longer when the rule came, with their length: it may only fall.
const LONG_FILES: &[(&str, usize)] = &[];

/// Functions that were longer when the rule came: file, name, lines.
const LONG_FUNCTIONS: &[(&str, &str, usize)] =
    &[("crates/countersign/src/settings/tests.rs", "every_bad_value_is_refused_by_name", 65)];

/// What is wrong with this length, if anything.
fn ratchet(what: &str, lines: usize, limit: usize, listed: Option<usize>) -> Option<String> {
    match listed {
        None if lines < limit => None,
        None => Some(format!("{what} has {lines} lines; split it, fewer than {limit} are readable")),
        Some(most) if lines > most => Some(format!("{what} has grown from {most} to {lines} lines")),
        Some(most) if lines < most => {
            Some(format!("lower the ratchet: {what} has {lines} lines, {most} are listed"))
        }
        Some(_) => None,
    }
}

#[test]
fn files_are_short() {
    let sources = sources();
    let mut wrong = Vec::new();
    for source in sources {
        let listed = LONG_FILES.iter().find(|(path, _)| *path == source.path).map(|(_, lines)| *lines);
        wrong.extend(ratchet(&source.path, source.text.lines().count(), FILE, listed));
    }
    for (path, lines) in LONG_FILES {
        let is_needed = *lines >= FILE && sources.iter().any(|source| source.path == *path);
        wrong.extend((!is_needed).then(|| format!("lower the ratchet: {path} needs no exception")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn functions_are_short() {
    let (mut seen, mut used, mut wrong) = (0, 0, Vec::new());
    for source in sources() {
        for function in source.functions() {
            let is_it = |entry: &&(&str, &str, usize)| entry.0 == source.path && entry.1 == function.name;
            let listed = LONG_FUNCTIONS.iter().find(is_it).map(|(_, _, lines)| *lines);
            let what = format!("{} ({}:{})", function.name, source.path, function.line);
            wrong.extend(ratchet(&what, function.lines, FUNCTION, listed));
            used += usize::from(listed.is_some_and(|lines| lines >= FUNCTION));
            seen += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(used, LONG_FUNCTIONS.len(), "lower the ratchet: a listed function needs no exception");
    assert!(seen > 1_000, "the functions were not found: {seen}");
}

#[test]
fn every_module_begins_by_saying_why_it_exists() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.path.contains("/src/") || !source.is_test()) {
        let first = source.text.lines().next().unwrap_or_default();
        let says = first.starts_with("//! ") && first.len() > 10;
        wrong.extend((!says).then(|| format!("{} begins with {first:?}", source.path)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

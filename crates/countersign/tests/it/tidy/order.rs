//! `lib.rs` is a table of contents whose order is law: a module uses only those listed above it.

use super::tree::{service_modules, table_of_contents};

/// (module, what it uses although that stands below, why).
const EXCEPTIONS: [(&str, &str, &str); 1] =
    [("api_docs", "router", "the page serves the description that the list of all routes makes")];

#[test]
fn a_module_uses_only_those_listed_above_it() {
    let contents = table_of_contents();
    let place = |name: &str| contents.iter().position(|(module, _)| module == name);
    let mut used = Vec::new();
    for (source, path) in service_modules() {
        let own = place(&path[0]).unwrap_or_else(|| panic!("{} is not in lib.rs", source.path));
        for name in source.crate_paths() {
            let Some(other) = place(&name) else {
                panic!("{} names crate::{name}: name it through its module", source.path)
            };
            match EXCEPTIONS.iter().find(|(from, to, _)| *from == path[0] && *to == name) {
                Some(exception) => used.push(exception.0),
                None => assert!(other <= own, "{} uses {name}, which lib.rs lists below it", source.path),
            }
        }
    }
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), EXCEPTIONS.len(), "an exception is not needed any more: take it off the list");
}

#[test]
fn extensions_never_import_one_another() {
    let contents = table_of_contents();
    let part = |name: &str| contents.iter().find(|(module, _)| module == name).map(|(_, part)| *part);
    for (source, path) in service_modules().iter().filter(|(_, path)| part(&path[0]) == Some(4)) {
        for name in source.crate_paths() {
            let is_sibling = part(&name) == Some(4) && name != path[0];
            assert!(!is_sibling, "{} imports its sibling {name}", source.path);
        }
    }
}

/// A path of `super::` that leaves the module would pass by the table of contents.
#[test]
fn no_module_climbs_out_of_itself() {
    for (source, path) in service_modules() {
        for (at, _) in source.code.match_indices("super::") {
            let continues = source.code[..at].ends_with("super::");
            let climbed = source.code[at..].split("::").take_while(|step| *step == "super").count();
            assert!(continues || climbed < path.len(), "{} climbs out with super::", source.path);
        }
    }
}

#[test]
fn every_file_belongs_to_the_table_of_contents_and_nothing_in_it_is_missing() {
    let modules = service_modules();
    for (module, _) in table_of_contents() {
        let exists = modules.iter().any(|(_, path)| path.len() == 1 && path[0] == module);
        assert!(exists, "lib.rs lists {module}, which has no file");
    }
}

//! The reference prints the table of lies, and this holds it to what is tested.

use super::{hostile, reach};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/hostile-issuer.md");

/// `UPDATE_PAGES=1 cargo test -p countersign --lib hostile` writes it anew.
#[test]
fn the_page_about_the_hostile_issuer_lists_what_is_tested() {
    let mut page = "\
# What a lying or broken identity provider gets

Made of the tests by `UPDATE_PAGES=1 cargo test -p countersign --lib hostile`. The word names the check that found it; it
stands in the log and in the audit trail. [Decision 0014](../decisions/0014-identity-providers.md) says what is checked.

## Lies

| the issuer | found by |
| --- | --- |
"
    .to_owned();
    for row in hostile::rows() {
        page.push_str(&format!("| {} | `{}` |\n", row.does, row.word));
    }
    page.push_str(
        "\n## Misbehaviour\n\nAt each of discovery, keys, token endpoint and userinfo:\n\n\
         | the endpoint | found by |\n| --- | --- |\n",
    );
    for (does, _, word) in reach::misbehaviours() {
        page.push_str(&format!("| {does} | `{word}` |\n"));
    }
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(PAGE).unwrap_or_default(), page, "run it with UPDATE_PAGES=1");
}

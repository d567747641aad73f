//! Every recorded conversation belongs to a test: a forgotten one would prove nothing and look as if it did.

use std::path::Path;

#[test]
fn every_recorded_conversation_is_told_by_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/first_principles");
    let tests = std::fs::read_to_string(folder.join("flow.rs")).unwrap();
    let mut recorded: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(folder.join("snapshots")).unwrap() {
        recorded.push(entry.unwrap().file_name().into_string().unwrap());
    }
    let told: Vec<&str> = tests.split("insta::assert_snapshot!(\"").skip(1).collect();
    let mut told: Vec<String> = told
        .iter()
        .map(|rest| format!("it__first_principles__flow__{}.snap", rest.split('"').next().unwrap()))
        .collect();
    recorded.sort();
    told.sort();
    assert_eq!(recorded, told);
}

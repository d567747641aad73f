//! `countersign audit` and `countersign explain`, beside a running service.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::program::{Operator, Service};

const PASSWORD: &str = "analytical engine";

fn create(operator: &Operator, name: &str) {
    let created = operator.run_with(&["user", "create", name], &[], &format!("{PASSWORD}\n"));
    assert_eq!(created.code, 0, "{created:?}");
}

fn sign_in(service: &Service, password: &str) -> String {
    service.post("/authenticate", &json!({"username": "ada", "password": password}))
}

fn objects(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

#[test]
fn the_trail_is_listed_for_everybody_and_for_one_account() {
    let operator = Operator::new();
    let service = operator.serve();
    create(&operator, "ada");
    create(&operator, "eve");
    assert!(sign_in(&service, PASSWORD).starts_with("HTTP/1.1 200"));
    assert!(sign_in(&service, "wrong password").starts_with("HTTP/1.1 401"));
    // What waits to be written is written before the service ends.
    service.stop();
    let all = objects(&operator.run(&["audit", "--json"]).out);
    assert_eq!(events(&all), ["sign_up", "sign_up", "sign_in", "sign_in_failed"]);
    assert_eq!(all[3]["detail"], "wrong_password");
    assert!(all[3]["request_id"].is_string() && all[0]["request_id"].is_null());
    let lines = operator.run(&["audit", "--user", "ADA", "--since", "1h", "--limit", "2"]).out;
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(lines.starts_with("AT ") && lines.contains("sign_in_failed") && lines.contains("127.0.0.1"));
    assert!(!lines.contains("sign_up"), "{lines}");
    assert_eq!(
        operator.run(&["audit", "--since", "2020-01-01T00:00:00Z", "--limit", "0"]).out.lines().count(),
        1
    );
    assert_eq!(operator.run(&["audit", "--user", "nobody"]).code, 3);
    assert_eq!(operator.run(&["audit", "--since", "yesterday"]).code, 2);
}

#[test]
fn the_trail_is_followed_while_it_is_written() {
    let operator = Operator::new();
    let service = operator.serve();
    create(&operator, "ada");
    let mut command = operator.command(&["audit", "--follow", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["event"], "sign_up", "what was there comes first");
    sign_in(&service, PASSWORD);
    assert_eq!(next()["event"], "sign_in");
    sign_in(&service, "wrong password");
    assert_eq!(next()["event"], "sign_in_failed");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_account_and_a_sign_in_are_explained_in_sentences() {
    let operator = Operator::new();
    let service = operator.serve();
    create(&operator, "ada");
    sign_in(&service, PASSWORD);
    let sessions = operator.run(&["user", "sessions", "ada", "--json"]).json();
    let id = sessions[0]["id"].as_str().unwrap();
    assert!(operator.run(&["explain", id]).out.contains("lives, and ends at"));
    assert_eq!(operator.run(&["user", "revoke", "ada", "--session", id]).code, 0);
    let told = operator.run(&["explain", id]).out;
    assert!(told.contains("The sign-in was ended: by the operator."), "{told}");
    assert!(told.trim_end().ends_with(": the operator ended it."), "{told}");
    let told = operator.run(&["explain", "ada", "--json"]).json();
    let sentences: Vec<&str> =
        told.as_array().unwrap().iter().map(|told| told["sentence"].as_str().unwrap()).collect();
    assert_eq!(sentences[0], "The account was made.");
    assert_eq!(sentences[sentences.len() - 2..], ["ada is active.", "There is no living sign-in."]);
    for nothing in ["nobody", "1", "no name\u{1b}[2J"] {
        assert_eq!(operator.run(&["explain", nothing]).code, 3, "{nothing}");
    }
}

// SEC-54
#[test]
fn everybodys_sign_ins_end_at_one_command() {
    let operator = Operator::new();
    let service = operator.serve();
    create(&operator, "ada");
    create(&operator, "eve");
    sign_in(&service, PASSWORD);
    let done = operator.run(&["user", "revoke", "--everyone"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("2 accounts"), "{done:?}");
    let sessions = operator.run(&["user", "sessions", "ada", "--json"]).json();
    assert_eq!(sessions[0]["state"], "operator");
    for wrong in [&["user", "revoke"][..], &["user", "revoke", "ada", "--everyone"]] {
        assert_eq!(operator.run(wrong).code, 2);
    }
}

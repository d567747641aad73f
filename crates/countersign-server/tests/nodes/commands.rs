//! Every command that works on the data, with the data in PostgreSQL and a node beside it.

use countersign_testbed::postgres_or_skip;
use serde_json::json;

use crate::site::{PASSWORD, Site};

fn line() -> String {
    format!("{PASSWORD}\n")
}

#[test]
fn migrate_cleanup_and_config_show_work_and_hide_the_password() {
    if !postgres_or_skip() {
        return;
    }
    let site = Site::new();
    for _ in 0..2 {
        let migrated = site.does(&["migrate"], "");
        assert!(migrated.out.contains("postgres://127.0.0.1") && migrated.out.contains("is up to date"));
    }
    let nothing = json!({
        "sign_ins": 0, "users": 0, "rate_limits": 0, "audit_events": 0, "one_time_tokens": 0, "mails": 0,
        "changes": 0, "oauth_attempts": 0
    });
    assert_eq!(site.does(&["cleanup", "--json"], "").json(), nothing);
    let url = site.schema.url().replace("countersign@", "countersign:hunter2@");
    for arguments in [&["config", "show"][..], &["config", "show", "--json"], &["config", "check"]] {
        let shown = site.operator.run_with(
            arguments,
            &[&*site.variables(), &[("COUNTERSIGN_DATABASE_URL", &url)]].concat(),
            "",
        );
        assert_eq!(shown.code, 0, "{shown:?}");
        assert!(!shown.out.contains("hunter2") && !shown.err.contains("hunter2"), "{shown:?}");
    }
    let shown = site.does(&["config", "show"], "").out;
    assert!(shown.contains("database_url = postgres://(hidden)@127.0.0.1"), "{shown}");
    site.left_nothing_behind();
}

#[test]
fn acts_on_an_account_reach_a_node_that_runs_beside() {
    if !postgres_or_skip() {
        return;
    }
    let site = Site::new();
    let node = site.node();
    let created = site.does(&["user", "create", "Ada", "--json"], &line()).json();
    assert_eq!(site.does(&["user", "show", "ada", "--json"], "").json(), created);
    // Only one by itself is shown with its identities.
    let mut listed = created;
    assert_eq!(listed.as_object_mut().unwrap().remove("identities"), Some(json!([])));
    assert_eq!(site.does(&["user", "list", "--json"], "").json(), json!([listed]));
    assert_eq!(site.run(&["user", "create", "ADA"], &line()).code, 4);
    assert_eq!(site.run(&["user", "show", "nobody"], "").code, 3);
    let sign_in = |password: &str| {
        let answer = node.post("/authenticate", &json!({"username": "ada", "password": password}));
        let body = answer.split("\r\n\r\n").nth(1).unwrap().to_owned();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        body["access_token"].as_str().map(str::to_owned)
    };
    let opens = |token: &str| {
        let head = "GET /me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer";
        node.ask(&format!("{head} {token}\r\n\r\n")).starts_with("HTTP/1.1 200")
    };
    for (verb, input, password) in [
        ("revoke", "", PASSWORD),
        ("set-password", "difference engine\n", PASSWORD),
        ("disable", "", "difference engine"),
    ] {
        let token = sign_in(password).unwrap();
        assert!(opens(&token));
        site.does(&["user", verb, "ada"], input);
        assert!(!opens(&token), "{verb}");
    }
    assert_eq!(sign_in("difference engine"), None);
    site.does(&["user", "enable", "ada"], "");
    let token = sign_in("difference engine").unwrap();
    let sessions = site.does(&["user", "sessions", "ada", "--json"], "").json();
    let states: Vec<_> =
        sessions.as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|state| **state == "live").count(), 1, "{states:?}");
    site.does(&["user", "delete", "ada"], "");
    assert!(!opens(&token));
    site.left_nothing_behind();
}

//! Every command of the program, run as its operator runs it.

use crate::program::Operator;

#[test]
fn every_command_explains_itself() {
    let operator = Operator::new();
    let commands = [
        "",
        "serve",
        "migrate",
        "cleanup",
        "copy",
        "user",
        "audit",
        "explain",
        "openapi",
        "config",
        "completions",
        "user create",
        "user list",
        "user show",
        "user set-password",
        "user disable",
        "user enable",
        "user delete",
        "user sessions",
        "user revoke",
        "config show",
        "config check",
    ];
    for command in commands {
        for help in ["--help", "-h"] {
            let arguments: Vec<&str> = command.split_whitespace().chain([help]).collect();
            let ended = operator.run(&arguments);
            assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
            assert!(ended.out.contains("Usage: countersign"), "{arguments:?}: {ended:?}");
        }
    }
    let help = operator.run(&["--help"]).out;
    assert!(help.contains("Exit codes:") && help.contains("--access-token-minutes"), "{help}");
}

#[test]
fn no_command_and_an_unknown_one_are_wrong_usage() {
    let operator = Operator::new();
    assert_eq!(operator.run(&[]).code, 2);
    assert_eq!(operator.run(&["srve"]).code, 2);
    assert_eq!(operator.run(&["user"]).code, 2);
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Operator::new().run(&["completions", shell]);
        assert_eq!(script.code, 0, "{script:?}");
        assert!(script.out.contains("set-password"), "{shell}");
    }
}

#[test]
fn the_description_of_the_interface_is_json_and_needs_no_settings() {
    let operator = Operator::new();
    let described = operator.run(&["openapi"]).json();
    assert!(described["paths"]["/authenticate"]["post"].is_object(), "{described}");
    assert!(!operator.has("countersign-data"));
}

#[test]
fn migrate_makes_the_database_and_may_be_repeated() {
    let operator = Operator::new();
    for _ in 0..2 {
        let migrated = operator.run(&["migrate"]);
        assert_eq!(migrated.code, 0, "{migrated:?}");
        assert!(migrated.out.contains("up to date"), "{migrated:?}");
    }
    assert!(operator.has("countersign-data/countersign.db"));
}

#[test]
fn cleanup_says_what_it_removed() {
    let operator = Operator::new();
    operator.run(&["migrate"]);
    assert_eq!(
        operator.run(&["cleanup", "--json"]).json(),
        serde_json::json!({"sign_ins": 0, "users": 0, "rate_limits": 0, "audit_events": 0, "one_time_tokens": 0, "mails": 0, "changes": 0, "oauth_attempts": 0})
    );
}

#[test]
fn a_command_in_the_wrong_folder_says_so_and_leaves_nothing_behind() {
    let operator = Operator::new();
    for arguments in
        [&["cleanup"][..], &["user", "list"], &["user", "delete", "ada"], &["audit"], &["explain", "ada"]]
    {
        let refused = operator.run(arguments);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains("there is no database at sqlite://countersign-data/"), "{refused:?}");
    }
    assert!(!operator.has("countersign-data"));
}

#[test]
fn output_that_nobody_reads_is_no_failure() {
    let operator = Operator::new();
    let mut command = operator.command(&["completions", "bash"]);
    let mut child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = crate::program::Ended::from(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
}

#[test]
fn cleanup_leaves_the_work_to_a_program_that_is_at_it() {
    let operator = Operator::new();
    operator.run(&["migrate"]);
    let database = rusqlite::Connection::open(operator.path("countersign-data/countersign.db")).unwrap();
    let sql = "INSERT INTO leases VALUES ('cleanup', 'another', (unixepoch() + 60) * 1000)";
    database.execute(sql, []).unwrap();
    let refused = operator.run(&["cleanup"]);
    assert_eq!((refused.code, refused.out.as_str()), (4, ""), "{refused:?}");
    database.execute("UPDATE leases SET expires_at = 0", []).unwrap();
    let done = operator.run(&["cleanup"]);
    assert!(done.out.starts_with("Removed rows: 0 from sign_ins"), "{done:?}");
}

//! Settings from flags, environment and file, as the real program reads them.

use crate::program::Operator;

const CANARY: &str = "canary-5d0c3b1f-Vq8Zr2mK7tXw4LpN";

fn shown(operator: &Operator, flags: &[&str], variables: &[(&str, &str)]) -> serde_json::Value {
    operator.run_with(&[&["config", "show", "--origin", "--json"], flags].concat(), variables, "").json()
}

#[test]
fn a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default() {
    let operator = Operator::new();
    operator.write(
        "countersign.toml",
        "access_token_minutes = 3\nrefresh_token_days = 4\nsession_max_days = 5\n",
    );
    let variables = [("COUNTERSIGN_ACCESS_TOKEN_MINUTES", "6"), ("COUNTERSIGN_REFRESH_TOKEN_DAYS", "2")];
    let shown = shown(&operator, &["--access-token-minutes", "7"], &variables);
    for (name, value, origin) in [
        ("access_token_minutes", "7", "flag --access-token-minutes"),
        ("refresh_token_days", "2", "environment COUNTERSIGN_REFRESH_TOKEN_DAYS"),
        ("session_max_days", "5", "file countersign.toml"),
        ("refresh_race_seconds", "10", "default"),
    ] {
        assert_eq!(shown[name], serde_json::json!({"value": value, "origin": origin}), "{name}");
    }
}

#[test]
fn a_file_can_be_named_by_flag_and_by_environment() {
    let operator = Operator::new();
    operator.write("one.toml", "audience = \"one\"");
    operator.write("two.toml", "audience = \"two\"");
    let variables = [("COUNTERSIGN_CONFIG", "two.toml")];
    assert_eq!(shown(&operator, &[], &variables)["audience"]["value"], "two");
    assert_eq!(shown(&operator, &["--config", "one.toml"], &variables)["audience"]["value"], "one");
    let missing = operator.run(&["config", "check", "--config", "three.toml"]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("three.toml"), "{missing:?}");
}

#[test]
fn a_list_is_an_array_in_the_file_and_separated_by_commas_elsewhere() {
    let operator = Operator::new();
    operator
        .write("countersign.toml", r#"cors_allowed_origins = ["https://a.example", "https://b.example"]"#);
    let value = |flags: &[&str], variables: &[(&str, &str)]| {
        shown(&operator, flags, variables)["cors_allowed_origins"]["value"].clone()
    };
    assert_eq!(value(&[], &[]), "https://a.example,https://b.example");
    let variables = [("COUNTERSIGN_CORS_ALLOWED_ORIGINS", "https://c.example, https://d.example")];
    assert_eq!(value(&[], &variables), "https://c.example,https://d.example");
    let twice =
        ["--cors-allowed-origins", "https://e.example", "--cors-allowed-origins", "https://f.example"];
    assert_eq!(value(&twice, &variables), "https://e.example,https://f.example");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let operator = Operator::new();
    assert_eq!(shown(&operator, &[], &[("COUNTERSIGN_AUDIENCE", "")])["audience"]["origin"], "default");
}

#[test]
fn what_kubernetes_puts_in_is_not_a_setting() {
    let operator = Operator::new();
    let injected = [
        ("COUNTERSIGN_SERVICE_HOST", "10.0.0.7"),
        ("COUNTERSIGN_SERVICE_PORT", "8000"),
        ("COUNTERSIGN_SERVICE_PORT_HTTP", "8000"),
        ("COUNTERSIGN_PORT", "tcp://10.0.0.7:8000"),
        ("COUNTERSIGN_PORT_8000_TCP", "tcp://10.0.0.7:8000"),
        ("COUNTERSIGN_PORT_8000_TCP_ADDR", "10.0.0.7"),
        ("COUNTERSIGN_POSTGRES_SERVICE_HOST", "10.0.0.8"),
        ("COUNTERSIGN_POSTGRES_PORT", "tcp://10.0.0.8:5432"),
        ("COUNTERSIGN_POSTGRES_PORT_5432_TCP_PROTO", "tcp"),
    ];
    let checked = operator.run_with(&["config", "check"], &injected, "");
    assert_eq!(checked.code, 0, "{checked:?}");
}

#[test]
fn everything_wrong_stops_the_start_with_its_name_its_source_and_its_mend() {
    let operator = Operator::new();
    operator.write(
        "countersign.toml",
        "acess_token_minutes = 5\ncookie_name = \"__Host-x\"\n[smtp]\nhost = \"x\"\n",
    );
    let variables =
        [("COUNTERSIGN_REFRESH_TOKEN_DAYS", "soon"), ("COUNTERSIGN_SECRET_KEY", CANARY.get(..12).unwrap())];
    for command in ["serve", "migrate", "cleanup"] {
        let refused = operator.run_with(&[command, "--access-token-algorithm", "none"], &variables, "");
        assert_eq!(refused.code, 2, "{refused:?}");
        for line in [
            "countersign: 6 settings can't stand:",
            "acess_token_minutes (file countersign.toml): there is no such setting. Did you mean access_token_minutes?",
            "cookie_name = \"__Host-x\" (file countersign.toml): browsers keep a __Host- cookie only with Path=/",
            "smtp (file countersign.toml): it is neither a value nor a list",
            "refresh_token_days = \"soon\" (environment COUNTERSIGN_REFRESH_TOKEN_DAYS): it is not a number. Write",
            "secret_key (environment COUNTERSIGN_SECRET_KEY): the key has 12 bytes; it needs at least 32. Generate one",
            "access_token_algorithm = \"none\" (flag --access-token-algorithm): there is no such algorithm. Write HS256",
        ] {
            assert!(refused.err.contains(line), "{line}\nis missing in\n{}", refused.err);
        }
        assert!(!refused.err.contains("canary"), "{}", refused.err);
        assert!(!operator.has("countersign-data"), "a refused start left something behind");
    }
}

#[test]
fn a_variable_in_lower_case_and_an_unknown_flag_are_refused() {
    let operator = Operator::new();
    let lower = operator.run_with(&["config", "check"], &[("COUNTERSIGN_audience", "x")], "");
    assert_eq!(lower.code, 2);
    assert!(lower.err.contains("COUNTERSIGN_audience"), "{lower:?}");
    let flag = operator.run(&["serve", "--acess-token-minutes", "5"]);
    assert_eq!(flag.code, 2);
    assert!(flag.err.contains("--access-token-minutes"), "{flag:?}");
}

#[test]
fn a_bad_log_filter_is_refused() {
    let refused = Operator::new().run(&["serve", "--log", "countersign=loud"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("log = \"countersign=loud\" (flag --log): it is not a log filter"),
        "{refused:?}"
    );
}

// SEC-105
#[test]
fn secrets_are_shown_nowhere() {
    let operator = Operator::new();
    operator.write("key", &format!("{CANARY}-file\n"));
    operator.write("countersign.toml", &format!("secret_key_fallbacks = [\"{CANARY}-fallback\"]\n"));
    let mail = format!("smtp://user:{CANARY}@mail.example.com");
    let variables = [
        ("COUNTERSIGN_SECRET_KEY_FILE", "key"),
        ("COUNTERSIGN_METRICS_TOKEN", CANARY),
        ("COUNTERSIGN_MAIL_URL", &mail),
        ("COUNTERSIGN_OAUTH_GOOGLE_CLIENT_ID", "client"),
        ("COUNTERSIGN_OAUTH_GOOGLE_CLIENT_SECRET", CANARY),
    ];
    for arguments in
        [&["config", "show"][..], &["config", "show", "--origin", "--json"], &["config", "check"]]
    {
        let ended = operator.run_with(arguments, &variables, "");
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(!ended.out.contains(CANARY) && !ended.err.contains(CANARY), "{ended:?}");
    }
    let shown = operator.run_with(&["config", "show"], &variables, "").out;
    assert!(shown.contains("secret_key_file = key") && shown.contains("secret_key = (hidden)"), "{shown}");
    assert!(shown.contains("oauth_google_client_secret = (hidden)"), "{shown}");
    assert!(shown.contains("mail_url = smtp://(hidden)@mail.example.com"), "{shown}");
}

// SEC-105
#[test]
fn a_file_that_is_not_toml_is_refused_without_quoting_it() {
    let operator = Operator::new();
    operator.write("countersign.toml", &format!("audience = \"x\"\nsecret_key = {CANARY}\n"));
    let refused = operator.run(&["config", "check"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("line 2 is not TOML") && !refused.err.contains(CANARY), "{refused:?}");
}

use super::*;
use crate::secret::ExposeSecret;

/// Random, as `openssl rand -base64 48` makes one.
const KEY: &str = "q0Yx3oO1cF6b7hUe2m9Jt4WvKzR8sLpNdGaTiQyHwXuBkEjM";
const CANARY: &str = "canary-7f3e9b1d5a";

fn values(given: &[(&str, &str)]) -> Values {
    given.iter().map(|(name, text)| ((*name).to_owned(), Value::Text((*text).to_owned()))).collect()
}

fn read(given: &[(&str, &str)]) -> Settings {
    Settings::from_values(&values(given)).unwrap()
}

fn refused(given: &[(&str, &str)]) -> Vec<String> {
    let problems = Settings::from_values(&values(given)).expect_err("it should have been refused");
    problems.iter().map(ToString::to_string).collect()
}

/// The one problem of these settings names this setting and contains this text.
#[track_caller]
fn refused_for(given: &[(&str, &str)], setting: &str, text: &str) {
    let problems = refused(given);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].starts_with(setting) && problems[0].contains(text), "{problems:#?}");
}

#[test]
fn the_defaults_are_valid_and_are_what_nothing_given_reads_as() {
    assert_eq!(Settings::default().problems(), Vec::new());
    assert_eq!(Settings::default().warnings(), Vec::new());
    assert_eq!(format!("{:?}", read(&[])), format!("{:?}", Settings::default()));
}

#[test]
fn every_documented_default_is_what_holds() {
    let settings = Settings::default();
    for spec in SPECS.iter().filter(|spec| !spec.is_pattern()) {
        let expected = match spec.name {
            "public_url" | "issuer" => "http://localhost:8000".to_owned(),
            "database_url" => "sqlite://countersign-data/countersign.db".to_owned(),
            "secret_key" | "secret_key_file" | "audience" | "mail_url" | "mail_from"
            | "mail_templates_dir" | "verify_email_url" | "password_reset_url" | "log_format"
            | "metrics_token" => {
                assert_eq!(settings.shown(spec.name), None, "{}", spec.name);
                continue;
            }
            _ if spec.default == "empty" => String::new(),
            _ => spec.default.to_owned(),
        };
        assert_eq!(settings.shown(spec.name), Some(expected), "{}", spec.name);
    }
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    let given = read(&[
        ("listen", "[::1]:9000"),
        ("public_url", "https://example.com/auth/"),
        ("audience", "shop"),
        ("access_token_minutes", "0.5"),
        ("cleanup_interval_minutes", "0"),
        ("trusted_proxies", "10.1.2.3/8, ::1"),
        ("cors_allowed_origins", "https://app.example.com"),
        ("allowed_return_urls", "https://app.example.com/*,https://example.com/in?x=1"),
        ("rate_limit_sign_up", "7/90s"),
        ("password_rules", "length,common"),
        ("log_format", "json"),
    ]);
    let shown: Values = SPECS
        .iter()
        .filter_map(|spec| Some((spec.name.to_owned(), Value::Text(given.shown(spec.name)?))))
        .collect();
    let again = Settings::from_values(&shown).unwrap();
    for spec in SPECS {
        assert_eq!(given.shown(spec.name), again.shown(spec.name));
    }
    assert_eq!(given.access_token_lifetime, Duration::from_secs(30));
    assert_eq!(given.cleanup_interval, None);
}

#[test]
fn the_guessed_address_follows_the_port() {
    let settings = read(&[("listen", "0.0.0.0:9321")]);
    assert_eq!(settings.base_url(), "http://localhost:9321");
    assert_eq!(settings.issuer(), "http://localhost:9321");
}

#[test]
fn a_path_prefix_goes_before_the_cookies_path() {
    let settings = read(&[("public_url", "https://example.com/auth")]);
    assert_eq!(settings.refresh_path(), "/auth/refresh");
    assert_eq!(settings.base_url(), "https://example.com/auth");
    assert_eq!(settings.origin(), "https://example.com");
    assert_eq!(Settings::default().refresh_path(), "/refresh");
    assert_eq!(read(&[("public_url", "https://example.com:443/")]).issuer(), "https://example.com");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let problems = refused(&[
        ("listen", "here"),
        ("access_token_minutes", "soon"),
        ("cookie_name", "__Host-refresh"),
        ("acess_token_minutes", "10"),
        ("argon2_iterations", "1"),
    ]);
    let named: Vec<&str> = problems.iter().filter_map(|problem| problem.split([':', ' ']).next()).collect();
    for name in ["listen", "access_token_minutes", "cookie_name", "acess_token_minutes", "argon2_memory_kib"]
    {
        assert!(named.contains(&name), "{name} is missing in {problems:#?}");
    }
    assert!(
        problems.iter().any(|problem| problem.contains("Did you mean access_token_minutes?")),
        "{problems:#?}"
    );
}

#[test]
fn every_bad_value_is_refused_by_name() {
    let cases = [
        ("listen", "localhost"),
        ("public_url", "example.com"),
        ("public_url", "ftp://example.com"),
        ("public_url", "https://user@example.com"),
        ("public_url", "https://example.com/?a"),
        ("public_url", "https://example.com/a;b"),
        ("issuer", "a\nb"),
        ("audience", ""),
        ("data_dir", ""),
        ("database_url", "mysql://localhost/x"),
        ("database_url", "sqlite::memory:"),
        ("database_url", "sqlite://"),
        ("secret_key", "short"),
        ("secret_key_file", "/nowhere/at/all"),
        ("access_token_minutes", "0"),
        ("access_token_minutes", "-1"),
        ("access_token_minutes", "1e2"),
        ("access_token_minutes", "1441"),
        ("access_token_minutes", "0.0001"),
        ("access_token_algorithm", "none"),
        ("access_token_algorithm", "EdDSA"),
        ("access_token_algorithm", "RS256"),
        ("refresh_token_days", "401"),
        ("refresh_token_days", "99999999999999999999999999"),
        ("refresh_race_seconds", "301"),
        ("refresh_reuse_grace_seconds", "ten"),
        ("cookie_name", "a b"),
        ("cookie_name", "a=b"),
        ("cookie_name", "device"),
        ("cookie_name", "__HOST-x"),
        ("cookie_secure", "maybe"),
        ("password_min_length", "7"),
        ("password_min_length", "eight"),
        ("password_rules", "length,lucky"),
        ("argon2_memory_kib", "19455"),
        ("argon2_parallelism", "0"),
        ("one_time_token_minutes", "0"),
        ("deleted_user_retention_days", "4000"),
        ("cleanup_interval_minutes", "20000"),
        ("trusted_proxies", "10.0.0.0/33"),
        ("trusted_proxies", "0.0.0.0/0"),
        ("cors_allowed_origins", "*"),
        ("cors_allowed_origins", "null"),
        ("cors_allowed_origins", "https://app.example.com/"),
        ("cors_allowed_origins", "https://*.example.com"),
        ("allowed_return_urls", "https://*.example.com/"),
        ("allowed_return_urls", "javascript:alert(1)"),
        ("mail_url", "http://example.com"),
        ("mail_from", "nobody"),
        ("rate_limit", "some"),
        ("rate_limit_sign_in", "10"),
        ("rate_limit_sign_in", "0/1m"),
        ("rate_limit_sign_in", "10/15é"),
        ("log", ""),
        ("log_format", "xml"),
        ("metrics_token", "short"),
        ("oauth_google_issuer", "issuer.example.com"),
    ];
    for (name, value) in cases {
        let problems = refused(&[(name, value)]);
        assert!(problems.iter().any(|problem| problem.starts_with(name)), "{name} = {value}: {problems:#?}");
    }
}

// SEC-14
#[test]
fn short_monotonous_and_well_known_keys_are_refused() {
    let long = |text: &str, times: usize| text.repeat(times);
    for key in [
        "0123456789abcdef0123456789abcde".to_owned(),
        long("a", 64),
        long("ab", 32),
        long("correct-horse-battery", 3),
        "abcdefghijklmnopqrstuvwxyz012345".to_owned(),
        "0123456789012345678901234567890123456789".to_owned(),
        "changeme-changeme-changeme-2-changeme".to_owned(),
        "please CHANGE this! 8d1f0c2b7e6a4953xq".to_owned(),
        "django-insecure-4k)x!q8$m0z(vw7y#n2p^r6t@b9c&d1f".to_owned(),
        "your-256-bit-secret-your-256-bit-secret!".to_owned(),
        "a-string-secret-at-least-256-bits-long".to_owned(),
        "my_super_secret_jwt_key_1234567890".to_owned(),
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7".to_owned(),
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z7CAow".to_owned(),
    ] {
        for name in ["secret_key", "secret_key_fallbacks"] {
            let problems = refused(&[(name, &key)]);
            assert!(problems[0].starts_with(name), "{key}: {problems:#?}");
            assert!(!problems[0].contains(&key), "a key was shown: {problems:#?}");
        }
    }
}

#[test]
fn random_keys_of_any_writing_are_accepted() {
    for key in [
        KEY,
        "3c9a0d7be1524f68a1b2907c5d4e8f13",
        "f2d81a260dea8a100dd517984e53c56a7523d96942a834b9cdc249bd4e8c7aa9",
        "mauve walnut kettle orbit seven lantern",
    ] {
        assert_eq!(read(&[("secret_key", key)]).secret_key.unwrap().expose_secret(), key);
    }
}

#[test]
fn a_key_file_is_read_without_the_line_break_at_its_end() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{KEY}\r\n")).unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(read(&[("secret_key_file", path)]).secret_key.unwrap().expose_secret(), KEY);
    refused_for(
        &[("secret_key_file", path), ("secret_key", KEY)],
        "secret_key_file",
        "secret_key is set too",
    );
    std::fs::write(file.path(), "too short\n").unwrap();
    refused_for(&[("secret_key_file", path)], "secret_key", "9 bytes");
}

#[test]
fn settings_that_contradict_one_another_are_refused() {
    refused_for(&[("session_max_days", "29")], "session_max_days", "refresh_token_days");
    refused_for(
        &[("cookie_secure", "false"), ("public_url", "http://example.com")],
        "cookie_secure",
        "loopback",
    );
    refused_for(
        &[("cookie_secure", "false"), ("public_url", "https://localhost")],
        "cookie_secure",
        "loopback",
    );
    refused_for(
        &[("cookie_secure", "false"), ("cookie_name", "__Secure-refresh_token")],
        "cookie_name",
        "attribute Secure",
    );
    assert!(!read(&[("cookie_secure", "false")]).cookie_secure);
    assert_eq!(read(&[("cookie_name", "__Secure-refresh_token")]).cookie_name, "__Secure-refresh_token");
}

#[test]
fn postgresql_without_what_its_nodes_must_share_is_refused() {
    let problems = refused(&[("database_url", "postgres://me:hunter2@db/auth")]);
    assert_eq!(problems.len(), 2, "{problems:#?}");
    for name in ["secret_key", "public_url"] {
        assert!(problems.iter().any(|problem| problem.starts_with(name)), "{problems:#?}");
    }
    assert!(!problems.concat().contains("hunter2"));
}

#[test]
fn several_hosts_are_shown_without_who_signs_in() {
    let url = "postgres://me:hunter2@one:5433,two/auth?sslmode=verify-full";
    let settings =
        read(&[("database_url", url), ("secret_key", KEY), ("public_url", "https://id.example.com")]);
    let shown = settings.shown("database_url").unwrap();
    assert_eq!(shown, "postgres://(hidden)@one:5433,two/auth?(hidden)");
    assert_eq!(settings.place_of_data(), "postgres://one:5433,two/auth");
    assert!(!settings.keeps_files());
    refused_for(&[("database_url", "mysql://db/auth")], "database_url", "postgres://USER:PASSWORD@");
}

// SEC-7
#[test]
fn each_pair_of_argon2_parameters_that_owasp_lists_is_accepted() {
    for (kib, passes) in [("47104", "1"), ("19456", "2"), ("12288", "3"), ("9216", "4"), ("7168", "5")] {
        let settings = read(&[("argon2_memory_kib", kib), ("argon2_iterations", passes)]);
        assert_eq!(settings.argon2.memory_kib.to_string(), kib);
    }
}

// SEC-105
#[test]
fn secrets_are_neither_shown_nor_debugged() {
    let secret = format!("{CANARY}-{KEY}");
    let settings = read(&[
        ("secret_key", &secret),
        ("secret_key_fallbacks", &secret),
        ("mail_url", &format!("smtp://me:{CANARY}@mail.example.com:25/?{CANARY}#{CANARY}")),
        ("metrics_token", &secret),
        ("oauth_google_client_id", "id"),
        ("oauth_google_client_secret", &secret),
    ]);
    let mut shown: String = SPECS.iter().filter_map(|spec| settings.shown(spec.name)).collect();
    for name in ["oauth_google_client_id", "oauth_google_client_secret", "oauth_google_issuer"] {
        shown.push_str(&settings.shown(name).unwrap_or_default());
    }
    assert!(shown.contains(show::HIDDEN) && shown.contains("smtp://(hidden)@mail.example.com:25"), "{shown}");
    let values = values(&[("secret_key", &secret)]);
    for text in [shown, format!("{settings:?}"), format!("{values:?}")] {
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[test]
fn a_refused_value_cannot_write_on_the_terminal() {
    let problems = refused(&[("log_format", "\u{1b}[2Jjson\n")]);
    assert!(!problems[0].contains('\u{1b}') && !problems[0].contains('\n'), "{problems:#?}");
}

// SEC-75
#[test]
fn plain_http_beyond_loopback_is_warned_of() {
    let warned = |given: &[(&str, &str)]| !read(given).warnings().is_empty();
    assert!(warned(&[("public_url", "http://example.com")]));
    assert!(warned(&[("listen", "0.0.0.0:8000")]));
    assert!(!warned(&[("listen", "0.0.0.0:8000"), ("public_url", "https://example.com")]));
    assert!(!warned(&[("public_url", "http://127.0.0.1:8000")]));
}

#[test]
fn a_provider_without_what_it_needs_is_refused() {
    let settings = read(&[
        ("rate_limit_sign_in", "5/1m"),
        ("mail_from", "Countersign <auth@example.com>"),
        ("oauth_my_idp_client_id", "id"),
        ("oauth_my_idp_client_secret", "secret"),
        ("oauth_my_idp_issuer", "https://idp.example.com"),
    ]);
    assert_eq!(settings.oauth["my_idp"].issuer("my_idp"), Some("https://idp.example.com"));
    refused_for(&[("oauth_idp_client_id", "id")], "oauth_idp_client_secret", "without it");
    let idp = [("oauth_idp_client_id", "id"), ("oauth_idp_client_secret", "secret")];
    refused_for(&idp, "oauth_idp_issuer", "neither google nor github");
    let plain = [idp[0], idp[1], ("oauth_idp_issuer", "http://idp.example.com")];
    refused_for(&plain, "oauth_idp_issuer", "https");
}

#[test]
fn a_list_is_read_from_text_and_from_entries() {
    let entries = vec!["https://a.example".to_owned(), "https://b.example:8443".to_owned()];
    let listed = Values::from([("cors_allowed_origins".to_owned(), Value::List(entries.clone()))]);
    assert_eq!(Settings::from_values(&listed).unwrap().cors_allowed_origins, entries);
    let text = read(&[("cors_allowed_origins", " https://a.example , https://b.example:8443,")]);
    assert_eq!(text.cors_allowed_origins, entries);
    let misplaced = Values::from([("listen".to_owned(), Value::List(entries))]);
    assert!(Settings::from_values(&misplaced).is_err());
}

#[test]
fn an_embedding_application_sets_what_it_wants() {
    let settings = Settings {
        public_url: Url::parse("https://shop.example/auth").unwrap(),
        data_dir: "/var/lib/shop".into(),
        ..Settings::default()
    };
    assert_eq!(settings.problems(), Vec::new());
    assert_eq!(settings.issuer(), "https://shop.example/auth");
    assert!(matches!(settings.database(), Database::Sqlite(file) if file.ends_with("shop/countersign.db")));
}

#[test]
fn no_rate_lets_nothing_through_or_refuses_for_longer_than_a_month() {
    let of_an_application = |count, period| {
        let rate_limits = RateLimits { sign_in: Rate { count, period }, ..RateLimits::default() };
        Settings { rate_limits, ..Settings::default() }.problems().len()
    };
    assert_eq!(of_an_application(1, Duration::from_secs(1)), 0);
    assert_eq!(of_an_application(0, MINUTE), 1);
    assert_eq!(of_an_application(1, Duration::ZERO), 1);
    assert_eq!(of_an_application(1, 32 * DAY), 1);
    assert_eq!(read(&[("rate_limit_sign_up", "5/31d")]).rate_limits.sign_up.period, 31 * DAY);
    for spec in SPECS.iter().filter(|spec| spec.value == "N/TIME") {
        refused_for(&[(spec.name, "5/32d")], spec.name, "out of bounds");
    }
}

#[test]
fn an_audit_trail_that_keeps_nothing_is_none() {
    for audit_retention in [Duration::ZERO, 3_651 * DAY] {
        let problems = Settings { audit_retention, ..Settings::default() }.problems();
        let names: Vec<&str> = problems.iter().map(|problem| &*problem.setting).collect();
        assert_eq!(names, ["audit_retention_days"]);
    }
    assert_eq!(read(&[("audit_retention_days", "7")]).audit_retention, 7 * DAY);
}

//! `countersign serve`, from its first line to its last.

use std::io::{Read, Write};

use rustix::process::Signal;
use serde_json::json;

use crate::program::{Operator, post, rest};

#[test]
fn without_any_settings_it_makes_what_it_needs_and_says_where() {
    let operator = Operator::new();
    let service = operator.serve();
    let url = format!("http://localhost:{}", service.address.port());
    for text in
        [&service.address.to_string(), "countersign-data, made just now", &format!("curl -i {url}/users")]
    {
        assert!(service.greeting.contains(text), "{text} is missing in\n{}", service.greeting);
    }
    // What the greeting suggests works.
    let account = json!({"username": "ada", "password": "analytical engine"});
    assert!(service.greeting.contains(r#"{"username": "ada", "password": "analytical engine"}"#));
    let answer = service.post("/users", &account);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let answer = service.post("/authenticate", &account);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("refresh_token="), "{answer}");
    assert_eq!(service.stop().0, 0);
    let again = operator.serve();
    assert!(
        !again.greeting.contains("made just now") && !again.greeting.contains("curl"),
        "{}",
        again.greeting
    );
    assert!(again.post("/authenticate", &account).starts_with("HTTP/1.1 200"));
}

// SEC-14, SEC-105
#[test]
fn its_files_are_its_owners_alone_whatever_the_umask() {
    let operator = Operator::new();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "umask 000; exec \"$0\" migrate", env!("CARGO_BIN_EXE_countersign")]).env_clear();
    assert!(shell.current_dir(operator.path("")).status().unwrap().success());
    let _service = operator.serve();
    assert_eq!(operator.mode("countersign-data"), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(operator.path("countersign-data")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert_eq!(operator.mode(&format!("countersign-data/{name}")), 0o600, "{name}");
        files += 1;
    }
    assert!(files >= 3, "the database, its log and the key; there are {files} files");
}

#[test]
fn a_taken_address_is_said_plainly_and_nothing_is_left_behind() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let operator = Operator::new();
    let refused = operator.run(&["serve", "--listen", &address]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains(&format!("can't listen on {address}")), "{refused:?}");
    assert!(!operator.has("countersign-data"));
}

#[test]
fn sigterm_answers_the_request_that_has_come_and_ends_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let operator = Operator::new();
        let mut service = operator.serve();
        let mut idle = service.connect();
        idle.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut first = [0; 12];
        idle.read_exact(&mut first).unwrap();
        let request =
            post("/users", &json!({"username": "ada", "password": "analytical engine"}).to_string());
        let (begin, end) = request.split_at(request.len() - 10);
        let mut busy = service.connect();
        busy.write_all(begin.as_bytes()).unwrap();
        // Whatever the service answers now shows that it has read what was sent before.
        assert!(service.get("/health/live").starts_with("HTTP/1.1 200"));
        service.signal(signal);
        service.log_line("stopping");
        rest(&mut idle);
        busy.write_all(end.as_bytes()).unwrap();
        let answer = rest(&mut busy);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        let (code, log) = service.ended();
        assert_eq!(code, 0, "{log}");
        assert!(log.contains("\"stopped\""), "{log}");
        assert_eq!(operator.run(&["user", "show", "ada"]).code, 0, "what was acknowledged is gone");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut service = Operator::new().serve();
    let mut busy = service.connect();
    busy.write_all(
        b"POST /users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    )
    .unwrap();
    assert!(service.get("/health/live").starts_with("HTTP/1.1 200"));
    service.signal(Signal::TERM);
    service.log_line("stopping");
    service.signal(Signal::TERM);
    let (code, log) = service.ended();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("stopped at once"), "{log}");
}

// SEC-108
#[test]
fn the_log_holds_no_secret_even_at_its_most_talkative() {
    let key = "canary-key-9sX2vQ7mT4wZ1nB8kR5jL0pD";
    let service = Operator::new().serve_with(&["--log", "trace"], &[("COUNTERSIGN_SECRET_KEY", key)]);
    let password = "canary-password-1";
    let account = json!({"username": "ada", "password": password});
    service.post("/users", &account);
    let answer = service.post("/authenticate", &account);
    let refresh_token = answer.split("refresh_token=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    let access_token =
        answer.split("\"access_token\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let me = format!(
        "GET /me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {access_token}\r\nConnection: close\r\n\r\n"
    );
    assert!(service.ask(&me).starts_with("HTTP/1.1 200"));
    let refresh = format!(
        "POST /refresh HTTP/1.1\r\nHost: x\r\nCookie: refresh_token={refresh_token}\r\nConnection: close\r\n\r\n"
    );
    assert!(service.ask(&refresh).starts_with("HTTP/1.1 200"));
    service.ask(&refresh);
    let wrong = json!({"username": "ada", "password": "canary-password-2"});
    service.post("/authenticate", &wrong);
    service.post("/users", &json!({"username": "bob", "password": "canary-password-3", "x": 1}));
    let (_, log) = service.stop();
    assert!(log.contains("sign_in"), "{log}");
    for secret in [key, "canary", &*refresh_token, &*access_token] {
        assert!(!log.contains(secret), "{secret} stands in the log:\n{log}");
    }
}

// SEC-73, SEC-105
#[test]
fn the_metrics_are_for_this_machine_or_for_the_token() {
    let token = "canary-metrics-token-4f";
    let service = Operator::new().serve_with(&[], &[("COUNTERSIGN_METRICS_TOKEN", token)]);
    service.post("/users", &json!({"username": "ada", "password": "analytical engine"}));
    let ask = |headers: &str| {
        service.ask(&format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n"))
    };
    let counted = "countersign_http_requests_total{method=\"POST\",route=\"/users\",status=\"201\"} 1\n";
    let here = ask("");
    assert!(here.starts_with("HTTP/1.1 200") && here.contains(counted), "{here}");
    let handed_on = "X-Forwarded-For: 203.0.113.9\r\n";
    assert!(ask(handed_on).starts_with("HTTP/1.1 404"));
    assert!(ask(&format!("{handed_on}Authorization: Bearer {token}x\r\n")).starts_with("HTTP/1.1 404"));
    assert!(ask(&format!("{handed_on}Authorization: Bearer {token}\r\n")).contains(counted));
    let (_, log) = service.stop();
    assert!(!log.contains("no effect") && !log.contains(token), "{log}");
}

// SEC-75
#[test]
fn plain_http_beyond_this_machine_is_warned_of_and_never_redirected() {
    let service = Operator::new().serve_with(&["--public-url", "http://auth.example.com"], &[]);
    assert!(service.get("/health/live").starts_with("HTTP/1.1 200"));
    let (_, log) = service.stop();
    assert!(log.contains("passwords travel unencrypted"), "{log}");
}

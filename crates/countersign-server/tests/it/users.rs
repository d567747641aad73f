//! `countersign user …`, on its own and beside a running service.

use serde_json::json;

use crate::program::Operator;

const PASSWORD: &str = "analytical engine";

fn create(operator: &Operator, name: &str) {
    let created = operator.run_with(&["user", "create", name], &[], &format!("{PASSWORD}\n"));
    assert_eq!(created.code, 0, "{created:?}");
}

#[test]
fn an_account_is_made_shown_and_listed() {
    let operator = Operator::new();
    let flags = ["user", "create", "Ada", "--email", "ada@example.com", "--json"];
    let created = operator.run_with(&flags, &[], &format!("{PASSWORD}\n")).json();
    create(&operator, "bob");
    assert_eq!(operator.run(&["user", "show", "ada", "--json"]).json(), created);
    let user =
        json!({"username": "Ada", "email": "ada@example.com", "email_verified": false, "state": "active"});
    for (name, value) in user.as_object().unwrap() {
        assert_eq!(&created[name], value, "{name}");
    }
    let listed = operator.run(&["user", "list", "--json"]).json();
    let names: Vec<_> =
        listed.as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap()).collect();
    assert_eq!(names, ["Ada", "bob"]);
    let lines = operator.run(&["user", "list"]).out;
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(operator.run(&["user", "show", "bob"]).out.contains("e-mail           none"));
}

#[test]
fn an_account_is_shown_with_the_identities_that_open_it() {
    let operator = Operator::new();
    create(&operator, "ada");
    let database = rusqlite::Connection::open(operator.path("countersign-data/countersign.db")).unwrap();
    let insert = "INSERT INTO identities (id, user_id, provider, issuer, subject, email, created_at)
                  SELECT 7, id, 'google', 'https://accounts.google.com', '1815\u{1b}', 'ada@example.com', 0 FROM users";
    database.execute(insert, []).unwrap();
    let shown = operator.run(&["user", "show", "ada", "--json"]).json();
    let identity = json!({
        "id": "7", "provider": "google", "issuer": "https://accounts.google.com", "subject": "1815\u{1b}",
        "email": "ada@example.com", "created_at": "1970-01-01T00:00:00.000Z", "last_used_at": null,
    });
    assert_eq!(shown["identities"], json!([identity]));
    let lines = operator.run(&["user", "show", "ada"]).out;
    let line = "identity         google (1815\\u001b, https://accounts.google.com), last used never";
    assert!(lines.contains(line), "{lines}");
}

#[test]
fn every_kind_of_failure_has_its_exit_code() {
    let operator = Operator::new();
    create(&operator, "ada");
    let code = |arguments: &[&str], input: &str| {
        let ended = operator.run_with(arguments, &[], input);
        assert!(ended.out.is_empty() && !ended.err.is_empty(), "{ended:?}");
        ended.code
    };
    assert_eq!(code(&["user", "create", "ADA"], "another password\n"), 4);
    assert_eq!(code(&["user", "create", "no such name!"], "another password\n"), 1);
    assert_eq!(code(&["user", "create", "bob"], "12345678\n"), 1);
    assert_eq!(code(&["user", "create", "bob"], ""), 1);
    assert_eq!(code(&["user", "create"], ""), 2);
    assert_eq!(code(&["user", "create", "bob", "--password", "another password"], ""), 2);
    for verb in ["show", "disable", "enable", "delete", "sessions", "revoke"] {
        assert_eq!(code(&["user", verb, "nobody"], ""), 3, "{verb}");
        assert_eq!(code(&["user", verb, "no name\u{1b}[2J"], ""), 3, "{verb}");
    }
    assert_eq!(code(&["user", "set-password", "nobody"], "another password\n"), 3);
    assert_eq!(code(&["user", "revoke", "ada", "--session", "1"], ""), 3);
    let reasons = operator.run_with(&["user", "create", "a b"], &[], "1234567\n").err;
    assert!(reasons.contains("username: ") && reasons.matches("password: ").count() >= 2, "{reasons}");
}

#[test]
fn acts_on_an_account_reach_a_service_that_runs_beside() {
    let operator = Operator::new();
    let service = operator.serve();
    create(&operator, "ada");
    let sign_in =
        |password: &str| service.post("/authenticate", &json!({"username": "ada", "password": password}));
    let token_of = |answer: &str| {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    };
    let me = |token: &str| {
        let head = format!(
            "GET /me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        service.ask(&head).split(' ').nth(1).unwrap().to_owned()
    };
    let act = |verb: &str, input: &str| {
        let done = operator.run_with(&["user", verb, "ada"], &[], input);
        assert_eq!(done.code, 0, "{done:?}");
    };
    let token = token_of(&sign_in(PASSWORD));
    assert_eq!(me(&token), "200");
    act("revoke", "");
    assert_eq!(me(&token), "401");
    let sessions = operator.run(&["user", "sessions", "ada", "--json"]).json();
    assert_eq!(sessions[0]["state"], "operator");
    let token = token_of(&sign_in(PASSWORD));
    act("set-password", "difference engine\n");
    assert_eq!(me(&token), "401");
    assert!(sign_in(PASSWORD).starts_with("HTTP/1.1 401"));
    let token = token_of(&sign_in("difference engine"));
    act("disable", "");
    assert_eq!(me(&token), "401");
    assert!(sign_in("difference engine").starts_with("HTTP/1.1 401"));
    act("enable", "");
    let token = token_of(&sign_in("difference engine"));
    let sessions = operator.run(&["user", "sessions", "ada", "--json"]).json();
    let live = sessions.as_array().unwrap().iter().find(|session| session["state"] == "live").unwrap();
    let one = operator.run(&["user", "revoke", "ada", "--session", live["id"].as_str().unwrap()]);
    assert_eq!(one.code, 0, "{one:?}");
    assert_eq!(me(&token), "401");
    act("delete", "");
    assert_eq!(operator.run(&["user", "show", "ada", "--json"]).json()["state"], "deleted");
    assert_eq!(operator.run(&["user", "delete", "ada"]).code, 3);
}

#[test]
fn sessions_are_listed_with_the_name_of_their_client() {
    let operator = Operator::new();
    let service = operator.serve();
    create(&operator, "ada");
    let body = json!({"username": "ada", "password": PASSWORD}).to_string();
    let firefox = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n";
    let request = crate::program::post("/authenticate", &body).replacen("Host", &format!("{firefox}Host"), 1);
    let answer = service.ask(&request);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let lines = operator.run(&["user", "sessions", "ada"]).out;
    assert!(lines.contains("live") && lines.contains("127.0.0.1 Firefox on Linux"), "{lines}");
    let listed = operator.run(&["user", "sessions", "ada", "--json"]).json();
    assert_eq!(listed[0]["user_agent"], "Firefox on Linux");
    assert!(listed[0]["user_agent_sent"].as_str().unwrap().contains("rv:128.0"), "{listed}");
}

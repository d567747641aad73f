//! `countersign copy`: from one database to another, killed on the way, refused, and with people signed in.

use std::process::Stdio;
use std::time::Instant;

use countersign_testbed::{Cluster, Schema, postgres_or_skip};
use serde_json::{Value, json};

use crate::program::{Operator, PATIENCE, Service};

const PASSWORD: &str = "analytical engine";
const ROWS: i64 = 5_000;
const SQLITE: &str = "sqlite://countersign-data/countersign.db";

/// The operator's database, with rows of more than one batch in each table.
fn fill(operator: &Operator) {
    assert_eq!(operator.run(&["migrate"]).code, 0);
    let rows = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000)";
    let users = format!(
        "{rows} INSERT INTO users (id, username, username_key, epoch, tokens_after, created_at)
         SELECT n, 'U' || n, 'u' || n, 0, 0, n FROM n"
    );
    let sign_ins = format!(
        "{rows} INSERT INTO sign_ins (id, user_id, epoch, generation, current_hash, spendings, transport, created_at,
                                      last_used_at, expires_at, ends_at, sweep_day)
         SELECT n, n, 0, n, randomblob(32), '', 'cookie', n, n, n, n, 1 FROM n"
    );
    open(operator, "countersign-data/countersign.db").execute_batch(&format!("{users}; {sign_ins}")).unwrap();
}

fn open(operator: &Operator, file: &str) -> rusqlite::Connection {
    rusqlite::Connection::open(operator.path(file)).unwrap()
}

fn copy(operator: &Operator, from: &str, to: &str) -> Value {
    operator.run(&["copy", "--from", from, "--to", to, "--json"]).json()
}

/// Waits until it is so.
#[track_caller]
fn wait_until(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it did not come to this");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Begins to copy, and kills the program (SIGKILL) once it has come so far.
fn kill_when(operator: &Operator, to: &str, is_so: impl FnMut() -> bool) {
    let mut command = operator.command(&["copy", "--from", SQLITE, "--to", to]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until(is_so);
    assert!(child.try_wait().unwrap().is_none(), "it has ended");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Nobody gets in: not the service, not a command.
fn assert_refused(operator: &Operator, flags: &[&str]) {
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["user", "list"]] {
        let refused = operator.run(&[command, flags].concat());
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains("a copy that was not finished"), "{refused:?}");
    }
}

/// All that was copied, told by a further copy of it.
fn assert_whole(operator: &Operator, url: &str, copied: &Value) {
    assert_eq!(copied["began_anew"], json!(true));
    let rows: Vec<_> =
        copied["tables"].as_array().unwrap().iter().map(|table| table["rows"].as_i64()).collect();
    assert_eq!(rows[..2], [Some(ROWS), Some(ROWS)], "{copied}");
    let again = copy(operator, url, "sqlite://again.db");
    assert_eq!((&again["tables"], &again["began_anew"]), (&copied["tables"], &json!(false)));
}

#[test]
fn a_copy_into_a_file_that_is_killed_on_the_way_is_begun_anew() {
    // The table and the row at which it is caught, and how many accounts are to be seen then.
    for (table, row, users) in
        [("users", 1, 0), ("users", 4_500, 4_096), ("sign_ins", 1, ROWS), ("sign_ins", 4_999, ROWS)]
    {
        let operator = Operator::new();
        fill(&operator);
        let flags = ["--database-url", "sqlite://new.db"];
        assert_eq!(operator.run(&[&["migrate"], &flags[..]].concat()).code, 0);
        let target = open(&operator, "new.db");
        target.busy_timeout(PATIENCE).unwrap();
        // It never comes to an end.
        let trap = format!(
            "CREATE TRIGGER trap BEFORE INSERT ON {table} WHEN NEW.id = {row} BEGIN
                 SELECT max(n) FROM (WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT n FROM n);
             END"
        );
        target.execute_batch(&trap).unwrap();
        let count = |sql| target.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        kill_when(&operator, "sqlite://new.db", || {
            count("SELECT count(*) FROM schema_migrations WHERE name = 'unfinished copy'") == 1
                && count("SELECT count(*) FROM users") == users
        });
        target.execute_batch("DROP TRIGGER trap").unwrap();
        drop(target);
        assert_refused(&operator, &flags);
        assert_whole(&operator, "sqlite://new.db", &copy(&operator, SQLITE, "sqlite://new.db"));
        assert_eq!(operator.run(&[&["user", "show", "u4999"], &flags[..]].concat()).code, 0);
    }
}

#[test]
fn a_copy_onto_a_server_that_is_killed_on_the_way_is_begun_anew() {
    if !postgres_or_skip() {
        return;
    }
    for (table, row) in [("users", 1), ("users", 4_500), ("sign_ins", 1), ("sign_ins", 4_999)] {
        let operator = Operator::new();
        fill(&operator);
        let schema = Cluster::shared().schema();
        let (url, flags) = (schema.url(), on_server(&schema));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let migrated = operator.run(&[&["migrate"], &flags[..]].concat());
        assert_eq!(migrated.code, 0, "{migrated:?}");
        schema.execute(&format!(
            "CREATE TABLE gate (shut BOOLEAN); INSERT INTO gate VALUES (true);
             CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN WHILE EXISTS (SELECT FROM gate) LOOP PERFORM pg_sleep(0.01); END LOOP; RETURN NEW; END';
             CREATE TRIGGER trap BEFORE INSERT ON {table} FOR EACH ROW WHEN (NEW.id = {row}) EXECUTE FUNCTION trap()"
        ));
        let caught = || {
            let waiting =
                "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY %' AND wait_event = 'PgSleep'";
            !schema.query_text(waiting).is_empty()
        };
        kill_when(&operator, &url, caught);
        schema.execute("DELETE FROM gate");
        wait_until(|| !caught());
        assert_refused(&operator, &flags);
        assert_whole(&operator, &url, &copy(&operator, SQLITE, &url));
        assert_eq!(operator.run(&[&["user", "show", "u4999"], &flags[..]].concat()).code, 0);
    }
}

/// What a service on a server needs beside the address.
fn on_server(schema: &Schema) -> [String; 6] {
    let key = "countersign-data/secret_key".to_owned();
    let public_url = "http://localhost:8000".to_owned();
    [
        "--database-url".to_owned(),
        schema.url(),
        "--secret-key-file".to_owned(),
        key,
        "--public-url".to_owned(),
        public_url,
    ]
}

/// What a client gets: the status, the body, and the refresh token that the cookie holds.
struct Answer {
    status: u16,
    body: Value,
    refresh_token: Option<String>,
}

impl Answer {
    fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: refresh_token="));
        Self {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
            refresh_token: cookie.map(|cookie| cookie.split(';').next().unwrap().to_owned()),
        }
    }

    #[track_caller]
    fn tokens(self) -> (String, String) {
        assert_eq!(self.status, 200, "{}", self.body);
        (self.body["access_token"].as_str().unwrap().to_owned(), self.refresh_token.unwrap())
    }
}

fn ask(service: &Service, method: &str, path: &str, header: &str) -> Answer {
    Answer::of(&service.ask(&format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\nContent-Length: 0\r\n\r\n"
    )))
}

fn me(service: &Service, access_token: &str) -> Answer {
    ask(service, "GET", "/me", &format!("Authorization: Bearer {access_token}"))
}

fn refresh(service: &Service, refresh_token: &str) -> Answer {
    ask(service, "POST", "/refresh", &format!("Cookie: refresh_token={refresh_token}"))
}

fn sign_in(service: &Service) -> (String, String) {
    let body = json!({"username": "ada", "password": PASSWORD});
    Answer::of(&service.post("/authenticate", &body)).tokens()
}

#[test]
fn nobody_is_signed_out_by_the_move_and_a_spent_token_stays_spent() {
    if !postgres_or_skip() {
        return;
    }
    let operator = Operator::new();
    let schema = Cluster::shared().schema();
    let no_race = ["--refresh-race-seconds", "0", "--public-url", "http://localhost:8000"];
    let old = operator.serve_with(&no_race, &[]);
    let made = Answer::of(&old.post("/users", &json!({"username": "ada", "password": PASSWORD})));
    assert_eq!(made.status, 201);
    let (_, spent) = sign_in(&old);
    let (access, current) = refresh(&old, &spent).tokens();
    let (signed_out_access, signed_out) = sign_in(&old);
    let cookie = format!("Cookie: refresh_token={signed_out}");
    assert_eq!(ask(&old, "DELETE", "/refresh", &cookie).status, 204);
    let (_, stolen) = sign_in(&old);
    let (stolen_access, _) = refresh(&old, &stolen).tokens();
    assert_eq!(old.stop().0, 0);

    copy(&operator, SQLITE, &schema.url());
    copy(&operator, &schema.url(), "sqlite://back.db");
    let on_server = on_server(&schema);
    let mut homes: Vec<Vec<&str>> = vec![on_server.iter().map(String::as_str).collect()];
    homes.push([&["--database-url", "sqlite://back.db"], &no_race[2..]].concat());
    for home in homes {
        let new = operator.serve_with(&[&home[..], &no_race[..2]].concat(), &[]);
        assert_eq!(me(&new, &access).body["username"], "ada");
        assert_eq!(me(&new, &signed_out_access).body["code"], "access_token_invalid");
        assert_eq!(refresh(&new, &signed_out).body["code"], "refresh_token_revoked");
        let reused = refresh(&new, &stolen);
        assert_eq!((reused.status, &reused.body["code"]), (401, &json!("refresh_token_reused")));
        assert_eq!(me(&new, &stolen_access).body["code"], "access_token_invalid");
        // Both homes were made before either was used: in each the client goes on from where it was.
        let renewed = refresh(&new, &current).tokens();
        assert_eq!(me(&new, &renewed.0).body["username"], "ada");
        assert_eq!(refresh(&new, &current).body["code"], "refresh_token_reused");
        assert_eq!(new.stop().0, 0);
    }
}

#[test]
fn every_refusal_has_its_exit_code_and_shows_no_password() {
    let operator = Operator::new();
    fill(&operator);
    let run = |from: &str, to: &str| {
        let ended = operator.run(&["copy", "--from", from, "--to", to]);
        assert!(ended.out.is_empty() == (ended.code != 0) && !ended.err.contains("hunter2"), "{ended:?}");
        (ended.code, ended.err)
    };
    assert_eq!(run(SQLITE, SQLITE).0, 2);
    assert_eq!(run(SQLITE, "mysql://me:hunter2@db/auth").0, 2);
    assert_eq!(run("sqlite://:memory:", "sqlite://new.db").0, 2);
    assert_eq!(run("sqlite://nothing.db", "sqlite://new.db").0, 1);
    assert_eq!(run(SQLITE, "postgres://me:hunter2@127.0.0.1/auth?sslmode=no").0, 2);
    assert!(!operator.has("new.db") && !operator.has("nothing.db"));
    let (code, said) = run(SQLITE, "sqlite://new.db");
    assert_eq!((code, said.as_str()), (0, ""));
    let (code, said) = run(SQLITE, "sqlite://new.db");
    assert_eq!(code, 4);
    assert!(said.contains("table users has rows"), "{said}");
    assert_eq!(operator.run(&["copy", "--from", SQLITE]).code, 2);
    assert_eq!(operator.run(&["copy"]).code, 2);
}

#[test]
fn the_addresses_may_stand_in_the_environment_and_are_no_settings() {
    let operator = Operator::new();
    fill(&operator);
    let variables = [("COUNTERSIGN_COPY_FROM", SQLITE), ("COUNTERSIGN_COPY_TO", "sqlite://new.db")];
    let copied = operator.run_with(&["copy"], &variables, "");
    assert_eq!(copied.code, 0, "{copied:?}");
    for part in ["users", "5000 rows", "secret key, which is in countersign-data/secret_key", "public_url"] {
        assert!(copied.out.contains(part), "{part}: {copied:?}");
    }
    assert_eq!(operator.run_with(&["user", "show", "u7"], &variables, "").code, 0);
    let help =
        operator.run_with(&["copy", "--help"], &[("COUNTERSIGN_COPY_TO", "postgres://me:hunter2@db/a")], "");
    assert!(help.out.contains("COUNTERSIGN_COPY_TO") && !help.out.contains("hunter2"), "{help:?}");
}

//! Databases to copy from and to, what fills them, and what is found in them.

use std::path::PathBuf;

use countersign_testbed::{Cluster, Schema, postgres_or_skip};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Transaction, params};
use tempfile::TempDir;

use super::*;

/// A database of its own.
pub(super) struct Site {
    pub(super) place: Place,
    pub(super) folder: TempDir,
    pub(super) schema: Option<Schema>,
}

pub(super) type Dump = Vec<(&'static str, Vec<Vec<Option<String>>>)>;

impl Site {
    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { place: Place::Sqlite(folder.path().join("site.db")), folder, schema: None }
    }

    pub(super) fn postgres() -> Self {
        let schema = Cluster::shared().schema();
        let place = Place::Postgres(SecretString::from(schema.url()));
        Self { place, folder: tempfile::tempdir().unwrap(), schema: Some(schema) }
    }

    pub(super) fn is_sqlite(&self) -> bool {
        self.schema.is_none()
    }

    /// A file beside the database's, or it.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("site.db{suffix}"))
    }

    pub(super) fn connection(&self) -> Connection {
        Connection::open(self.beside("")).unwrap()
    }

    /// Opens it as the service does.
    pub(super) async fn open(&self) -> std::result::Result<(), String> {
        match self.place.open().await {
            Ok(store) => {
                store.close();
                Ok(())
            }
            Err(refusal) => Err(refusal.0),
        }
    }

    pub(super) fn execute(&self, sql: &str) {
        match &self.schema {
            Some(schema) => schema.execute(sql),
            None => self.connection().execute_batch(sql).unwrap(),
        }
    }

    /// Every row of every table, each value as PostgreSQL writes it.
    pub(super) fn dump(&self) -> Dump {
        TABLES.iter().map(|table| (table.name, self.rows(table))).collect()
    }

    fn rows(&self, table: &Table) -> Vec<Vec<Option<String>>> {
        let columns: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let sql = format!("SELECT {} FROM {}", columns.join(", "), table.name);
        let mut rows = match &self.schema {
            Some(schema) => schema.query_text(&sql),
            None => {
                let connection = self.connection();
                let mut statement = connection.prepare(&sql).unwrap();
                let row = |row: &rusqlite::Row<'_>| {
                    (0..columns.len()).map(|place| Ok(shown(row.get_ref(place)?))).collect()
                };
                statement.query_map([], row).unwrap().collect::<rusqlite::Result<_>>().unwrap()
            }
        };
        rows.sort();
        rows
    }
}

fn shown(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
        ValueRef::Blob(bytes) => Some(format!("\\x{}", record::hex(bytes))),
    }
}

pub(super) async fn copied(from: &Site, to: &Site) -> Result<Copied, Refusal> {
    copy(&from.place, &to.place, &mut |_| {}).await
}

/// Sources and targets of each kind that can be had here.
pub(super) fn pairs() -> Vec<(Site, Site)> {
    let mut pairs = vec![(Site::sqlite(), Site::sqlite())];
    if postgres_or_skip() {
        pairs.push((Site::sqlite(), Site::postgres()));
        pairs.push((Site::postgres(), Site::sqlite()));
        pairs.push((Site::postgres(), Site::postgres()));
    }
    pairs
}

/// Where to go from a SQLite file so that every way is gone.
pub(super) fn route() -> Vec<Site> {
    let mut route = vec![Site::sqlite()];
    if postgres_or_skip() {
        route.extend([Site::postgres(), Site::postgres(), Site::sqlite()]);
    }
    route
}

/// Numbers of all sizes and both signs, each once.
fn id(n: i64) -> i64 {
    match n {
        0 => i64::MIN,
        1 => i64::MAX,
        2 => 0,
        _ => n.wrapping_mul(0x1E37_79B9_7F4A_7C15),
    }
}

fn some<T>(is_there: bool, value: T) -> Option<T> {
    is_there.then_some(value)
}

const TEXTS: [&str; 6] =
    ["", "plain", "'\"\\\\N\\.\\x00 %s $1", "line\r\nbreak\ttab \u{1}", "Ünï \u{202e}cødé 😀", "x"];

/// Fills a new SQLite database with accounts and sign-ins in all states.
pub(super) fn fill(site: &Site, users: i64, sign_ins: i64) {
    Store::open_sqlite(&site.beside("")).unwrap().close();
    let mut connection = site.connection();
    let transaction = connection.transaction().unwrap();
    (0..users).for_each(|n| insert_user(&transaction, n));
    (0..sign_ins).for_each(|n| insert_sign_in(&transaction, n, users));
    (0..sign_ins).for_each(|n| insert_event(&transaction, n));
    (0..users).for_each(|n| insert_limit(&transaction, n));
    (0..users).for_each(|n| insert_mailed(&transaction, n));
    (0..users).for_each(|n| insert_identity(&transaction, n));
    transaction.commit().unwrap();
}

fn insert_user(connection: &Transaction<'_>, n: i64) {
    let sql = "INSERT INTO users (id, username, username_key, email, email_key, email_verified_at, password_hash, epoch,
        tokens_after, created_at, last_sign_in_at, disabled_at, deleted_at, password_changes)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    let has_email = n % 3 > 0;
    let email = format!("User{n}@Example.com");
    let values = params![
        id(n),
        format!("User_{n}"),
        format!("user_{n}"),
        some(has_email, &email),
        some(has_email, email.to_lowercase()),
        some(n % 3 == 2, 1_795_512_600_000 + n),
        some(n % 5 > 0, format!("$argon2id$v=19$m=19456,t=2,p=1${n}${}", TEXTS[n as usize % TEXTS.len()])),
        n % 4,
        n - 50,
        1_795_512_600_000 + n,
        some(n % 2 == 0, n),
        some(n % 7 == 0, n),
        some(n % 11 == 0, n),
        n % 3,
    ];
    connection.prepare_cached(sql).unwrap().execute(values).unwrap();
}

fn insert_sign_in(connection: &Transaction<'_>, n: i64, users: i64) {
    let sql = "INSERT INTO sign_ins (id, user_id, epoch, generation, current_hash, successor_salt, retry_key_hash, spendings,
        transport, created_at, last_used_at, expires_at, ends_at, ended_at, ended_why, sweep_day, user_agent, address)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
    let is_ended = n % 3 == 0;
    let hash: Vec<u8> = (0..32).map(|byte| (n.wrapping_mul(31) + byte) as u8).collect();
    let values = params![
        id(n),
        id((n * 7) % users),
        n % 4,
        n % 10,
        hash,
        some(n % 10 > 0, &hash),
        some(n % 10 > 5, if n % 4 == 0 { &[][..] } else { &hash }),
        "1795512600000".repeat(n as usize % 9),
        if n % 6 == 0 { "body" } else { "cookie" },
        n,
        n + 1,
        1_795_512_600_000 + n,
        i64::MAX - n,
        some(is_ended, n),
        some(is_ended, ["signed_out", "reused", "revoked"][n as usize / 3 % 3]),
        20_000 + n % 90,
        some(n % 2 == 0, TEXTS[n as usize / 2 % TEXTS.len()]),
        some(n % 4 > 0, "2001:db8::1"),
    ];
    connection.prepare_cached(sql).unwrap().execute(values).unwrap();
}

fn insert_limit(connection: &Transaction<'_>, n: i64) {
    let sql = "INSERT INTO rate_limits (key, used, ends_at) VALUES (?1, ?2, ?3)";
    let values = params![id(n), 1 + n % 10, 1_795_512_600_000 + n];
    connection.prepare_cached(sql).unwrap().execute(values).unwrap();
}

fn insert_event(connection: &Transaction<'_>, n: i64) {
    let sql = "INSERT INTO audit_events (id, at, event, outcome, times, request_id, user_id, sign_in_id, address, detail)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let values = params![
        id(n),
        1_795_512_600_000 + n,
        ["signed_in", "signed_out"][n as usize % 2],
        if n % 5 == 0 { "failure" } else { "success" },
        1 + n % 3,
        some(n % 3 == 0, format!("request-{n}")),
        some(n % 4 > 0, id(n)),
        some(n % 4 > 1, id(n + 1)),
        some(n % 2 == 0, "192.0.2.1"),
        some(n % 6 == 0, TEXTS[n as usize / 6 % TEXTS.len()]),
    ];
    connection.prepare_cached(sql).unwrap().execute(values).unwrap();
}

/// A token, the mail that carries it, and a note that somebody forgot a password.
fn insert_mailed(connection: &Transaction<'_>, n: i64) {
    let hash = n.to_be_bytes().repeat(4);
    let sql = "INSERT INTO one_time_tokens (user_id, purpose, token_hash, email, email_key, epoch, created_at, expires_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let purpose = ["verify_email", "reset_password"][n as usize % 2];
    let values = params![
        id(n),
        purpose,
        hash,
        format!("User{n}@x.example"),
        format!("user{n}@x.example"),
        n % 4,
        n,
        n + 1
    ];
    connection.prepare_cached(sql).unwrap().execute(values).unwrap();
    let sql = "INSERT INTO mails (id, user_id, kind, language, recipient, words, seed, created_at, expires_at, due_at,
        attempts, failed_at, last_error) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    let values = params![
        id(n),
        id(n),
        purpose,
        "de",
        format!("User{n}@x.example"),
        "{}",
        some(n % 3 > 0, hash),
        n,
        n + 1,
        n + 2,
        n % 5,
        some(n % 4 == 0, n),
        some(n % 4 < 2, TEXTS[n as usize % TEXTS.len()]),
    ];
    connection.prepare_cached(sql).unwrap().execute(values).unwrap();
    let sql = "INSERT INTO password_reset_requests (email_key, language, requested_at) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql).unwrap().execute(params![format!("user{n}@x.example"), "en", n]).unwrap();
}

fn insert_identity(connection: &Transaction<'_>, n: i64) {
    let sql =
        "INSERT INTO identities (id, user_id, provider, issuer, subject, email, created_at, last_used_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let values = params![
        id(n),
        id(n),
        ["google", "github"][n as usize % 2],
        "https://issuer.example",
        format!("{n}{}", TEXTS[n as usize % TEXTS.len()]),
        some(n % 3 > 0, format!("User{n}@x.example")),
        n,
        some(n % 4 > 0, n + 1),
    ];
    connection.prepare_cached(sql).unwrap().execute(values).unwrap();
}

//! What has arrived: the mails that the service wrote to its folder.

use std::time::SystemTime;

use countersign::jobs;
use serde_json::{Value, json};

use crate::app::{Answer, App, PASSWORD, Session};

/// A mail as its reader sees it.
#[derive(Debug, Clone)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub language: String,
    /// Its headers and its text part, with quoted-printable undone.
    pub text: String,
}

impl Mail {
    fn read(raw: &str) -> Self {
        let text = plain(raw);
        let header = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_default().to_owned()
        };
        Self { to: header("To"), subject: header("Subject"), language: header("Content-Language"), text }
    }

    /// The link in the text part.
    pub fn link(&self) -> &str {
        self.text.lines().find(|line| line.contains("#token=")).expect("the mail has a link")
    }

    pub fn token(&self) -> &str {
        self.link().split("#token=").nth(1).unwrap()
    }
}

/// Undoes quoted-printable (RFC 2045 §6.7).
fn plain(raw: &str) -> String {
    let first = raw.split("Content-Type: text/html").next().unwrap();
    let joined = first.replace("\r\n", "\n").replace("=\n", "");
    if !joined.contains("quoted-printable") {
        return joined;
    }
    let mut parts = joined.split('=');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => {
                bytes.push(b'=');
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl App {
    /// Sends what is due, and returns all mails so far, the oldest first.
    pub async fn mails(&self) -> Vec<Mail> {
        jobs::send_mails(&self.service).await.unwrap();
        let Ok(entries) = std::fs::read_dir(self.service.settings().data_dir.join("outbox")) else {
            return Vec::new();
        };
        let mut files: Vec<(SystemTime, _)> = entries
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.metadata().unwrap().modified().unwrap(), entry.path()))
            .collect();
        files.sort();
        files.iter().map(|(_, file)| Mail::read(&std::fs::read_to_string(file).unwrap())).collect()
    }

    pub async fn last_mail(&self) -> Mail {
        self.mails().await.pop().expect("a mail has arrived")
    }

    /// Somebody who has just signed up with this address and confirmed it, and signed in.
    pub async fn confirmed(&self, username: &str, email: &str) -> Session {
        let created =
            self.post("/users", json!({"username": username, "password": PASSWORD, "email": email})).await;
        assert_eq!(created.status, 201, "{created:?}");
        let session = self.sign_in(username).await;
        assert_eq!(self.ask_for_link(&session.access_token).await.status, 202);
        let token = self.last_mail().await.token().to_owned();
        assert_eq!(self.post("/verify-email", json!({"token": token})).await.status, 204);
        session
    }

    pub async fn ask_for_link(&self, access_token: &str) -> Answer {
        self.call(reqwest::Method::POST, "/verify-email/request").bearer(access_token).send().await
    }

    /// Has a reset mailed and returns it.
    pub async fn forgotten(&self, email: &str) -> Mail {
        let asked = self.post("/password-reset", json!({"email": email})).await;
        assert_eq!(asked.status, 202, "{asked:?}");
        self.last_mail().await
    }

    pub async fn reset(&self, token: &str, password: &str) -> Answer {
        self.post("/password-reset/confirm", json!({"token": token, "password": password})).await
    }
}

/// The body of `PATCH /me` that sets an address.
pub fn new_email(email: impl Into<Value>) -> Value {
    json!({"email": email.into(), "current_password": PASSWORD})
}

//! A service of its own for each test: a temporary folder, and a clock that the test turns.

use std::ops::Deref;
use std::time::Duration;

use crate::secret::SecretString;
use crate::service::Countersign;
#[cfg(test)]
use crate::settings::Database;
use crate::settings::Settings;
use crate::time::{Clock, Timestamp};

/// 2026-11-24T09:30:00Z, when every test begins.
pub const START: Timestamp = Timestamp::from_millis(1_795_512_600_000);

/// A service for one test; dropping it removes its files.
pub struct TestService {
    service: Countersign,
    /// The service's clock.
    pub clock: Clock,
    folder: tempfile::TempDir,
    /// Where the tests of this crate run on PostgreSQL.
    #[cfg(test)]
    _schema: Option<countersign_testbed::Schema>,
}

impl Deref for TestService {
    type Target = Countersign;

    fn deref(&self) -> &Countersign {
        &self.service
    }
}

impl TestService {
    /// A service with the default settings.
    ///
    /// # Panics
    /// Where the temporary folder can't be used.
    pub async fn start() -> Self {
        Self::start_with(|settings| settings).await
    }

    /// A service with other settings.
    ///
    /// # Panics
    /// As [`TestService::start`], and where the settings contradict each other.
    #[expect(clippy::unwrap_used, reason = "a test that can't begin has failed")]
    pub async fn start_with(adjust: impl FnOnce(Settings) -> Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        #[cfg(test)]
        let schema = countersign_testbed::schema_if_asked();
        let settings = Settings {
            #[cfg(test)]
            database: schema.as_ref().map(|schema| Database::Postgres(SecretString::from(schema.url()))),
            data_dir: folder.path().join("data"),
            secret_key: Some(SecretString::from("a key for tests: 7Rk2vQ9xLp4sWm8t")),
            ..Settings::default()
        };
        let clock = Clock::fixed(START);
        let service = Countersign::open_with_clock(adjust(settings), clock.clone()).await.unwrap();
        Self {
            service,
            clock,
            folder,
            #[cfg(test)]
            _schema: schema,
        }
    }

    /// Another node on the same files and the same clock.
    ///
    /// # Panics
    /// Where the files can't be used.
    #[expect(clippy::unwrap_used, reason = "a test that can't begin has failed")]
    pub async fn second_node(&self) -> Countersign {
        Countersign::open_with_clock(self.settings().clone(), self.clock.clone()).await.unwrap()
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// Sends the mails that are due, and returns all that were sent so far, the oldest first: each as its text part with
    /// the headers above it.
    ///
    /// # Panics
    /// Where mails don't go to `data_dir/outbox`, or can't be read there.
    #[expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]
    pub async fn mails(&self) -> Vec<String> {
        crate::jobs::send_mails(self).await.unwrap();
        let Ok(entries) = std::fs::read_dir(self.settings().data_dir.join("outbox")) else {
            return Vec::new();
        };
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        // Ids of one millisecond are in no order.
        files.sort_by_key(|file| {
            (std::fs::metadata(file).and_then(|about| about.modified()).ok(), file.clone())
        });
        files.iter().map(|file| readable_mail(&std::fs::read_to_string(file).unwrap())).collect()
    }

    /// Where the service keeps its files.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

/// The token behind the link of a mail.
#[must_use]
pub fn token_in(mail: &str) -> Option<&str> {
    let (_, after) = mail.split_once("#token=")?;
    after.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-' && letter != '_').next()
}

/// A mail up to the end of its first part, with quoted-printable (RFC 2045 §6.7) undone.
fn readable_mail(mail: &str) -> String {
    let first = mail.split("Content-Type: text/html").next().unwrap_or(mail);
    let first = first.replace("\r\n", "\n").replace("=\n", "");
    if !first.contains("quoted-printable") {
        return first;
    }
    let mut bytes = Vec::new();
    let mut parts = first.split('=');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
            }
            None => {
                bytes.push(b'=');
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_chapter_does_the_same_on_postgresql() {
        let chapters = [
            "one_time::",
            "mail::",
            "limits::",
            "user::",
            "sign_in::",
            "authenticate::",
            "access::",
            "refresh::",
            "revoke::",
            "profile::",
            "verify_email::",
            "password_reset::",
            "oauth::",
            "sessions::",
            "trail::",
            "operator::",
            "jobs::",
        ];
        // What stays out looks into SQLite's file, or lets time stand still for the machine too.
        let skips = [
            "store::",
            "a_batch_costs_the_same",
            "jobs::tests::year::",
            "flood::",
            "nobody_waits_for_others_for_ever",
            "a_right_password_costs",
        ];
        countersign_testbed::run_again_on_postgres(&chapters, &skips);
    }
}

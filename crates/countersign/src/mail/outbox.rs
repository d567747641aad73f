//! The outbox: mails that wait, from the change that they tell of until they are sent.

use std::collections::BTreeMap;

use super::Kind;
use crate::error::{Error, Internal, Result};
use crate::id::{MailId, SignInId, UserId};
use crate::language::Language;
use crate::one_time::Seed;
use crate::store::Tx;
use crate::time::Timestamp;

/// How often a new id is drawn before the collision is called a fault; the second try practically never happens.
const ID_ATTEMPTS: usize = 3;

/// The words of a mail beside those that all have.
pub(crate) type Words = BTreeMap<String, String>;

/// A mail about to be queued.
#[derive(Debug, Clone)]
pub(crate) struct NewMail {
    pub(crate) user: UserId,
    pub(crate) kind: Kind,
    pub(crate) language: Language,
    pub(crate) words: Words,
    pub(crate) seed: Option<Seed>,
    pub(crate) now: Timestamp,
    pub(crate) expires_at: Timestamp,
}

impl NewMail {
    /// The same about this user.
    pub(crate) fn of(&self, user: UserId, username: &str) -> Self {
        let mut mail = Self { user, ..self.clone() };
        mail.words.insert("username".to_owned(), username.to_owned());
        mail
    }
}

/// A mail that a node has taken on.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) id: MailId,
    pub(crate) user: UserId,
    pub(crate) kind: Kind,
    pub(crate) language: Language,
    pub(crate) recipient: String,
    pub(super) words: Words,
    pub(super) seed: Option<Seed>,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// Which attempt it is: whoever settles it has to be the last who took it on.
    pub(super) attempts: i64,
}

/// A mail that waits, or that nobody tries to send any more, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its id.
    pub id: MailId,
    /// Whose account it is about.
    pub user: UserId,
    /// What it is about, in a stable word.
    pub kind: String,
    /// Where it goes.
    pub recipient: String,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When somebody tries next.
    pub due_at: Timestamp,
    /// How often somebody tried.
    pub attempts: i64,
    /// Since when nobody tries any more.
    pub failed_at: Option<Timestamp>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

impl Tx<'_> {
    /// Queues a mail to this address.
    pub(crate) async fn queue_mail(&mut self, new: &NewMail, recipient: &str) -> Result<()> {
        let words = serde_json::to_string(&new.words).unwrap_or_default();
        for _ in 0..ID_ATTEMPTS {
            if self.insert_mail(MailId::fresh(new.now), new, &words, recipient).await? {
                return Ok(());
            }
        }
        Err(Error::Fault(Internal::new("every fresh id of a mail was taken")))
    }

    /// Queues a mail to the account's verified address, whichever that is at this moment; without one there is none.
    pub(crate) async fn queue_notice(&mut self, new: &NewMail) -> Result<()> {
        let words = serde_json::to_string(&new.words).unwrap_or_default();
        for _ in 0..ID_ATTEMPTS {
            let id = MailId::fresh(new.now);
            if self.insert_notice(id, new, &words).await? || !self.mail_exists(id).await? {
                return Ok(());
            }
        }
        Err(Error::Fault(Internal::new("every fresh id of a mail was taken")))
    }

    /// The same if the user has signed in before, and never with a client that called itself so. An id that is taken
    /// costs the notice: it is not worth more.
    pub(crate) async fn queue_notice_of_new_device(
        &mut self,
        new: &NewMail,
        sign_in: SignInId,
        user_agent: Option<&str>,
    ) -> Result<()> {
        let words = serde_json::to_string(&new.words).unwrap_or_default();
        self.insert_notice_of_new_device(MailId::fresh(new.now), new, &words, sign_in, user_agent).await
    }
}

//! Audit: one entry for each event that an operator or an auditor may ask about, in the table and in the log. Never a
//! secret, and no text that somebody typed but a name that an account has or had.
//!
//! A success is filed by [`Tx::file`] in the transaction of the change, so that there is neither without the other, and
//! told to the log once that is durable. A failure changes nothing that could carry it: [`Queue::record`] tells it at
//! once and writes it soon, in the background.

mod event;
mod queue;
mod sql;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;

pub use event::{Event, Outcome};
pub(crate) use queue::Queue;

use crate::error::{Error, Internal, Result};
use crate::id::{AuditId, SignInId, UserId};
use crate::store::Tx;
use crate::text::brief;
use crate::time::Timestamp;
use crate::web::request_id::RequestId;

/// The longest detail, in characters.
const LONGEST_DETAIL: usize = 240;
/// How often a new id is drawn before the collision is called a fault; the second try practically never happens.
const ID_ATTEMPTS: usize = 3;

/// Whom an event concerns, as far as it is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) user: Option<UserId>,
    pub(crate) sign_in: Option<SignInId>,
    pub(crate) address: Option<IpAddr>,
    /// What [`About::because`] and [`About::saying`] add.
    pub(crate) detail: Option<Detail>,
}

/// What is to be said of an event beside whom it concerns: a word of ours, or a text that was made harmless.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Detail(Cow<'static, str>);

impl Detail {
    fn as_str(&self) -> &str {
        &self.0
    }
}

impl About {
    /// With a stable word that says more.
    pub(crate) fn because(self, word: &'static str) -> Self {
        Self { detail: Some(Detail(Cow::Borrowed(word))), ..self }
    }

    /// With a text that comes from outside: shortened and harmless (SEC-108).
    pub(crate) fn saying(self, text: &str) -> Self {
        Self { detail: Some(Detail(Cow::Owned(brief(text, LONGEST_DETAIL)))), ..self }
    }
}

impl From<UserId> for About {
    fn from(user: UserId) -> Self {
        Self { user: Some(user), ..Self::default() }
    }
}

/// An event with its time and with the name of the request that brought it about.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    event: Event,
    at: Timestamp,
    request_id: Option<RequestId>,
    about: About,
}

impl Entry {
    /// What happens now, in the request that this thread is working on.
    pub(crate) fn new(event: Event, about: About, now: Timestamp) -> Self {
        Self { event, at: now, request_id: RequestId::current(), about }
    }

    /// The same of this user, whom only the transaction knows.
    pub(crate) fn of(&self, user: UserId) -> Self {
        let about = About { user: Some(user), ..self.about.clone() };
        Self { about, ..self.clone() }
    }

    /// The same with a text that only the transaction knows; see [`About::saying`].
    pub(crate) fn saying(&self, text: &str) -> Self {
        Self { about: self.about.clone().saying(text), ..self.clone() }
    }
}

/// An entry that stands in the table. Tell it when the transaction has come to its end.
#[derive(Debug)]
#[must_use = "an event that is filed has to be told as well"]
pub(crate) struct Filed(Entry);

impl Filed {
    /// Tells the log.
    pub(crate) fn tell(self) {
        tell(&self.0);
    }
}

impl Tx<'_> {
    /// Files the entry with the changes of this transaction.
    pub(crate) async fn file(&mut self, entry: &Entry) -> Result<Filed> {
        self.file_times(entry, 1).await?;
        Ok(Filed(entry.clone()))
    }

    /// Files the entry for something that happened so many times.
    async fn file_times(&mut self, entry: &Entry, times: u32) -> Result<()> {
        for _ in 0..ID_ATTEMPTS {
            if self.insert_audit_event(AuditId::fresh(entry.at), entry, times).await? {
                return Ok(());
            }
        }
        Err(Error::Fault(Internal::new("every fresh id of an audit event was taken")))
    }
}

/// Every event passes here exactly once, whichever way it came. Theft is worth a warning.
fn tell(entry: &Entry) {
    let Entry { event, request_id, about, .. } = entry;
    let user = about.user.map(UserId::as_i64);
    let sign_in = about.sign_in.map(SignInId::as_i64);
    let address = about.address.map(tracing::field::display);
    let request_id = request_id.as_ref().map(RequestId::as_str);
    let detail = about.detail.as_ref().map(Detail::as_str);
    let (name, outcome) = (event.word(), event.outcome().word());
    if *event == Event::RefreshTokenReuseDetected {
        tracing::warn!(target: "countersign::audit", event = name, outcome, request_id, user, sign_in, address, detail);
    } else {
        tracing::info!(target: "countersign::audit", event = name, outcome, request_id, user, sign_in, address, detail);
    }
}

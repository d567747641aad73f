//! Meters: what the service counts and measures of itself, in the text format of Prometheus. A label is a route, a
//! status or a word of ours, never anything that a client sent.
//!
//! Ground that keeps figures of its own hands them in by a `report`; the flow counts its outcomes on the meters here.

mod histogram;
mod reading;
mod requests;
mod results;
mod tally;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

pub(crate) use histogram::Histogram;
pub(crate) use prometheus_client::metrics::counter::Counter;
pub(crate) use prometheus_client::metrics::gauge::Gauge;
pub(crate) use reading::{Counts, Reading};
pub(crate) use requests::Requests;
pub use results::Table;
pub(crate) use results::{MailResult, RefreshResult, SignInResult};
pub(crate) use tally::{Tally, Word};

use crate::time::Timestamp;

/// The media type of [`Meters::text`].
pub(crate) const MEDIA_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// The version of this library, which is the program's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A gauge whose value may be unknown.
pub(crate) type Level = Gauge<f64, AtomicU64>;

/// Every meter of one service. Several services in one process have their own.
pub(crate) struct Meters {
    registry: Registry,
    /// How requests were answered.
    pub(crate) requests: Requests,
    /// What came of sign-ins.
    pub(crate) sign_ins: Tally<SignInResult>,
    /// What came of refreshes.
    pub(crate) refreshes: Tally<RefreshResult>,
    /// What came of each attempt to send a mail.
    pub(crate) mails: Tally<MailResult>,
    /// Mails that wait.
    pub(crate) mails_waiting: Level,
    /// Rows that clean-up removed.
    pub(crate) swept: Tally<Table>,
    /// Rows that wait for clean-up.
    pub(crate) backlog: Tally<Table, Level>,
}

impl Meters {
    /// The meters of a service that starts now.
    pub(crate) fn new(now: Timestamp) -> Self {
        let mut meters = Self {
            registry: Registry::with_prefix("countersign"),
            requests: Requests::default(),
            sign_ins: Tally::by("result"),
            refreshes: Tally::by("result"),
            mails: Tally::by("result"),
            mails_waiting: Level::default(),
            swept: Tally::by("table"),
            backlog: Tally::by("table"),
        };
        meters.keep("build", "The version that runs", Info::new([("version", VERSION)]));
        let started = now.as_millis() as f64 / 1_000.0;
        let start = "When the service was opened, in seconds since 1970";
        meters.keep("start_time_seconds", start, Reading(move || started));
        meters.requests.clone().report(&mut meters);
        meters.keep("sign_ins", "Sign-ins by their result", meters.sign_ins.clone());
        meters.keep("refreshes", "Refreshes by their result", meters.refreshes.clone());
        meters.keep("mails", "Attempts to send a mail by their result", meters.mails.clone());
        let waiting = "Mails that wait to be sent, counted up to 10000; NaN where the database can't say";
        meters.keep("mails_waiting", waiting, meters.mails_waiting.clone());
        meters.keep("cleanup_rows", "Rows that clean-up removed", meters.swept.clone());
        let backlog = "Rows that wait for clean-up, counted up to 10000; NaN where the database can't say";
        meters.keep("cleanup_backlog_rows", backlog, meters.backlog.clone());
        meters
    }

    /// Takes a meter in. The name gets `countersign_` before it, and a counter's `_total` after it.
    pub(crate) fn keep(&mut self, name: &str, help: &str, meter: impl Metric) {
        self.registry.register(name, help, meter);
    }

    /// What all meters say at this moment.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a text doesn't fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        text
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

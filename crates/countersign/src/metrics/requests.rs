//! How requests were answered, by route and status, and how long that took.
//!
//! The labels are a closed set, whatever clients send: a route as the router has it or `unmatched`, a method that the
//! route has or `other`, a status that the service answers or `other`.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use http::{Method, StatusCode};
use matchit::Router;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::histogram::{self, DURATIONS, NANOS_PER_SECOND};
use super::{Counter, Meters};

/// Every status that the service answers, in order.
pub(crate) const STATUSES: [u16; 19] =
    [200, 201, 202, 204, 302, 303, 400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 429, 500, 503];

/// What each operation shows from the start: an alarm on these must hear the first one.
const EXPECTED: [u16; 2] = [500, 503];

/// No more threads than these count each for itself.
const MOST_SHARES: usize = 64;

const UNMATCHED: &str = "unmatched";
const OTHER: &str = "other";

/// The requests of one service. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests(Arc<Book>);

#[derive(Debug, Default)]
struct Book {
    /// Filled in once the routes are known: a command line has none.
    table: OnceLock<Table>,
    panics: Counter,
}

struct Table {
    routes: Router<Route>,
    rows: Vec<Row>,
    unmatched: usize,
}

/// The rows of one route.
struct Route {
    by_method: Vec<(Method, usize)>,
    other: usize,
}

/// What one method of one route was answered.
struct Row {
    method: String,
    route: String,
    shares: Box<[Share]>,
}

/// What one thread counted. Threads that share a counter pass its line of memory from core to core, which costs ten
/// times the counting; so each has lines of its own, and whoever reads adds up.
#[derive(Default)]
#[repr(align(64))]
struct Share {
    /// One for each of [`STATUSES`], and one for any other.
    answers: [AtomicU64; STATUSES.len() + 1],
    /// One for each of [`DURATIONS`], and one for what took longer.
    buckets: [AtomicU64; DURATIONS.len() + 1],
    nanos: AtomicU64,
}

thread_local! {
    static SHARE: usize = NEXT_SHARE.fetch_add(1, Ordering::Relaxed);
}
static NEXT_SHARE: AtomicUsize = AtomicUsize::new(0);

impl Requests {
    /// Names the operations, each as its route and its methods. The first to do so decides.
    pub(crate) fn know<'r>(&self, routes: impl IntoIterator<Item = (&'r str, Vec<Method>)>) {
        self.0.table.get_or_init(|| Table::of(routes));
    }

    /// Where a request is counted; `None` while no routes are known.
    pub(crate) fn row(&self, method: &Method, path: &str) -> Option<usize> {
        self.0.table.get().map(|table| table.row(method, path))
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, row: Option<usize>, status: StatusCode, took: Duration) {
        let rows = self.0.table.get().map(|table| &table.rows);
        if let Some(share) = rows.and_then(|rows| rows.get(row?)?.own_share()) {
            share.answered(status.as_u16(), histogram::nanos(took));
        }
    }

    /// Counts a handler that panicked.
    pub(crate) fn panicked(&self) {
        self.0.panics.inc();
    }

    /// How many handlers panicked so far.
    #[cfg(test)]
    pub(crate) fn panics(&self) -> u64 {
        self.0.panics.get()
    }

    pub(super) fn report(self, to: &mut Meters) {
        to.keep("http_requests", "Requests by how they were answered", Answers(self.clone()));
        let durations = "From a request's head to its answer, in seconds";
        to.keep("http_request_duration_seconds", durations, Durations(self.clone()));
        to.keep("http_panics", "Handlers that panicked; each was answered 500", self.0.panics.clone());
    }
}

impl Table {
    fn of<'r>(operations: impl IntoIterator<Item = (&'r str, Vec<Method>)>) -> Self {
        let mut table = Self { routes: Router::new(), rows: Vec::new(), unmatched: 0 };
        table.unmatched = table.add(OTHER, UNMATCHED);
        for (path, methods) in operations {
            let by_method =
                methods.into_iter().map(|method| (method.clone(), table.add(method.as_str(), path)));
            let by_method = by_method.collect();
            let other = table.add(OTHER, path);
            // A route that the router took is a route here: it is the same crate that tells.
            let _ = table.routes.insert(path, Route { by_method, other });
        }
        table
    }

    fn add(&mut self, method: &str, route: &str) -> usize {
        let shares = thread::available_parallelism().map_or(1, usize::from).min(MOST_SHARES);
        let shares = (0..shares).map(|_| Share::default()).collect();
        self.rows.push(Row { method: method.to_owned(), route: route.to_owned(), shares });
        self.rows.len() - 1
    }

    /// `HEAD` is `GET` without the body, and counted as that.
    fn row(&self, method: &Method, path: &str) -> usize {
        let Ok(found) = self.routes.at(path) else { return self.unmatched };
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let own = found.value.by_method.iter().find(|(own, _)| own == method);
        own.map_or(found.value.other, |(_, row)| *row)
    }
}

impl Share {
    fn answered(&self, status: u16, nanos: u64) {
        let answer = STATUSES.binary_search(&status).unwrap_or(STATUSES.len());
        let bucket = histogram::bucket_of(&DURATIONS, nanos);
        for counter in [self.answers.get(answer), self.buckets.get(bucket)].into_iter().flatten() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl Row {
    /// This thread's; where there are more threads than cores, some have one together.
    fn own_share(&self) -> Option<&Share> {
        self.shares.get(SHARE.with(|share| *share).checked_rem(self.shares.len())?)
    }

    /// What all threads counted together.
    fn sum(&self, counter: impl Fn(&Share) -> Option<&AtomicU64>) -> u64 {
        self.shares.iter().filter_map(counter).map(|counter| counter.load(Ordering::Relaxed)).sum()
    }

    fn buckets(&self) -> impl Iterator<Item = u64> {
        (0..=DURATIONS.len()).map(|place| self.sum(|share| share.buckets.get(place)))
    }

    /// What there is to show: what was answered, and zeros where an alarm waits for the first.
    fn shown(&self) -> impl Iterator<Item = (String, u64)> {
        let words = STATUSES.iter().map(Some).chain([None]);
        let counts = (0..=STATUSES.len()).map(|place| self.sum(|share| share.answers.get(place)));
        words.zip(counts).filter_map(|(status, count)| {
            let is_expected = self.method != OTHER && status.is_some_and(|it| EXPECTED.contains(it));
            let word = status.map_or_else(|| OTHER.to_owned(), u16::to_string);
            (count > 0 || is_expected).then_some((word, count))
        })
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

/// The counters.
#[derive(Debug)]
struct Answers(Requests);

impl EncodeMetric for Answers {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for row in self.0.0.table.get().iter().flat_map(|table| &table.rows) {
            for (status, count) in row.shown() {
                let labels = [("method", &*row.method), ("route", &*row.route), ("status", &*status)];
                encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

/// The histograms.
#[derive(Debug)]
struct Durations(Requests);

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for row in self.0.0.table.get().iter().flat_map(|table| &table.rows) {
            if row.buckets().any(|count| count > 0) {
                let labels = [("method", &*row.method), ("route", &*row.route)];
                let family = encoder.encode_family(&labels)?;
                let nanos = row.sum(|share| Some(&share.nanos));
                histogram::encode(family, &DURATIONS, NANOS_PER_SECOND, row.buckets(), nanos)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

//! What every request and every answer share, in one layer instead of seven: a name, a time limit, a net under
//! panics, protective headers, a place in the metrics, and at most one line in the log.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{Layer, Service};

use crate::language::Language;
use crate::metrics::Requests;
use crate::web::problem::{ForTheLog, Problem};
use crate::web::request_id::{RequestId, X_REQUEST_ID};

/// The longest path and query together, in bytes (SEC-70).
const MAX_URI: usize = 8_192;

/// How much of a path the log repeats, in bytes.
const MAX_LOGGED_PATH: usize = 256;

const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const ONE_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");
const NOTHING_EMBEDDED: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");

/// What the operator decides about all requests.
#[derive(Debug, Clone, Copy)]
pub struct EnvelopeSettings {
    /// Whether browsers reach the service over https, so that they may be told to insist on it.
    pub https: bool,
    /// How long a request may take, its body included.
    pub time_limit: Duration,
    /// From when on a request is worth a warning.
    pub slow: Duration,
}

impl Default for EnvelopeSettings {
    fn default() -> Self {
        Self { https: false, time_limit: Duration::from_secs(30), slow: Duration::from_secs(1) }
    }
}

/// Puts an [`Envelope`] around a service, such as a router or each of its routes.
#[derive(Debug, Clone)]
pub struct EnvelopeLayer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: EnvelopeSettings,
    requests: Requests,
}

impl EnvelopeLayer {
    /// A layer that keeps to these settings, and counts here.
    #[must_use]
    pub(crate) fn new(settings: EnvelopeSettings, requests: Requests) -> Self {
        Self(Arc::new(Shared { settings, requests }))
    }
}

impl<S> Layer<S> for EnvelopeLayer {
    type Service = Envelope<S>;

    fn layer(&self, inner: S) -> Envelope<S> {
        Envelope { inner, shared: Arc::clone(&self.0), timer: None }
    }
}

/// A service whose every answer is named, dressed, timed and, where it matters, logged.
///
/// It never fails: a panic becomes a `500`, an overlong request a `503`.
#[derive(Debug, Clone)]
pub struct Envelope<S> {
    inner: S,
    shared: Arc<Shared>,
    timer: Option<Timer>,
}

/// Limits the time of one request after the other. A timer that is moved on costs next to nothing; one that is made for
/// each request is entered into the runtime's list under a lock, and taken out of it under the same lock.
type Timer = Arc<Mutex<Option<Pin<Box<Sleep>>>>>;

impl<S: Clone> Envelope<S> {
    /// The same for the requests of one connection, which come one after the other.
    #[must_use]
    pub fn for_one_connection(&self) -> Self {
        Self { timer: Some(Timer::default()), ..self.clone() }
    }
}

impl<S, B> Service<Request<B>> for Envelope<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let asked = Asked {
            id: RequestId::of(request.headers()),
            language: language(request.headers()),
            row: self.shared.requests.row(request.method(), request.uri().path()),
            method: request.method().clone(),
            uri: request.uri().clone(),
            begun: Instant::now(),
        };
        let state = match refusal(&asked.uri, request.headers()) {
            Some(response) => State::Refused(response),
            None => match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
                Ok(future) => State::Running(future),
                Err(panic) => State::Refused(after_panic(&self.shared, &asked, &*panic)),
            },
        };
        let (shared, timer) = (Arc::clone(&self.shared), self.timer.clone());
        Answer { state, asked, shared, limit: None, timer }
    }
}

/// What the client's owner reads, for the mails that a request brings about.
fn language(headers: &HeaderMap) -> Language {
    let header = headers.get(ACCEPT_LANGUAGE).and_then(|header| header.to_str().ok());
    header.map_or_else(Language::default, Language::accepted)
}

/// What nothing behind the envelope should have to deal with.
fn refusal(uri: &Uri, headers: &HeaderMap) -> Option<Response> {
    if uri.path_and_query().is_some_and(|it| it.as_str().len() > MAX_URI) {
        let detail = "The path and query are longer than 8,192 bytes";
        return Some(Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", detail).into_response());
    }
    // Two lengths: whoever stands before us may have believed the other one (SEC-71). hyper itself drops the
    // Content-Length, answers, and closes the connection; other servers may hand both on.
    if headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH) {
        let detail = "Send Content-Length or Transfer-Encoding, not both";
        let mut response = Problem::new(StatusCode::BAD_REQUEST, "ambiguous_length", detail).into_response();
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return Some(response);
    }
    None
}

/// What the log may know of a request: neither headers nor body, nor the query.
#[derive(Debug)]
struct Asked {
    id: RequestId,
    language: Language,
    /// Where it is counted.
    row: Option<usize>,
    method: Method,
    uri: Uri,
    begun: Instant,
}

impl Asked {
    fn path(&self) -> &str {
        let path = self.uri.path();
        path.get(..path.floor_char_boundary(MAX_LOGGED_PATH)).unwrap_or(path)
    }
}

#[derive(Debug)]
enum State<F> {
    Running(F),
    Refused(Response),
    Answered,
}

/// An answer on its way.
#[derive(Debug)]
pub struct Answer<F> {
    state: State<F>,
    asked: Asked,
    shared: Arc<Shared>,
    /// Set up when the inner service first waits: most requests never do.
    limit: Option<Pin<Box<Sleep>>>,
    /// Where the limit comes from, and goes back to.
    timer: Option<Timer>,
}

impl<F> Future for Answer<F>
where
    F: Future<Output = Result<Response, Infallible>> + Unpin,
{
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = match &mut this.state {
            State::Running(future) => {
                let _named = this.asked.id.enter();
                let _spoken = this.asked.language.enter();
                catch_unwind(AssertUnwindSafe(|| Pin::new(future).poll(context)))
            }
            State::Refused(response) => Ok(Poll::Ready(Ok(std::mem::take(response)))),
            State::Answered => Ok(Poll::Pending),
        };
        let response = match polled {
            Ok(Poll::Ready(Ok(response))) => response,
            Ok(Poll::Pending) => {
                ready!(this.poll_limit(context));
                Problem::timeout().into_response()
            }
            Err(panic) => after_panic(&this.shared, &this.asked, &*panic),
        };
        // What still runs is dropped here, a handler that panicked or ran out of time included.
        this.state = State::Answered;
        this.give_timer_back();
        Poll::Ready(Ok(this.seal(response)))
    }
}

impl<F> Answer<F> {
    fn poll_limit(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let end = self.asked.begun + self.shared.settings.time_limit;
        let timer = &self.timer;
        let begin = || match timer.as_ref().and_then(|timer| lock(timer).take()) {
            Some(mut used) => {
                used.as_mut().reset(end);
                used
            }
            None => Box::pin(sleep_until(end)),
        };
        self.limit.get_or_insert_with(begin).as_mut().poll(context)
    }

    fn give_timer_back(&mut self) {
        if let (Some(timer), Some(limit)) = (&self.timer, self.limit.take()) {
            *lock(timer) = Some(limit);
        }
    }

    fn seal(&self, mut response: Response) -> Response {
        let elapsed = self.asked.begun.elapsed();
        self.shared.requests.answered(self.asked.row, response.status(), elapsed);
        self.log(&mut response, elapsed);
        let headers = response.headers_mut();
        headers.reserve(8);
        headers.insert(X_REQUEST_ID, self.asked.id.header());
        headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(NOTHING_EMBEDDED);
        headers.entry(REFERRER_POLICY).or_insert(NO_REFERRER);
        headers.entry(CACHE_CONTROL).or_insert(NO_STORE);
        if self.shared.settings.https {
            headers.insert(STRICT_TRANSPORT_SECURITY, ONE_YEAR);
        }
        if headers.get(CONTENT_TYPE).is_some_and(|it| it.as_bytes().starts_with(b"text/html")) {
            headers.insert(CROSS_ORIGIN_OPENER_POLICY, SAME_ORIGIN);
            headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, SAME_ORIGIN);
        }
        response
    }

    fn log(&self, response: &mut Response, elapsed: Duration) {
        let cause = response.extensions_mut().remove::<ForTheLog>();
        let (request_id, method, path) =
            (self.asked.id.as_str(), self.asked.method.as_str(), self.asked.path());
        let status = response.status().as_u16();
        let duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let cause = cause.as_ref().map(ForTheLog::text);
        if cause.is_some() || status == 500 {
            tracing::error!(request_id, method, path, status, duration_ms, cause, "request failed");
        } else if status > 500 {
            tracing::warn!(request_id, method, path, status, duration_ms, "request turned away");
        } else if elapsed > self.shared.settings.slow {
            tracing::warn!(request_id, method, path, status, duration_ms, "request slow");
        } else {
            tracing::debug!(request_id, method, path, status, duration_ms, "request");
        }
    }
}

fn lock(timer: &Timer) -> MutexGuard<'_, Option<Pin<Box<Sleep>>>> {
    timer.lock().unwrap_or_else(PoisonError::into_inner)
}

fn after_panic(shared: &Shared, asked: &Asked, panic: &(dyn Any + Send)) -> Response {
    shared.requests.panicked();
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text");
    tracing::error!(request_id = asked.id.as_str(), panic = text, "a handler panicked");
    Problem::internal_error().into_response()
}

#[cfg(test)]
mod tests;

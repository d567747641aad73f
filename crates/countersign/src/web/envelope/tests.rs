//! The envelope around services that behave, wait, fail and panic.

use std::future::{pending, poll_fn, ready};
use std::io::Write;
use std::sync::Mutex;

use axum::body::Body;
use http_body_util::BodyExt;
use tracing::instrument::WithSubscriber;

use super::*;
use crate::error::{Error, Internal};

type Boxed = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// A service that answers every request with what a function makes of it.
#[derive(Clone)]
struct Inner<F>(F);

impl<F: FnMut(Request<Body>) -> Boxed> Service<Request<Body>> for Inner<F> {
    type Response = Response;
    type Error = Infallible;
    type Future = Boxed;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Boxed {
        (self.0)(request)
    }
}

fn get(uri: &str) -> Request<Body> {
    Request::get(uri).header("x-request-id", "r-1").body(Body::empty()).unwrap()
}

async fn ask(
    layer: &EnvelopeLayer,
    request: Request<Body>,
    inner: impl FnMut(Request<Body>) -> Boxed,
) -> (Response, String) {
    let response = layer.layer(Inner(inner)).call(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (Response::from_parts(parts, Body::empty()), body)
}

fn plain() -> EnvelopeLayer {
    // A place that an event can come from is asked once whether anybody listens. Where a test that doesn't listen is the
    // first to come by, another one beside it that does would miss the event: so there is always somebody.
    static SOMEBODY: std::sync::Once = std::sync::Once::new();
    SOMEBODY.call_once(|| {
        let _ = tracing::subscriber::set_global_default(Log::default().subscriber());
    });
    EnvelopeLayer::new(EnvelopeSettings::default(), Requests::default())
}

fn at_once(response: Response) -> impl FnMut(Request<Body>) -> Boxed {
    let mut response = Some(response);
    move |_| Box::pin(ready(Ok(response.take().unwrap())))
}

/// Collects what was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + 'static {
        Collector { log: self.clone() }
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct Collector {
    log: Log,
}

impl tracing::Subscriber for Collector {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Visitor<'a>(&'a mut Vec<u8>);
        impl tracing::field::Visit for Visitor<'_> {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                write!(self.0, "{field}={value:?} ").unwrap();
            }
        }
        if !event.metadata().target().starts_with("countersign") {
            return;
        }
        let mut line = self.log.0.lock().unwrap();
        write!(line, "{} ", event.metadata().level()).unwrap();
        event.record(&mut Visitor(&mut line));
        writeln!(line).unwrap();
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

// SEC-63
#[tokio::test]
async fn every_answer_wears_the_protective_headers() {
    for response in [Response::new(Body::from("{}")), Error::NotFound.into_response()] {
        let (response, _) = ask(&plain(), get("/"), at_once(response)).await;
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(
            headers["content-security-policy"],
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
        );
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["cache-control"], "no-store");
        assert!(!headers.contains_key("strict-transport-security"));
        assert!(!headers.contains_key("cross-origin-opener-policy"));
    }
    let settings = EnvelopeSettings { https: true, ..EnvelopeSettings::default() };
    let https = EnvelopeLayer::new(settings, Requests::default());
    let (response, _) = ask(&https, get("/"), at_once(Response::default())).await;
    assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");
}

// SEC-63
#[tokio::test]
async fn a_page_is_kept_apart_and_may_bring_its_own_policy() {
    let page = Response::builder()
        .header("content-type", "text/html; charset=utf-8")
        .header("content-security-policy", "default-src 'self'")
        .header("cache-control", "public, max-age=60");
    let (response, _) = ask(&plain(), get("/docs"), at_once(page.body(Body::empty()).unwrap())).await;
    let headers = response.headers();
    assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
    assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
    assert_eq!(headers["cache-control"], "public, max-age=60");
    assert_eq!(headers.get_all("content-security-policy").iter().count(), 1);
    assert_eq!(headers["content-security-policy"], "default-src 'self'");
}

// SEC-74
#[tokio::test]
async fn the_name_reaches_the_handler_and_comes_back() {
    let (response, body) = ask(&plain(), get("/"), |_| {
        Box::pin(async {
            // Other requests are worked on by this thread while this one waits.
            tokio::task::yield_now().await;
            let id = RequestId::current().unwrap().as_str().to_owned();
            Ok(Response::new(Body::from(id)))
        })
    })
    .await;
    assert_eq!(RequestId::current(), None);
    assert_eq!(body, "r-1");
    assert_eq!(response.headers()["x-request-id"], "r-1");
}

// SEC-69
#[tokio::test]
async fn a_panic_is_a_500_that_tells_nothing_and_is_counted() {
    let requests = Requests::default();
    let layer = EnvelopeLayer::new(EnvelopeSettings::default(), requests.clone());
    let log = Log::default();
    let (response, body) = ask(&layer, get("/"), |_| Box::pin(poll_fn(|_| panic!("inner secret"))))
        .with_subscriber(log.subscriber())
        .await;
    assert_eq!(response.status(), 500);
    assert!(body.contains("internal_error") && !body.contains("secret"));
    assert_eq!(response.headers()["x-request-id"], "r-1");
    let (response, _) = ask(&layer, get("/"), |_| panic!("on the call")).await;
    assert_eq!(response.status(), 500);
    assert_eq!(requests.panics(), 2);
    assert!(log.text().contains("ERROR") && log.text().contains("inner secret"), "{}", log.text());
}

// SEC-72
#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_given_up() {
    let begun = Instant::now();
    let (response, body) = ask(&plain(), get("/"), |_| Box::pin(pending())).await;
    assert_eq!(response.status(), 503);
    assert!(body.contains("\"timeout\""));
    assert!(response.headers().contains_key("retry-after"));
    assert!((Duration::from_secs(30)..Duration::from_secs(31)).contains(&begun.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_within_its_limit_is_answered() {
    let (response, _) = ask(&plain(), get("/"), |_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(29)).await;
            Ok(Response::default())
        })
    })
    .await;
    assert_eq!(response.status(), 200);
}

/// One timer for the requests of a connection: each has the whole time, whatever became of the one before.
// SEC-72
#[tokio::test(start_paused = true)]
async fn each_request_of_a_connection_has_the_whole_time() {
    let slow = |seconds: u64| {
        let inner = Inner(move |_| -> Boxed {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok(Response::default())
            })
        });
        plain().layer(inner)
    };
    let connection = slow(0).for_one_connection();
    for (seconds, status) in [(20, 200), (29, 200), (31, 503), (29, 200), (31, 503)] {
        let mut envelope = Envelope { timer: connection.timer.clone(), ..slow(seconds) };
        let begun = Instant::now();
        let response = envelope.call(get("/")).await.unwrap();
        assert_eq!(response.status(), status, "after {seconds} seconds");
        assert_eq!(begun.elapsed().as_secs(), seconds.min(30));
        assert!(lock(connection.timer.as_ref().unwrap()).is_some(), "it was given back");
    }
}

// SEC-70
#[tokio::test]
async fn a_path_of_more_than_8_kib_is_refused() {
    let uri = |length: usize| format!("/{}?{}", "p".repeat(100), "q".repeat(length - 102));
    let (response, _) = ask(&plain(), get(&uri(MAX_URI)), at_once(Response::default())).await;
    assert_eq!(response.status(), 200);
    let (response, body) = ask(&plain(), get(&uri(MAX_URI + 1)), |_| unreachable!()).await;
    assert_eq!(response.status(), 414);
    assert!(body.contains("uri_too_long"));
}

// SEC-71
#[tokio::test]
async fn a_request_with_two_lengths_is_refused_and_the_connection_closed() {
    let mut request = get("/");
    request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    let (response, _) = ask(&plain(), request, at_once(Response::default())).await;
    assert_eq!(response.status(), 200);
    let mut request = get("/");
    request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("5"));
    let (response, body) = ask(&plain(), request, |_| unreachable!()).await;
    assert_eq!(response.status(), 400);
    assert!(body.contains("ambiguous_length"));
    assert_eq!(response.headers()["connection"], "close");
}

// SEC-68
#[tokio::test]
async fn the_inside_of_a_fault_reaches_the_log_and_nothing_else() {
    let log = Log::default();
    let fault = Error::Fault(Internal::new("row 7 vanished")).into_response();
    let mut request = get("/me?token=querysecret");
    request.headers_mut().insert("authorization", HeaderValue::from_static("Bearer headersecret"));
    let (response, body) = ask(&plain(), request, at_once(fault)).with_subscriber(log.subscriber()).await;
    assert!(!body.contains("row 7"));
    assert!(response.extensions().get::<ForTheLog>().is_none());
    let text = log.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    for part in
        ["ERROR", "row 7 vanished", "path=\"/me\"", "method=\"GET\"", "status=500", "request_id=\"r-1\""]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_normal_request_is_a_line_for_debugging_and_a_slow_one_a_warning() {
    let log = Log::default();
    ask(&plain(), get("/"), at_once(Error::NotFound.into_response())).with_subscriber(log.subscriber()).await;
    let slow = |_: Request<Body>| -> Boxed {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            Ok(Response::default())
        })
    };
    ask(&plain(), get("/"), slow).with_subscriber(log.subscriber()).await;
    let overload = Error::Overloaded { retry_after: Duration::from_secs(1) }.into_response();
    ask(&plain(), get("/"), at_once(overload)).with_subscriber(log.subscriber()).await;
    let levels: Vec<String> =
        log.text().lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(levels, ["DEBUG", "WARN", "WARN"], "{}", log.text());
    assert!(log.text().contains("duration_ms=150"), "{}", log.text());
}

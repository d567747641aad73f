//! The few HTTP requests that go out to providers: bounded in time and size, and nowhere but where they may go.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST, HeaderValue, USER_AGENT,
};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::address::Reach;
use super::fault::{Lie, ProviderFault, Trouble};
use crate::secret::{ExposeSecret as _, SecretString};

/// How much of a provider's time and talk is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// For name, connection and TLS.
    pub connect: Duration,
    /// For one answer.
    pub whole: Duration,
    /// For all answers that one step of a sign-in needs: the person waits, and the request that they wait for has a
    /// limit of its own (30 seconds), which would tell them nothing.
    pub step: Duration,
    /// Of an answer's body.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(5), whole: seconds(10), step: seconds(20), bytes: 1 << 20 }
    }
}

/// A header that is longer in all than this is no answer.
const HEAD_BYTES: usize = 64 << 10;

/// Who we say that we are; GitHub answers nobody without it.
const AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));

/// Makes requests, each on a connection of its own.
#[derive(Clone)]
pub(super) struct Client {
    tls: TlsConnector,
    pub(super) bounds: Bounds,
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

/// What is asked.
pub(super) struct Question<'a> {
    pub url: &'a Url,
    /// A form to post; without one it is a GET.
    pub form: Option<&'a SecretString>,
    /// The value of `Authorization`.
    pub authorization: Option<&'a SecretString>,
}

/// What came back, with its body whole.
pub(super) struct Reply {
    pub status: StatusCode,
    /// The provider's own time, as it wrote it.
    pub date: Option<String>,
    pub body: Bytes,
}

impl Client {
    /// # Errors
    /// A sentence for the operator, where TLS can't be set up.
    pub(super) fn new(bounds: Bounds) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self::trusting(roots, bounds)
    }

    pub(super) fn trusting(roots: RootCertStore, bounds: Bounds) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|fault| format!("TLS can't be set up: {fault}"))?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), bounds })
    }

    /// Asks for a document that must be there.
    ///
    /// # Errors
    /// As [`Client::ask`]; a status other than 200; what is not such JSON.
    pub(super) async fn document<T: DeserializeOwned>(
        &self,
        reach: Reach,
        question: &Question<'_>,
    ) -> Result<T, ProviderFault> {
        let reply = self.ask(reach, question).await?;
        if reply.status != StatusCode::OK {
            return Err(Lie::Status.into());
        }
        parse(&reply.body)
    }

    /// Asks and takes in the answer, whatever its status among those that the provider itself can mean.
    ///
    /// # Errors
    /// [`Trouble`], statuses of a server in trouble among it; [`Lie`] where the answer is a redirect or has no end, or
    /// where the way would lead into a private network.
    pub(super) async fn ask(&self, reach: Reach, question: &Question<'_>) -> Result<Reply, ProviderFault> {
        match timeout(self.bounds.whole, self.ask_patiently(reach, question)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Trouble::TooSlow.into()),
        }
    }

    async fn ask_patiently(&self, reach: Reach, question: &Question<'_>) -> Result<Reply, ProviderFault> {
        let request = request(question)?;
        let connected = timeout(self.bounds.connect, self.connect(reach, question.url)).await;
        let stream = connected.map_err(|_| Trouble::TooSlow)??;
        let mut connection = http1::Builder::new();
        connection.max_buf_size(HEAD_BYTES).max_headers(100);
        let (mut sender, connection) =
            connection.handshake(TokioIo::new(stream)).await.map_err(|_| Trouble::BrokenOff)?;
        // Dropping the set ends the connection, whatever becomes of the request.
        let mut drivers = JoinSet::new();
        drivers.spawn(connection);
        let response = sender.send_request(request).await.map_err(|fault| head_fault(&fault))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(Lie::Redirect.into());
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Trouble::Status(status.as_u16()).into());
        }
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        let body = self.whole_body(response.into_body()).await?;
        Ok(Reply { status, date, body })
    }

    /// Bit by bit, so that what is too large is never in memory.
    async fn whole_body(&self, mut body: hyper::body::Incoming) -> Result<Bytes, ProviderFault> {
        let announced = body.size_hint().lower();
        if announced > self.bounds.bytes.try_into().unwrap_or(u64::MAX) {
            return Err(Lie::TooLarge.into());
        }
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Trouble::BrokenOff)?.into_data() else { continue };
            if whole.len().saturating_add(data.len()) > self.bounds.bytes {
                return Err(Lie::TooLarge.into());
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.into())
    }

    async fn connect(&self, reach: Reach, url: &Url) -> Result<Box<dyn Stream>, ProviderFault> {
        let host = url.host().ok_or(Lie::Endpoint)?;
        let port = url.port_or_known_default().ok_or(Lie::Endpoint)?;
        let socket = open(reach, &host, port, url.scheme() == "https").await?;
        // What is said is short and waits for an answer.
        let _ = socket.set_nodelay(true);
        if url.scheme() != "https" {
            return Ok(Box::new(socket));
        }
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|_| Lie::Endpoint)?,
            Host::Ipv4(address) => ServerName::IpAddress(std::net::IpAddr::from(address).into()),
            Host::Ipv6(address) => ServerName::IpAddress(std::net::IpAddr::from(address).into()),
        };
        let stream = self.tls.connect(name, socket).await.map_err(|_| Trouble::NoConnection)?;
        Ok(Box::new(stream))
    }
}

/// A connection, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to an address that was judged itself: a second look-up could say something else (SEC-92). Without TLS it
/// is one of this machine, whatever the name says.
async fn open(
    reach: Reach,
    host: &Host<&str>,
    port: u16,
    with_tls: bool,
) -> Result<TcpStream, ProviderFault> {
    let addresses: Vec<_> = match *host {
        Host::Ipv4(address) => vec![(address, port).into()],
        Host::Ipv6(address) => vec![(address, port).into()],
        Host::Domain(name) => lookup_host((name, port)).await.map_err(|_| Trouble::NoAddress)?.collect(),
    };
    if addresses.is_empty() {
        return Err(Trouble::NoAddress.into());
    }
    let mut fault = ProviderFault::from(Lie::PrivateAddress);
    for address in addresses {
        if !reach.allows(address.ip(), with_tls) {
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(_) => fault = Trouble::NoConnection.into(),
        }
    }
    Err(fault)
}

fn request(question: &Question<'_>) -> Result<Request<Full<Bytes>>, ProviderFault> {
    let url = question.url;
    let authority = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let builder = Request::builder()
        .method(if question.form.is_some() { Method::POST } else { Method::GET })
        .uri(target)
        .header(HOST, authority)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, AGENT);
    let builder = match question.authorization {
        None => builder,
        Some(given) => {
            let mut value = HeaderValue::from_str(given.expose_secret()).map_err(|_| Lie::Endpoint)?;
            value.set_sensitive(true);
            builder.header(AUTHORIZATION, value)
        }
    };
    let built = match question.form {
        None => builder.body(Full::default()),
        Some(form) => {
            let body = Bytes::copy_from_slice(form.expose_secret().as_bytes());
            builder
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(CONTENT_LENGTH, body.len())
                .body(Full::new(body))
        }
    };
    built.map_err(|_| Lie::Endpoint.into())
}

fn head_fault(fault: &hyper::Error) -> ProviderFault {
    if fault.is_parse_too_large() {
        Lie::TooLarge.into()
    } else if fault.is_parse() {
        Lie::Malformed.into()
    } else {
        Trouble::BrokenOff.into()
    }
}

/// # Errors
/// [`Lie::Malformed`], which says nothing of what stood there: it may have been a secret.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ProviderFault> {
    serde_json::from_slice(body).map_err(|_| Lie::Malformed.into())
}

//! The way out: an SMTP server, or a folder.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Code;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use url::Url;

use crate::secret::ExposeSecret as _;
use crate::settings::{Settings, SmtpSecurity};
use crate::text::brief;

/// How long a connection may take to come about.
const CONNECTION: Duration = Duration::from_secs(10);
/// How long one mail may take in all. It is shorter than a node's claim on the mail, so that no two send it at once.
pub(super) const WHOLE: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 90 });

/// The most that is kept of what went wrong, in characters.
const LONGEST_ERROR: usize = 200;

/// What carries mails away.
pub(super) enum Postman {
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
    Folder(PathBuf),
}

/// Why a mail was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It may be taken later.
    NotNow(String),
    /// It never will be.
    Never(String),
}

impl Postman {
    /// The way out that the settings name.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(super) fn of(settings: &Settings) -> Result<Self, String> {
        let Some(url) = &settings.mail_url else { return Ok(Self::Folder(settings.data_dir.join("outbox"))) };
        let url = Url::parse(url.expose_secret()).map_err(|_| "mail_url: it is no URL".to_owned())?;
        if url.scheme() == "file" {
            return url
                .to_file_path()
                .map(Self::Folder)
                .map_err(|()| "mail_url: it names no folder".to_owned());
        }
        let host = url.host_str().ok_or("mail_url: it names no host")?;
        let fail = |fault: &dyn std::fmt::Display| format!("mail_url: {fault}");
        let tls =
            TlsParameters::new(host.trim_matches(['[', ']']).to_owned()).map_err(|fault| fail(&fault))?;
        let has_user = !url.username().is_empty();
        let (tls, usual_port) = match SmtpSecurity::of(&url) {
            SmtpSecurity::Wrapped => (Tls::Wrapper(tls), 465),
            SmtpSecurity::StartTls => (Tls::Required(tls), 587),
            SmtpSecurity::StartTlsIfOffered => (Tls::Opportunistic(tls), 25),
            SmtpSecurity::Plain => (Tls::None, 25),
        };
        let own_name = settings.public_url.host_str().unwrap_or("localhost").to_owned();
        let transport =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host.trim_matches(['[', ']']))
                .port(url.port().unwrap_or(usual_port))
                .hello_name(ClientId::Domain(own_name))
                .timeout(Some(CONNECTION))
                .tls(tls);
        let transport = match has_user {
            true => transport.credentials(Credentials::new(
                decoded(url.username()),
                decoded(url.password().unwrap_or("")),
            )),
            false => transport,
        };
        Ok(Self::Smtp(Box::new(transport.build())))
    }

    /// Hands one mail over. When this returns `Ok`, somebody else has it.
    pub(super) async fn carry(&self, name: &str, message: Message) -> Result<(), Refusal> {
        match self {
            Self::Folder(folder) => {
                let subject = message.headers().get::<lettre::message::header::Subject>();
                let path = put(folder, name, &message.formatted())
                    .map_err(|fault| Refusal::NotNow(format!("{}: {fault}", folder.display())))?;
                let subject = subject.map(|subject| subject.as_ref().to_owned());
                tracing::info!(subject, file = %path.display(), "there is no mail server: a mail was written to a file");
                Ok(())
            }
            Self::Smtp(transport) => match tokio::time::timeout(WHOLE, transport.send(message)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(fault)) => Err(judge(&fault)),
                Err(_) => Err(Refusal::NotNow("the mail server took too long".to_owned())),
            },
        }
    }
}

fn decoded(part: &str) -> String {
    percent_decoded(part.as_bytes())
}

/// `%40` is `@`.
fn percent_decoded(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digits =
            after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// 5yz is for ever, but for what the operator can mend: who we are (53z) and that the server is not there.
fn judge(fault: &lettre::transport::smtp::Error) -> Refusal {
    let text = brief(&fault.to_string(), LONGEST_ERROR);
    if fault.is_permanent() && fault.status().is_none_or(|code| !is_about_us(code)) {
        Refusal::Never(text)
    } else {
        Refusal::NotNow(text)
    }
}

fn is_about_us(code: Code) -> bool {
    (530..540).contains(&u16::from(code))
}

/// Written whole beside its place, then renamed: nobody finds half a mail, and the same mail once.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<PathBuf> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let (draft, place) = (folder.join(format!(".{name}.draft")), folder.join(format!("{name}.eml")));
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    std::fs::rename(&draft, &place)?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(place)
}

/// The sender: what `mail_from` says, else `no-reply` at the host of `public_url`.
///
/// # Errors
/// A sentence for the operator.
pub(super) fn sender(settings: &Settings) -> Result<Mailbox, String> {
    let host = settings.public_url.host_str().unwrap_or("localhost").trim_matches(['[', ']']);
    let usual = || format!("no-reply@{}", if host.contains(':') { "localhost" } else { host });
    let from = settings.mail_from.clone().unwrap_or_else(usual);
    from.parse().map_err(|fault| format!("mail_from: {fault}. Write Name <auth@example.com>"))
}

//! A mail server that writes down what it takes, or is in one of a mail server's moods.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificate::{Authorities, Certificate};

const GREETING: &str = "220 testbed ESMTP";

/// How a mail server treats who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It takes every mail.
    Good,
    /// It closes connections as soon as they are made.
    Down,
    /// It wants nobody's mail for ever: 550.
    Refusing,
    /// It wants to be asked again: 451.
    Greylisting,
    /// It doesn't believe who we are: 535.
    Distrustful,
    /// It reads a whole mail and never says what became of it.
    HangingInData,
    /// It takes a mail, and the connection breaks before it says so.
    BreakingAfterData,
    /// It takes every mail, and waits so long before each answer.
    Slow(Duration),
}

/// A mail that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Headers and body, with line breaks as they came.
    pub data: String,
}

impl ReceivedMail {
    /// The value of a header that stands in one line.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.data.split("\r\n\r\n").next()?;
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// When a mail server begins to speak TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// From the first byte.
    Wrapped,
    /// When it is asked to, and it takes no mail before.
    StartTls,
}

/// A mail server on a port of its own. It ends when it is dropped.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    authorities: Option<Authorities>,
}

#[derive(Debug)]
struct Shared {
    mood: Mutex<Mood>,
    received: Mutex<Vec<ReceivedMail>>,
    connections: AtomicUsize,
    held: AtomicUsize,
    ended: AtomicBool,
    tls: Option<(SmtpTls, Arc<ServerConfig>)>,
}

impl MailServer {
    /// A server in a good mood.
    #[must_use]
    pub fn start() -> Self {
        Self::start_as(None)
    }

    /// One with a certificate for `localhost` and `127.0.0.1`.
    ///
    /// # Panics
    ///
    /// Where no certificate can be made.
    #[must_use]
    pub fn start_with_tls(when: SmtpTls) -> Self {
        Self::start_as(Some(when))
    }

    fn start_as(when: Option<SmtpTls>) -> Self {
        let certificate = when.map(|_| Certificate::for_names(&["localhost", "127.0.0.1"]));
        let tls = when.zip(certificate.as_ref().map(Certificate::server_config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            mood: Mutex::new(Mood::Good),
            received: Mutex::new(Vec::new()),
            connections: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            tls,
        });
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if theirs.ended.load(Ordering::SeqCst) {
                    return;
                }
                theirs.connections.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&theirs);
                thread::spawn(move || shared.talk(&stream));
            }
        });
        Self { address, shared, authorities: certificate.as_ref().map(Authorities::of) }
    }

    /// `smtp://127.0.0.1:…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The certificate of the authority that vouches for it, as a file.
    ///
    /// # Panics
    ///
    /// Where it speaks no TLS.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.authorities.as_ref().expect("a server with TLS").right()
    }

    /// That of an authority that doesn't.
    ///
    /// # Panics
    ///
    /// Where it speaks no TLS.
    #[must_use]
    pub fn foreign_authority(&self) -> PathBuf {
        self.authorities.as_ref().expect("a server with TLS").foreign()
    }

    /// Changes its mood, also in the middle of a talk.
    pub fn set_mood(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// Every mail that was taken so far.
    #[must_use]
    pub fn received(&self) -> Vec<ReceivedMail> {
        self.shared.received.lock().unwrap().clone()
    }

    /// How often somebody has come.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many whole mails were read of which nobody was told anything.
    #[must_use]
    pub fn held(&self) -> usize {
        self.shared.held.load(Ordering::SeqCst)
    }

    /// Waits until so many mails were taken.
    ///
    /// # Panics
    ///
    /// Where they don't come within ten seconds.
    #[must_use]
    pub fn wait_for(&self, count: usize) -> Vec<ReceivedMail> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let received = self.received();
            if received.len() >= count {
                return received;
            }
            assert!(Instant::now() < end, "{count} mails did not come: {received:#?}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }

    fn say(&self, stream: &mut impl Write, line: &str) -> std::io::Result<()> {
        if let Mood::Slow(time) = self.mood() {
            thread::sleep(time);
        }
        stream.write_all(format!("{line}\r\n").as_bytes())
    }

    /// Until the client has had enough, or breaks off.
    fn talk(&self, mut stream: &TcpStream) {
        if self.mood() == Mood::Down {
            return;
        }
        let _ = match &self.tls {
            Some((SmtpTls::Wrapped, config)) => secure(config, stream).and_then(|mut stream| {
                self.say(&mut stream, GREETING)?;
                self.dialogue(stream, true).map(drop)
            }),
            Some((SmtpTls::StartTls, config)) => self
                .say(&mut stream, GREETING)
                .and_then(|()| self.dialogue(stream, false))
                .and_then(|asked| if asked { secure(config, stream).map(Some) } else { Ok(None) })
                .and_then(|stream| stream.map_or(Ok(false), |stream| self.dialogue(stream, true)))
                .map(drop),
            None => self.say(&mut stream, GREETING).and_then(|()| self.dialogue(stream, true)).map(drop),
        };
    }

    /// Returns whether it ended because TLS is to begin. Before that, no mail is taken.
    fn dialogue(&self, stream: impl Read + Write, is_secure: bool) -> std::io::Result<bool> {
        let mut lines = BufReader::new(stream);
        let (mut from, mut to) = (String::new(), Vec::new());
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                return Ok(false);
            }
            let line = line.trim_end();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let answer = match verb.as_str() {
                "EHLO" if !is_secure => "250-testbed\r\n250-8BITMIME\r\n250 STARTTLS",
                "STARTTLS" if !is_secure => {
                    self.say(lines.get_mut(), "220 Go on")?;
                    return Ok(true);
                }
                "QUIT" => return self.say(lines.get_mut(), "221 Farewell").map(|()| false),
                _ if !is_secure => "530 Say STARTTLS first",
                "EHLO" => "250-testbed\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN",
                "AUTH" if self.mood() == Mood::Distrustful => "535 Who are you?",
                "AUTH" => "235 Welcome",
                "HELO" | "RSET" | "NOOP" => "250 OK",
                "MAIL" => {
                    from = address(line);
                    "250 OK"
                }
                "RCPT" => match self.mood() {
                    Mood::Refusing => "550 No such mailbox here",
                    Mood::Greylisting => "451 Greylisted: come again later",
                    _ => {
                        to.push(address(line));
                        "250 OK"
                    }
                },
                "DATA" => {
                    self.say(lines.get_mut(), "354 Go on")?;
                    let data = body(&mut lines)?;
                    if !self.take(ReceivedMail { from: from.clone(), to: std::mem::take(&mut to), data }) {
                        return Ok(false);
                    }
                    "250 Taken"
                }
                _ => "502 What?",
            };
            self.say(lines.get_mut(), answer)?;
        }
    }

    /// Whether the client is to be told.
    fn take(&self, mail: ReceivedMail) -> bool {
        match self.mood() {
            Mood::HangingInData => {
                self.held.fetch_add(1, Ordering::SeqCst);
                while self.mood() == Mood::HangingInData && !self.ended.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(5));
                }
                false
            }
            mood => {
                self.received.lock().unwrap().push(mail);
                mood != Mood::BreakingAfterData
            }
        }
    }
}

/// The same connection under TLS.
fn secure<'a>(
    config: &Arc<ServerConfig>,
    stream: &'a TcpStream,
) -> std::io::Result<StreamOwned<ServerConnection, &'a TcpStream>> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

/// What stands between the angle brackets.
fn address(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or(line, |(address, _)| address).to_owned()
}

/// Up to the line with a single dot; dots that were doubled are single again.
fn body(lines: &mut impl BufRead) -> std::io::Result<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

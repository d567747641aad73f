//! Just enough of an HTTP server for the providers of tests, and the ways in which one can misbehave.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use url::form_urlencoded;

/// How an endpoint treats whoever asks, instead of answering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misbehaviour {
    /// It answers this status, and nothing else.
    Status(u16),
    /// It sends people to this address.
    Redirect(String),
    /// It takes the question and never answers.
    Silent,
    /// It says that everything is fine, and hangs in the middle of its answer.
    Stalling,
    /// It closes the connection without a word.
    Closing,
    /// It announces more than a megabyte.
    Huge,
    /// It sends chunk after chunk, for ever.
    Endless,
    /// It sends header after header, for ever.
    EndlessHead,
    /// It sends this instead of what it should.
    Body(String),
    /// It speaks something else than HTTP.
    Gibberish,
}

/// A question.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub method: String,
    pub path: String,
    /// What stood behind the question mark.
    pub query: BTreeMap<String, String>,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    pub form: BTreeMap<String, String>,
}

/// An answer.
pub(crate) struct Said {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Said {
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, headers: vec![("Content-Type", "application/json".into())], body: body.to_string() }
    }

    pub(crate) fn html(body: String) -> Self {
        Self { status: 200, headers: vec![("Content-Type", "text/html".into())], body }
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self { status: 302, headers: vec![("Location", to.to_owned())], body: String::new() }
    }
}

/// A server on a port of its own, which ends when it is dropped.
pub(crate) struct WebServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    ended: AtomicBool,
    misbehaviours: Mutex<BTreeMap<String, Misbehaviour>>,
    asked: Mutex<Vec<Asked>>,
    /// The time that the answers have in their `Date`.
    date: Mutex<Option<String>>,
}

impl WebServer {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            ended: AtomicBool::new(false),
            misbehaviours: Mutex::default(),
            asked: Mutex::default(),
            date: Mutex::default(),
        });
        let (theirs, answer) = (Arc::clone(&shared), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if theirs.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, answer) = (Arc::clone(&theirs), Arc::clone(&answer));
                // Whoever asks may have gone.
                thread::spawn(move || drop(shared.serve(stream, &*answer)));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn misbehave(&self, path: &str, how: Option<Misbehaviour>) {
        let mut all = self.shared.misbehaviours.lock().unwrap();
        match how {
            Some(how) => drop(all.insert(path.to_owned(), how)),
            None => drop(all.remove(path)),
        }
    }

    pub(crate) fn behave(&self) {
        self.shared.misbehaviours.lock().unwrap().clear();
    }

    pub(crate) fn set_date(&self, date: &str) {
        *self.shared.date.lock().unwrap() = Some(date.to_owned());
    }

    /// Every question for this path so far.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().iter().filter(|asked| asked.path == path).cloned().collect()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream, answer: &dyn Fn(&Asked) -> Said) -> std::io::Result<()> {
        let asked = read(&stream)?;
        self.asked.lock().unwrap().push(asked.clone());
        let how = self.misbehaviours.lock().unwrap().get(&asked.path).cloned();
        match how {
            Some(how) => misbehave(stream, &how),
            None => self.say(stream, &answer(&asked)),
        }
    }

    fn say(&self, mut stream: TcpStream, said: &Said) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} Said\r\nContent-Length: {}\r\n", said.status, said.body.len());
        head.push_str("Connection: close\r\nCache-Control: no-store\r\n");
        if let Some(date) = &*self.date.lock().unwrap() {
            head.push_str(&format!("Date: {date}\r\n"));
        }
        for (name, value) in &said.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n{}", said.body).as_bytes())
    }
}

fn read(stream: &TcpStream) -> std::io::Result<Asked> {
    let mut lines = BufReader::new(stream);
    let mut first = String::new();
    lines.read_line(&mut first)?;
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut asked =
        Asked { method: method.to_owned(), path: path.to_owned(), query: pairs(query), ..Asked::default() };
    loop {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        asked.headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = asked.headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    lines.read_exact(&mut body)?;
    asked.form = pairs(&String::from_utf8_lossy(&body));
    Ok(asked)
}

pub(crate) fn pairs(text: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn misbehave(mut stream: TcpStream, how: &Misbehaviour) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    match how {
        Misbehaviour::Status(status) => {
            write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
        Misbehaviour::Redirect(to) => {
            write!(stream, "HTTP/1.1 302 There\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
        }
        Misbehaviour::Silent => wait_for_the_end(stream),
        Misbehaviour::Stalling => {
            write!(stream, "{head}Content-Length: 1000\r\n\r\n{{\"issuer\":")?;
            wait_for_the_end(stream)
        }
        Misbehaviour::Closing => Ok(()),
        Misbehaviour::Huge => {
            write!(stream, "{head}Content-Length: 1048577\r\n\r\n")?;
            stream.write_all(&vec![b' '; 1 << 20])
        }
        Misbehaviour::Endless => {
            write!(stream, "{head}Transfer-Encoding: chunked\r\n\r\n")?;
            loop {
                write!(stream, "1000\r\n{}\r\n", " ".repeat(0x1000))?;
            }
        }
        Misbehaviour::EndlessHead => {
            stream.write_all(head.as_bytes())?;
            loop {
                write!(stream, "X-More: {}\r\n", "x".repeat(1000))?;
            }
        }
        Misbehaviour::Body(body) => {
            write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        }
        Misbehaviour::Gibberish => stream.write_all(b"220 mail.example.com ESMTP\r\n"),
    }
}

/// Until whoever asked has had enough.
fn wait_for_the_end(mut stream: TcpStream) -> std::io::Result<()> {
    let _ = stream.read(&mut [0; 1]);
    Ok(())
}

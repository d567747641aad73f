//! The application behind the proxy: it answers 200 to everything, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

/// A request as it came in.
#[derive(Debug)]
pub struct Received {
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    /// Everything that an application might take for an identity: `_` reads as `-` where headers become variables.
    pub fn identity(&self) -> Vec<(&str, &str)> {
        let names = ["x-auth-user-id", "x-auth-username"];
        let mut found: Vec<(&str, &str)> = self
            .headers
            .iter()
            .filter(|(name, _)| names.contains(&name.replace('_', "-").as_str()))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        found.sort_unstable();
        found
    }

    fn read(stream: &mut BufReader<TcpStream>) -> Option<Self> {
        let line = line(stream)?;
        let mut headers = Vec::new();
        loop {
            let header = self::line(stream)?;
            let Some((name, value)) = header.split_once(':') else { break };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
        stream.read_exact(&mut body).ok()?;
        Some(Self { line, headers, body })
    }
}

fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut bytes = Vec::new();
    stream.read_until(b'\n', &mut bytes).ok()?;
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

pub struct Backend {
    pub address: String,
    received: Receiver<Received>,
}

impl Backend {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, received) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                std::thread::spawn(move || answer(stream, &sender));
            }
        });
        Self { address, received }
    }

    /// What has come in since this was last called. An answer is sent only after its request was noted.
    pub fn received(&self) -> Vec<Received> {
        self.received.try_iter().collect()
    }
}

fn answer(stream: TcpStream, sender: &Sender<Received>) {
    let mut stream = BufReader::new(stream);
    while let Some(received) = Received::read(&mut stream) {
        if sender.send(received).is_err() {
            return;
        }
        if stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

//! HTTP by itself: a bare hyper server, in a process of its own, that gives every request the answer of the real one.

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::Outcome;
use crate::wire::{Answer, parse_head};

/// The subcommand under which this program is that server.
pub(crate) const SUBCOMMAND: &str = "bare-hyper";

/// A running bare server, killed when dropped.
#[derive(Debug)]
pub(crate) struct BareHyper {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl BareHyper {
    /// Starts a server that repeats `answer`, header for header and byte for byte. `dir` takes the file that tells it.
    ///
    /// # Errors
    /// When the process can't be started.
    pub(crate) fn repeating(answer: &Answer<'_>, dir: &Path) -> Outcome<Self> {
        let file = dir.join("answer.http");
        std::fs::write(&file, [answer.head, answer.body].concat())?;
        let child = Command::new(std::env::current_exe()?)
            .arg(SUBCOMMAND)
            .arg(&file)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut bare = Self { child, address: (Ipv4Addr::UNSPECIFIED, 0).into() };
        let mut line = String::new();
        let output = bare.child.stdout.take().ok_or("no output to read")?;
        BufReader::new(output).read_line(&mut line)?;
        bare.address = line.trim().parse().map_err(|_| "the bare server did not start")?;
        Ok(bare)
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for BareHyper {
    fn drop(&mut self) {
        // An error here means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the bare server until it is killed; prints where it listens.
///
/// # Errors
/// When `file` holds no answer, or no port is to be had.
pub(crate) fn serve(file: &Path) -> Outcome<()> {
    let response = response_of(&std::fs::read(file)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let response = response.clone();
            let service = service_fn(move |_: Request<hyper::body::Incoming>| {
                std::future::ready(Ok::<_, Infallible>(response.clone()))
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    })
}

fn response_of(bytes: &[u8]) -> Outcome<Response<Full<Bytes>>> {
    let head = parse_head(bytes)?.ok_or("half an answer")?;
    let (head_bytes, body) = bytes.split_at_checked(head.length).ok_or("half an answer")?;
    let answer = Answer { status: head.status, head: head_bytes, body };
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(body)));
    *response.status_mut() = StatusCode::from_u16(head.status)?;
    for (name, value) in answer.headers() {
        let name = HeaderName::from_bytes(name)?;
        // hyper sends these itself.
        if ![DATE, CONTENT_LENGTH, CONNECTION].contains(&name) {
            response.headers_mut().append(name, HeaderValue::from_bytes(value)?);
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::Body;

    #[test]
    fn the_answer_keeps_its_status_headers_and_body() {
        let response = response_of(
            b"HTTP/1.1 200 OK\r\ndate: x\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 2\r\n\r\n{}",
        )
        .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!((response.headers().len(), response.body().size_hint().exact()), (2, Some(2)));
    }
}

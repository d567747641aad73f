//! One keep-alive HTTP/1.1 connection, with no more parsing than measuring needs.

use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::Outcome;

/// No answer of the service is near this size; more means that the answer was misread.
const ANSWER_LIMIT: usize = 1 << 20;

/// Where the parts of an answer lie in the bytes that were read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The status code.
    pub(crate) status: u16,
    /// The length of status line and headers, with the empty line that ends them.
    pub(crate) length: usize,
    /// The length of the body that follows.
    pub(crate) body_length: usize,
    /// Whether the server is about to close the connection.
    pub(crate) closes: bool,
}

/// One whole answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a> {
    /// The status code.
    pub(crate) status: u16,
    /// Status line and headers as they came.
    pub(crate) head: &'a [u8],
    /// The body as it came.
    pub(crate) body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Name and value of each header, in order.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.head.split(|byte| *byte == b'\n').skip(1).filter_map(header_of)
    }
}

/// Reads the head at the front of `bytes`; `None` while it is incomplete.
///
/// # Errors
/// For what this client can't measure: another protocol version, a length that is no number, or a chunked body.
pub(crate) fn parse_head(bytes: &[u8]) -> Result<Option<Head>, String> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let lines = bytes.get(..end).unwrap_or_default();
    let mut lines = lines.split(|byte| *byte == b'\n');
    let status = status_of(lines.next().unwrap_or_default()).ok_or("not an HTTP/1.1 status line")?;
    let (mut body_length, mut closes) = (None, false);
    for (name, value) in lines.filter_map(header_of) {
        if name.eq_ignore_ascii_case(b"content-length") {
            let value = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            body_length = Some(value.ok_or("a Content-Length that is no number")?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err("a body without Content-Length".to_owned());
        } else if name.eq_ignore_ascii_case(b"connection") {
            closes = value.eq_ignore_ascii_case(b"close");
        }
    }
    let body_length = match (status, body_length) {
        (204 | 304, _) => 0,
        (_, Some(length)) => length,
        (_, None) => return Err("a body without Content-Length".to_owned()),
    };
    Ok(Some(Head { status, length: end + 4, body_length, closes }))
}

fn status_of(line: &[u8]) -> Option<u16> {
    let code = line.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(code).ok()?.parse().ok()
}

fn header_of(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    Some((name, value.get(1..)?.trim_ascii()))
}

/// A connection that is opened anew whenever the server closed it in order.
pub(crate) struct Wire {
    to: SocketAddr,
    from: IpAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Wire {
    /// Connects from the local address `from`, so that many clients need not look like one.
    ///
    /// # Errors
    /// When the connection is refused.
    pub(crate) async fn connect(to: SocketAddr, from: IpAddr) -> Outcome<Self> {
        let mut wire = Self { to, from, stream: None, buffer: Vec::with_capacity(4096) };
        wire.stream = Some(wire.open().await?);
        Ok(wire)
    }

    async fn open(&self) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(self.from, 0))?;
        socket.set_nodelay(true)?;
        socket.connect(self.to).await
    }

    /// Sends the bytes of one request and reads one whole answer.
    ///
    /// # Errors
    /// When the connection breaks, or the answer is not HTTP that this client reads.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Outcome<Answer<'_>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.open().await?,
        };
        stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
            read_more(&mut stream, &mut self.buffer).await?;
        };
        let whole = head.length + head.body_length;
        while self.buffer.len() < whole {
            read_more(&mut stream, &mut self.buffer).await?;
        }
        if self.buffer.len() > whole {
            return Err("the server sent more than one answer to one request".into());
        }
        if !head.closes {
            self.stream = Some(stream);
        }
        let (head_bytes, body) = self.buffer.split_at_checked(head.length).unwrap_or_default();
        Ok(Answer { status: head.status, head: head_bytes, body })
    }
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Outcome<()> {
    if stream.read_buf(buffer).await? == 0 {
        return Err("the server closed the connection in the middle of an exchange".into());
    }
    if buffer.len() > ANSWER_LIMIT {
        return Err("an answer of more than 1 MiB".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_only_when_it_is_whole() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        for cut in 0..bytes.len() - 2 {
            assert_eq!(parse_head(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        let head = parse_head(bytes).unwrap().unwrap();
        assert_eq!(head, Head { status: 200, length: bytes.len() - 2, body_length: 2, closes: false });
    }

    #[test]
    fn an_answer_without_content_needs_no_length_and_a_close_is_noticed() {
        let head = parse_head(b"HTTP/1.1 204 No Content\r\nConnection: Close\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.status, head.body_length, head.closes), (204, 0, true));
    }

    #[test]
    fn what_can_not_be_measured_is_refused() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
            b"220 mail.example.com\r\n\r\n",
        ] {
            assert!(parse_head(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn headers_are_read_in_order_without_their_spaces() {
        let head = b"HTTP/1.1 200 OK\r\nA: one\r\nb:two: three \r\n\r\n";
        let answer = Answer { status: 200, head, body: b"" };
        let headers: Vec<_> = answer.headers().collect();
        assert_eq!(headers, [(&b"A"[..], &b"one"[..]), (b"b", b"two: three")]);
    }
}

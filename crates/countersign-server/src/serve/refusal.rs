//! What hyper refuses before any of our code sees it, said as everything else is: `application/problem+json`.
//!
//! hyper answers a head that it can't read by itself, with a bare status. Its answer passes through our
//! stream, where it can be told from ours by the request id that each of ours carries.

use countersign::secret::random_bytes;

/// The problem document in place of hyper's own refusal, where this is one.
pub(super) fn instead_of(written: &[u8]) -> Option<Vec<u8>> {
    let status = written.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let (status, title, code, detail) = match status {
        b"400" => ("400", "Bad Request", "malformed_request", "This is not a request of HTTP/1.1"),
        b"414" => ("414", "URI Too Long", "uri_too_long", "The address is too long"),
        b"431" => {
            let detail = "The request's head has more than 32 KiB or 100 fields";
            ("431", "Request Header Fields Too Large", "headers_too_large", detail)
        }
        _ => return None,
    };
    let head = written.windows(4).position(|end| end == b"\r\n\r\n").and_then(|end| written.get(..end))?;
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    if head.contains("\r\nx-request-id:") {
        return None;
    }
    let body = format!(
        r#"{{"type":"about:blank","title":"{title}","status":{status},"detail":"{detail}","code":"{code}"}}"#
    );
    let id = request_id();
    let length = body.len();
    Some(
        format!(
            "HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\nx-request-id: {id}\r\n\
             x-content-type-options: nosniff\r\ncache-control: no-store\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes(),
    )
}

/// 128 random bits: nobody asked with an id of their own, for nobody could be understood.
fn request_id() -> String {
    random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_refusal_becomes_a_problem_document() {
        let bare =
            b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let answer = String::from_utf8(instead_of(bare).unwrap()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 ") && head.contains("\r\nx-request-id: "), "{answer}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&problem["status"], &problem["code"]), (&431.into(), &"headers_too_large".into()));
    }

    #[test]
    fn answers_of_ours_are_left_alone() {
        for answer in [
            &b"HTTP/1.1 400 Bad Request\r\nX-Request-Id: a\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncut in the mid",
        ] {
            assert_eq!(instead_of(answer), None);
        }
    }
}

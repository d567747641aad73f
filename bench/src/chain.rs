//! A chain of refreshes: each request carries the cookie that the answer before it set.

use crate::wire::Answer;

/// The cookie that carries the refresh token, by its default name.
const COOKIE: &[u8] = b"refresh_token=";

/// The refresh token that an answer sets; `None` where it sets none or deletes it.
pub(crate) fn token_of<'a>(answer: &Answer<'a>) -> Option<&'a [u8]> {
    answer
        .headers()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"set-cookie"))
        .filter_map(|(_, value)| value.strip_prefix(COOKIE))
        .map(|rest| rest.split(|byte| *byte == b';').next().unwrap_or_default())
        .find(|token| !token.is_empty())
}

/// One sign-in that is refreshed again and again, as the bytes of its next request.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    request: Vec<u8>,
    token_at: usize,
    token_length: usize,
}

impl Chain {
    /// Begins with the token of a fresh sign-in.
    pub(crate) fn starting_with(token: &[u8]) -> Self {
        let mut request = b"POST /refresh HTTP/1.1\r\nhost: localhost\r\ncookie: refresh_token=".to_vec();
        let token_at = request.len();
        request.extend_from_slice(token);
        request.extend_from_slice(b"\r\ncontent-length: 0\r\n\r\n");
        Self { request, token_at, token_length: token.len() }
    }

    /// The bytes of the next refresh.
    pub(crate) fn request(&self) -> &[u8] {
        &self.request
    }

    /// Takes over the successor's token; `false` where the answer sets none, and the chain is broken.
    pub(crate) fn follow(&mut self, answer: &Answer<'_>) -> bool {
        let Some(token) = token_of(answer) else { return false };
        let old = self.token_at..self.token_at + self.token_length;
        self.request.splice(old, token.iter().copied());
        self.token_length = token.len();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(head: &'static [u8]) -> Answer<'static> {
        Answer { status: 200, head, body: b"" }
    }

    #[test]
    fn the_next_request_carries_the_token_that_the_answer_set() {
        let mut chain = Chain::starting_with(b"first");
        assert!(chain.request().windows(21).any(|part| part == b"refresh_token=first\r\n"));
        let next: &[u8] = b"HTTP/1.1 200 OK\r\nSet-Cookie: device=x; Path=/\r\nset-cookie: refresh_token=the-second; Path=/refresh\r\n\r\n";
        assert!(chain.follow(&Answer { status: 200, head: next, body: b"" }));
        assert_eq!(chain.request(), Chain::starting_with(b"the-second").request());
        assert!(chain.follow(&answer(b"HTTP/1.1 200 OK\r\nset-cookie: refresh_token=3\r\n\r\n")));
        assert_eq!(chain.request(), Chain::starting_with(b"3").request());
    }

    #[test]
    fn a_missing_or_deleted_cookie_breaks_the_chain_and_keeps_the_token() {
        let mut chain = Chain::starting_with(b"first");
        assert!(!chain.follow(&answer(b"HTTP/1.1 200 OK\r\nset-cookie: other=1\r\n\r\n")));
        assert!(!chain.follow(&answer(b"HTTP/1.1 200 OK\r\nset-cookie: refresh_token=; Max-Age=0\r\n\r\n")));
        assert_eq!(chain.request(), Chain::starting_with(b"first").request());
    }
}

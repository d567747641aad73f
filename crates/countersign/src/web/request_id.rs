//! The name of one request, by which a client's complaint and the log find each other (SEC-74).

use std::cell::{Cell, RefCell};

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use crate::secret::random_bytes;

/// The header that carries it, in and out.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_LENGTH: usize = 128;

/// Five bits a character: 26 of them hold 128 bits.
const NEW_LENGTH: usize = 26;

/// Crockford's base 32: no letters that are read as digits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The name of one request; while the request is worked on, [`RequestId::current`] tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The client's own name for the request, where it sent exactly one of 1–128 letters, digits, `.`, `_` and
    /// `-`; else a new one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut sent = headers.get_all(X_REQUEST_ID).iter();
        match (sent.next(), sent.next()) {
            (Some(only), None) if is_acceptable(only.as_bytes()) => Self(only.clone()),
            _ => Self::new(),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The name as the header that the answer carries.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// The name of the request that this thread is working on, as far as there is one.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Makes this the current name until the guard is dropped, even by a panic.
    pub(super) fn enter(&self) -> Entered {
        Entered(CURRENT.replace(Some(self.clone())))
    }

    fn new() -> Self {
        let mut rest = NEXT.replace(NEXT.get().wrapping_add(STEP));
        let mut text = [b'0'; NEW_LENGTH];
        for place in &mut text {
            let digit = usize::try_from(rest & 31).unwrap_or_default();
            *place = ALPHABET.get(digit).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        Self(HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("unnamed")))
    }
}

/// An odd number without a pattern: stepping by it, a thread meets each name once, and neighbours look different.
const STEP: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

thread_local! {
    /// A name has to be unlike all others, not unguessable: where each thread begins is random, what follows is not.
    static NEXT: Cell<u128> = Cell::new(u128::from_be_bytes(random_bytes()));
    static CURRENT: RefCell<Option<RequestId>> = const { RefCell::new(None) };
}

/// While it lives, a request has a name; then the one before has its place again.
pub(super) struct Entered(Option<RequestId>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

fn is_acceptable(name: &[u8]) -> bool {
    let is_ours = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    (1..=MAX_LENGTH).contains(&name.len()) && name.iter().all(is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> RequestId {
        let headers =
            names.iter().map(|name| (X_REQUEST_ID, HeaderValue::from_bytes(name.as_bytes()).unwrap()));
        RequestId::of(&headers.collect())
    }

    // SEC-74
    #[test]
    fn a_fitting_name_is_taken() {
        for name in ["a", "0195f1c4-7d1e.A_b", &"x".repeat(128)] {
            assert_eq!(named(&[name]).as_str(), name);
        }
    }

    // SEC-74
    #[test]
    fn any_other_name_is_replaced() {
        for names in
            [&["a b"][..], &[""], &["x".repeat(129).as_str()], &["a", "a"], &["é"], &["a;b"], &["<b>"], &[]]
        {
            let id = named(names);
            assert!(!names.contains(&id.as_str()));
            assert_eq!(id.as_str().len(), NEW_LENGTH);
            assert!(is_acceptable(id.as_str().as_bytes()));
        }
    }

    #[test]
    fn new_names_differ_in_every_place() {
        let ids: Vec<RequestId> = (0..400).map(|_| named(&[])).collect();
        let different: std::collections::HashSet<&str> = ids.iter().map(RequestId::as_str).collect();
        assert_eq!(different.len(), ids.len());
        for place in 0..NEW_LENGTH {
            let first = ids[0].as_str().as_bytes()[place];
            assert!(ids.iter().any(|id| id.as_str().as_bytes()[place] != first), "place {place}");
        }
    }
}

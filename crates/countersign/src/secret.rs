//! Secrets: text that can't be printed, the one door to randomness, and comparison in constant time.

pub use secrecy::{ExposeSecret, SecretString};

use std::cell::RefCell;

use subtle::ConstantTimeEq;
use zeroize::Zeroize as _;

/// How many random bytes a thread has in stock: enough for a dozen refreshes.
const STOCK: usize = 1_024;

thread_local! {
    /// Asking the system for each token's few bytes would cost a microsecond of every refresh. What is handed out is
    /// wiped from here at once, and nothing of it is ever handed out twice.
    static RANDOM: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; STOCK], left: 0 }) };
}

struct Stock {
    bytes: [u8; STOCK],
    left: usize,
}

/// `N` bytes from the operating system's generator.
///
/// # Panics
/// If the operating system has no randomness to give: nothing that this service does is safe then.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut taken = [0; N];
    RANDOM.with_borrow_mut(|stock| stock.take(&mut taken));
    taken
}

impl Stock {
    fn take(&mut self, into: &mut [u8]) {
        if into.len() > self.left {
            fill(&mut self.bytes);
            self.left = STOCK;
        }
        let Some(rest) = self.left.checked_sub(into.len()) else { return fill(into) };
        if let Some(source) = self.bytes.get_mut(rest..self.left) {
            into.copy_from_slice(source);
            source.zeroize();
            self.left = rest;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "the one door; see `random_bytes`, # Panics"
)]
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system's random generator failed");
}

/// Compares two byte strings in a time that depends on their lengths alone (SEC-36).
#[must_use]
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_text_does_not_print_itself() {
        let secret = SecretString::from("correct horse".to_owned());
        assert!(!format!("{secret:?}").contains("horse"));
    }

    #[test]
    fn equality_is_that_of_the_bytes() {
        assert!(equal(b"same", b"same"));
        assert!(!equal(b"same", b"sama"));
        assert!(!equal(b"same", b"same longer"));
    }

    #[test]
    fn random_bytes_differ_from_call_to_call_and_from_thread_to_thread() {
        let draw = || (0..200).map(|_| random_bytes::<32>()).collect::<Vec<_>>();
        let other = std::thread::spawn(draw).join().unwrap();
        let drawn: std::collections::HashSet<_> = draw().into_iter().chain(other).collect();
        assert_eq!(drawn.len(), 400);
        assert!(!drawn.contains(&[0; 32]));
    }

    #[test]
    fn what_was_handed_out_is_wiped_and_what_is_too_large_for_the_stock_is_filled_all_the_same() {
        let mut stock = Stock { bytes: [0; STOCK], left: 0 };
        let mut taken = [0; 100];
        stock.take(&mut taken);
        assert!(taken.iter().any(|byte| *byte != 0));
        assert!(stock.bytes[STOCK - 100..].iter().all(|byte| *byte == 0));
        let mut large = [0; STOCK + 1];
        stock.take(&mut large);
        assert!(large.iter().any(|byte| *byte != 0));
        assert!(large[STOCK / 2..].iter().any(|byte| *byte != 0));
    }
}

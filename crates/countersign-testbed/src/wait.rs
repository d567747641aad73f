//! Waiting for what another process does: asked again and again, until a deadline.

use std::time::{Duration, Instant};

/// How long anything may take before it counts as broken. A busy machine needs seconds for what takes milliseconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(5);

/// Asks until there is an answer; `None` after [`LIMIT`].
pub(crate) fn poll<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if begun.elapsed() > LIMIT {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

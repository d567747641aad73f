//! Where the time comes from when nobody passes it in.

use std::time::UNIX_EPOCH;

/// A clock: whole seconds since 1970.
pub type Clock = fn() -> i64;

/// The clock of the machine. Before 1970 it says 0, under which every real token comes from the future and is
/// refused.
pub fn system_clock() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the one place of this crate that asks the global clock")]
    let now = std::time::SystemTime::now();
    now.duration_since(UNIX_EPOCH).ok().and_then(|age| i64::try_from(age.as_secs()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::system_clock;

    #[test]
    fn the_system_clock_counts_seconds() {
        let billion = 1_000_000_000;
        assert!((billion..20 * billion).contains(&system_clock()));
    }
}

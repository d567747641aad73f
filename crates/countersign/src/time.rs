//! Time as a value: instants in milliseconds, and the clock that they are read from.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

const MILLIS_PER_SECOND: i64 = 1_000;
const MILLIS_PER_DAY: i64 = 86_400_000;

/// An instant: whole milliseconds since 1970-01-01T00:00:00Z, as every `…_at` column stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant that many milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down, as a JWT's `iat` and `exp` count them.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(MILLIS_PER_SECOND)
    }

    /// Whole days since the epoch, rounded down: the unit in which sweeps file their rows.
    #[must_use]
    pub const fn as_days(self) -> i64 {
        self.0.div_euclid(MILLIS_PER_DAY)
    }

    /// This instant moved into the future; it stops at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This instant moved into the past; it stops at the beginning of time instead of wrapping.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; zero where it lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads an instant in RFC 3339, with any offset; what is finer than a millisecond is cut off.
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|instant| Self(instant.as_millisecond()))
    }

    /// Reads an instant as HTTP writes it (RFC 9110 §5.6.7), in its one form that is still written:
    /// `Sun, 06 Nov 1994 08:49:37 GMT`.
    #[must_use]
    pub fn from_http_date(text: &str) -> Option<Self> {
        let in_zone = text.strip_suffix(" GMT").map(|time| format!("{time} +0000"))?;
        let zoned = jiff::fmt::rfc2822::parse(&in_zone).ok()?;
        Some(Self(zoned.timestamp().as_millisecond()))
    }

    /// The instant in RFC 3339, UTC, with milliseconds: `2026-11-24T09:30:00.125Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        Rfc3339(self).to_string()
    }
}

/// An instant that is shown and serialised as [`Timestamp::to_rfc3339`] has it, without a text of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rfc3339(pub(crate) Timestamp);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = jiff::Timestamp::from_millisecond(self.0.0).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{instant:.3}")
    }
}

impl serde::Serialize for Rfc3339 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the time comes from: the system, or a test that turns the hands itself.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system's wall clock.
    #[default]
    System,
    /// A clock that stands still until [`Clock::advance`] moves it. Clones share their hands.
    Fixed(Arc<AtomicI64>),
    /// The time of somebody else's clock, such as that of the database which several nodes share.
    Steered(Arc<Steered>),
}

/// A clock that counts on from what it was last told, by the machine's steady clock, which no one sets.
#[derive(Debug)]
pub struct Steered {
    begun: Instant,
    /// In milliseconds since 1970: the time at which it began to count.
    origin: AtomicI64,
}

impl Steered {
    /// A clock that says `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { begun: Instant::now(), origin: AtomicI64::new(now.as_millis()) }
    }

    /// Sets it to `now`.
    pub fn set(&self, now: Timestamp) {
        self.origin.store(now.minus(self.begun.elapsed()).as_millis(), Ordering::Relaxed);
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.origin.load(Ordering::Relaxed)).plus(self.begun.elapsed())
    }
}

impl Clock {
    /// A clock that stands at `instant`.
    #[must_use]
    pub fn fixed(instant: Timestamp) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(instant.as_millis())))
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => system_now(),
            Self::Fixed(hands) => Timestamp(hands.load(Ordering::SeqCst)),
            Self::Steered(clock) => clock.now(),
        }
    }

    /// Moves a fixed clock forward; the system's clock is left alone.
    pub fn advance(&self, duration: Duration) {
        if let Self::Fixed(hands) = self {
            let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
            hands.fetch_add(millis, Ordering::SeqCst);
        }
    }

    /// Moves a fixed clock back, as a clock step does; the system's clock is left alone.
    pub fn step_back(&self, duration: Duration) {
        if let Self::Fixed(hands) = self {
            let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
            hands.fetch_sub(millis, Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
fn system_now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since_epoch.map(|elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX));
    Timestamp(millis.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_reads_as_rfc_3339_in_utc() {
        assert_eq!(Timestamp::from_millis(0).to_rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(1_795_512_600_125).to_rfc3339(), "2026-11-24T09:30:00.125Z");
    }

    #[test]
    fn rfc_3339_reads_as_an_instant() {
        for text in ["2026-11-24T09:30:00.125Z", "2026-11-24T10:30:00.1259+01:00", "2026-11-24 09:30:00.125z"]
        {
            assert_eq!(
                Timestamp::from_rfc3339(text),
                Some(Timestamp::from_millis(1_795_512_600_125)),
                "{text}"
            );
        }
        for text in ["", "yesterday", "2026-11-24", "2026-11-24T09:30:00", "2026-13-24T09:30:00Z"] {
            assert_eq!(Timestamp::from_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn the_date_of_http_reads_as_an_instant() {
        let instant = Timestamp::from_millis(784_111_777_000);
        assert_eq!(Timestamp::from_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(instant));
        for text in
            ["", "GMT", "Sun, 06 Nov 1994 08:49:37", "1994-11-06T08:49:37Z", "Sun, 32 Nov 1994 08:49:37 GMT"]
        {
            assert_eq!(Timestamp::from_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = Clock::fixed(Timestamp::from_millis(5_000));
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now().as_seconds(), 7);
        clock.step_back(Duration::from_secs(3));
        assert_eq!(clock.now().as_seconds(), 4);
    }

    #[test]
    fn a_steered_clock_counts_on_from_what_it_was_told() {
        let steered = Arc::new(Steered::new(Timestamp::from_millis(5_000)));
        let clock = Clock::Steered(Arc::clone(&steered));
        steered.set(Timestamp::from_millis(9_000_000));
        let first = clock.now();
        assert!(first.as_millis() >= 9_000_000);
        assert!(clock.now() >= first);
        steered.set(Timestamp::from_millis(1_000));
        assert!(clock.now() < first, "it follows backwards too");
    }

    #[test]
    fn arithmetic_stops_at_the_ends_of_time() {
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(end.plus(Duration::from_secs(1)), end);
        assert_eq!(Timestamp::from_millis(0).since(end), Duration::ZERO);
    }
}

//! Identifiers: positive 63-bit integers, ordered by the time of their making; outside they are opaque text.

use std::fmt;
use std::str::FromStr;

use crate::secret::random_bytes;
use crate::time::Timestamp;

/// 2020-01-01T00:00:00Z; counting from here leaves room until the year 2159.
const EPOCH_MILLIS: i64 = 1_577_836_800_000;
const RANDOM_BITS: u32 = 21;

/// Milliseconds in the upper 42 bits, random bits below: inserts stay at the right edge of the B-tree.
/// Two ids of one millisecond collide once in two million times; whoever inserts has to try again then.
fn fresh(now: Timestamp) -> i64 {
    let random = i64::from(u32::from_le_bytes(random_bytes()) >> (u32::BITS - RANDOM_BITS));
    ((millis_since_epoch(now) << RANDOM_BITS) | random).max(1)
}

fn millis_since_epoch(at: Timestamp) -> i64 {
    at.as_millis().saturating_sub(EPOCH_MILLIS).clamp(0, (1 << 42) - 1)
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// A new identifier, made at `now`.
            #[must_use]
            pub fn fresh(now: Timestamp) -> Self {
                Self(fresh(now))
            }

            /// The identifier that the database or a token holds as a number.
            #[must_use]
            pub const fn from_i64(id: i64) -> Self {
                Self(id)
            }

            /// The number that the database holds.
            #[must_use]
            pub const fn as_i64(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl FromStr for $name {
            type Err = NotAnIdentifier;

            fn from_str(text: &str) -> Result<Self, NotAnIdentifier> {
                parse(text).map(Self).ok_or(NotAnIdentifier)
            }
        }
    };
}

identifier! {
    /// A user, for ever: ids are never reused.
    UserId
}
identifier! {
    /// One sign-in (session): the family of refresh tokens that one `POST /authenticate` began.
    SignInId
}

identifier! {
    /// One identity at another service, by which an account is opened.
    IdentityId
}

identifier! {
    /// One mail that waits to be sent.
    MailId
}

identifier! {
    /// One event of the audit trail.
    AuditId
}

impl AuditId {
    /// The greatest that an event before this instant can have: what happened at it or later is greater.
    #[must_use]
    pub fn last_before(at: Timestamp) -> Self {
        Self((millis_since_epoch(at) << RANDOM_BITS).saturating_sub(1))
    }
}

/// The text is not the canonical form of an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnIdentifier;

/// One spelling for each number: no sign, no leading zero, nothing around it.
fn parse(text: &str) -> Option<i64> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_ids_are_greater() {
        let earlier = UserId::fresh(Timestamp::from_millis(1_795_512_600_000));
        let later = UserId::fresh(Timestamp::from_millis(1_795_512_600_001));
        assert!(earlier < later);
        assert!(earlier.as_i64() > 0);
    }

    #[test]
    fn an_event_comes_after_those_before_its_instant_and_before_those_of_the_next() {
        let at = Timestamp::from_millis(1_795_512_600_000);
        let next = Timestamp::from_millis(1_795_512_600_001);
        let event = AuditId::fresh(at);
        assert!(AuditId::last_before(at) < event && event <= AuditId::last_before(next));
    }

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!("42".parse(), Ok(UserId::from_i64(42)));
        for text in ["", "0", "042", "+42", "-42", " 42", "42 ", "4_2", "9223372036854775808", "４２"] {
            assert_eq!(text.parse::<UserId>(), Err(NotAnIdentifier), "{text:?}");
        }
    }
}

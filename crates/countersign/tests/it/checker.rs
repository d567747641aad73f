//! The checker of the flow: a log of all that clients did and heard, and the laws that no schedule may break.
//!
//! Every client appends what it asked (with the hash of the token that it used) and what it was answered. The checker
//! rebuilds each sign-in as a chain of tokens and looks for what must not be: a fork, a loss, a resurrection.

#[path = "checker/judge.rs"]
mod judge;
#[cfg(test)]
#[path = "checker/tests.rs"]
mod tests;
#[path = "checker/witness.rs"]
pub mod witness;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Stands for a token, a password, a key or a name: the log keeps no secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark(pub u64);

impl Mark {
    pub fn of(text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    SignUp {
        user: Mark,
        password: Mark,
    },
    SignIn {
        user: Mark,
        password: Mark,
    },
    /// `GET /me` with the access token that was handed out beside this refresh token.
    Use {
        token: Mark,
    },
    Refresh {
        token: Mark,
        key: Option<Mark>,
    },
    SignOut {
        token: Mark,
    },
    SignOutEverywhere {
        user: Mark,
    },
    /// `keep`: the refresh token whose sign-in asked.
    ChangePassword {
        user: Mark,
        from: Mark,
        to: Mark,
        keep: Mark,
    },
    Disable {
        user: Mark,
    },
    Enable {
        user: Mark,
    },
    Delete {
        user: Mark,
    },
}

/// What it heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The refresh token that came.
    Token(Mark),
    /// The account that an access token opened.
    Account(Mark),
    /// Done, with nothing to show.
    Done,
    Refused(Why),
    /// No answer, or a 5xx: it may have happened, or may not.
    Nothing,
}

/// The refusals that the checker tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Spent,
    Reused,
    Revoked,
    Expired,
    Invalid,
    /// An access token that opens nothing.
    Access,
    Credentials,
    Other,
}

/// One request, from its sending to its answer, in ticks of the log's own clock: if one request ended before another
/// began, its tick is the smaller one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    pub began: u64,
    pub ended: u64,
    pub act: Act,
    pub heard: Heard,
}

/// The laws, as the plan of faults numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Law {
    /// I1: no token has two distinct successors, no successor two parents.
    OneSuccessor,
    /// I2: what was acknowledged works; nothing is refused without a cause.
    NothingLost,
    /// I3: a spent token never works again, the keyed retry excepted.
    SpentIsSpent,
    /// I4: what was revoked before the answer stays revoked.
    RevokedIsRevoked,
    /// I5: no live token without a live user, and none of another user.
    LiveUser,
}

/// A law that the log breaks, with the events that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub law: Law,
    pub says: String,
}

/// The log that many clients append to.
#[derive(Debug, Default)]
pub struct Log {
    ticks: AtomicU64,
    events: Mutex<Vec<Event>>,
}

impl Log {
    /// A request is about to be sent.
    pub fn begin(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }

    /// Its answer has been read, or will never come.
    pub fn end(&self, began: u64, act: Act, heard: Heard) {
        let ended = self.ticks.fetch_add(1, Ordering::SeqCst);
        let event = Event { began, ended, act, heard };
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// Everything so far, in the order of sending.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner).clone();
        events.sort_by_key(|event| event.began);
        events
    }

    /// What is wrong with it.
    pub fn violations(&self) -> Vec<Violation> {
        check(&self.events())
    }

    /// Ends the test where anything is wrong.
    pub fn assert_lawful(&self, about: &str) {
        let violations = self.violations();
        let shown: Vec<String> =
            violations.iter().take(5).map(|it| format!("{:?}: {}", it.law, it.says)).collect();
        assert!(violations.is_empty(), "{about}: {} violations\n{}", violations.len(), shown.join("\n"));
    }
}

/// Every violation of every law.
pub fn check(events: &[Event]) -> Vec<Violation> {
    judge::Case::build(events).judge()
}

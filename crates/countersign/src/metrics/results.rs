//! What may come of a sign-in and of a refresh, and what clean-up sweeps, as labels say it.

use super::Word;
use crate::error::{Error, RefreshRefusal, Result};

/// What came of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignInResult {
    Success,
    InvalidCredentials,
    RateLimited,
    Overloaded,
    Unavailable,
    /// The provider could not be asked.
    ProviderUnavailable,
    Error,
}

impl SignInResult {
    /// Every variant of [`Error`] is named, so that a new one has to say how it counts.
    pub(crate) fn of<T>(outcome: &Result<T>) -> Self {
        match outcome {
            Ok(_) => Self::Success,
            Err(Error::InvalidCredentials) => Self::InvalidCredentials,
            Err(Error::RateLimited { .. }) => Self::RateLimited,
            Err(Error::Overloaded { .. }) => Self::Overloaded,
            Err(Error::Unavailable(_)) => Self::Unavailable,
            Err(Error::ProviderUnavailable) => Self::ProviderUnavailable,
            Err(
                Error::Invalid(_)
                | Error::AccessToken(_)
                | Error::RefreshToken(_)
                | Error::AmbiguousRefreshCookie
                | Error::WrongPassword
                | Error::ReauthenticationRequired
                | Error::CrossSiteRequest
                | Error::OneTimeToken(_)
                | Error::EmailMissing
                | Error::AlreadyVerified
                | Error::EmailInUse
                | Error::IdentityInUse
                | Error::LastWayIn
                | Error::OAuthState
                | Error::NotFound
                | Error::Fault(_),
            ) => Self::Error,
        }
    }
}

impl Word for SignInResult {
    const ALL: &'static [Self] = &[
        Self::Success,
        Self::InvalidCredentials,
        Self::RateLimited,
        Self::Overloaded,
        Self::Unavailable,
        Self::ProviderUnavailable,
        Self::Error,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::InvalidCredentials => "invalid_credentials",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::Error => "error",
        }
    }
}

/// What came of a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefreshResult {
    /// The token was spent for its successor.
    Ok,
    /// Its answer had been lost: the same successor came again.
    Retry,
    /// It was spent a moment ago by another request.
    Race,
    /// It was spent before that: theft.
    Reuse,
    Missing,
    Invalid,
    Revoked,
    Expired,
    /// Two live cookies came along.
    Ambiguous,
    Unavailable,
    Error,
}

impl RefreshResult {
    /// How a refusal counts.
    pub(crate) fn of(refusal: &Error) -> Self {
        match refusal {
            Error::RefreshToken(RefreshRefusal::Missing) => Self::Missing,
            Error::RefreshToken(RefreshRefusal::Invalid) => Self::Invalid,
            Error::RefreshToken(RefreshRefusal::Spent) => Self::Race,
            Error::RefreshToken(RefreshRefusal::Reused) => Self::Reuse,
            Error::RefreshToken(RefreshRefusal::Revoked) => Self::Revoked,
            Error::RefreshToken(RefreshRefusal::Expired) => Self::Expired,
            Error::AmbiguousRefreshCookie => Self::Ambiguous,
            Error::Unavailable(_) => Self::Unavailable,
            _ => Self::Error,
        }
    }
}

impl Word for RefreshResult {
    const ALL: &'static [Self] = &[
        Self::Ok,
        Self::Retry,
        Self::Race,
        Self::Reuse,
        Self::Missing,
        Self::Invalid,
        Self::Revoked,
        Self::Expired,
        Self::Ambiguous,
        Self::Unavailable,
        Self::Error,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Retry => "retry",
            Self::Race => "race",
            Self::Reuse => "reuse",
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Ambiguous => "ambiguous",
            Self::Unavailable => "unavailable",
            Self::Error => "error",
        }
    }
}

/// What came of an attempt to send a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailResult {
    /// Somebody else has it now.
    Sent,
    /// It is tried again later.
    Postponed,
    /// Nobody tries any more.
    Failed,
    /// Its link was dead.
    Dropped,
}

impl Word for MailResult {
    const ALL: &'static [Self] = &[Self::Sent, Self::Postponed, Self::Failed, Self::Dropped];

    fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Postponed => "postponed",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// A table that is swept. Each has an index by which its sweep finds what is due without looking at the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Sign-ins a day past their end.
    SignIns,
    /// Deleted accounts whose retention is over.
    Users,
    /// Counters of limits whose time is over.
    RateLimits,
    /// Audit events whose retention is over.
    AuditEvents,
    /// Tokens of mailed links a day past their end.
    OneTimeTokens,
    /// Mails that could not be sent, and that the operator has had time to look at.
    Mails,
    /// What nodes on PostgreSQL had to look up again for their checks of access tokens.
    Changes,
    /// Attempts to sign in by a provider that came to nothing.
    OAuthAttempts,
}

impl Table {
    /// Every table that is swept.
    pub const ALL: [Self; 8] = [
        Self::SignIns,
        Self::Users,
        Self::RateLimits,
        Self::AuditEvents,
        Self::OneTimeTokens,
        Self::Mails,
        Self::Changes,
        Self::OAuthAttempts,
    ];

    /// The table's name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::SignIns => "sign_ins",
            Self::Users => "users",
            Self::RateLimits => "rate_limits",
            Self::AuditEvents => "audit_events",
            Self::OneTimeTokens => "one_time_tokens",
            Self::Mails => "mails",
            Self::Changes => "changes",
            Self::OAuthAttempts => "oauth_attempts",
        }
    }
}

impl Word for Table {
    const ALL: &'static [Self] = &Table::ALL;

    fn word(self) -> &'static str {
        Table::word(self)
    }
}

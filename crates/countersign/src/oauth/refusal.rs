//! Why somebody comes back from a provider without being let in: words that a page can act on.

use crate::identity_provider::ProviderFault;
use crate::metrics::SignInResult;

/// What stands behind `?error=` in the address that the person returns to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The person, or the provider, said no.
    AccessDenied,
    /// The provider does not answer.
    ProviderUnavailable,
    /// What the provider answered is not to be believed, or means nothing.
    ProviderError,
    /// An account has confirmed this address, and the provider does not say that it is the person's.
    EmailInUse,
    /// Nobody signs in here without a confirmed address, and the provider gives none.
    EmailMissing,
    /// The address has to be confirmed first; a link is on its way.
    EmailNotVerified,
    /// The identity opens another account.
    IdentityInUse,
    /// The person took longer than ten minutes.
    SignInExpired,
    /// The sign-in in which somebody asked to link an identity is over.
    SessionEnded,
    /// The account is disabled or deleted.
    AccountClosed,
    /// Too many new accounts from one address.
    RateLimited,
    /// The database can't answer now.
    TemporarilyUnavailable,
}

impl Refusal {
    /// Every refusal there is.
    #[cfg(test)]
    pub(super) const ALL: [Self; 12] = [
        Self::AccessDenied,
        Self::ProviderUnavailable,
        Self::ProviderError,
        Self::EmailInUse,
        Self::EmailMissing,
        Self::EmailNotVerified,
        Self::IdentityInUse,
        Self::SignInExpired,
        Self::SessionEnded,
        Self::AccountClosed,
        Self::RateLimited,
        Self::TemporarilyUnavailable,
    ];

    /// The stable word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::ProviderError => "provider_error",
            Self::EmailInUse => "email_in_use",
            Self::EmailMissing => "email_missing",
            Self::EmailNotVerified => "email_not_verified",
            Self::IdentityInUse => "identity_in_use",
            Self::SignInExpired => "sign_in_expired",
            Self::SessionEnded => "session_ended",
            Self::AccountClosed => "account_closed",
            Self::RateLimited => "rate_limited",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    /// What a provider's own word says (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
    pub(super) fn of_word(word: &str) -> Self {
        match word {
            "access_denied"
            | "user_cancelled_authorize"
            | "user_cancelled_login"
            | "login_required"
            | "consent_required"
            | "interaction_required"
            | "account_selection_required" => Self::AccessDenied,
            "server_error" | "temporarily_unavailable" => Self::ProviderUnavailable,
            _ => Self::ProviderError,
        }
    }

    pub(super) fn of_fault(fault: &ProviderFault) -> Self {
        match fault {
            ProviderFault::Unavailable(..) => Self::ProviderUnavailable,
            _ => Self::ProviderError,
        }
    }

    /// How a sign-in counts that ends so.
    pub(super) const fn result(self) -> SignInResult {
        match self {
            Self::ProviderUnavailable => SignInResult::ProviderUnavailable,
            Self::RateLimited => SignInResult::RateLimited,
            Self::TemporarilyUnavailable => SignInResult::Unavailable,
            Self::ProviderError => SignInResult::Error,
            _ => SignInResult::InvalidCredentials,
        }
    }
}

//! What can go wrong, in the words of the contract. Nothing here knows HTTP: `web::problem` is the one map.

use std::collections::BTreeMap;
use std::time::Duration;

/// Why an operation did not happen.
#[derive(Debug)]
pub enum Error {
    /// Input that breaks a rule: every failing field with every failing reason.
    Invalid(FieldErrors),
    /// The name or the password does not open an account; which of them is nobody's business (SEC-10).
    InvalidCredentials,
    /// The access token opens nothing.
    AccessToken(AccessRefusal),
    /// The refresh token yields nothing.
    RefreshToken(RefreshRefusal),
    /// Two live refresh cookies came along; neither was spent.
    AmbiguousRefreshCookie,
    /// `current_password` is wrong.
    WrongPassword,
    /// An account without a password has to sign in afresh before it may change itself.
    ReauthenticationRequired,
    /// The request comes from a page of another site; nothing was done.
    CrossSiteRequest,
    /// The token of a mailed link opens nothing.
    OneTimeToken(TokenRefusal),
    /// The account has no e-mail address.
    EmailMissing,
    /// The e-mail address is verified already.
    AlreadyVerified,
    /// The e-mail address is another account's verified one.
    EmailInUse,
    /// The identity at another service opens another account already.
    IdentityInUse,
    /// Without it nothing would open the account any more.
    LastWayIn,
    /// Nobody was sent to a provider with this state, not from this browser, or they have been back already.
    OAuthState,
    /// The provider does not answer.
    ProviderUnavailable,
    /// What was asked for does not exist, or is not the caller's.
    NotFound,
    /// More passwords wait than can be checked in time.
    Overloaded {
        /// When trying again has a chance.
        retry_after: Duration,
    },
    /// A limit on guessing, or on signing up, is reached; nothing was done.
    RateLimited {
        /// When the limit has room again.
        retry_after: Duration,
    },
    /// The database can't answer now: locked, full, restarting or away.
    Unavailable(Internal),
    /// A fault of ours.
    Fault(Internal),
}

/// The result of a flow function.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an access token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessRefusal {
    /// None was sent.
    Missing,
    /// It isn't ours, is altered, or belongs to an ended sign-in.
    Invalid,
    /// It was good once.
    Expired,
}

/// Why a refresh token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshRefusal {
    /// None was sent.
    Missing,
    /// It was never issued.
    Invalid,
    /// It was spent a moment ago, by a concurrent request most likely: a race, not a theft.
    Spent,
    /// It was spent long ago: theft, and the sign-in has ended.
    Reused,
    /// Its sign-in was ended.
    Revoked,
    /// Its time is over.
    Expired,
}

/// Why the token of a mailed link was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusal {
    /// It was never mailed, was used, or a newer one took its place.
    Invalid,
    /// It was good once.
    Expired,
}

/// A text for the log. It has no `Display`, so that it cannot reach a client by accident.
#[derive(Debug)]
pub struct Internal(String);

impl Internal {
    /// Keeps what the operator should read about the fault.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the log alone.
    #[must_use]
    pub fn for_the_log(&self) -> &str {
        &self.0
    }
}

/// One reason why a field was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// A stable word, such as `password_too_short`.
    pub code: &'static str,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl FieldError {
    /// A reason with its stable word and a sentence for people.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Every failing field with every failing reason, in the order of the fields' names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<String, Vec<FieldError>>);

impl FieldErrors {
    /// No error yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only this error.
    pub fn of(field: &str, error: FieldError) -> Self {
        let mut errors = Self::new();
        errors.add(field, error);
        errors
    }

    /// Adds a reason to a field.
    pub fn add(&mut self, field: &str, error: FieldError) {
        self.0.entry(field.to_owned()).or_default().push(error);
    }

    /// Adds all reasons to a field.
    pub fn extend(&mut self, field: &str, errors: impl IntoIterator<Item = FieldError>) {
        for error in errors {
            self.add(field, error);
        }
    }

    /// Whether nothing failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this field failed.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// The fields with their reasons.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[FieldError])> {
        self.0.iter().map(|(field, errors)| (field.as_str(), errors.as_slice()))
    }

    /// `Ok` where nothing failed, else [`Error::Invalid`].
    ///
    /// # Errors
    /// All that was added.
    pub fn into_result(self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }
}

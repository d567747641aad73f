//! Why a provider did not vouch for somebody. Nothing of it holds a code, a token or a secret.

use std::fmt;

/// Why there is no answer that could be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProviderFault {
    /// It is down, slow, overloaded or can't be reached: later it may work.
    Unavailable(Trouble),
    /// It refuses this code: spent, too old, or never its own.
    Refused,
    /// It doesn't take our registration: client id, secret or redirect URI are not what it knows.
    Misconfigured(Refusal),
    /// It said something that must not be believed.
    Lied(Lie),
}

/// What became of an attempt to reach a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Its name has no address.
    NoAddress,
    /// Nobody takes the connection, or TLS can't be agreed upon.
    NoConnection,
    /// It did not answer in time.
    TooSlow,
    /// The connection broke before the answer was whole.
    BrokenOff,
    /// It said so itself, by this status.
    Status(u16),
}

/// An error of the token endpoint (RFC 6749 §5.2) that says something about our registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Client id or secret are wrong.
    InvalidClient,
    /// This client may not sign people in this way.
    UnauthorizedClient,
    /// The grant type is not supported.
    UnsupportedGrantType,
    /// The request, or its scope, is not one that it takes.
    InvalidRequest,
    /// It takes client secrets in no way that we know.
    NoClientAuthentication,
    /// It wants no S256 of us.
    NoPkce,
}

/// Which check failed. The numbers of the security list that ask for them: 89 to 93.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// An endpoint that is neither https nor on this machine, or carries credentials.
    Endpoint,
    /// An address that only a private network has.
    PrivateAddress,
    /// A redirect, where the answer itself was asked for.
    Redirect,
    /// A status that the request can't have.
    Status,
    /// An answer beyond all bounds.
    TooLarge,
    /// An answer that is not the JSON that it should be.
    Malformed,
    /// Discovery names another issuer than the settings.
    DiscoveredIssuer,
    /// The `iss` of the answer in the browser is missing where announced, or another (RFC 9207).
    AnswerIssuer,
    /// There is no ID token.
    NoIdToken,
    /// The ID token is no signed JWT.
    TokenForm,
    /// The ID token's algorithm is not on the list.
    Algorithm,
    /// No key of the issuer is the one that the ID token names.
    UnknownKey,
    /// The signature is not the issuer's.
    Signature,
    /// The ID token's `iss` is another.
    TokenIssuer,
    /// The ID token is for somebody else.
    Audience,
    /// The ID token was asked for by somebody else (`azp`).
    AuthorizedParty,
    /// The ID token is over.
    Expired,
    /// The ID token is from the future, or older than the attempt.
    IssuedAt,
    /// The ID token is of another attempt.
    Nonce,
    /// The access token is not the one that the ID token was issued with.
    AccessTokenHash,
    /// Nobody is named, or not by a text of 1 to 255 visible characters.
    Subject,
    /// The access token is of a kind that we can't present.
    TokenType,
    /// Userinfo is about somebody else.
    UserinfoSubject,
}

impl Lie {
    /// A stable word: for the audit trail and the log.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::PrivateAddress => "private_address",
            Self::Redirect => "redirect",
            Self::Status => "status",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::DiscoveredIssuer => "discovered_issuer",
            Self::AnswerIssuer => "answer_issuer",
            Self::NoIdToken => "no_id_token",
            Self::TokenForm => "token_form",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::TokenIssuer => "token_issuer",
            Self::Audience => "audience",
            Self::AuthorizedParty => "authorized_party",
            Self::Expired => "expired",
            Self::IssuedAt => "issued_at",
            Self::Nonce => "nonce",
            Self::AccessTokenHash => "access_token_hash",
            Self::Subject => "subject",
            Self::TokenType => "token_type",
            Self::UserinfoSubject => "userinfo_subject",
        }
    }
}

impl ProviderFault {
    /// A stable word for the audit trail: the check that failed, or the kind of fault.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Refused => "refused",
            Self::Misconfigured(_) => "misconfigured",
            Self::Lied(lie) => lie.word(),
        }
    }
}

impl From<Lie> for ProviderFault {
    fn from(lie: Lie) -> Self {
        Self::Lied(lie)
    }
}

impl From<Trouble> for ProviderFault {
    fn from(trouble: Trouble) -> Self {
        Self::Unavailable(trouble)
    }
}

impl From<Refusal> for ProviderFault {
    fn from(refusal: Refusal) -> Self {
        Self::Misconfigured(refusal)
    }
}

impl fmt::Display for ProviderFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(trouble) => write!(out, "the provider can't answer ({trouble})"),
            Self::Refused => out.write_str("the provider refuses this code"),
            Self::Misconfigured(refusal) => {
                write!(out, "the provider does not take our registration ({refusal})")
            }
            Self::Lied(lie) => write!(out, "the provider's answer can't be believed ({})", lie.word()),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoAddress => "its name has no address",
            Self::NoConnection => "there is no connection to it",
            Self::TooSlow => "it did not answer in time",
            Self::BrokenOff => "its answer broke off",
            Self::Status(status) => return write!(out, "it answered {status}"),
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::InvalidClient => "client id or client secret are wrong",
            Self::UnauthorizedClient => "this client may not sign people in",
            Self::UnsupportedGrantType => "it knows no authorization codes",
            Self::InvalidRequest => "it does not understand the request",
            Self::NoClientAuthentication => "it takes client secrets in no way that we know",
            Self::NoPkce => "it knows no S256",
        })
    }
}

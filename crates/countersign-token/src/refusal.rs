//! The three answers to a token that is not good: an attacker learns no more than that.

use std::error::Error;
use std::fmt;

/// Why an access token was refused. The wording is the whole of what a client may learn (RFC 6750 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The request carries no access token.
    Missing,
    /// The token is malformed, forged, meant for someone else or not an access token.
    Invalid,
    /// The token is authentic and was good, but its time is over: refresh and try again.
    Expired,
}

impl Refusal {
    /// The stable word for programs: the `code` of the problem document.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "access_token_missing",
            Self::Invalid => "access_token_invalid",
            Self::Expired => "access_token_expired",
        }
    }

    /// The sentence for people: the `detail` of the problem document.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Missing => "No access token",
            Self::Invalid => "Invalid access token",
            Self::Expired => "Access token has expired",
        }
    }

    /// The value of `WWW-Authenticate` that goes with the `401` (RFC 6750 §3): it names an error only where a
    /// token was sent.
    pub const fn www_authenticate(self) -> &'static str {
        match self {
            Self::Missing => "Bearer",
            Self::Invalid | Self::Expired => "Bearer error=\"invalid_token\"",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.detail())
    }
}

impl Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::Refusal;

    // SEC-37
    #[test]
    fn a_refusal_says_only_missing_invalid_or_expired() {
        let said = [Refusal::Missing, Refusal::Invalid, Refusal::Expired]
            .map(|refusal| (refusal.to_string(), refusal.code(), refusal.www_authenticate()));
        assert_eq!(
            said,
            [
                ("No access token".to_owned(), "access_token_missing", "Bearer"),
                ("Invalid access token".to_owned(), "access_token_invalid", "Bearer error=\"invalid_token\""),
                (
                    "Access token has expired".to_owned(),
                    "access_token_expired",
                    "Bearer error=\"invalid_token\""
                ),
            ]
        );
    }
}

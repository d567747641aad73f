//! Audit: one call for each event that an operator or an auditor may ask about. Never a secret.

use std::net::IpAddr;

use crate::id::{SignInId, UserId};
use crate::web::request_id::RequestId;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    SignUp,
    SignIn,
    SignInFailed,
    RefreshTokenReuseDetected,
    SignOut,
    SignOutEverywhere,
    PasswordChanged,
    ProfileChanged,
    UserDeleted,
    UserDisabled,
    UserEnabled,
}

impl Event {
    /// The stable word for the event.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::SignIn => "sign_in",
            Self::SignInFailed => "sign_in_failed",
            Self::RefreshTokenReuseDetected => "refresh_token_reuse_detected",
            Self::SignOut => "sign_out",
            Self::SignOutEverywhere => "sign_out_everywhere",
            Self::PasswordChanged => "password_changed",
            Self::ProfileChanged => "profile_changed",
            Self::UserDeleted => "user_deleted",
            Self::UserDisabled => "user_disabled",
            Self::UserEnabled => "user_enabled",
        }
    }
}

/// Whom an event concerns, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About {
    pub(crate) user: Option<UserId>,
    pub(crate) sign_in: Option<SignInId>,
    pub(crate) address: Option<IpAddr>,
}

impl From<UserId> for About {
    fn from(user: UserId) -> Self {
        Self { user: Some(user), ..Self::default() }
    }
}

/// Writes the event to the log, with the name of the request that brought it about. Theft is worth a warning.
pub(crate) fn record(event: Event, about: About) {
    let user = about.user.map(UserId::as_i64);
    let sign_in = about.sign_in.map(SignInId::as_i64);
    let address = about.address.map(tracing::field::display);
    let request_id = RequestId::current();
    let request_id = request_id.as_ref().map(RequestId::as_str);
    let name = event.word();
    if event == Event::RefreshTokenReuseDetected {
        tracing::warn!(target: "countersign::audit", event = name, request_id, user, sign_in, address);
    } else {
        tracing::info!(target: "countersign::audit", event = name, request_id, user, sign_in, address);
    }
}

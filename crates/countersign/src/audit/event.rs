//! The list of events: each with its stable word, its outcome, and a sentence for people.

/// How what was tried came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused.
    Failure,
}

impl Outcome {
    /// The stable word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

macro_rules! events {
    ($($name:ident $word:literal $outcome:ident $sentence:literal;)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Event {
            $(#[doc = $sentence] $name,)*
        }

        impl Event {
            /// Every event there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable word for the event.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// How what was tried came out.
            #[must_use]
            pub const fn outcome(self) -> Outcome {
                match self { $(Self::$name => Outcome::$outcome,)* }
            }

            /// The event as a sentence without its end.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

// A new event is a line here and a line in docs/reference/audit.md.
events! {
    SignUp "sign_up" Success "The account was made";
    SignIn "sign_in" Success "A sign-in began";
    SignInFailed "sign_in_failed" Failure "A sign-in was refused";
    RateLimitReached "rate_limit_reached" Failure "A limit was reached: what came next was refused for a while";
    RefreshRefused "refresh_refused" Failure "A refresh was refused";
    RefreshTokenReuseDetected "refresh_token_reuse_detected" Failure
        "A spent refresh token came back, so that somebody has a copy: the sign-in was ended";
    SignOut "sign_out" Success "The owner signed out";
    SignOutEverywhere "sign_out_everywhere" Success "The owner signed out everywhere: all sign-ins ended";
    SignInRevoked "sign_in_revoked" Success "The sign-in was ended";
    AllSignInsRevoked "all_sign_ins_revoked" Success "All sign-ins were ended";
    UsernameChanged "username_changed" Success "The username was changed";
    EmailChanged "email_changed" Success "The e-mail address was changed";
    PasswordChanged "password_changed" Success "The password was changed: all other sign-ins ended";
    PasswordReset "password_reset" Success "A new password was set by a mailed link: all sign-ins ended";
    PasswordResetMailed "password_reset_mailed" Success "A link to set a new password was queued for the address";
    EmailVerificationMailed "email_verification_mailed" Success "A link to confirm an address was queued for it";
    EmailVerified "email_verified" Success "An address was confirmed by its link";
    PasswordCheckFailed "password_check_failed" Failure
        "The current password was given wrong, so that nothing was changed";
    IdentityLinked "identity_linked" Success "An identity at another service was linked";
    IdentityRemoved "identity_removed" Success "An identity at another service was removed: all other sign-ins ended";
    IdentityLinkFailed "identity_link_failed" Failure "An identity at another service was not linked";
    UserDeleted "user_deleted" Success "The account was deleted: all sign-ins ended";
    UserDisabled "user_disabled" Success "The account was disabled: all sign-ins ended";
    UserEnabled "user_enabled" Success "The account was enabled again";
    AuditEventsDropped "audit_events_dropped" Failure "Failures came faster than they could be written: some are missing";
}

impl Event {
    /// The event of this word; `None` for a word of another version.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event| event.word() == word)
    }
}

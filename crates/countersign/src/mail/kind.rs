//! The kinds of mails: what each tells, and which words its template may use.

use crate::one_time::Purpose;
use crate::settings::Notice;

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    VerifyEmail,
    ResetPassword,
    PasswordChanged,
    EmailChangeRequested,
    EmailChanged,
    UsernameChanged,
    AccountDeleted,
    NewDevice,
    TheftDetected,
    IdentityLinked,
    IdentityRemoved,
    /// For the operator who tries the way out; it never waits in the outbox.
    Test,
}

impl Kind {
    pub(crate) const ALL: [Self; 12] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::PasswordChanged,
        Self::EmailChangeRequested,
        Self::EmailChanged,
        Self::UsernameChanged,
        Self::AccountDeleted,
        Self::NewDevice,
        Self::TheftDetected,
        Self::IdentityLinked,
        Self::IdentityRemoved,
        Self::Test,
    ];

    /// The stable word for it: the name of its template.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::PasswordChanged => "password_changed",
            Self::EmailChangeRequested => "email_change_requested",
            Self::EmailChanged => "email_changed",
            Self::UsernameChanged => "username_changed",
            Self::AccountDeleted => "account_deleted",
            Self::NewDevice => "new_device",
            Self::TheftDetected => "theft_detected",
            Self::IdentityLinked => "identity_linked",
            Self::IdentityRemoved => "identity_removed",
            Self::Test => "test",
        }
    }

    /// The kind of this word.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// The purpose of the token in its link; a mail without a link has none.
    pub(crate) const fn purpose(self) -> Option<Purpose> {
        match self {
            Self::VerifyEmail => Some(Purpose::VerifyEmail),
            Self::ResetPassword => Some(Purpose::ResetPassword),
            _ => None,
        }
    }

    /// What the operator calls it when switching notices on and off; mails that somebody asked for can't be.
    pub(crate) const fn notice(self) -> Option<Notice> {
        match self {
            Self::VerifyEmail | Self::ResetPassword | Self::Test => None,
            Self::PasswordChanged => Some(Notice::Password),
            Self::EmailChangeRequested | Self::EmailChanged => Some(Notice::Email),
            Self::UsernameChanged => Some(Notice::Username),
            Self::AccountDeleted => Some(Notice::Deletion),
            Self::NewDevice => Some(Notice::NewDevice),
            Self::TheftDetected => Some(Notice::Theft),
            Self::IdentityLinked | Self::IdentityRemoved => Some(Notice::Identity),
        }
    }

    /// The words that its template may use.
    pub(super) const fn words(self) -> &'static [&'static str] {
        match self {
            Self::VerifyEmail => &["service", "url", "username", "link", "minutes", "address"],
            Self::ResetPassword => &["service", "url", "username", "link", "minutes"],
            Self::PasswordChanged | Self::EmailChangeRequested | Self::EmailChanged | Self::TheftDetected => {
                &["service", "url", "username", "when"]
            }
            Self::UsernameChanged => &["service", "url", "username", "when", "old_username"],
            Self::AccountDeleted => &["service", "url", "username", "when", "days"],
            Self::NewDevice => &["service", "url", "username", "when", "device"],
            Self::IdentityLinked | Self::IdentityRemoved => {
                &["service", "url", "username", "when", "provider"]
            }
            Self::Test => &["service", "url"],
        }
    }

    /// The words without which the mail is of no use.
    pub(super) const fn needed(self) -> &'static [&'static str] {
        match self.purpose() {
            Some(_) => &["link"],
            None => &[],
        }
    }
}

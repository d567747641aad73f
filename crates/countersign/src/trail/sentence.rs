//! An event as a plain sentence.

use super::{Event, Recorded};
use crate::sign_in::EndReason;
use crate::text::harmless;

/// The words that an event's detail may be, with what they mean. Any other detail is a name: of a client, or of an
/// account.
pub const DETAILS: &[(&str, &str)] = &[
    ("unknown_name", "no account has the name that was given"),
    ("wrong_password", "the password was wrong"),
    ("wrong_passwords", "too many wrong passwords"),
    ("links", "too many mailed links that are not good"),
    ("sign_ups", "too many sign-ups from one address"),
    ("oauth_attempts", "one address was sent to providers too often"),
    (
        "invalid_state",
        "somebody came back from a provider with a state that was used before, began in another browser, or was never \
         ours",
    ),
    ("access_denied", "the person, or the provider, said no"),
    ("provider_error", "the provider's answer means nothing"),
    (
        "email_in_use",
        "an account has confirmed the address, and the provider does not say that it is the person's",
    ),
    ("email_missing", "nobody gets in without a confirmed address, and the provider gives none"),
    ("email_not_verified", "the address has to be confirmed first"),
    ("identity_in_use", "the identity opens another account"),
    ("sign_in_expired", "the person took longer than ten minutes at the provider"),
    ("session_ended", "the sign-in in which somebody asked for it was over"),
    ("rate_limited", "too many accounts were made from one address"),
    ("temporarily_unavailable", "the database could not answer"),
    ("no_password", "the account has no password"),
    ("account_closed", "the account is disabled or deleted"),
    ("email_not_confirmed", "the password was right, and the address is not confirmed"),
    ("mails", "too many mails were asked for"),
    ("account_changed_meanwhile", "the account changed while the password was being checked"),
    ("invalid", "the token was never issued, or is kept in another way than it was given out"),
    ("spent", "the token had been spent a moment before, by another tab most likely"),
    ("revoked", "the sign-in had ended"),
    ("expired", "its time was over"),
    ("set", "there is a new one"),
    ("removed", "there is none any more"),
    ("operator", "by the operator"),
    ("ended_by_owner", "by its owner, from the list of sign-ins"),
    ("replaced", "a new one took its place in the same browser"),
    ("signed_out", "by its owner, who signed out"),
    ("signed_out_everywhere", "by its owner, who signed out everywhere"),
    ("password_changed", "because of a new password"),
    ("identity_removed", "because an identity that opened the account was removed"),
    ("user_disabled", "because the account was disabled"),
    ("user_deleted", "because the account was deleted"),
    ("refresh_token_reused", "because a spent refresh token came back"),
];

impl Recorded {
    /// What happened, in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let event = Event::from_word(&self.event);
        let mut sentence = event.map_or_else(|| harmless(&self.event), |event| event.sentence().to_owned());
        if let Some(detail) = &self.detail {
            let known = DETAILS.iter().find(|(word, _)| word == detail).map(|(_, meaning)| *meaning);
            sentence.push_str(": ");
            sentence.push_str(&known.map_or_else(|| harmless(detail), str::to_owned));
        }
        let address = self.address.as_ref().map(|address| format!("from {}", harmless(address)));
        let times = (self.times > 1).then(|| format!("{} times", self.times));
        let aside: Vec<String> = address.into_iter().chain(times).collect();
        if !aside.is_empty() {
            sentence.push_str(&format!(" ({})", aside.join(", ")));
        }
        sentence + "."
    }
}

/// Why a sign-in ended, as the end of a sentence.
pub(super) const fn reason(why: EndReason) -> &'static str {
    match why {
        EndReason::SignedOut => "its owner signed out",
        EndReason::EndedByOwner => "its owner ended it from the list of sign-ins",
        EndReason::SignedOutEverywhere => "its owner signed out everywhere",
        EndReason::Replaced => "a new sign-in took its place in the same browser",
        EndReason::RefreshTokenReused => {
            "a spent refresh token came back, so that somebody has a copy of it: a thief, or a client that keeps two"
        }
        EndReason::PasswordChanged => "the account got a new password",
        EndReason::IdentityRemoved => "an identity that opened the account was removed",
        EndReason::UserDisabled => "the account was disabled",
        EndReason::UserDeleted => "the account was deleted",
        EndReason::Operator => "the operator ended it",
    }
}

//! Signing out: leave here, or leave everywhere.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use crate::access::CurrentUser;
use crate::audit::{self, About, Event};
use crate::error::Result;
use crate::service::Countersign;
use crate::sign_in::{self, EndReason};

/// Ends the sign-in of each authentic token, spent or not. Anything else is ignored: whoever signs out has signed out.
///
/// # Errors
/// [`crate::error::Error::Unavailable`]: a sign-out that is not on the disk is none.
pub(crate) async fn leave(service: &Countersign, texts: &[&str]) -> Result<()> {
    for token in sign_in::authentic(service, texts) {
        if sign_in::end(service, token.sign_in, EndReason::SignedOut).await? {
            let about = About { sign_in: Some(token.sign_in), ..About::default() };
            audit::record(Event::SignOut, about);
        }
    }
    Ok(())
}

/// Ends every sign-in of the user, this one included, and every access token at this service.
///
/// # Errors
/// [`crate::error::Error::Unavailable`].
pub async fn leave_everywhere(service: &Countersign, who: &CurrentUser) -> Result<()> {
    sign_in::end_all(service, who.user.id, EndReason::SignedOutEverywhere).await?;
    audit::record(Event::SignOutEverywhere, who.user.id.into());
    Ok(())
}

//! Signing out: leave here, or leave everywhere.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::access::CurrentUser;
use crate::error::Result;
use crate::service::Countersign;
use crate::sign_in::{self, EndReason};

/// Ends the sign-in of each authentic token, spent or not. Anything else is ignored: whoever signs out has signed out.
///
/// # Errors
/// [`crate::error::Error::Unavailable`]: a sign-out that is not on the disk is none.
pub(crate) async fn leave(service: &Countersign, texts: &[&str], from: Option<IpAddr>) -> Result<()> {
    for token in sign_in::authentic(service, texts) {
        sign_in::end_from(service, token.sign_in, EndReason::SignedOut, from).await?;
    }
    Ok(())
}

/// Ends every sign-in of the user, this one included, and every access token at this service.
///
/// # Errors
/// [`crate::error::Error::Unavailable`].
pub async fn leave_everywhere(service: &Countersign, who: &CurrentUser, from: Option<IpAddr>) -> Result<()> {
    sign_in::end_all_from(service, who.user.id, EndReason::SignedOutEverywhere, from).await
}

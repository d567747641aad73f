//! What a reverse proxy asks before it lets a request through: whose is it? Judged by the access token alone (SEC-76).

pub(crate) mod http;

use countersign_token::Refusal;

use crate::access::http::NoToken;
use crate::access::{refused, resolve};
use crate::error::{Error, Result};
use crate::service::Countersign;
use crate::user::User;

/// Whom the access token speaks for. A proxy understands one refusal: whatever is not good is an
/// [`Error::AccessToken`], and what can't be checked lets nobody through.
///
/// # Errors
/// [`Error::AccessToken`], [`Error::Unavailable`], and none besides.
pub(crate) async fn verify(service: &Countersign, token: Result<&str, NoToken>) -> Result<User> {
    let token = token.map_err(|why| match why {
        NoToken::Refused(refusal) => refused(refusal),
        NoToken::Several => refused(Refusal::Invalid),
    })?;
    match resolve(service, token).await {
        Ok(who) => Ok(who.user),
        Err(Error::Fault(why)) => Err(Error::Unavailable(why)),
        Err(error) => Err(error),
    }
}

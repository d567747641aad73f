//! One's own sign-ins: where somebody is signed in, and ending one of them from wherever that is seen.

pub(crate) mod http;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::access::CurrentUser;
use crate::error::{Error, Result};
use crate::id::SignInId;
use crate::service::Countersign;
use crate::sign_in::{EndReason, SignIn};

/// More than anybody reads; a program that signs in again and again can't make the answer any longer.
const MOST: u32 = 1_000;

/// The living sign-ins of whoever asks, the newest first, a thousand at most.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn list(service: &Countersign, who: &CurrentUser) -> Result<Vec<SignIn>> {
    let steps = service.store().read((who.user.id, service.now()), |tx, (user, now)| {
        Box::pin(async move { tx.living_sign_ins_of(*user, *now, MOST).await })
    });
    steps.await
}

/// Ends a living sign-in of whoever asks. That may be the one that they ask from; its cookie stays in the browser, dead,
/// since nobody can say from here whether the jar still holds that one: the next refresh removes it.
///
/// # Errors
/// [`Error::NotFound`] where no living sign-in of theirs has this id; [`Error::Unavailable`].
pub async fn end(service: &Countersign, who: &CurrentUser, id: SignInId, from: Option<IpAddr>) -> Result<()> {
    let (now, why) = (service.now(), EndReason::EndedByOwner);
    let input = (id, who.user.id, now, why.entry_for_one(id, from, now).of(who.user.id));
    let ended = service.store().write(input, |tx, (id, user, now, entry)| {
        Box::pin(async move {
            let ended = tx.end_own_sign_in(*id, *user, EndReason::EndedByOwner, *now).await?;
            if ended { tx.file(entry).await.map(Some) } else { Ok(None) }
        })
    });
    let filed = ended.await?.ok_or(Error::NotFound)?;
    service.tell([filed]);
    Ok(())
}

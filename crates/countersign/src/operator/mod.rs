//! The operator's acts on an account: what the command line does without a password of the owner's.

#[cfg(test)]
mod tests;

use crate::audit::{self, Event};
use crate::error::{Error, FieldErrors, Result};
use crate::id::UserId;
use crate::password::Password;
use crate::secret::SecretString;
use crate::service::Countersign;
use crate::sign_in::EndReason;
use crate::user::User;

/// Gives a living account a new password. Every sign-in of it ends.
///
/// # Errors
/// [`Error::Invalid`] on `password`, [`Error::NotFound`], [`Error::Overloaded`], [`Error::Unavailable`].
pub async fn set_password(service: &Countersign, user: &User, password: SecretString) -> Result<()> {
    let (username, email) = (Some(&*user.username), user.email.as_deref());
    let password = Password::for_account(password, service.rules(), username, email).map_err(|broken| {
        let mut errors = FieldErrors::new();
        errors.extend("password", broken);
        Error::Invalid(errors)
    })?;
    let hash = service.lanes().hash(password, None).await?;
    let input = (user.id, hash, service.now());
    let changed = service.store().write(input, |tx, (id, hash, now)| {
        Box::pin(async move {
            let changed = tx.set_password_hash(*id, None, hash).await?;
            if changed {
                tx.end_all_sign_ins(*id, EndReason::PasswordChanged, *now, None).await?;
            }
            Ok(changed)
        })
    });
    found(changed.await?)?;
    audit::record(Event::PasswordChanged, user.id.into());
    Ok(())
}

/// Closes an account until it is enabled again: nobody signs in, and every sign-in ends.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Unavailable`].
pub async fn disable(service: &Countersign, id: UserId) -> Result<()> {
    let disabled = service.store().write((id, service.now()), |tx, (id, now)| {
        Box::pin(async move {
            let disabled = tx.set_disabled_at(*id, Some(*now)).await?;
            if disabled {
                tx.end_all_sign_ins(*id, EndReason::UserDisabled, *now, None).await?;
            }
            Ok(disabled)
        })
    });
    found(disabled.await?)?;
    audit::record(Event::UserDisabled, id.into());
    Ok(())
}

/// Opens a disabled account again. The sign-ins that were ended stay ended.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Unavailable`].
pub async fn enable(service: &Countersign, id: UserId) -> Result<()> {
    let enabled =
        service.store().write(id, |tx, id| Box::pin(async move { tx.set_disabled_at(*id, None).await }));
    found(enabled.await?)?;
    audit::record(Event::UserEnabled, id.into());
    Ok(())
}

/// Deletes an account as its owner can: softly, and its name stays reserved until the purge.
///
/// # Errors
/// [`Error::NotFound`] also where it is deleted already; [`Error::Unavailable`].
pub async fn delete(service: &Countersign, id: UserId) -> Result<()> {
    let deleted = service.store().write((id, service.now()), |tx, (id, now)| {
        Box::pin(async move {
            let deleted = tx.flag_as_deleted(*id, None, *now).await?;
            if deleted {
                tx.end_all_sign_ins(*id, EndReason::UserDeleted, *now, None).await?;
            }
            Ok(deleted)
        })
    });
    found(deleted.await?)?;
    audit::record(Event::UserDeleted, id.into());
    Ok(())
}

fn found(found: bool) -> Result<()> {
    if found { Ok(()) } else { Err(Error::NotFound) }
}

//! Moving to another database: everything of one into an empty other one, verified, and nobody is signed out.
//!
//! Whoever moves stops the service first, copies, and starts it on the new database with the **same secret key**: rows hold
//! hashes that only this key's tokens fit.

pub use crate::store::copy::{Copied, CopiedTable, Progress, Refusal, Stage};

use crate::settings::Database;
use crate::store::copy::{self, Place};

/// Copies everything from one database to another, and tells how far it is.
///
/// The source is read in one snapshot and stays as it is. The target must be empty, or the rest of a copy that did not come
/// to its end; it is brought to this program's schema. Until it is finished the target opens for nobody:
/// [`Countersign::open`](crate::Countersign::open) refuses it.
///
/// # Errors
/// [`Refusal::Usage`] where both are the same database or an address makes no sense; [`Refusal::Taken`] where the target has
/// rows; [`Refusal::Failed`] for anything else, such as a source of another schema version, a source that somebody wrote to
/// meanwhile, a value that the target can't hold, or a target that is not what was written to it.
pub async fn copy(from: &Database, to: &Database, mut tell: impl FnMut(Progress)) -> Result<Copied, Refusal> {
    copy::copy(&place(from), &place(to), &mut tell).await
}

fn place(database: &Database) -> Place {
    match database {
        Database::Sqlite(file) => Place::Sqlite(file.clone()),
        Database::Postgres(url) => Place::Postgres(url.clone()),
    }
}

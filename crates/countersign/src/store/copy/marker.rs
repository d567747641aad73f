//! The mark on a copy that is not finished: a row in the ledger of migrations, with a version that no program has.
//!
//! It stands there, and not in a table of its own, because every program reads that ledger before anything else: one that
//! knows nothing of copies refuses the database too, as newer than itself. Each run draws a number of its own, and every
//! batch that it writes asks for it: of two runs the one that came last wins, and the other notices.

use super::record::hex;
use super::{Refusal, failed};
use crate::secret::random_bytes;
use crate::store::CannotOpen;

pub(in crate::store) const VERSION: i64 = i64::MAX;
pub(in crate::store) const NAME: &str = "unfinished copy";

pub(in crate::store) const FIND: &str = "SELECT checksum FROM schema_migrations WHERE version = $1";
pub(in crate::store) const SET: &str = "
    INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (version) DO NOTHING";
pub(in crate::store) const TAKE_OVER: &str = "
    UPDATE schema_migrations SET checksum = $3, applied_at = $4 WHERE version = $1 AND checksum = $2";
pub(in crate::store) const REMOVE: &str =
    "DELETE FROM schema_migrations WHERE version = $1 AND checksum = $2";

/// What a run is known by.
pub(in crate::store) fn new_run() -> String {
    hex(&random_bytes::<16>())
}

/// What whoever opens the database is told.
pub(in crate::store) fn refusal() -> CannotOpen {
    CannotOpen(
        "the database is a copy that was not finished: accounts and sign-ins may be missing. Run the same \
         `countersign copy` again, which begins anew and says when it is done"
            .to_owned(),
    )
}

/// What a run is told whose mark is gone.
pub(super) fn overtaken() -> Refusal {
    failed("another copy to the same database has begun meanwhile: let one of them finish".to_owned())
}

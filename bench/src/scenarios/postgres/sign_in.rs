//! `POST /authenticate` on PostgreSQL, against the password hash alone.

use crate::Outcome;
use crate::lab::Lab;
use crate::report::Row;
use crate::scenarios::sign_in::{CLIENTS, measure_on};

/// Measures signing in.
///
/// # Errors
/// When a right password is refused.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let site = lab.site()?;
    let many = site.many()?;
    let node = site.node("sign-in", many)?;
    measure_on(lab, "PostgreSQL: ", node, &many.people(CLIENTS))
}

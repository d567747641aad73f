//! Refreshes beside a sweep by one of two nodes.

use crate::Outcome;
use crate::lab::Lab;
use crate::postgres::site::SWEPT;
use crate::report::Row;
use crate::scenarios::sweep::{Pair, QUIET, SWEEPING, measure_pair};

/// Measures refreshes at a node that sweeps, against those at one that doesn't while nobody does.
///
/// # Errors
/// When a node can't be asked, a chain of refreshes breaks, or nothing is swept.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let site = lab.site()?;
    let [quiet, sweeping] = site.swept([&QUIET, &SWEEPING])?;
    let mut clients = site.many()?.copies();
    let pair = Pair { quiet, sweeping };
    let due = || -> Outcome<u64> {
        let due = site.postgres.number(SWEPT, "SELECT count(*) FROM sign_ins WHERE sweep_day = 0")?;
        Ok(u64::try_from(due)?)
    };
    measure_pair(lab, "PostgreSQL: ", pair, due, |_, load| {
        let taken = load.put_on(std::mem::take(&mut clients))?;
        clients.clone_from(&taken.scripts);
        Ok(taken)
    })
}

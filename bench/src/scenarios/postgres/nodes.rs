//! Two nodes on one machine against one, with the same clients: what a second process costs where it brings no cores.

use crate::Outcome;
use crate::lab::Lab;
use crate::load::Load;
use crate::postgres::population::CLIENTS;
use crate::report::{Aim, Row, Unit};
use crate::scenarios::me::Side;

/// Measures `GET /me` and `POST /refresh` on one node and on two.
///
/// # Errors
/// When a node can't be asked, or one chain of refreshes breaks.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let site = lab.site()?;
    let many = site.many()?;
    let (first, second) = (site.node("first", many)?, site.node("second", many)?);
    let one = Load::closed_loop(first.address, lab.lasts);
    let two = Load { also: Some(second.address), ..one };
    many.warm_up(Load { lasts: lab.warm_up(), ..two })?;
    let (mut me, mut refresh) = <([Side; 2], [Side; 2])>::default();
    for _ in lab.rounds("postgres-nodes") {
        for (side, load) in me.iter_mut().zip([one, two]) {
            side.note(&load.put_on(many.askers())?);
        }
        for (side, load) in refresh.iter_mut().zip([one, two]) {
            many.refresh(CLIENTS, |clients| load.put_on(clients).inspect(|taken| side.note(taken)))?;
        }
    }
    first.stop()?;
    second.stop()?;
    let rows = |work: &str, [one, two]: [Side; 2]| {
        let work = format!("PostgreSQL: {work}, 64 connections to two nodes on one machine");
        [
            Row::new(work, Unit::PerSecond, two.rates)
                .beside("one node", one.rates)
                .aiming(Aim::ShareOfCeiling { now: 1.0, finally: 1.0 }),
            Row::new("- p50", Unit::Millis, two.p50).beside("one node", one.p50),
            Row::new("- p99", Unit::Millis, two.p99).beside("one node", one.p99),
        ]
    };
    Ok(rows("`POST /refresh`", refresh).into_iter().chain(rows("`GET /me`", me)).collect())
}

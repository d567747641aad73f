//! A thousand users and sign-ins against a million: what growing costs each request.

use crate::Outcome;
use crate::lab::Lab;
use crate::load::Load;
use crate::postgres::population::CLIENTS;
use crate::report::{Aim, Row, Unit};
use crate::scenarios::me::Side;

/// How much longer half of the requests may take.
const MOST: Aim = Aim::TimesTheFloor(1.3);

/// Measures `GET /me` and `POST /refresh` on both, by the same clients with as many tokens.
///
/// # Errors
/// When a server can't be asked, or one chain of refreshes breaks.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let site = lab.site()?;
    let populations = [site.few()?, site.many()?];
    let [few, many] = populations;
    let nodes = [site.node("growth", few)?, site.node("growth", many)?];
    for (population, node) in populations.iter().zip(&nodes) {
        population.warm_up(Load::closed_loop(node.address, lab.warm_up()))?;
    }
    let (mut me, mut refresh) = <([Side; 2], [Side; 2])>::default();
    for _ in lab.rounds("postgres-growth") {
        for ((side, population), node) in me.iter_mut().zip(populations).zip(&nodes) {
            side.note(&Load::closed_loop(node.address, lab.lasts).put_on(population.askers())?);
        }
        for ((side, population), node) in refresh.iter_mut().zip(populations).zip(&nodes) {
            let load = Load::closed_loop(node.address, lab.lasts);
            population.refresh(CLIENTS, |clients| load.put_on(clients).inspect(|taken| side.note(taken)))?;
        }
    }
    for node in nodes {
        node.stop()?;
    }
    let rows = |work: &str, [few, many]: [Side; 2]| {
        let work = format!("PostgreSQL: {work}, 64 connections, p50 with a million users and sign-ins");
        [
            Row::new(work, Unit::Millis, many.p50).beside("with a thousand", few.p50).aiming(MOST),
            Row::new("- p99", Unit::Millis, many.p99).beside("with a thousand", few.p99),
        ]
    };
    Ok(rows("`POST /refresh`", refresh).into_iter().chain(rows("`GET /me`", me)).collect())
}

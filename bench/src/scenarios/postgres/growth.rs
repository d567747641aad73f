//! A thousand users and sign-ins against a million: what growing costs each request.

use crate::Outcome;
use crate::lab::Lab;
use crate::load::Load;
use crate::postgres::population::{CLIENTS, Population};
use crate::postgres::site::Site;
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
    let unkept = without_kept_answers(lab, site, populations)?;
    let rows = |work: &str, [few, many]: [Side; 2]| {
        let work = format!("PostgreSQL: {work}, 64 connections, p50 with a million users and sign-ins");
        [
            Row::new(work, Unit::Millis, many.p50).beside("with a thousand", few.p50).aiming(MOST),
            Row::new("- p99", Unit::Millis, many.p99).beside("with a thousand", few.p99),
        ]
    };
    let all = [
        rows("`POST /refresh`", refresh),
        rows("`GET /me`", me),
        rows("`GET /me` with no answer kept", unkept),
    ];
    Ok(all.into_iter().flatten().collect())
}

/// `GET /me` where each check reads the rows, as the first of each sign-in does: nodes keep nothing where a trigger is off.
fn without_kept_answers(lab: &Lab, site: &Site, populations: [&Population; 2]) -> Outcome<[Side; 2]> {
    let switch = |how: &str| -> Outcome<()> {
        for population in populations {
            let sql = format!("ALTER TABLE sign_ins {how} TRIGGER sign_ins_changed");
            site.postgres.run(population.database, &sql)?;
        }
        Ok(())
    };
    switch("DISABLE")?;
    let [few, many] = populations;
    let nodes = [site.node("unkept", few)?, site.node("unkept", many)?];
    for (population, node) in populations.iter().zip(&nodes) {
        Load::closed_loop(node.address, lab.warm_up()).put_on(population.askers())?;
    }
    let mut sides = <[Side; 2]>::default();
    for _ in lab.rounds("postgres-growth, no answer kept") {
        for ((side, population), node) in sides.iter_mut().zip(populations).zip(&nodes) {
            side.note(&Load::closed_loop(node.address, lab.lasts).put_on(population.askers())?);
        }
    }
    for node in nodes {
        node.stop()?;
    }
    switch("ENABLE ALWAYS")?;
    Ok(sides)
}

//! `GET /me` on PostgreSQL, which is asked each time whether something has changed, against a bare server that gives the same answer.

use crate::Outcome;
use crate::api::ask;
use crate::ceilings::hyper::BareHyper;
use crate::lab::Lab;
use crate::load::{Load, Script};
use crate::report::{Aim, Row, Unit};
use crate::scenarios::me::Side;
use crate::scenarios::postgres::split::Split;

/// Measures `GET /me`.
///
/// # Errors
/// When the server can't be asked or answers otherwise than `200`.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let site = lab.site()?;
    let many = site.many()?;
    let node = site.node("me", many)?;
    let askers = many.askers();
    let sample = ask(node.address, askers.first().ok_or("no clients")?.request())?;
    let bare = BareHyper::repeating(&sample.answer(), lab.dir())?;
    many.warm_up(Load::closed_loop(node.address, lab.warm_up()))?;
    let (mut subject, mut ceiling) = <(Split, Side)>::default();
    for _ in lab.rounds("postgres-me") {
        ceiling.take(bare.pid(), Load::closed_loop(bare.address, lab.lasts), many.askers())?;
        let load = Load::closed_loop(node.address, lab.lasts);
        subject.take(node.pid(), site.postgres.pid(), load, many.askers())?;
    }
    node.stop()?;
    let work = "PostgreSQL: `GET /me`, 64 connections, a million users";
    let rate = Row::new(work, Unit::PerSecond, subject.side.rates.clone())
        .beside("bare hyper", ceiling.rates.clone())
        .aiming(Aim::ShareOfCeiling { now: 0.50, finally: 0.60 });
    Ok([rate].into_iter().chain(subject.details("bare hyper", ceiling)).collect())
}

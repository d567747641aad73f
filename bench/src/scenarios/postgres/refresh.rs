//! `POST /refresh` on PostgreSQL: spendings that travel together, against `pgbench` with one to each transaction.

use crate::Outcome;
use crate::api::ask;
use crate::ceilings::hyper::BareHyper;
use crate::figures::Series;
use crate::lab::Lab;
use crate::load::{Load, Script, Taken, Verdict};
use crate::postgres::population::{CLIENTS, Population};
use crate::report::{Aim, Row, Unit};
use crate::scenarios::me::Side;
use crate::scenarios::postgres::split::Split;
use crate::server::Server;

/// Numbers of clients of which `pgbench` is best with one or another.
const PGBENCH_CLIENTS: [usize; 3] = [8, 16, 32];

/// What is measured with one number of clients.
#[derive(Default)]
struct Pair {
    subject: Split,
    http: Side,
    pgbench: Series,
    pgbench_ms: Series,
}

/// Measures `POST /refresh` with many clients, and with one.
///
/// # Errors
/// When the server can't be asked, or one chain of refreshes breaks.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let site = lab.site()?;
    let (pgbench, many) = (site.pgbench()?, site.many()?);
    let node = site.node("refresh", many)?;
    let bare = repeating_a_refresh(lab, many, &node)?;
    many.warm_up(Load::closed_loop(node.address, lab.warm_up()))?;
    let (mut crowd, mut alone) = <(Pair, Pair)>::default();
    for _ in lab.rounds("postgres-refresh") {
        for (clients, pair) in [(CLIENTS, &mut crowd), (1, &mut alone)] {
            let told = match clients {
                1 => pgbench.spend(1, lab.lasts)?,
                _ => pgbench.best_of(&PGBENCH_CLIENTS, lab.lasts)?,
            };
            pair.pgbench.push(told.rate);
            pair.pgbench_ms.push(told.mean_ms);
            let mut copies = many.copies();
            copies.truncate(clients);
            pair.http.take(bare.pid(), Load::closed_loop(bare.address, lab.lasts), copies)?;
            let load = Load::closed_loop(node.address, lab.lasts);
            let split = &mut pair.subject;
            many.refresh(clients, |clients| split.take(node.pid(), site.postgres.pid(), load, clients))?;
        }
    }
    node.stop()?;
    Ok(crowd.rows_of_a_crowd().into_iter().chain(alone.rows_of_one()).collect())
}

fn repeating_a_refresh(lab: &Lab, population: &Population, node: &Server) -> Outcome<BareHyper> {
    let mut sample = None;
    population.refresh(1, |mut clients| {
        let first = clients.first_mut().ok_or("no clients")?;
        let reply = ask(node.address, first.request())?;
        if first.judge(&reply.answer()) != Verdict::Served {
            return Err(format!("the first refresh was answered with {}", reply.answer().status).into());
        }
        sample = Some(BareHyper::repeating(&reply.answer(), lab.dir())?);
        Ok(Taken::nothing(clients))
    })?;
    sample.ok_or_else(|| "no sample".into())
}

impl Pair {
    fn rows_of_a_crowd(self) -> Vec<Row> {
        let row = |work: &str| Row::new(work, Unit::PerSecond, self.subject.side.rates.clone());
        let rates = [
            row("PostgreSQL: durable `POST /refresh`, 64 connections, a million sign-ins")
                .beside("best of pgbench with 8, 16, 32 clients", self.pgbench)
                .aiming(Aim::ShareOfCeiling { now: 1.5, finally: 2.0 }),
            row("- against HTTP").beside("bare hyper", self.http.rates.clone()),
        ];
        rates.into_iter().chain(self.subject.details("bare hyper", self.http)).collect()
    }

    fn rows_of_one(self) -> Vec<Row> {
        let row = |work: &str| Row::new(work, Unit::PerSecond, self.subject.side.rates.clone());
        // One client waits for the statement and for HTTP in turn, so the times of both add up.
        let both = self.pgbench.in_series_with(&self.http.rates);
        let rates = [
            row("PostgreSQL: durable `POST /refresh`, 1 connection")
                .beside("pgbench with 1 client, then bare hyper", both)
                .aiming(Aim::ShareOfCeiling { now: 0.9, finally: 1.0 }),
            row("- against the statement alone").beside("pgbench with 1 client", self.pgbench),
            row("- against HTTP").beside("bare hyper", self.http.rates.clone()),
            Row::new("- p50, and pgbench's mean", Unit::Millis, self.subject.side.p50.clone())
                .beside("pgbench with 1 client", self.pgbench_ms),
        ];
        rates.into_iter().chain(self.subject.details("bare hyper", self.http)).collect()
    }
}

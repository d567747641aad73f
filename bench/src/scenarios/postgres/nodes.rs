//! Two nodes on one machine against one, with the same clients: what a second process costs where it brings no cores. The
//! same of bare servers, for what two processes cost whoever they are.

use std::net::SocketAddr;

use crate::Outcome;
use crate::api::ask;
use crate::ceilings::hyper::BareHyper;
use crate::figures::Series;
use crate::lab::Lab;
use crate::load::{Load, Script, Taken};
use crate::machine::Meter;
use crate::postgres::population::CLIENTS;
use crate::report::{Aim, Row, Unit};
use crate::scenarios::me::Side;

/// What one server, or two, did and what that cost whom.
#[derive(Default)]
struct Cost {
    side: Side,
    database: Series,
    generator: Series,
}

/// Two processes that serve the same.
struct Pair {
    addresses: [SocketAddr; 2],
    pids: [u32; 2],
    postgres: Option<u32>,
    one: Cost,
    two: Cost,
}

impl Pair {
    fn new(addresses: [SocketAddr; 2], pids: [u32; 2], postgres: Option<u32>) -> Self {
        Self { addresses, pids, postgres, one: Cost::default(), two: Cost::default() }
    }

    /// Puts the load on one of them and on both. Whoever comes second finds what the first has left: so by turns.
    fn take<S: Script>(&mut self, lab: &Lab, round: usize, mut scripts: Vec<S>) -> Outcome<Vec<S>> {
        let turns = if round.is_multiple_of(2) { [false, true] } else { [true, false] };
        for are_both in turns {
            scripts = self.put_on(lab, are_both, scripts)?.scripts;
        }
        Ok(scripts)
    }

    fn put_on<S: Script>(&mut self, lab: &Lab, are_both: bool, scripts: Vec<S>) -> Outcome<Taken<S>> {
        let [first, second] = self.addresses;
        let load = Load { also: are_both.then_some(second), ..Load::closed_loop(first, lab.lasts) };
        let servers = self.pids.map(Meter::of);
        let database = self.postgres.map(Meter::of_family);
        let generator = Meter::of_this_process()?;
        let taken = load.put_on(scripts)?;
        let requests = taken.served.count();
        let cost = if are_both { &mut self.two } else { &mut self.one };
        cost.side.note(&taken);
        let mut micros = 0.0;
        for server in servers {
            micros += server?.micros_for_each(requests)?;
        }
        cost.side.cpu.push(micros);
        if let Some(database) = database {
            cost.database.push(database?.micros_for_each(requests)?);
        }
        cost.generator.push(generator.micros_for_each(requests)?);
        Ok(taken)
    }

    fn rows(self, work: &str, aim: Aim) -> Vec<Row> {
        let (one, two) = (self.one, self.two);
        let rate = Row::new(work, Unit::PerSecond, two.side.rates).beside("one", one.side.rates).aiming(aim);
        let micros = |what: &str, two, one| {
            Row::new(format!("- processor time of {what}"), Unit::Micros, two).beside("one", one)
        };
        let mut rows = vec![rate, micros("the servers", two.side.cpu, one.side.cpu)];
        if self.postgres.is_some() {
            rows.push(micros("PostgreSQL", two.database, one.database));
        }
        rows.push(micros("the generator", two.generator, one.generator));
        rows.push(Row::new("- p50", Unit::Millis, two.side.p50).beside("one", one.side.p50));
        rows.push(Row::new("- p99", Unit::Millis, two.side.p99).beside("one", one.side.p99));
        rows
    }
}

/// Measures `GET /me` and `POST /refresh` on one node and on two, and bare servers beside them.
///
/// # Errors
/// When a node can't be asked, or one chain of refreshes breaks.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let site = lab.site()?;
    let many = site.many()?;
    let nodes = [site.node("first", many)?, site.node("second", many)?];
    let [first, second] = &nodes;
    let sample = ask(first.address, many.askers().first().ok_or("no clients")?.request())?;
    let bare = [(); 2].map(|()| BareHyper::repeating(&sample.answer(), lab.dir()));
    let [Ok(third), Ok(fourth)] = bare else { return Err("a bare server did not start".into()) };
    let warm_up = Load::closed_loop(first.address, lab.warm_up());
    many.warm_up(Load { also: Some(second.address), ..warm_up })?;
    let pair =
        || Pair::new([first.address, second.address], [first.pid(), second.pid()], Some(site.postgres.pid()));
    let (mut me, mut refresh) = (pair(), pair());
    let mut hyper = Pair::new([third.address, fourth.address], [third.pid(), fourth.pid()], None);
    for round in lab.rounds("postgres-nodes") {
        hyper.take(lab, round, many.askers())?;
        me.take(lab, round, many.askers())?;
        let turns = if round.is_multiple_of(2) { [false, true] } else { [true, false] };
        for are_both in turns {
            many.refresh(CLIENTS, |clients| refresh.put_on(lab, are_both, clients))?;
        }
    }
    for node in nodes {
        node.stop()?;
    }
    let work = |what: &str| format!("PostgreSQL: {what}, 64 connections to two nodes on one machine");
    let aim = Aim::ShareOfCeiling { now: 1.0, finally: 1.0 };
    let mut rows = refresh.rows(&work("`POST /refresh`"), aim);
    rows.extend(me.rows(&work("`GET /me`"), aim));
    rows.extend(hyper.rows("two bare servers on one machine, 64 connections", Aim::None));
    Ok(rows)
}

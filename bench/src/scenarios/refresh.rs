//! `POST /refresh`: durable rotations, against the store's ceiling and HTTP's.

use crate::Outcome;
use crate::api::{Person, ask};
use crate::ceilings::hyper::BareHyper;
use crate::ceilings::sqlite::Grouped;
use crate::chain::Chain;
use crate::figures::Series;
use crate::lab::Lab;
use crate::load::{Load, Script, Verdict};
use crate::report::{Aim, Row, Unit};
use crate::scenarios::me::Side;
use crate::wire::Answer;

/// Connections, each with a sign-in of its own.
const CLIENTS: usize = 64;

/// A client that refreshes, always with the newest token.
#[derive(Debug)]
struct Refresh {
    chain: Chain,
}

impl Script for Refresh {
    fn request(&self) -> &[u8] {
        self.chain.request()
    }

    fn judge(&mut self, answer: &Answer<'_>) -> Verdict {
        if answer.status == 200 && self.chain.follow(answer) { Verdict::Served } else { Verdict::Unexpected }
    }
}

/// The same bytes with the same reading of the answer, but without consequence: the chains stay as they were.
#[derive(Debug)]
struct Pretended {
    kept: Chain,
    followed: Chain,
}

impl Script for Pretended {
    fn request(&self) -> &[u8] {
        self.followed.request()
    }

    fn judge(&mut self, answer: &Answer<'_>) -> Verdict {
        if answer.status == 200 && self.followed.follow(answer) {
            Verdict::Served
        } else {
            Verdict::Unexpected
        }
    }
}

fn pretend(clients: Vec<Refresh>) -> Vec<Pretended> {
    clients
        .into_iter()
        .map(|client| Pretended { kept: client.chain.clone(), followed: client.chain })
        .collect()
}

fn mean_it(clients: Vec<Pretended>) -> Vec<Refresh> {
    clients.into_iter().map(|client| Refresh { chain: client.kept }).collect()
}

/// Measures `POST /refresh`.
///
/// # Errors
/// When the server can't be asked, or one chain of refreshes breaks.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let server = lab.server("refresh")?;
    let mut clients = Vec::with_capacity(CLIENTS);
    for person in Person::sign_up_many(server.address, CLIENTS)? {
        let signed_in = person.sign_in(server.address)?;
        clients.push(Refresh { chain: Chain::starting_with(&signed_in.refresh_token) });
    }
    let first = clients.first_mut().ok_or("no clients")?;
    let sample = ask(server.address, first.request())?;
    if first.judge(&sample.answer()) != Verdict::Served {
        return Err(format!("the first refresh was answered with {}", sample.answer().status).into());
    }
    let bare = BareHyper::repeating(&sample.answer(), lab.dir())?;
    let mut grouped = Grouped::open(lab.dir(), CLIENTS)?;
    clients = Load::closed_loop(server.address, lab.warm_up()).put_on(clients)?.scripts;
    grouped.rotations_per_second(lab.warm_up())?;
    let (mut subject, mut http, mut store) = (Side::default(), Side::default(), Series::default());
    for _ in lab.rounds("refresh") {
        store.push(grouped.rotations_per_second(lab.lasts)?);
        let load = Load::closed_loop(bare.address, lab.lasts);
        clients = mean_it(http.take(bare.pid(), load, pretend(clients))?.scripts);
        let load = Load::closed_loop(server.address, lab.lasts);
        clients = subject.take(server.pid(), load, clients)?.scripts;
    }
    grouped.close()?;
    server.stop()?;
    Ok(rows(subject, http, store))
}

fn rows(subject: Side, http: Side, store: Series) -> Vec<Row> {
    let row = |work| Row::new(work, Unit::PerSecond, subject.rates.clone());
    let lower = store.lower_of(&http.rates);
    // Durable and over HTTP on one set of cores: the times of both add up, so this is what a perfect service could do.
    let both = store.in_series_with(&http.rates);
    let rates = [
        row("durable `POST /refresh`, 64 connections")
            .beside("the lower of the next two", lower)
            .aiming(Aim::ShareOfCeiling { now: 0.50, finally: 0.75 }),
        row("- against the store").beside("grouped SQLite", store),
        row("- against HTTP").beside("bare hyper", http.rates.clone()),
        row("- against both in series").beside("SQLite and hyper on the same cores", both),
    ];
    rates.into_iter().chain(subject.details("bare hyper", http)).collect()
}

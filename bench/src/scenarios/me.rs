//! `GET /me`: the access check, with nothing else to do, against a bare server that gives the same answer.

use std::net::SocketAddr;

use crate::Outcome;
use crate::api::{Person, ask, get_me};
use crate::ceilings::hyper::BareHyper;
use crate::dice::Dice;
use crate::figures::Series;
use crate::lab::Lab;
use crate::load::{Load, Script, Taken, Verdict};
use crate::machine::Meter;
use crate::report::{Aim, Row, Unit};
use crate::scenarios::fsync::millis;
use crate::wire::Answer;

/// Connections, each with a user and a sign-in of its own.
const CLIENTS: usize = 64;

/// A client that asks who it is, with one of its access tokens after the other.
#[derive(Debug, Clone)]
pub(crate) struct Me {
    requests: Vec<Vec<u8>>,
    chosen: usize,
    dice: Dice,
}

impl Me {
    /// One client for each person, signed in anew: an access token does not outlive a long run.
    ///
    /// # Errors
    /// When a sign-in fails.
    pub(crate) fn of(people: &[Person], address: SocketAddr) -> Outcome<Vec<Self>> {
        let one = |person: &Person| Ok(Self::holding(0, [person.sign_in(address)?.access_token]));
        people.iter().map(one).collect()
    }

    /// A client with these access tokens.
    pub(crate) fn holding(number: usize, tokens: impl IntoIterator<Item = String>) -> Self {
        let requests = tokens.into_iter().map(|token| get_me(&token)).collect();
        Self { requests, chosen: 0, dice: Dice::of(number) }
    }
}

impl Script for Me {
    fn request(&self) -> &[u8] {
        self.requests.get(self.chosen).map_or(&[], Vec::as_slice)
    }

    fn judge(&mut self, answer: &Answer<'_>) -> Verdict {
        self.chosen = self.dice.throw(self.requests.len());
        if answer.status == 200 { Verdict::Served } else { Verdict::Unexpected }
    }
}

/// A rate with the processor time that one request costs the server, and its latency.
#[derive(Debug, Default)]
pub(crate) struct Side {
    /// Requests a second.
    pub(crate) rates: Series,
    /// Microseconds of processor time for each request.
    pub(crate) cpu: Series,
    /// Half of the requests are answered within so many milliseconds.
    pub(crate) p50: Series,
    /// All but one in a hundred are.
    pub(crate) p99: Series,
}

impl Side {
    /// Puts a load on a process and notes what came of it.
    ///
    /// # Errors
    /// As [`Load::put_on`].
    pub(crate) fn take<S: Script>(&mut self, pid: u32, load: Load, scripts: Vec<S>) -> Outcome<Taken<S>> {
        let meter = Meter::of(pid)?;
        let taken = load.put_on(scripts)?;
        self.cpu.push(meter.micros_for_each(taken.served.count())?);
        self.note(&taken);
        Ok(taken)
    }

    /// Notes what came of a load whose processor time nobody asks for.
    pub(crate) fn note<S>(&mut self, taken: &Taken<S>) {
        self.rates.push(taken.rate());
        self.p50.push(millis(taken.served.quantile(0.5)));
        self.p99.push(millis(taken.served.quantile(0.99)));
    }

    /// The rows below the rate: what a request costs the server, and how long its client waits.
    pub(crate) fn details(self, name: &'static str, ceiling: Self) -> [Row; 3] {
        [
            Row::new("- processor time of the server", Unit::Micros, self.cpu).beside(name, ceiling.cpu),
            Row::new("- p50", Unit::Millis, self.p50).beside(name, ceiling.p50),
            Row::new("- p99", Unit::Millis, self.p99).beside(name, ceiling.p99),
        ]
    }
}

/// Measures `GET /me`.
///
/// # Errors
/// When the server can't be asked or answers otherwise than `200`.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let server = lab.server("me")?;
    let people = Person::sign_up_many(server.address, CLIENTS)?;
    let mut clients = Me::of(&people, server.address)?;
    let sample = ask(server.address, clients.first().ok_or("no clients")?.request())?;
    let bare = BareHyper::repeating(&sample.answer(), lab.dir())?;
    clients = Load::closed_loop(bare.address, lab.warm_up()).put_on(clients)?.scripts;
    Load::closed_loop(server.address, lab.warm_up()).put_on(clients)?;
    let (mut subject, mut ceiling) = (Side::default(), Side::default());
    for _ in lab.rounds("me") {
        let clients = Me::of(&people, server.address)?;
        let clients = ceiling.take(bare.pid(), Load::closed_loop(bare.address, lab.lasts), clients)?.scripts;
        subject.take(server.pid(), Load::closed_loop(server.address, lab.lasts), clients)?;
    }
    server.stop()?;
    let rate = Row::new("`GET /me`, 64 connections", Unit::PerSecond, subject.rates.clone())
        .beside("bare hyper", ceiling.rates.clone())
        .aiming(Aim::ShareOfCeiling { now: 0.60, finally: 0.75 });
    Ok([rate].into_iter().chain(subject.details("bare hyper", ceiling)).collect())
}

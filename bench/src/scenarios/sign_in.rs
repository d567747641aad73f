//! `POST /authenticate` with right passwords, against the password hash alone.

use crate::Outcome;
use crate::api::Person;
use crate::ceilings::argon2::hash_on_all_cores;
use crate::figures::Series;
use crate::lab::Lab;
use crate::load::{Load, Script, Verdict};
use crate::machine::{Meter, cores};
use crate::report::{Aim, Row, Unit};
use crate::scenarios::me::Side;
use crate::server::Server;
use crate::wire::Answer;

/// Connections when the service is busy but not stormed.
pub(crate) const CLIENTS: usize = 16;

/// A client that signs in with the right password.
#[derive(Debug)]
pub(crate) struct SignIn {
    request: Vec<u8>,
}

impl SignIn {
    /// A client of this person's.
    pub(crate) fn of(person: &Person) -> Self {
        Self { request: person.right_password() }
    }
}

impl Script for SignIn {
    fn request(&self) -> &[u8] {
        &self.request
    }

    fn judge(&mut self, answer: &Answer<'_>) -> Verdict {
        if answer.status == 200 { Verdict::Served } else { Verdict::Unexpected }
    }
}

/// Measures signing in.
///
/// # Errors
/// When a right password is refused.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let server = lab.server("sign-in")?;
    let people = Person::sign_up_many(server.address, CLIENTS)?;
    measure_on(lab, "", server, &people)
}

/// Measures it for people that a server knows; `prefix` says what is special about that.
///
/// # Errors
/// When a right password is refused.
pub(crate) fn measure_on(lab: &Lab, prefix: &str, server: Server, people: &[Person]) -> Outcome<Vec<Row>> {
    let clients = |count: usize| -> Vec<_> { people.iter().take(count).map(SignIn::of).collect() };
    let few = (cores() * 2).min(CLIENTS);
    Load::closed_loop(server.address, lab.warm_up()).put_on(clients(CLIENTS))?;
    let (mut quiet, mut busy) = <(Side, Side)>::default();
    let (mut raw, mut raw_cpu) = <(Series, Series)>::default();
    for _ in lab.rounds("sign-in") {
        let meter = Meter::of_this_process()?;
        let hashed = hash_on_all_cores(lab.lasts)?;
        raw_cpu.push(meter.micros_for_each(hashed.count)?);
        raw.push(hashed.rate());
        let load = Load::closed_loop(server.address, lab.lasts);
        quiet.take(server.pid(), load, clients(few))?;
        busy.take(server.pid(), load, clients(CLIENTS))?;
    }
    server.stop()?;
    let row = |connections: usize, rates: Series| {
        Row::new(format!("{prefix}sign-ins, {connections} connections"), Unit::PerSecond, rates)
            .beside("raw Argon2id", raw.clone())
            .aiming(Aim::ShareOfCeiling { now: 0.95, finally: 0.97 })
    };
    let waits = |side: &Side| {
        [("- p50", &side.p50), ("- p99", &side.p99)]
            .map(|(name, times)| Row::new(name, Unit::Millis, times.clone()))
    };
    let (of_few, of_many) = (waits(&quiet), waits(&busy));
    let cpu =
        Row::new("- processor time of the server", Unit::Micros, busy.cpu).beside("raw Argon2id", raw_cpu);
    let few = [row(few, quiet.rates)].into_iter().chain(of_few);
    Ok(few.chain([row(CLIENTS, busy.rates)]).chain(of_many).chain([cpu]).collect())
}

//! `POST /authenticate` with right passwords, against the password hash alone.

use crate::Outcome;
use crate::api::Person;
use crate::ceilings::argon2::hashes_per_second;
use crate::figures::Series;
use crate::lab::Lab;
use crate::load::{Load, Script, Verdict};
use crate::machine::cores;
use crate::report::{Aim, Row, Unit};
use crate::wire::Answer;

/// Connections when the service is busy but not stormed.
const CLIENTS: usize = 16;

/// A client that signs in with the right password.
#[derive(Debug)]
struct SignIn {
    request: Vec<u8>,
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
    let clients = |count: usize| -> Vec<_> {
        people.iter().take(count).map(|person| SignIn { request: person.right_password() }).collect()
    };
    let few = (cores() * 2).min(CLIENTS);
    Load::closed_loop(server.address, lab.warm_up()).put_on(clients(CLIENTS))?;
    let (mut quiet, mut busy, mut raw) = (Series::default(), Series::default(), Series::default());
    for _ in lab.rounds("sign-in") {
        raw.push(hashes_per_second(lab.lasts)?);
        let load = Load::closed_loop(server.address, lab.lasts);
        quiet.push(load.put_on(clients(few))?.rate());
        busy.push(load.put_on(clients(CLIENTS))?.rate());
    }
    server.stop()?;
    let row = |connections: usize, rates: Series| {
        Row::new(format!("sign-ins, {connections} connections"), Unit::PerSecond, rates)
            .beside("raw Argon2id", raw.clone())
            .aiming(Aim::ShareOfCeiling { now: 0.95, finally: 0.97 })
    };
    Ok(vec![row(few, quiet), row(CLIENTS, busy)])
}

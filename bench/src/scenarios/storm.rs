//! A storm of sign-ins: what everybody else waits meanwhile, what is refused and how soon, and how large the server grows.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::Outcome;
use crate::api::Person;
use crate::figures::Series;
use crate::lab::Lab;
use crate::load::{Load, Script, Taken, Verdict};
use crate::machine::memory_of;
use crate::report::{Aim, Row, Unit};
use crate::scenarios::fsync::millis;
use crate::scenarios::me::Me;
use crate::wire::Answer;

/// People whose passwords they try.
const PEOPLE: usize = 64;
/// Connections that ask `/me`.
const OBSERVERS: usize = 8;
/// Between two questions of a paced observer.
const PACE: Duration = Duration::from_millis(20);

/// A client that signs in, with a right or a wrong password, and comes back at once whatever it is told.
#[derive(Debug)]
struct Stormer {
    request: Vec<u8>,
    right: bool,
    address: IpAddr,
    done: u64,
}

impl Stormer {
    /// One of 256. Every second one is wrong, for each person alike. Each comes from an address of its own: one address is not to fill the queue.
    fn numbered(number: u8, people: &[Person]) -> Outcome<Self> {
        let person = people.get(usize::from(number) % people.len()).ok_or("nobody to sign in")?;
        let right = number.is_multiple_of(2) == (number / 64).is_multiple_of(2);
        let request = if right { person.right_password() } else { person.wrong_password() };
        Ok(Self { request, right, address: Ipv4Addr::new(127, 0, 1, number).into(), done: 0 })
    }
}

impl Script for Stormer {
    fn request(&self) -> &[u8] {
        &self.request
    }

    fn judge(&mut self, answer: &Answer<'_>) -> Verdict {
        match (answer.status, self.right) {
            (200, true) => {
                self.done += 1;
                Verdict::Served
            }
            (401, false) => Verdict::Served,
            (503, _) => Verdict::Refused,
            _ => Verdict::Unexpected,
        }
    }

    fn address(&self) -> IpAddr {
        self.address
    }
}

#[derive(Debug, Default)]
struct Observed {
    p50: Series,
    p99: Series,
}

impl Observed {
    fn push(&mut self, taken: &Taken<Me>) {
        self.p50.push(millis(taken.served.quantile(0.5)));
        self.p99.push(millis(taken.served.quantile(0.99)));
    }
}

#[derive(Debug, Default)]
struct Stormed {
    sign_ins: Series,
    checked: Series,
    waited: Series,
    refused: Series,
    refused_after: Series,
}

impl Stormed {
    fn push(&mut self, taken: &Taken<Stormer>) {
        let seconds = taken.lasted.as_secs_f64();
        let done: u64 = taken.scripts.iter().map(|stormer| stormer.done).sum();
        self.sign_ins.push(done as f64 / seconds);
        self.checked.push(taken.rate());
        self.waited.push(millis(taken.served.quantile(0.99)));
        self.refused.push(taken.refused.count() as f64 / seconds);
        self.refused_after.push(millis(taken.refused.quantile(0.99)));
    }
}

/// One storm with its observers. These have a generator thread of their own, so that they wait for the server alone and
/// not for the storm's clients.
fn storm(
    lab: &Lab,
    address: SocketAddr,
    people: &[Person],
    pace: Option<Duration>,
) -> Outcome<(Taken<Stormer>, Taken<Me>)> {
    let observers = Me::of(people.get(..OBSERVERS).unwrap_or(people), address)?;
    let stormers: Vec<_> =
        (0..=u8::MAX).map(|number| Stormer::numbered(number, people)).collect::<Outcome<_>>()?;
    std::thread::scope(|scope| {
        let load = Load::closed_loop(address, lab.lasts);
        let storm = scope.spawn(move || load.put_on(stormers));
        let observed = Load { threads: 1, pace, ..load }.put_on(observers)?;
        let stormed = storm.join().map_err(|_| "the storm's generator died")??;
        Ok((stormed, observed))
    })
}

/// Measures the storm.
///
/// # Errors
/// When an answer is neither the right one nor an orderly refusal.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let server = lab.server("storm")?;
    let people = Person::sign_up_many(server.address, PEOPLE)?;
    let (mut stormed, mut paced, mut eager) = <(Stormed, Observed, Observed)>::default();
    let (mut peak, mut after) = (Series::default(), Series::default());
    for _ in lab.rounds("storm") {
        let (storm_taken, observed) = storm(lab, server.address, &people, Some(PACE))?;
        stormed.push(&storm_taken);
        paced.push(&observed);
        let (_, observed) = storm(lab, server.address, &people, None)?;
        eager.push(&observed);
        let memory = memory_of(server.pid())?;
        peak.push(memory.peak);
        after.push(memory.now);
    }
    server.stop()?;
    Ok(rows(stormed, paced, eager, peak, after))
}

fn rows(stormed: Stormed, paced: Observed, eager: Observed, peak: Series, after: Series) -> Vec<Row> {
    let below = |now, finally| Aim::Below { now, finally };
    vec![
        Row::new("storm of 256 sign-ins: `/me` p99, 8 paced connections", Unit::Millis, paced.p99)
            .aiming(below(25.0, 10.0)),
        Row::new("- `/me` p50, paced", Unit::Millis, paced.p50),
        Row::new("- `/me` p99, 8 connections in a closed loop", Unit::Millis, eager.p99)
            .aiming(below(25.0, 10.0)),
        Row::new("- `/me` p50, closed loop", Unit::Millis, eager.p50),
        Row::new("- peak memory of the server", Unit::Mib, peak)
            .aiming(Aim::NeverAbove { now: 120.0, finally: 100.0 }),
        Row::new("- memory just after", Unit::Mib, after),
        Row::new("- sign-ins", Unit::PerSecond, stormed.sign_ins),
        Row::new("- passwords judged, right or wrong", Unit::PerSecond, stormed.checked),
        Row::new("- p99 of a judged one", Unit::Millis, stormed.waited),
        Row::new("- refusals (503)", Unit::PerSecond, stormed.refused),
        Row::new("- p99 of a refusal", Unit::Millis, stormed.refused_after).aiming(below(100.0, 100.0)),
    ]
}

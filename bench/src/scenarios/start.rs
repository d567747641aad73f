//! Start and rest: how soon a fresh process answers, and what it holds when nobody asks.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::figures::Series;
use crate::lab::Lab;
use crate::machine::memory_of;
use crate::report::{Aim, Row, Unit};
use crate::scenarios::fsync::millis;
use crate::server::Server;

/// Starts of each kind.
const STARTS: usize = 10;
/// Servers that rest side by side.
const RESTING: usize = 3;
/// When resting memory is read, from the first answer on.
const LOOKS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(15)];

/// Measures starts and resting memory.
///
/// # Errors
/// When the program does not start or does not end in order.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    eprintln!(
        "start: {STARTS} starts of each kind, then {} s of rest",
        LOOKS.iter().max().map_or(0, Duration::as_secs)
    );
    let (mut fresh, mut again) = (Series::default(), Series::default());
    for turn in 0..STARTS {
        let name = format!("start-{turn}");
        for times in [&mut fresh, &mut again] {
            let server = lab.server(&name)?;
            times.push(millis(Some(server.started_in)));
            server.stop()?;
        }
    }
    let [early, late] = rest(lab)?;
    let start =
        |work, times| Row::new(work, Unit::Millis, times).aiming(Aim::Below { now: 100.0, finally: 50.0 });
    let idle =
        |work, memory| Row::new(work, Unit::Mib, memory).aiming(Aim::NeverAbove { now: 20.0, finally: 12.0 });
    Ok(vec![
        start("start to first answer, no data yet", fresh),
        start("start to first answer, data there", again),
        idle("idle memory, 3 s after the start", early),
        idle("idle memory, 15 s after the start", late),
    ])
}

fn rest(lab: &Lab) -> Outcome<[Series; 2]> {
    let servers: Vec<Server> =
        (0..RESTING).map(|number| lab.server(&format!("rest-{number}"))).collect::<Outcome<_>>()?;
    let begun = Instant::now();
    let mut seen = <[Series; 2]>::default();
    for (memory, at) in seen.iter_mut().zip(LOOKS) {
        std::thread::sleep(at.saturating_sub(begun.elapsed()));
        for server in &servers {
            memory.push(memory_of(server.pid())?.now);
        }
    }
    servers.into_iter().try_for_each(Server::stop)?;
    Ok(seen)
}

//! `POST /refresh` beside a sweep of a million sign-ins that are long over, against the same without one.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::Outcome;
use crate::figures::Series;
use crate::lab::Lab;
use crate::load::{Load, Taken};
use crate::report::{Aim, Row, Unit};
use crate::scenarios::me::Side;
use crate::scenarios::refresh::{Refresh, grow, sign_everybody_in};
use crate::server::Server;

/// Sign-ins that wait to be removed.
const OVER: usize = 1_000_000;
/// What makes the service sweep as soon as it can, and what keeps it from sweeping.
pub(crate) const SWEEPING: [&str; 2] = ["--cleanup-interval-minutes", "1"];
pub(crate) const QUIET: [&str; 2] = ["--cleanup-interval-minutes", "0"];
/// The first sweep begins a minute after the start, and up to a tenth later.
const BEGINS_WITHIN: Duration = Duration::from_secs(120);
/// Each client's turn where they leave the service time: 64 of them ask 1,280 times a second.
const PACE: Duration = Duration::from_millis(50);

/// Two services with the same rows, one of which sweeps. That one stands still unless it is its turn.
pub(crate) struct Pair {
    pub(crate) quiet: Server,
    pub(crate) sweeping: Server,
}

/// Measures refreshes beside a sweep, on SQLite.
///
/// # Errors
/// When a server can't be asked, a chain of refreshes breaks, or nothing is swept.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let (data, copy) = (lab.data_dir("swept"), lab.data_dir("unswept"));
    let server = lab.server("swept")?;
    let clients = sign_everybody_in(server.address)?;
    let database = data.join("countersign.db");
    server.stop()?;
    let held = held(&database)?;
    grow(&database, OVER)?;
    end_all_but(&held, &database)?;
    copy_files(&data, &copy)?;
    let pair =
        Pair { quiet: lab.server_with("unswept", &QUIET)?, sweeping: lab.server_with("swept", &SWEEPING)? };
    let due = || -> Outcome<u64> {
        let database = Connection::open(&database)?;
        database.busy_timeout(Duration::from_secs(60))?;
        let all = "SELECT count(*) FROM sign_ins WHERE sweep_day = 0";
        let due: i64 = database.query_row(all, [], |row| row.get(0))?;
        Ok(u64::try_from(due)?)
    };
    // Each has its own rows, and so its own chain of refreshes.
    let mut chains = [clients.clone(), clients];
    measure_pair(lab, "", pair, due, |is_sweeping, load| {
        let clients = chains.get_mut(usize::from(is_sweeping)).ok_or("two sides")?;
        let taken = load.put_on(std::mem::take(clients))?;
        clients.clone_from(&taken.scripts);
        Ok(taken)
    })
}

fn held(database: &Path) -> Outcome<Vec<i64>> {
    let database = Connection::open(database)?;
    let mut ids = database.prepare("SELECT id FROM sign_ins")?;
    Ok(ids.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Marks the sign-ins that no client holds as over since years.
fn end_all_but(held: &[i64], database: &Path) -> Outcome<()> {
    let database = Connection::open(database)?;
    database.busy_timeout(Duration::from_secs(60))?;
    database.execute_batch("CREATE TEMP TABLE held (id INTEGER PRIMARY KEY)")?;
    let ending = database.unchecked_transaction()?;
    {
        let mut keep = ending.prepare("INSERT INTO held VALUES (?1)")?;
        for id in held {
            keep.execute([id])?;
        }
    }
    let all = "UPDATE sign_ins SET expires_at = 0, ends_at = 0, sweep_day = 0 WHERE id NOT IN (SELECT id FROM held)";
    ending.execute(all, [])?;
    ending.commit()?;
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}

fn copy_files(from: &Path, to: &Path) -> Outcome<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Lets the clients refresh by turns at the quiet and at the sweeping service, without a pause and with some.
///
/// # Errors
/// When a server can't be asked, a chain of refreshes breaks, or nothing is swept.
pub(crate) fn measure_pair(
    lab: &Lab,
    prefix: &str,
    pair: Pair,
    due: impl Fn() -> Outcome<u64>,
    mut refresh: impl FnMut(bool, Load) -> Outcome<Taken<Refresh>>,
) -> Outcome<Vec<Row>> {
    let load = |server: &Server, pace: Option<Duration>, lasts: Duration| Load {
        pace,
        ..Load::closed_loop(server.address, lasts)
    };
    let all = due()?;
    let begun = Instant::now();
    eprintln!("waiting for the sweep to begin");
    while due()? >= all {
        if begun.elapsed() > BEGINS_WITHIN {
            return Err("no sweep began".into());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    refresh(false, load(&pair.quiet, None, lab.warm_up()))?;
    refresh(true, load(&pair.sweeping, None, lab.warm_up()))?;
    let (mut busy, mut calm) = <([Side; 2], [Side; 2])>::default();
    let mut swept = Series::default();
    pair.sweeping.stand_still()?;
    for round in lab.rounds("sweep") {
        // Whoever comes second finds the disk busy with what the first has left to it.
        let turns = if round.is_multiple_of(2) { [false, true] } else { [true, false] };
        for (sides, pace) in [(&mut busy, None), (&mut calm, Some(PACE))] {
            let [quiet, beside] = sides;
            for is_sweeping in turns {
                if !is_sweeping {
                    quiet.note(&refresh(false, load(&pair.quiet, pace, lab.lasts))?);
                    continue;
                }
                let before = due()?;
                pair.sweeping.go_on()?;
                let taken = refresh(true, load(&pair.sweeping, pace, lab.lasts))?;
                pair.sweeping.stand_still()?;
                let rows = before.saturating_sub(due()?);
                if rows == 0 {
                    return Err("nothing was swept meanwhile".into());
                }
                swept.push(rows as f64 / taken.lasted.as_secs_f64());
                beside.note(&taken);
            }
        }
    }
    pair.sweeping.go_on()?;
    pair.sweeping.stop()?;
    pair.quiet.stop()?;
    Ok(rows(prefix, busy, calm, swept))
}

fn rows(prefix: &str, busy: [Side; 2], calm: [Side; 2], swept: Series) -> Vec<Row> {
    let some = |what: &str, [quiet, beside]: [Side; 2]| {
        [
            Row::new(
                format!("{prefix}p99 of `POST /refresh` beside a sweep, {what}"),
                Unit::Millis,
                beside.p99,
            )
            .beside("no sweep", quiet.p99)
            .aiming(Aim::TimesTheFloor(2.0)),
            Row::new("- p50", Unit::Millis, beside.p50).beside("no sweep", quiet.p50),
            Row::new("- refreshes", Unit::PerSecond, beside.rates).beside("no sweep", quiet.rates),
        ]
    };
    some("64 connections without a pause", busy)
        .into_iter()
        .chain(some("1,280 a second", calm))
        .chain([Row::new(format!("{prefix}sign-ins swept meanwhile"), Unit::PerSecond, swept)])
        .collect()
}

//! `POST /refresh`: durable rotations, against the store's ceiling and HTTP's.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use crate::Outcome;
use crate::api::{Person, ask};
use crate::ceilings::hyper::BareHyper;
use crate::ceilings::sqlite::Grouped;
use crate::chain::Chain;
use crate::dice::Dice;
use crate::figures::Series;
use crate::lab::Lab;
use crate::load::{Load, Script, Verdict};
use crate::machine::{Meter, cores};
use crate::report::{Aim, Row, Unit};
use crate::scenarios::me::Side;
use crate::wire::Answer;

/// Connections.
const CLIENTS: usize = 64;
/// Sign-ins of each.
const SIGN_INS: usize = 32;
/// Sign-ins in the table, theirs among them: so many that the rows of one batch lie on pages of their own, as they do
/// in service.
const ROWS: usize = 1_000_000;

/// A client that refreshes one of its sign-ins after the other, each with its newest token.
#[derive(Debug, Clone)]
pub(crate) struct Refresh {
    chains: Vec<Chain>,
    chosen: usize,
    dice: Dice,
}

impl Refresh {
    /// A client with these sign-ins.
    pub(crate) fn of(number: usize, chains: Vec<Chain>) -> Self {
        Self { chains, chosen: 0, dice: Dice::of(number) }
    }
}

impl Script for Refresh {
    fn request(&self) -> &[u8] {
        self.chains.get(self.chosen).map_or(&[], Chain::request)
    }

    fn judge(&mut self, answer: &Answer<'_>) -> Verdict {
        let followed = self.chains.get_mut(self.chosen).is_some_and(|chain| chain.follow(answer));
        self.chosen = self.dice.throw(self.chains.len());
        if answer.status == 200 && followed { Verdict::Served } else { Verdict::Unexpected }
    }
}

/// A client for each of so many people who sign up.
///
/// # Errors
/// When a sign-up or a sign-in fails.
pub(crate) fn sign_everybody_in(address: SocketAddr) -> Outcome<Vec<Refresh>> {
    sign_in_all(&Person::sign_up_many(address, CLIENTS)?, address)
}

/// Signs each in as often as it takes, on all cores: each sign-in costs a password hash.
///
/// # Errors
/// When a sign-in fails.
pub(crate) fn sign_in_all(people: &[Person], address: SocketAddr) -> Outcome<Vec<Refresh>> {
    let client = |(number, person): (usize, &Person)| -> Outcome<Refresh> {
        let chain = |_| Ok(Chain::starting_with(&person.sign_in(address)?.refresh_token));
        Ok(Refresh::of(number, (0..SIGN_INS).map(chain).collect::<Outcome<_>>()?))
    };
    let numbered: Vec<_> = people.iter().enumerate().collect();
    let share = numbered.len().div_ceil(cores());
    std::thread::scope(|scope| {
        let parts: Vec<_> = numbered
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().copied().map(client).collect::<Outcome<Vec<_>>>()))
            .collect();
        let mut clients = Vec::with_capacity(people.len());
        for part in parts {
            clients.extend(part.join().map_err(|_| "a thread that signs in died")??);
        }
        Ok(clients)
    })
}

/// Adds sign-ins of somebody else's to the server's table, evenly among those that the clients hold: ids are ordered by
/// time, and in service others sign in between any two of one's own.
///
/// # Errors
/// When the database refuses them.
pub(crate) fn grow(database: &Path, rows: usize) -> Outcome<()> {
    let mut database = Connection::open(database)?;
    database.busy_timeout(Duration::from_secs(60))?;
    let (least, most): (i64, i64) =
        database
            .query_row("SELECT min(id), max(id) FROM sign_ins", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let step = ((most - least) / i64::try_from(rows)?).max(1);
    let filling = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut copy = filling.prepare(COPY)?;
        for id in (least..most).step_by(usize::try_from(step)?) {
            copy.execute([id, least])?;
        }
    }
    filling.commit()?;
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}

/// A sign-in like the first one, under another id; one that has the id already stays.
const COPY: &str = "
    INSERT INTO sign_ins (id, user_id, epoch, generation, current_hash, spendings, transport, created_at, last_used_at,
        expires_at, ends_at, sweep_day, user_agent, address)
    SELECT ?1, user_id, epoch, generation, randomblob(32), spendings, transport, created_at, last_used_at, expires_at,
        ends_at, sweep_day, user_agent, address
    FROM sign_ins WHERE id = ?2 ON CONFLICT DO NOTHING";

/// Measures `POST /refresh`.
///
/// # Errors
/// When the server can't be asked, or one chain of refreshes breaks.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let server = lab.server("refresh")?;
    let mut clients = sign_everybody_in(server.address)?;
    grow(&lab.data_dir("refresh").join("countersign.db"), ROWS)?;
    let first = clients.first_mut().ok_or("no clients")?;
    let sample = ask(server.address, first.request())?;
    if first.judge(&sample.answer()) != Verdict::Served {
        return Err(format!("the first refresh was answered with {}", sample.answer().status).into());
    }
    let bare = BareHyper::repeating(&sample.answer(), lab.dir())?;
    let mut grouped = Grouped::open(lab.dir(), CLIENTS, SIGN_INS, ROWS)?;
    clients = Load::closed_loop(server.address, lab.warm_up()).put_on(clients)?.scripts;
    grouped.rotate_all(lab.warm_up())?;
    let (mut subject, mut http) = <(Side, Side)>::default();
    let (mut store, mut store_cpu) = <(Series, Series)>::default();
    for _ in lab.rounds("refresh") {
        let meter = Meter::of_this_process()?;
        let rotated = grouped.rotate_all(lab.lasts)?;
        store_cpu.push(meter.micros_for_each(rotated.count)?);
        store.push(rotated.rate());
        // The bare server's answers are without consequence: the clients that hear them are thrown away.
        http.take(bare.pid(), Load::closed_loop(bare.address, lab.lasts), clients.clone())?;
        clients = subject.take(server.pid(), Load::closed_loop(server.address, lab.lasts), clients)?.scripts;
    }
    grouped.close()?;
    server.stop()?;
    Ok(rows(subject, http, store, store_cpu))
}

fn rows(subject: Side, http: Side, store: Series, store_cpu: Series) -> Vec<Row> {
    let row = |work| Row::new(work, Unit::PerSecond, subject.rates.clone());
    let lower = store.lower_of(&http.rates);
    // Durable and over HTTP on one set of cores: the times of both add up, so this is what a perfect service could do.
    let both = store.in_series_with(&http.rates);
    let rates = [
        row("durable `POST /refresh`, 64 connections, a million sign-ins")
            .beside("the lower of the next two", lower)
            .aiming(Aim::ShareOfCeiling { now: 0.50, finally: 0.75 }),
        row("- against the store").beside("grouped SQLite", store),
        row("- against HTTP").beside("bare hyper", http.rates.clone()),
        row("- against both in series").beside("SQLite and hyper on the same cores", both),
        Row::new("- processor time of the server", Unit::Micros, subject.cpu.clone())
            .beside("grouped SQLite with its clients", store_cpu),
    ];
    rates.into_iter().chain(subject.details("bare hyper", http)).collect()
}

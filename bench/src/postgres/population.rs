//! A database with as many users as wanted, each of them signed in, and the clients that speak for some of them.

use std::cell::RefCell;
use std::net::SocketAddr;

use crate::Outcome;
use crate::api::Person;
use crate::chain::Chain;
use crate::load::{Load, Taken};
use crate::machine::cores;
use crate::postgres::cluster::Postgres;
use crate::scenarios::me::Me;
use crate::scenarios::refresh::Refresh;
use crate::server::Server;

/// Connections.
pub(crate) const CLIENTS: usize = 64;
/// Users for whom each of them speaks, each with a sign-in of its own.
const EACH: usize = 15;
/// Users, and sign-ins, that clients hold the tokens of. They lie evenly among the others.
pub(crate) const HELD: usize = CLIENTS * EACH;

/// A populated database.
pub(crate) struct Population {
    /// Its name.
    pub(crate) database: &'static str,
    /// The sign-ins of nobody's client.
    pub(crate) others: Others,
    person: Person,
    askers: Vec<Me>,
    /// Taken out while they are at work: their tokens change.
    refreshers: RefCell<Vec<Refresh>>,
}

/// Sign-ins that no client holds: the one numbered n, from 1 to `count`, has the id `base + n * step`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Others {
    /// How many.
    pub(crate) count: i64,
    /// The id before the first.
    pub(crate) base: i64,
    /// From one to the next.
    pub(crate) step: i64,
}

impl Population {
    /// Populates an empty database with so many users and sign-ins, by a program that `start` starts on it.
    ///
    /// # Errors
    /// When the program or the database refuse anything.
    pub(crate) fn settle(
        postgres: &Postgres,
        database: &'static str,
        rows: usize,
        start: impl FnOnce() -> Outcome<Server>,
    ) -> Outcome<Self> {
        eprintln!("preparing {rows} users and sign-ins");
        postgres.run("postgres", &format!("CREATE DATABASE {database}"))?;
        let server = start()?;
        let person = Person::sign_up(server.address, 0)?;
        multiply_users(postgres, database, rows)?;
        let (refreshers, askers) = sign_in_some(&person, rows, server.address)?;
        server.stop()?;
        let others = multiply_sign_ins(postgres, database, rows)?;
        Ok(Self { database, others, person, askers, refreshers: RefCell::new(refreshers) })
    }

    /// Clients that ask `/me`, each for its users in turn.
    pub(crate) fn askers(&self) -> Vec<Me> {
        self.askers.clone()
    }

    /// People with passwords.
    pub(crate) fn people(&self, count: usize) -> Vec<Person> {
        (0..count).map(|number| self.person.numbered(number)).collect()
    }

    /// Clients that refresh, for a load whose answers are without consequence.
    pub(crate) fn copies(&self) -> Vec<Refresh> {
        self.refreshers.borrow().clone()
    }

    /// Lets the first `count` clients refresh.
    ///
    /// # Errors
    /// Whatever `put_on` returns. The chains are lost then, and the run has failed.
    pub(crate) fn refresh(
        &self,
        count: usize,
        put_on: impl FnOnce(Vec<Refresh>) -> Outcome<Taken<Refresh>>,
    ) -> Outcome<()> {
        let mut working = self.refreshers.take();
        let mut resting = working.split_off(count.min(working.len()));
        working = put_on(working)?.scripts;
        working.append(&mut resting);
        self.refreshers.replace(working);
        Ok(())
    }

    /// Unrecorded load of both kinds.
    ///
    /// # Errors
    /// As [`Load::put_on`].
    pub(crate) fn warm_up(&self, load: Load) -> Outcome<()> {
        load.put_on(self.askers())?;
        self.refresh(CLIENTS, |clients| load.put_on(clients))
    }
}

/// Makes so many of the one user, all with one password: what a sign-up costs is not asked here.
fn multiply_users(postgres: &Postgres, database: &str, rows: usize) -> Outcome<()> {
    let more = rows.saturating_sub(1);
    let sql = format!(
        "INSERT INTO users (id, username, username_key, password_hash, epoch, tokens_after, created_at)
         SELECT u.id + (n << 21), 'person-' || n, 'person-' || n, u.password_hash, u.epoch, u.tokens_after, u.created_at
         FROM (SELECT * FROM users LIMIT 1) u, generate_series(1, CAST({more} AS BIGINT)) n"
    );
    postgres.run(database, &sql).map(drop)
}

/// Signs those in that clients speak for, on all cores: each sign-in costs a password hash.
fn sign_in_some(person: &Person, rows: usize, address: SocketAddr) -> Outcome<(Vec<Refresh>, Vec<Me>)> {
    let distance = rows / HELD;
    let client = |number: usize| -> Outcome<(Refresh, Me)> {
        let people = (0..EACH).map(|at| person.numbered((number * EACH + at) * distance));
        let signed_in: Vec<_> = people.map(|person| person.sign_in(address)).collect::<Outcome<_>>()?;
        let chains = signed_in.iter().map(|one| Chain::starting_with(&one.refresh_token)).collect();
        let tokens = signed_in.into_iter().map(|one| one.access_token);
        Ok((Refresh::of(number, chains), Me::holding(number, tokens)))
    };
    let numbers: Vec<_> = (0..CLIENTS).collect();
    std::thread::scope(|scope| {
        let parts: Vec<_> = numbers
            .chunks(CLIENTS.div_ceil(cores()))
            .map(|part| scope.spawn(move || part.iter().copied().map(client).collect::<Outcome<Vec<_>>>()))
            .collect();
        let mut clients = Vec::with_capacity(CLIENTS);
        for part in parts {
            clients.extend(part.join().map_err(|_| "a thread that signs in died")??);
        }
        Ok(clients.into_iter().unzip())
    })
}

/// Signs everybody else in, as people do: in no order of their own, and between any two sign-ins of the clients. Then the
/// rows are laid in the order of their ids, since in service all of them had come in that order.
pub(crate) fn multiply_sign_ins(postgres: &Postgres, database: &str, rows: usize) -> Outcome<Others> {
    let number = |what: &str| postgres.number(database, &format!("SELECT {what} FROM sign_ins"));
    let (least, most, held) = (number("min(id)")?, number("max(id)")?, number("count(*)")?);
    let count = i64::try_from(rows)? - held;
    let others = Others { count, base: least, step: (most - least) / (count + 1) };
    let Others { base, step, .. } = others;
    postgres.run(
        database,
        &format!(
            "INSERT INTO sign_ins (id, user_id, epoch, generation, current_hash, successor_salt, spendings, transport,
                created_at, last_used_at, expires_at, ends_at, sweep_day, user_agent, address)
             SELECT {base} + u.n * {step}, u.id, u.epoch, 8, sha256(int8send(u.n)), sha256(int8send(u.n)),
                repeat(lpad(s.created_at::text, 13, '0'), 8), s.transport,
                s.created_at, s.last_used_at, s.expires_at, s.ends_at, s.sweep_day, s.user_agent, s.address
             FROM (SELECT * FROM sign_ins ORDER BY id LIMIT 1) s,
                (SELECT id, epoch, row_number() OVER (ORDER BY hashint8(id)) AS n FROM users
                 WHERE NOT EXISTS (SELECT FROM sign_ins WHERE user_id = users.id)) u
             ON CONFLICT DO NOTHING;
             CLUSTER users USING users_pkey;
             CLUSTER sign_ins USING sign_ins_pkey;
             VACUUM (ANALYZE);
             CHECKPOINT;"
        ),
    )?;
    // A few ids may have been taken.
    let (all, rows) = (number("count(*)")?, i64::try_from(rows)?);
    if !(rows - held..=rows).contains(&all) {
        return Err(format!("{all} sign-ins instead of {rows}").into());
    }
    Ok(others)
}

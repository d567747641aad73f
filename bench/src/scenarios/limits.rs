//! What the limits on guessing cost those who guess nothing: sign-ins, `/me` and `/refresh` with them and without.

use crate::Outcome;
use crate::api::Person;
use crate::figures::Series;
use crate::lab::Lab;
use crate::load::Load;
use crate::machine::Meter;
use crate::report::{Aim, Row, Unit};
use crate::scenarios::me::{Me, Side};
use crate::scenarios::refresh::{Refresh, sign_in_all};
use crate::scenarios::sign_in::{CLIENTS, SignIn};
use crate::server::Server;

/// People, each with sign-ins of their own.
const PEOPLE: usize = 64;
/// All of them sign up from one address.
const SIGN_UPS: [&str; 2] = ["--rate-limit-sign-up", "1000/1h"];

/// One of two services that differ in a setting.
struct Subject {
    server: Server,
    people: Vec<Person>,
    refreshers: Vec<Refresh>,
    sign_in: Side,
    beside_hashes: Series,
    me: Side,
    refresh: Side,
}

impl Subject {
    fn start(lab: &Lab, name: &str, limits: &str) -> Outcome<Self> {
        let words: Vec<&str> = ["--rate-limit", limits].into_iter().chain(SIGN_UPS).collect();
        let server = lab.server_with(name, &words)?;
        let people = Person::sign_up_many(server.address, PEOPLE)?;
        let refreshers = sign_in_all(&people, server.address)?;
        let (sign_in, beside_hashes, me, refresh) = Default::default();
        Ok(Self { server, people, refreshers, sign_in, beside_hashes, me, refresh })
    }

    fn sign_in(&mut self, lab: &Lab) -> Outcome<()> {
        let clients = self.people.iter().take(CLIENTS).map(SignIn::of).collect();
        let meter = Meter::beside_hashes(self.server.pid())?;
        let taken = self.sign_in.take(self.server.pid(), self.load(lab), clients)?;
        self.beside_hashes.push(meter.micros_for_each(taken.served.count())?);
        Ok(())
    }

    fn ask(&mut self, lab: &Lab) -> Outcome<()> {
        let clients = Me::of(&self.people, self.server.address)?;
        self.me.take(self.server.pid(), self.load(lab), clients).map(drop)
    }

    fn refresh(&mut self, lab: &Lab) -> Outcome<()> {
        let (load, clients) = (self.load(lab), std::mem::take(&mut self.refreshers));
        self.refreshers = self.refresh.take(self.server.pid(), load, clients)?.scripts;
        Ok(())
    }

    fn load(&self, lab: &Lab) -> Load {
        Load::closed_loop(self.server.address, lab.lasts)
    }
}

/// Measures the same with limits and without, by turns.
///
/// # Errors
/// When a server can't be asked, or an answer is not the one that is due.
pub(crate) fn measure(lab: &Lab) -> Outcome<Vec<Row>> {
    let mut with = Subject::start(lab, "limits", "on")?;
    let mut without = Subject::start(lab, "no-limits", "off")?;
    for round in lab.rounds("limits") {
        for step in [Subject::sign_in, Subject::ask, Subject::refresh] {
            // Whoever comes second finds the disk busy with what the first has left to it.
            let (first, second) =
                if round.is_multiple_of(2) { (&mut with, &mut without) } else { (&mut without, &mut with) };
            step(first, lab)?;
            step(second, lab)?;
        }
    }
    with.server.stop()?;
    without.server.stop()?;
    let rows = |work: &str, with: Side, without: Side| {
        [
            Row::new(format!("{work}, with limits on guessing"), Unit::PerSecond, with.rates)
                .beside("without", without.rates),
            Row::new("- processor time of the server", Unit::Micros, with.cpu).beside("without", without.cpu),
        ]
    };
    let whole = without.sign_in.cpu.clone();
    let with_added = whole.plus_step(&without.beside_hashes, &with.beside_hashes);
    let sign_in = rows(&format!("sign-ins, {CLIENTS} connections"), with.sign_in, without.sign_in);
    let alone = [
        Row::new("- of it beside the hashes", Unit::Micros, with.beside_hashes)
            .beside("without", without.beside_hashes),
        Row::new("- a sign-in without limits and what they add beside the hashes", Unit::Micros, with_added)
            .beside("without", whole)
            .aiming(Aim::TimesTheFloor(1.03)),
    ];
    let me = rows("`GET /me`, 64 connections", with.me, without.me);
    let refresh = rows("`POST /refresh`, 64 connections", with.refresh, without.refresh);
    Ok(sign_in.into_iter().chain(alone).chain(me).chain(refresh).collect())
}

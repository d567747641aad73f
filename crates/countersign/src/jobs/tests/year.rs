//! A year in fast motion: people come and go, sign in, refresh, mistype and leave, and the database stays flat.
//!
//! `COUNTERSIGN_TEST_YEAR=10000` does it with so many accounts.

use tokio::task::JoinSet;

use super::*;
use crate::audit::{About, Event};
use crate::refresh::{Presented, refresh};
use crate::sign_in::RefreshToken;

const FEW: usize = 15;
/// Days. The service does it every hour; here that would only take longer.
const SWEPT_EVERY: usize = 5;
/// Longer than anything is kept (90 days of audit, the longest sign-in), and as long again as it takes everybody to have
/// left once: the most that was there from then on is the measure.
const SETTLED: usize = 130;
const MEASURED: usize = SETTLED + 100;

/// Fewer than the store's queue takes.
const AT_ONCE: usize = 1_000;

struct Person {
    id: UserId,
    token: Option<RefreshToken>,
}

struct Year {
    service: TestService,
    people: Vec<Person>,
    day: usize,
}

/// What is there at the end of a day.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    users: i64,
    sign_ins: i64,
    events: i64,
    pages: i64,
}

impl Count {
    fn max(self, other: Self) -> Self {
        Self {
            users: self.users.max(other.users),
            sign_ins: self.sign_ins.max(other.sign_ins),
            events: self.events.max(other.events),
            pages: self.pages.max(other.pages),
        }
    }

    /// Within a tenth of what was measured before: not every day is the same.
    fn fits(self, measured: Self) -> bool {
        let pairs = [
            (self.users, measured.users),
            (self.sign_ins, measured.sign_ins),
            (self.events, measured.events),
            (self.pages, measured.pages),
        ];
        pairs.iter().all(|(now, then)| *now <= then + then / 10)
    }
}

impl Year {
    /// Whether this person does that today: each does it every so many days.
    fn is_due(&self, person: usize, every: usize) -> bool {
        (person + self.day).is_multiple_of(every)
    }

    async fn pass_a_day(&mut self) {
        self.service.advance(DAY);
        self.day += 1;
        self.change_some().await;
        let mut work = JoinSet::new();
        for place in 0..self.people.len() {
            let service = Countersign::clone(&self.service);
            let (user, token) = (self.people[place].id, self.people[place].token.clone());
            if self.is_due(place, 3) {
                work.spawn(async move { (place, Some(open(&service, user).await)) });
            } else if let Some(token) = token {
                work.spawn(async move { (place, Some(spend(&service, token).await)) });
            }
            if work.len() >= AT_ONCE {
                self.end(&mut work).await;
            }
        }
        self.end(&mut work).await;
        self.mistype().await;
        self.leave().await;
        if self.day.is_multiple_of(SWEPT_EVERY) {
            assert!(swept(&self.service).await.is_some());
        }
    }

    async fn end(&mut self, work: &mut JoinSet<(usize, Option<RefreshToken>)>) {
        while let Some(done) = work.join_next().await {
            let (place, token) = done.unwrap();
            self.people[place].token = token;
        }
    }

    /// One in a hundred deletes the account, and another one comes.
    async fn change_some(&mut self) {
        for place in 0..self.people.len() {
            if self.is_due(place, 100) {
                crate::operator::delete(&self.service, self.people[place].id).await.unwrap();
                self.people[place] = Person { id: user(&self.service).await, token: None };
            }
        }
    }

    async fn mistype(&self) {
        for (place, person) in self.people.iter().enumerate().filter(|(place, _)| self.is_due(*place, 2)) {
            let address = u32::try_from(place).unwrap();
            let about = About { address: Some(std::net::IpAddr::V4(address.into())), ..person.id.into() };
            self.service.record(Event::SignInFailed, about.because("wrong_password"));
            if place % AT_ONCE < 2 {
                self.service.flush_audit().await;
            }
        }
        self.service.flush_audit().await;
    }

    async fn leave(&mut self) {
        for place in 0..self.people.len() {
            if self.is_due(place, 12)
                && let Some(token) = self.people[place].token.take()
            {
                sign_in::end(&self.service, token.sign_in, EndReason::SignedOut).await.unwrap();
            }
        }
    }

    fn count(&self) -> Count {
        let file = self.service.folder().join("data/countersign.db");
        let database = rusqlite::Connection::open(file).unwrap();
        let number = |sql: &str| database.query_row(sql, [], |row| row.get(0)).unwrap();
        Count {
            users: number("SELECT count(*) FROM users"),
            sign_ins: number("SELECT count(*) FROM sign_ins"),
            events: number("SELECT count(*) FROM audit_events"),
            pages: number("PRAGMA page_count"),
        }
    }
}

/// In fast motion many ids are drawn in one millisecond, and now and then one twice.
async fn open(service: &Countersign, user: UserId) -> RefreshToken {
    loop {
        if let Some(token) = try_open(service, user).await {
            return token;
        }
    }
}

async fn try_open(service: &Countersign, user: UserId) -> Option<RefreshToken> {
    let client =
        Client { user_agent: Some("curl/8.5.0".to_owned()), address: None, transport: Transport::Cookie };
    let new = NewSignIn::draw(service, Proof { user, epoch: 0 }, client).unwrap();
    let token = new.token.clone();
    let about = About { sign_in: Some(token.sign_in), ..user.into() };
    let entry = service.entry(Event::SignIn, about.saying("curl 8.5"));
    let opened = service.store().write((new, entry), |tx, (new, entry)| {
        Box::pin(async move {
            let admission = sign_in::open(tx, new).await?;
            if admission == Admission::Opened {
                let _ = tx.file(entry).await?;
            }
            Ok(admission)
        })
    });
    let admission = opened.await.unwrap();
    assert_ne!(admission, Admission::ProofIsVoid);
    (admission == Admission::Opened).then_some(token)
}

async fn spend(service: &Countersign, token: RefreshToken) -> RefreshToken {
    let presented = Presented { token, transport: Transport::Cookie, retry_key: None, from: None };
    let tokens = refresh(service, &presented).await.unwrap();
    RefreshToken::recognise(service.refresh_keys(), &tokens.refresh_token).unwrap()
}

// The rests between batches pass at once; the commits don't.
#[tokio::test(start_paused = true)]
async fn a_year_leaves_the_database_flat() {
    let people = std::env::var("COUNTERSIGN_TEST_YEAR").map_or(FEW, |people| people.parse().unwrap());
    let mut year = Year { service: TestService::start().await, people: Vec::new(), day: 0 };
    for _ in 0..people {
        let id = user(&year.service).await;
        year.people.push(Person { id, token: None });
    }
    let mut measured = Count::default();
    for day in 1..=365 {
        year.pass_a_day().await;
        if day < SETTLED {
            continue;
        }
        let now = year.count();
        if day < MEASURED {
            measured = measured.max(now);
        }
        assert!(day < MEASURED || now.fits(measured), "day {day}: {now:?} has outgrown {measured:?}");
    }
    let people = i64::try_from(people).unwrap();
    let Count { users, sign_ins, events, pages } = measured;
    assert!(users <= people * 2 && sign_ins < people * 15 && events < people * 97, "{measured:?}");
    assert!(pages * 4_096 < (1 << 20) + people * (24 << 10), "{measured:?}");
}

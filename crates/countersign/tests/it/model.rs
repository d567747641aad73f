//! The sign-in as a state machine: random lives of real sign-ins against a model written from the contract. Code,
//! `session_ended`, cookie and challenge of every answer must be the model's.

mod law;
mod run;
mod world;

use std::cell::RefCell;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use law::Transport;
use run::Run;
use world::World;

/// Which refresh token of which sign-in; numbers wrap around, age 0 is the current one.
#[derive(Debug, Clone, Copy)]
pub struct Pick {
    sign_in: usize,
    age: usize,
}

#[derive(Debug, Clone, Copy)]
pub enum Key {
    None,
    /// The one that the token was spent with, if any.
    Same,
    Fresh(u8),
    TooShort,
}

/// What comes beside a current cookie, or what is presented instead of it.
#[derive(Debug, Clone, Copy)]
pub enum Stranger {
    /// One character is another one.
    Altered(usize),
    /// Of another service.
    Foreign,
    Garbage,
}

#[derive(Debug, Clone, Copy)]
pub enum Op {
    Refresh(Pick, Key),
    RefreshByTheOtherTransport(Pick),
    RefreshWithTwo(Pick, Pick, Key),
    RefreshBesideAStranger(Pick, Stranger),
    RefreshAStranger(Pick, Stranger),
    RefreshNothing,
    Use(Pick),
    SignIn(Transport),
    SignInOver(Pick),
    SignOut(Pick),
    SignOutWithAStranger(Pick, Stranger),
    SignOutEverywhere(Pick),
    ChangePassword(Pick),
    Disable,
    Enable,
    Advance(Duration),
    /// So many times a month less a day passes, and then the token is refreshed.
    LiveOn(Pick, usize),
    StepBack(Duration),
    Sweep,
    Restart,
}

fn pick() -> impl Strategy<Value = Pick> {
    let age = prop_oneof![6 => Just(0_usize), 4 => Just(1), 3 => 2..12_usize];
    (0..3_usize, age).prop_map(|(sign_in, age)| Pick { sign_in, age })
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![4 => Just(Key::None), 4 => Just(Key::Same), 4 => (0..3_u8).prop_map(Key::Fresh), 1 => Just(Key::TooShort)]
}

fn stranger() -> impl Strategy<Value = Stranger> {
    prop_oneof![(0..82_usize).prop_map(Stranger::Altered), Just(Stranger::Foreign), Just(Stranger::Garbage)]
}

/// Around every limit that the contract names, and nothing at all.
fn duration() -> impl Strategy<Value = Duration> {
    const DAY: u64 = 86_400_000;
    const LIMITS: [u64; 8] = [1_000, 10_000, 30_000, 600_000, DAY, 29 * DAY, 30 * DAY, 90 * DAY];
    let around = (select(&LIMITS[..]), -1..=1_i64).prop_map(|(limit, by)| limit.saturating_add_signed(by));
    prop_oneof![4 => 0..12_000_u64, 4 => around, 1 => 0..=91 * DAY].prop_map(Duration::from_millis)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        60 => (pick(), key()).prop_map(|(pick, key)| Op::Refresh(pick, key)),
        3 => pick().prop_map(Op::RefreshByTheOtherTransport),
        6 => (pick(), pick(), key()).prop_map(|(one, other, key)| Op::RefreshWithTwo(one, other, key)),
        3 => (pick(), stranger()).prop_map(|(pick, it)| Op::RefreshBesideAStranger(pick, it)),
        3 => (pick(), stranger()).prop_map(|(pick, it)| Op::RefreshAStranger(pick, it)),
        1 => Just(Op::RefreshNothing),
        12 => pick().prop_map(Op::Use),
        3 => select(&[Transport::Cookie, Transport::Body][..]).prop_map(Op::SignIn),
        1 => pick().prop_map(Op::SignInOver),
        2 => pick().prop_map(Op::SignOut),
        1 => (pick(), stranger()).prop_map(|(pick, it)| Op::SignOutWithAStranger(pick, it)),
        1 => pick().prop_map(Op::SignOutEverywhere),
        1 => pick().prop_map(Op::ChangePassword),
        1 => Just(Op::Disable),
        2 => Just(Op::Enable),
        22 => duration().prop_map(Op::Advance),
        3 => (pick(), 1..=4_usize).prop_map(|(pick, months)| Op::LiveOn(pick, months)),
        4 => duration().prop_map(Op::StepBack),
        4 => Just(Op::Sweep),
        2 => Just(Op::Restart),
    ]
}

/// `PROPTEST_CASES` raises it.
fn cases(usual: u32) -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.map_or(usual, |asked| asked.parse().expect("PROPTEST_CASES is a number"))
}

fn lives(grace: Duration, usual: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = RefCell::new(runtime.block_on(World::begin(grace)));
    let config = Config { cases: cases(usual), failure_persistence: None, ..Config::default() };
    let ops = proptest::collection::vec(op(), 1..80);
    let verdict = TestRunner::new(config).run(&ops, |ops| {
        runtime.block_on(Run::new(&mut world.borrow_mut(), grace).live(&ops)).map_err(TestCaseError::fail)
    });
    if let Err(failure) = verdict {
        panic!("{failure}");
    }
}

// SEC-43, SEC-45, SEC-46, SEC-47, SEC-48, SEC-49, SEC-50, SEC-51, SEC-57
#[test]
fn every_life_of_a_sign_in_is_as_the_contract_says() {
    lives(Duration::ZERO, 80);
}

// SEC-47
#[test]
fn with_a_grace_the_direct_predecessor_is_good_again_for_so_long_and_no_other() {
    lives(Duration::from_secs(30), 40);
}

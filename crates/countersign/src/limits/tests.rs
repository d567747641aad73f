mod flood;

use super::*;
use crate::settings::{RateLimits, Settings};
use crate::testing::TestService;
use flood::rows;

const MINUTE: Duration = Duration::from_secs(60);
const QUARTER: Duration = Duration::from_secs(15 * 60);
const YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

const fn rate(count: u32, period: Duration) -> Rate {
    Rate { count, period }
}

/// With room for so many wrong passwords; addresses and accounts stand in nobody's way.
async fn service_with(sign_in: u32) -> TestService {
    let wide = rate(1_000_000, QUARTER);
    let rate_limits = RateLimits {
        sign_in: rate(sign_in, QUARTER),
        sign_in_address: wide,
        sign_in_account: wide,
        ..RateLimits::default()
    };
    TestService::start_with(|settings| Settings { rate_limits, ..settings }).await
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

fn home() -> Option<IpAddr> {
    ip("192.0.2.1")
}

async fn wrong_at(service: &Countersign, name: &str, from: Option<IpAddr>, place: Place) -> Result<()> {
    let guess = begin_guess(service, name, from, place).await?;
    count_wrong(service, guess, About::default()).await
}

async fn wrong(service: &Countersign, name: &str, from: Option<IpAddr>) -> Result<()> {
    wrong_at(service, name, from, Place::Unknown).await
}

async fn right(service: &Countersign, name: &str, from: Option<IpAddr>, place: Place) -> Result<()> {
    let guess = begin_guess(service, name, from, place).await?;
    settle(service, guess).await
}

async fn settle(service: &Countersign, guess: Guess) -> Result<()> {
    let input = (guess.budgets.clone(), service.now());
    let steps = service
        .store()
        .write(input, |tx, (budgets, now)| Box::pin(async move { budgets.settle(tx, *now).await }));
    steps.await
}

/// How many wrong passwords are told to be wrong, before none is any more.
async fn told(service: &Countersign, name: &str, from: Option<IpAddr>) -> usize {
    let mut told = 0;
    while wrong(service, name, from).await.is_ok() {
        told += 1;
        assert!(told <= 1_000, "there is no limit");
    }
    told
}

fn wait(outcome: Result<()>) -> Duration {
    match outcome {
        Err(Error::RateLimited { retry_after }) => retry_after,
        other => panic!("not limited: {other:?}"),
    }
}

async fn counted(service: &Countersign, sql: &'static str) -> i64 {
    let steps = service
        .store()
        .read(sql, |tx, sql| Box::pin(async move { tx.one(sql, &[], |row| row.int(0)).await }));
    steps.await.unwrap().unwrap()
}

#[tokio::test]
async fn the_limits_are_those_of_the_contract() {
    let service = TestService::start().await;
    assert_eq!(told(&service, "ada", home()).await, 10, "of one account at one address");
    assert_eq!(told(&service, "eve", home()).await, 10);
    let mut of_address = 20;
    for number in 0..20 {
        of_address += told(&service, &format!("name-{number}"), home()).await;
    }
    assert_eq!(of_address, 100, "at one address");
    let mut of_account = 0;
    for number in 0..20 {
        of_account += told(&service, "bob", ip(&format!("198.51.100.{number}"))).await;
    }
    assert_eq!(of_account, 100, "of one account, at many addresses");
}

// SEC-25
#[tokio::test]
async fn after_the_time_that_the_refusal_names_there_is_room_and_not_before() {
    let service = service_with(3).await;
    wrong(&service, "ada", home()).await.unwrap();
    service.advance(MINUTE);
    assert_eq!(told(&service, "ada", home()).await, 2);
    let wait = wait(wrong(&service, "ada", home()).await);
    assert_eq!(wait, QUARTER - MINUTE);
    service.advance(wait - Duration::from_millis(1));
    assert_eq!(told(&service, "ada", home()).await, 0);
    service.advance(Duration::from_millis(1));
    assert_eq!(told(&service, "ada", home()).await, 3);
}

// SEC-18
#[tokio::test]
async fn a_name_is_counted_as_one_however_it_is_spelt_and_whether_it_exists_or_not() {
    let service = service_with(3).await;
    for spellings in
        [["ada", "ADA", "aDa", "Ada"], ["no such name", "No Such Name", "NO such name", "no Such name"]]
    {
        for name in &spellings[..3] {
            wrong(&service, name, home()).await.unwrap();
        }
        wait(wrong(&service, spellings[3], home()).await);
    }
    wrong(&service, "adaa", home()).await.unwrap();
}

// SEC-22
#[tokio::test]
async fn ipv6_is_counted_by_its_network_and_mapped_ipv4_as_ipv4() {
    let service = service_with(3).await;
    for address in ["2001:db8:1:2::1", "2001:db8:1:2:ffff::7", "2001:db8:1:2:3:4:5:6"] {
        wrong(&service, "ada", ip(address)).await.unwrap();
    }
    wait(wrong(&service, "ada", ip("2001:db8:1:2::9")).await);
    wrong(&service, "ada", ip("2001:db8:1:3::1")).await.unwrap();
    assert_eq!(told(&service, "ada", ip("::ffff:192.0.2.1")).await, 3);
    assert_eq!(told(&service, "ada", home()).await, 0);
}

// SEC-20
#[tokio::test]
async fn a_right_password_gives_back_what_its_account_used_and_nothing_of_the_addresses() {
    let rate_limits = RateLimits {
        sign_in: rate(3, QUARTER),
        sign_in_address: rate(7, QUARTER),
        sign_in_account: rate(4, QUARTER),
        ..RateLimits::default()
    };
    let service = TestService::start_with(|settings| Settings { rate_limits, ..settings }).await;
    for _ in 0..3 {
        for _ in 0..2 {
            wrong(&service, "ada", home()).await.unwrap();
        }
        right(&service, "ada", home(), Place::Unknown).await.unwrap();
    }
    wrong(&service, "ada", home()).await.unwrap();
    wait(wrong(&service, "ada", home()).await);
    wait(right(&service, "eve", home(), Place::Unknown).await);
    assert_eq!(told(&service, "eve", ip("192.0.2.2")).await, 3);
}

// SEC-21
#[tokio::test]
async fn nobody_can_use_up_the_allowance_of_a_known_device() {
    let service = TestService::start().await;
    let (user, device) = (UserId::from_i64(1), Place::Device(UserId::from_i64(1), [1; 16]));
    for number in 0..20 {
        told(&service, "ada", ip(&format!("198.51.100.{number}"))).await;
    }
    for name in 0..20 {
        told(&service, &format!("name-{name}"), home()).await;
    }
    wait(right(&service, "ada", ip("203.0.113.9"), Place::Unknown).await);
    wait(right(&service, "bob", home(), Place::Unknown).await);
    right(&service, "ada", home(), device).await.unwrap();
    for _ in 0..10 {
        wrong_at(&service, "ada", home(), device).await.unwrap();
    }
    wait(right(&service, "ada", home(), device).await);
    right(&service, "ada", home(), Place::Device(user, [2; 16])).await.unwrap();
}

// SEC-11
#[tokio::test]
async fn what_is_wrong_in_a_sign_in_counts_at_its_address_too() {
    let service = service_with(5).await;
    let place = Place::SignIn(SignInId::from_i64(1));
    for _ in 0..2 {
        wrong_at(&service, "ada", home(), place).await.unwrap();
    }
    assert_eq!(told(&service, "ada", home()).await, 3);
    for _ in 0..3 {
        wrong_at(&service, "ada", home(), place).await.unwrap();
    }
    assert_eq!(wait(wrong_at(&service, "ada", home(), place).await), QUARTER);
}

#[tokio::test]
async fn without_an_address_the_account_alone_is_counted() {
    let service = service_with(3).await;
    assert_eq!(told(&service, "ada", None).await, 3);
    assert_eq!(told(&service, "eve", None).await, 3);
}

#[tokio::test]
async fn where_limits_are_off_nothing_is_counted() {
    let rate_limits = RateLimits { on: false, ..RateLimits::default() };
    let service = TestService::start_with(|settings| Settings { rate_limits, ..settings }).await;
    for _ in 0..200 {
        wrong(&service, "ada", home()).await.unwrap();
        begin_sign_up(&service, home()).await.unwrap();
    }
    assert_eq!(rows(&service).await, 0);
}

/// Two hundred guesses that nobody had counted when they began, half of them on each of two nodes, decided at once.
async fn storm(first: &Countersign, second: &Countersign, guesses: usize) -> usize {
    let mut deciding = tokio::task::JoinSet::new();
    for number in 0..guesses {
        let node = if number % 2 == 0 { first.clone() } else { second.clone() };
        let budgets = Budgets::of_guess(&node, "ada", home(), Place::Unknown);
        let guess = Guess { budgets, ..Guess::default() };
        deciding.spawn(async move { count_wrong(&node, guess, About::default()).await.is_ok() });
    }
    deciding.join_all().await.into_iter().filter(|told| *told).count()
}

// SEC-19
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_parallel_guesses_on_two_nodes_each_is_counted_once_and_none_is_told_too_much() {
    let wide = service_with(1_000).await;
    assert_eq!(storm(&wide, &wide.second_node().await, 200).await, 200);
    assert_eq!(counted(&wide, "SELECT max(used) FROM rate_limits").await, 200);
    assert_eq!(counted(&wide, "SELECT min(used) FROM rate_limits").await, 200);
    let narrow = service_with(25).await;
    assert_eq!(storm(&narrow, &narrow.second_node().await, 200).await, 25);
    assert_eq!(counted(&narrow, "SELECT max(used) FROM rate_limits").await, 25, "a refusal uses nothing");
    assert_eq!(rows(&narrow).await, 3);
}

// SEC-23
#[tokio::test]
async fn a_right_password_comes_too_late_when_others_have_used_up_the_budget_meanwhile() {
    let service = service_with(3).await;
    let late = begin_guess(&service, "ada", home(), Place::Unknown).await.unwrap();
    let elsewhere = service.second_node().await;
    assert_eq!(told(&elsewhere, "ada", home()).await, 3);
    assert_eq!(wait(settle(&service, late).await), QUARTER);
    assert_eq!(told(&service, "ada", home()).await, 0, "and it gave nothing back");
}

#[tokio::test]
async fn guesses_that_could_not_be_answered_any_more_wait_for_those_under_way() {
    let service = service_with(2).await;
    let first = begin_guess(&service, "ada", home(), Place::Unknown).await.unwrap();
    let second = begin_guess(&service, "ada", home(), Place::Unknown).await.unwrap();
    let third = begin_guess(&service, "ada", home(), Place::Unknown);
    let decided = async {
        settle(&service, first).await.unwrap();
        count_wrong(&service, second, About::default()).await.unwrap();
    };
    let (third, ()) = tokio::join!(third, decided);
    let (third, fourth) = (third.unwrap(), begin_guess(&service, "ada", home(), Place::Unknown));
    let (fourth, counted) = tokio::join!(fourth, count_wrong(&service, third, About::default()));
    counted.unwrap();
    assert!(matches!(fourth, Err(Error::RateLimited { .. })));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_others_for_ever() {
    let service = service_with(1).await;
    let _under_way = begin_guess(&service, "ada", home(), Place::Unknown).await.unwrap();
    let second = begin_guess(&service, "ada", home(), Place::Unknown).await;
    assert!(matches!(second, Err(Error::Overloaded { .. })));
}

// SEC-24
#[tokio::test]
async fn a_restart_gives_nothing_back() {
    let service = service_with(3).await;
    assert_eq!(told(&service, "ada", home()).await, 3);
    service.shut_down().await;
    let restarted = service.second_node().await;
    assert_eq!(told(&restarted, "ada", home()).await, 0);
    service.advance(QUARTER);
    assert_eq!(told(&restarted, "ada", home()).await, 3);
}

// SEC-24
#[tokio::test]
async fn a_clock_that_is_set_back_blocks_for_a_period_at_most_and_gives_nothing_back() {
    for step in [MINUTE, 4 * QUARTER, YEARS] {
        let service = service_with(3).await;
        assert_eq!(told(&service, "ada", home()).await, 3);
        service.clock.step_back(step);
        assert_eq!(wait(wrong(&service, "ada", home()).await), QUARTER, "{step:?}");
        let restarted = service.second_node().await;
        assert_eq!(told(&restarted, "ada", home()).await, 0);
        service.advance(QUARTER);
        assert_eq!(told(&restarted, "ada", home()).await, 3, "{step:?}");
    }
}

#[tokio::test]
async fn a_window_that_was_opened_before_the_clock_was_set_back_is_cut_short_by_the_next_guess() {
    let service = service_with(3).await;
    wrong(&service, "ada", home()).await.unwrap();
    service.clock.step_back(YEARS);
    assert_eq!(told(&service, "ada", home()).await, 2, "what was used stays used");
    service.advance(QUARTER);
    assert_eq!(told(&service, "ada", home()).await, 3);
}

#[tokio::test]
async fn a_clock_that_is_set_forward_ends_every_window_and_breaks_none() {
    let service = service_with(3).await;
    assert_eq!(told(&service, "ada", home()).await, 3);
    service.advance(YEARS);
    assert_eq!(told(&service, "ada", home()).await, 3);
    service.clock.step_back(YEARS);
    assert_eq!(wait(wrong(&service, "ada", home()).await), QUARTER);
}

#[tokio::test]
async fn sign_ups_that_did_not_happen_are_not_counted() {
    let rate_limits = RateLimits { sign_up: rate(2, QUARTER), ..RateLimits::default() };
    let service = TestService::start_with(|settings| Settings { rate_limits, ..settings }).await;
    let sign_up = async |undo: bool| {
        let input = (begin_sign_up(&service, home()).await?, service.now(), undo);
        let steps = service.store().write(input, |tx, (budgets, now, undo)| {
            Box::pin(async move {
                budgets.spend(tx, *now).await?;
                if *undo { Err(Error::NotFound) } else { Ok(()) }
            })
        });
        steps.await
    };
    for _ in 0..5 {
        assert!(matches!(sign_up(true).await, Err(Error::NotFound)));
    }
    sign_up(false).await.unwrap();
    sign_up(false).await.unwrap();
    assert_eq!(wait(sign_up(false).await), QUARTER);
    begin_sign_up(&service, ip("192.0.2.2")).await.unwrap();
}

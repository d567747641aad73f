//! What is remembered of an issuer, and how many who wait share one question.

use countersign_testbed::{Issuer, Misbehaviour, SigningAlgorithm, Twist};
use std::sync::Arc;
use tokio::task::JoinSet;

use super::*;

const DISCOVERY: &str = "/.well-known/openid-configuration";

fn issuer() -> Issuer {
    Issuer::start_with(SigningAlgorithm::EdDsa)
}

#[tokio::test]
async fn sixty_four_who_come_at_once_share_one_question() {
    let issuer = issuer();
    let trip = Arc::new(Trip::to(&issuer));
    let mut trips = JoinSet::new();
    for _ in 0..64 {
        let trip = Arc::clone(&trip);
        trips.spawn(async move { trip.whole().await.unwrap() });
    }
    assert_eq!(trips.join_all().await.len(), 64);
    assert_eq!((issuer.requests(DISCOVERY), issuer.requests("/jwks")), (1, 1));
}

#[tokio::test]
async fn those_who_wait_share_a_failure_too_and_nobody_later() {
    let issuer = issuer();
    issuer.misbehave(DISCOVERY, Some(Misbehaviour::Silent));
    let trip = Arc::new(Trip::to(&issuer));
    let mut trips = JoinSet::new();
    for _ in 0..64 {
        let trip = Arc::clone(&trip);
        trips.spawn(async move { trip.whole().await.unwrap_err() });
    }
    assert!(trips.join_all().await.iter().all(|fault| fault.word() == "unavailable"));
    assert_eq!(issuer.requests(DISCOVERY), 1);
    issuer.behave();
    assert!(trip.whole().await.is_ok());
    assert_eq!(issuer.requests(DISCOVERY), 2);
}

// SEC-91
#[tokio::test]
async fn a_new_key_is_found_in_the_middle_of_a_sign_in() {
    let issuer = issuer();
    let trip = Trip::to(&issuer);
    trip.whole().await.unwrap();
    let brought = trip.browse().await.unwrap();
    issuer.rotate_key();
    assert!(trip.redeem(&brought).await.is_ok());
    assert_eq!(issuer.requests("/jwks"), 2);
    // A second new key within a minute has to wait.
    issuer.rotate_key();
    assert_eq!(trip.whole().await.unwrap_err().word(), "unknown_key");
    assert_eq!(issuer.requests("/jwks"), 2);
    issuer.set_time_offset(60);
    trip.clock.advance(Duration::from_secs(60));
    assert!(trip.whole().await.is_ok());
    assert_eq!(issuer.requests("/jwks"), 3);
}

#[tokio::test]
async fn made_up_keys_have_the_issuer_asked_once_a_minute() {
    let issuer = issuer();
    let trip = Arc::new(Trip::to(&issuer));
    trip.whole().await.unwrap();
    issuer.set_twist(Some(Twist::UnknownKey));
    let mut trips = JoinSet::new();
    for _ in 0..32 {
        let trip = Arc::clone(&trip);
        trips.spawn(async move { trip.whole().await.unwrap_err() });
    }
    assert!(trips.join_all().await.iter().all(|fault| fault.word() == "unknown_key"));
    assert_eq!(issuer.requests("/jwks"), 2);
}

/// Without key ids a new key shows by a signature that fails.
#[tokio::test]
async fn a_new_key_without_an_id_is_found_too() {
    let issuer = issuer();
    issuer.set_twist(Some(Twist::NoKeyIds));
    let trip = Trip::to(&issuer);
    trip.whole().await.unwrap();
    issuer.rotate_key();
    assert!(trip.whole().await.is_ok());
    assert_eq!(issuer.requests("/jwks"), 2);
}

#[tokio::test]
async fn a_clock_that_is_set_back_keeps_nothing_for_ever() {
    let issuer = issuer();
    let trip = Trip::to(&issuer);
    trip.whole().await.unwrap();
    trip.clock.step_back(Duration::from_secs(86_400));
    issuer.set_time_offset(-86_400);
    assert!(trip.whole().await.is_ok());
    assert_eq!((issuer.requests(DISCOVERY), issuer.requests("/jwks")), (2, 2));
}

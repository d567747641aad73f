use std::time::Duration;

use super::*;
use crate::testing::TestService;

const DAY: Duration = Duration::from_secs(86_400);

/// A user without a password, and as many sign-ins as asked for.
async fn seed(service: &Countersign, many: usize) -> (UserId, Vec<RefreshToken>) {
    let user = UserId::fresh(service.now());
    let seeded = service.store().write(user, |tx, user| {
        Box::pin(async move {
            let sql = "INSERT INTO users (id, username, username_key, epoch, tokens_after, created_at)
                       VALUES ($1, $2, $2, 0, 0, 1)";
            let name = user.as_i64().to_string();
            tx.execute(sql, &[(*user).into(), (&name).into()]).await
        })
    });
    seeded.await.unwrap();
    let mut tokens = Vec::new();
    for _ in 0..many {
        let (admission, token) = try_open(service, Proof { user, epoch: 0 }).await;
        assert_eq!(admission, Admission::Opened);
        tokens.push(token);
    }
    (user, tokens)
}

async fn try_open(service: &Countersign, proof: Proof) -> (Admission, RefreshToken) {
    let client = Client { user_agent: None, address: None, transport: Transport::Cookie };
    let new = NewSignIn::draw(service, proof, client).unwrap();
    let token = new.token.clone();
    let opened = service.store().write(new, |tx, new| Box::pin(async move { open(tx, new).await }));
    (opened.await.unwrap(), token)
}

async fn states(service: &Countersign, user: UserId) -> Vec<State> {
    list(service, user).await.unwrap().into_iter().map(|sign_in| sign_in.state).collect()
}

// SEC-38, SEC-48
#[tokio::test]
async fn a_proof_of_a_former_epoch_opens_nothing() {
    let service = TestService::start().await;
    let (user, _) = seed(&service, 0).await;
    end_all(&service, user, EndReason::PasswordChanged).await.unwrap();
    assert_eq!(try_open(&service, Proof { user, epoch: 0 }).await.0, Admission::ProofIsVoid);
    assert_eq!(try_open(&service, Proof { user, epoch: 1 }).await.0, Admission::Opened);
}

#[tokio::test]
async fn ending_all_says_why_and_leaves_what_had_ended_before() {
    let service = TestService::start().await;
    let (user, tokens) = seed(&service, 2).await;
    let first = tokens[0].sign_in;
    assert!(end(&service, first, EndReason::SignedOut).await.unwrap());
    assert!(!end(&service, first, EndReason::Operator).await.unwrap(), "it had ended before");
    end_all(&service, user, EndReason::SignedOutEverywhere).await.unwrap();
    let at = service.now();
    let mut found = states(&service, user).await;
    found.sort_by_key(|state| format!("{state:?}"));
    let ended = |why| State::Ended { at, why };
    assert_eq!(found, [ended(EndReason::SignedOut), ended(EndReason::SignedOutEverywhere)]);
}

// SEC-109
#[tokio::test]
async fn the_sweep_removes_a_sign_in_a_day_past_its_end_and_no_sooner() {
    let service = TestService::start().await;
    let (user, tokens) = seed(&service, 3).await;
    end(&service, tokens[0].sign_in, EndReason::SignedOut).await.unwrap();
    let mut removed = Vec::new();
    for _ in 0..34 {
        service.advance(DAY);
        removed.push(sweep(&service, 100).await.unwrap().removed);
    }
    // The ended one goes after its day, the two others after thirty days of silence and a day.
    let days: Vec<usize> = (0..removed.len()).filter(|day| removed[*day] > 0).collect();
    assert_eq!((removed.iter().sum::<u64>(), days.len()), (3, 2), "{removed:?}");
    assert!((1..=2).contains(&days[0]) && (30..=32).contains(&days[1]), "{days:?}");
    assert_eq!(states(&service, user).await, []);
}

#[tokio::test]
async fn the_backlog_is_what_the_sweep_will_look_at_and_is_counted_no_further_than_asked() {
    let service = TestService::start().await;
    seed(&service, 3).await;
    assert_eq!(backlog(&service, 10).await.unwrap(), 0);
    service.advance(33 * DAY);
    assert_eq!((backlog(&service, 10).await.unwrap(), backlog(&service, 2).await.unwrap()), (3, 2));
    assert_eq!(sweep(&service, 10).await.unwrap().seen, 3);
    assert_eq!(backlog(&service, 10).await.unwrap(), 0);
}

#[tokio::test]
async fn the_sweep_files_a_refreshed_sign_in_under_a_later_day_and_sees_it_no_more() {
    let service = TestService::start().await;
    let (user, _) = seed(&service, 1).await;
    let later = service.now().plus(40 * DAY).as_millis();
    let moved = service.store().write(later, |tx, later| {
        Box::pin(async move { tx.execute("UPDATE sign_ins SET expires_at = $1", &[(*later).into()]).await })
    });
    moved.await.unwrap();
    service.advance(33 * DAY);
    assert_eq!(sweep(&service, 100).await.unwrap(), Swept { seen: 1, removed: 0 });
    assert_eq!(sweep(&service, 100).await.unwrap(), Swept { seen: 0, removed: 0 });
    assert_eq!(states(&service, user).await, [State::Live]);
}

#[tokio::test]
async fn a_sweep_looks_at_no_more_rows_than_its_batch() {
    let service = TestService::start().await;
    seed(&service, 5).await;
    service.advance(100 * DAY);
    let seen: Vec<u64> = [
        sweep(&service, 2).await.unwrap().removed,
        sweep(&service, 2).await.unwrap().removed,
        sweep(&service, 2).await.unwrap().removed,
    ]
    .into();
    assert_eq!(seen, [2, 2, 1]);
}

#[test]
fn every_reason_and_transport_has_one_word() {
    for reason in EndReason::ALL {
        assert_eq!(EndReason::from_word(reason.word()).unwrap(), reason);
    }
    for transport in [Transport::Cookie, Transport::Body] {
        assert_eq!(Transport::from_word(transport.word()).unwrap(), transport);
    }
    assert!(EndReason::from_word("bored").is_err());
    assert!(Transport::from_word("pigeon").is_err());
}

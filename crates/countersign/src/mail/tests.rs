use std::os::unix::fs::PermissionsExt as _;

use countersign_testbed::{MailServer, Mood};

use super::*;
use crate::error::FieldErrors;
use crate::jobs::{Mails, send_mails};
use crate::names::Email;
use crate::operator::{self, mails, retry_mails};
use crate::secret::SecretString;
use crate::service::Countersign;
use crate::testing::{TestService, token_in};
use crate::user::{NewUser, User, sign_up};

mod templates;

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn ada(service: &Countersign, email: &str) -> User {
    let password = Some(SecretString::from("correct horse battery"));
    let new =
        NewUser::judge(service.rules(), Some("ada"), Some(email), password, FieldErrors::new()).unwrap();
    let user = sign_up(service, new, None).await.unwrap();
    let input = (user.id, email.to_owned(), service.now());
    let set = service.store().write(input, |tx, (id, email, now)| {
        Box::pin(async move { tx.set_verified_email(*id, 0, email, *now).await })
    });
    set.await.unwrap();
    user
}

async fn notify(service: &Countersign, user: &User, kind: Kind) {
    let notice = service.mailer().notice(kind, user.id, &[("username", &user.username)]).unwrap();
    let queued =
        service.store().write(notice, |tx, notice| Box::pin(async move { tx.queue_notice(notice).await }));
    queued.await.unwrap();
}

async fn send(service: &Countersign) -> Mails {
    send_mails(service).await.unwrap()
}

fn sent(sent: u64) -> Mails {
    Mails { sent, ..Mails::default() }
}

fn postponed(postponed: u64) -> Mails {
    Mails { postponed, ..Mails::default() }
}

/// A service with a mail server of its own, and an account with a confirmed address.
async fn with_server() -> (TestService, MailServer, User) {
    let server = MailServer::start();
    let url = SecretString::from(server.url());
    let service = TestService::start_with(|settings| Settings { mail_url: Some(url), ..settings }).await;
    let user = ada(&service, "ada@b\u{fc}cher.example").await;
    (service, server, user)
}

#[tokio::test]
async fn a_mail_has_two_parts_a_sender_and_a_name_of_its_own() {
    let (service, server, user) = with_server().await;
    notify(&service, &user, Kind::PasswordChanged).await;
    assert_eq!(send(&service).await, sent(1));
    let mail = server.received().remove(0);
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("no-reply@localhost", ["ada@xn--bcher-kva.example".into()].as_slice())
    );
    assert_eq!(mail.header("Subject"), Some("Your password for localhost was changed"));
    assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
    assert_eq!(mail.header("Content-Language"), Some("en"));
    assert_eq!(mail.header("Date"), Some("Tue, 24 Nov 2026 09:30:00 +0000"));
    assert!(mail.header("Message-ID").unwrap().ends_with(".password_changed@localhost>"));
    assert!(mail.header("Content-Type").unwrap().starts_with("multipart/alternative"), "{}", mail.data);
    assert!(
        mail.data.contains("was changed at 2026-11-24 09:30 UTC") && mail.data.contains("<html lang=\"en\">")
    );
    assert_eq!(send(&service).await, sent(0));
    assert_eq!(mails(&service, None, 10).await.unwrap(), [], "nothing of it is kept");
}

// SEC-80
#[tokio::test]
async fn nobody_is_told_at_an_address_that_is_not_confirmed() {
    let (service, server, user) = with_server().await;
    let sql = service.store().write(user.id, |tx, id| {
        Box::pin(async move {
            let words = crate::user::NewWords { id: *id, epoch: 0, username: None, email: Some(None) };
            tx.set_words(&words).await
        })
    });
    sql.await.unwrap();
    notify(&service, &user, Kind::PasswordChanged).await;
    assert_eq!((send(&service).await, server.connections()), (sent(0), 0));
}

#[tokio::test]
async fn what_the_server_puts_off_is_sent_later_and_once() {
    for mood in [Mood::Down, Mood::Greylisting, Mood::HangingInData, Mood::Slow(Duration::from_secs(2))] {
        let (service, server, user) = with_server().await;
        notify(&service, &user, Kind::PasswordChanged).await;
        server.set_mood(mood);
        assert_eq!(send(&service).await, postponed(1), "{mood:?}");
        let waiting = mails(&service, None, 10).await.unwrap().remove(0);
        assert_eq!((waiting.attempts, waiting.failed_at), (1, None));
        assert!(waiting.last_error.is_some() && waiting.due_at > service.now(), "{waiting:?}");
        server.set_mood(Mood::Good);
        assert_eq!(send(&service).await, sent(0), "not at once");
        service.advance(Duration::from_secs(23));
        assert_eq!(send(&service).await, sent(1), "{mood:?}");
        assert_eq!(server.received().len(), 1, "{mood:?}");
    }
}

/// SMTP can't tell whether a mail was taken when the connection breaks after it: the name tells the two copies to be one.
#[tokio::test]
async fn a_mail_whose_receipt_was_lost_comes_again_under_the_same_name() {
    let (service, server, user) = with_server().await;
    notify(&service, &user, Kind::PasswordChanged).await;
    server.set_mood(Mood::BreakingAfterData);
    assert_eq!(send(&service).await, postponed(1));
    server.set_mood(Mood::Good);
    service.advance(HOUR);
    assert_eq!(send(&service).await, sent(1));
    let names: Vec<_> =
        server.received().iter().map(|mail| mail.header("Message-ID").unwrap().to_owned()).collect();
    assert_eq!(names.len(), 2);
    assert_eq!(names[0], names[1]);
}

#[tokio::test]
async fn pauses_grow_and_a_notice_is_given_up_after_three_days() {
    let (service, server, user) = with_server().await;
    notify(&service, &user, Kind::PasswordChanged).await;
    server.set_mood(Mood::Greylisting);
    let (mut last, mut tries) = (Duration::ZERO, 0);
    loop {
        let outcome = send(&service).await;
        if outcome.failed == 1 {
            break;
        }
        assert_eq!(outcome, postponed(1));
        let waiting = mails(&service, None, 10).await.unwrap().remove(0);
        let pause = waiting.due_at.since(service.now());
        assert!(pause >= last.min(HOUR) && pause <= HOUR * 3 / 2, "{pause:?} after {last:?}");
        (last, tries) = (pause, tries + 1);
        service.advance(pause);
    }
    assert!((50..100).contains(&tries), "{tries}");
    let failed = mails(&service, None, 10).await.unwrap().remove(0);
    assert_eq!(failed.last_error.as_deref(), Some("it could not be sent in time"));
}

#[tokio::test]
async fn a_mail_that_is_refused_for_ever_waits_for_the_operator() {
    let (service, server, user) = with_server().await;
    notify(&service, &user, Kind::PasswordChanged).await;
    server.set_mood(Mood::Refusing);
    assert_eq!(send(&service).await, Mails { failed: 1, ..Mails::default() });
    service.advance(HOUR * 24);
    assert_eq!(send(&service).await, sent(0), "nobody tries any more");
    let failed = mails(&service, None, 10).await.unwrap().remove(0);
    assert!(failed.failed_at.is_some() && failed.last_error.unwrap().contains("550"));
    server.set_mood(Mood::Good);
    assert_eq!(retry_mails(&service, Some(MailId::from_i64(1))).await.unwrap(), 0, "another one");
    assert_eq!(retry_mails(&service, Some(failed.id)).await.unwrap(), 1);
    assert_eq!((send(&service).await, server.received().len()), (sent(1), 1));
}

#[tokio::test]
async fn a_failed_mail_is_kept_for_two_weeks() {
    let (service, server, user) = with_server().await;
    notify(&service, &user, Kind::PasswordChanged).await;
    server.set_mood(Mood::Refusing);
    send(&service).await;
    service.advance(KEPT_FAILED);
    assert_eq!(service.mailer().backlog(10).await.unwrap(), 0);
    service.advance(Duration::from_millis(1));
    assert_eq!(
        (service.mailer().backlog(10).await.unwrap(), service.mailer().sweep(10).await.unwrap()),
        (1, 1)
    );
    assert_eq!(mails(&service, None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn credentials_that_the_server_does_not_take_are_the_operators_to_mend_and_no_mails_end() {
    let server = MailServer::start();
    server.set_mood(Mood::Distrustful);
    let url = server.url().replace("smtp://", "smtp://us%40er:pass@");
    let service =
        TestService::start_with(|settings| Settings { mail_url: Some(SecretString::from(url)), ..settings })
            .await;
    let user = ada(&service, "ada@example.com").await;
    notify(&service, &user, Kind::PasswordChanged).await;
    assert_eq!(send(&service).await, postponed(1));
    let to = Email::parse("me@example.com").unwrap();
    let refused = operator::test_mail(&service, &to).await.unwrap_err();
    assert!(refused.contains("535"), "{refused}");
    server.set_mood(Mood::Good);
    operator::test_mail(&service, &to).await.unwrap();
    service.advance(HOUR);
    assert_eq!(send(&service).await, sent(1));
    assert_eq!(server.received()[0].header("Subject"), Some("A test mail from localhost"));
}

#[tokio::test]
async fn of_two_nodes_each_mail_is_sent_by_one() {
    const MAILS: u64 = 40;
    let (service, server, user) = with_server().await;
    let other = service.second_node().await;
    for _ in 0..MAILS {
        notify(&service, &user, Kind::PasswordChanged).await;
    }
    let (one, two) = tokio::join!(send(&service), send(&other));
    assert_eq!(one.sent + two.sent, MAILS);
    let mut names: Vec<_> =
        server.received().iter().map(|mail| mail.header("Message-ID").unwrap().to_owned()).collect();
    names.sort();
    names.dedup();
    assert_eq!((names.len() as u64, server.received().len() as u64), (MAILS, MAILS));
}

#[tokio::test]
async fn what_a_node_took_on_before_it_died_is_sent_by_another() {
    let (service, server, user) = with_server().await;
    notify(&service, &user, Kind::PasswordChanged).await;
    server.set_mood(Mood::HangingInData);
    let node = service.second_node().await;
    let dying = tokio::spawn(async move { send(&node).await });
    while server.held() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    dying.abort();
    let _ = dying.await;
    server.set_mood(Mood::Good);
    assert_eq!(send(&service).await, sent(0), "it may still be at it");
    service.advance(2 * postman::WHOLE);
    assert_eq!((send(&service).await, server.received().len()), (sent(1), 1));
}

// SEC-82
#[tokio::test]
async fn a_link_is_good_whichever_key_made_it_and_is_not_sent_once_it_is_dead() {
    let (service, server, user) = with_server().await;
    let to = Addressee { user: user.id, username: "ada".to_owned(), email: "new@example.com".to_owned() };
    let queue = async |service: &Countersign| {
        let link = service
            .mailer()
            .link(Kind::VerifyEmail, Purpose::VerifyEmail, to.clone(), Language::English)
            .unwrap();
        service.store().write(link, |tx, link| Box::pin(async move { link.queue(tx).await })).await.unwrap()
    };
    assert!(queue(&service).await);
    let settings = Settings {
        secret_key: Some(SecretString::from("the next key: mQ83xkPz5vLw9RtB2nYc")),
        secret_key_fallbacks: vec![service.settings().secret_key.clone().unwrap()],
        ..service.settings().clone()
    };
    let rotated = Countersign::open_with_clock(settings, service.clock.clone()).await.unwrap();
    assert_eq!(send(&rotated).await, sent(1));
    let token = token_in(&server.received()[0].data).unwrap().to_owned();
    crate::verify_email::confirm(&rotated, SecretString::from(token), None).await.unwrap();
    queue(&service).await;
    crate::sign_in::end_all(&service, user.id, crate::sign_in::EndReason::PasswordChanged).await.unwrap();
    let told = "the confirmed address that was replaced";
    assert_eq!(send(&service).await, Mails { dropped: 1, ..sent(1) }, "{told}");
    queue(&service).await;
    service.advance(HOUR);
    assert_eq!(send(&service).await, Mails { failed: 1, ..Mails::default() });
    assert_eq!(retry_mails(&service, None).await.unwrap(), 0, "its link has expired");
    assert_eq!(server.received().len(), 2);
}

// SEC-105
#[tokio::test]
async fn without_a_server_mails_are_files_for_their_owner_alone() {
    let service = TestService::start().await;
    let user = ada(&service, "ada@example.com").await;
    notify(&service, &user, Kind::AccountDeleted).await;
    assert_eq!(service.mails().await.len(), 1);
    let folder = service.settings().data_dir.join("outbox");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!((files.len(), mode(&files[0])), (1, 0o600), "no draft is left: {files:?}");
    assert!(files[0].to_str().unwrap().ends_with("-account_deleted.eml"));
}

#[tokio::test]
async fn a_notice_that_the_operator_does_not_want_is_not_queued() {
    let service =
        TestService::start_with(|settings| Settings { mail_notices: vec![Notice::Theft], ..settings }).await;
    let user = ada(&service, "ada@example.com").await;
    let notice = |kind| service.mailer().notice(kind, user.id, &[]);
    assert!(notice(Kind::PasswordChanged).is_none() && notice(Kind::TheftDetected).is_some());
}

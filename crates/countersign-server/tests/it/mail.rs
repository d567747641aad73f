//! `countersign mail …`, and the service that sends.

use countersign_testbed::{MailServer, Mood, SmtpTls};
use serde_json::json;

use crate::program::Operator;

const PASSWORD: &str = "analytical engine";

#[test]
fn the_service_sends_what_waits_and_the_operator_sees_what_does_not_go() {
    let (operator, server) = (Operator::new(), MailServer::start());
    let url = server.url();
    let variables = [("COUNTERSIGN_MAIL_URL", url.as_str()), ("COUNTERSIGN_REQUIRE_VERIFIED_EMAIL", "true")];
    server.set_mood(Mood::Refusing);
    let mut service = operator.serve_with(&[], &variables);
    let body = json!({"username": "ada", "password": PASSWORD, "email": "ada@example.com"});
    assert!(service.post("/users", &body).starts_with("HTTP/1.1 201"));
    let line = service.log_line("\"mail\"");
    assert!(line.contains("550") && !line.contains("token="), "{line}");
    let listed = operator.run_with(&["mail", "list", "--json"], &variables, "").json();
    assert_eq!(listed[0]["state"], "failed");
    assert_eq!((&listed[0]["kind"], &listed[0]["to"]), (&json!("verify_email"), &json!("ada@example.com")));
    let lines = operator.run_with(&["mail", "list"], &variables, "").out;
    assert!(lines.contains("failed") && lines.contains("(550): No such mailbox here"), "{lines}");
    server.set_mood(Mood::Good);
    let id = listed[0]["id"].as_str().unwrap();
    let retried = operator.run_with(&["mail", "retry", id], &variables, "");
    assert_eq!(retried.code, 0, "{retried:?}");
    let mail = server.wait_for(1).remove(0);
    assert_eq!(mail.to, ["ada@example.com"]);
    let token = mail.data.split("#token=").nth(1).unwrap().lines().next().unwrap();
    assert!(service.post("/verify-email", &json!({"token": token})).starts_with("HTTP/1.1 204"));
    let (code, log) = service.stop();
    assert_eq!(code, 0);
    assert!(!log.contains(token), "no log has a token");
}

#[test]
fn a_test_mail_says_whether_the_way_out_is_open() {
    let (operator, server) = (Operator::new(), MailServer::start());
    assert_eq!(operator.run(&["migrate"]).code, 0);
    let url = server.url();
    let test = |to: &str| operator.run_with(&["mail", "test", to], &[("COUNTERSIGN_MAIL_URL", &url)], "");
    let sent = test("me@example.com");
    assert_eq!((sent.code, sent.out.as_str()), (0, "The test mail to me@example.com was taken.\n"));
    assert_eq!(server.received().len(), 1);
    server.set_mood(Mood::Refusing);
    let refused = test("me@example.com");
    assert!(refused.code == 1 && refused.err.contains("550"), "{refused:?}");
    assert_eq!(test("no address").code, 1);
    assert_eq!(operator.run(&["mail", "retry", "1"]).code, 3);
    assert_eq!(operator.run(&["mail", "list", "--json"]).json(), json!([]));
}

#[test]
fn what_the_settings_say_of_mails_is_judged_at_the_start() {
    let operator = Operator::new();
    let folder = operator.path("templates");
    std::fs::create_dir(&folder).unwrap();
    operator.write("templates/tset.en.txt", "Subject: x\n\ny");
    let folder = folder.display().to_string();
    for (name, value, why) in [
        ("COUNTERSIGN_MAIL_TEMPLATES_DIR", folder.as_str(), "there is no such template"),
        ("COUNTERSIGN_MAIL_NOTICES", "password,marriage", "there is no such notice"),
        ("COUNTERSIGN_MAIL_URL", "smtp://mail.example.com?tls=perhaps", "it is no way out for mails"),
        ("COUNTERSIGN_VERIFY_EMAIL_URL", "https://x.example/verify", "where the token goes"),
        ("COUNTERSIGN_PASSWORD_RESET_URL", "ftp://x.example/{token}", "neither http:// nor https://"),
    ] {
        let refused = operator.run_with(&["migrate"], &[(name, value)], "");
        assert!(refused.code != 0 && refused.err.contains(why), "{name}: {refused:?}");
    }
}

#[test]
fn a_mail_server_is_believed_only_with_a_certificate_for_its_name() {
    let operator = Operator::new();
    assert_eq!(operator.run(&["migrate"]).code, 0);
    for (when, scheme, over) in [
        (SmtpTls::Wrapped, "smtps", ""),
        (SmtpTls::StartTls, "smtp", "?tls=required"),
        (SmtpTls::StartTls, "smtp", "?tls=opportunistic"),
    ] {
        let server = MailServer::start_with_tls(when);
        let authority = server.authority().display().to_string();
        let foreign = server.foreign_authority().display().to_string();
        let port = server.port();
        let test = |host: &str, authority: &str| {
            let url = format!("{scheme}://ada:secret@{host}:{port}{over}");
            let variables = [("COUNTERSIGN_MAIL_URL", url.as_str()), ("SSL_CERT_FILE", authority)];
            operator.run_with(&["mail", "test", "me@example.com"], &variables, "")
        };
        let sent = test("localhost", &authority);
        assert_eq!((sent.code, server.received().len()), (0, 1), "{when:?}{over}: {sent:?}");
        for (host, authority) in [("localhost", &foreign), ("127.0.0.2", &authority)] {
            let refused = test(host, authority);
            assert!(refused.code == 1 && !refused.err.contains("secret"), "{when:?}{over}: {refused:?}");
        }
        assert_eq!(server.received().len(), 1, "{when:?}{over}");
    }
    // A server that offers no TLS gets neither the password nor the mail.
    let server = MailServer::start();
    let url = format!("smtp://ada:secret@localhost:{}?tls=required", server.port());
    let refused =
        operator.run_with(&["mail", "test", "me@example.com"], &[("COUNTERSIGN_MAIL_URL", &url)], "");
    assert!(refused.code == 1 && server.received().is_empty(), "{refused:?}");
}

use super::super::catalogue::Catalogue;
use super::super::message;
use super::super::postman;
use super::*;
use std::borrow::Cow;

fn words(name: &str) -> Option<Cow<'static, str>> {
    Some(Cow::Borrowed(match name {
        "link" => "https://x.example/verify-email#token=abc&d",
        "username" => "ada",
        other => return Some(Cow::Owned(format!("<{other}>"))),
    }))
}

#[test]
fn every_mail_is_written_in_every_language() {
    let catalogue = Catalogue::read(None).unwrap();
    for kind in Kind::ALL {
        let mut subjects = Vec::new();
        for language in Language::ALL {
            let written = catalogue.write(kind, language, &words).unwrap();
            assert!(!written.text.contains("{{") && !written.html.contains("{{"), "{kind:?} {language:?}");
            assert!(!written.subject.is_empty() && !written.subject.contains('\n'));
            let link = kind.purpose().is_some();
            assert_eq!(written.text.contains("\nhttps://x.example/verify-email#token=abc&d\n"), link);
            let anchor = "<a href=\"https://x.example/verify-email#token=abc&amp;d\">";
            assert_eq!(written.html.contains(anchor), link, "{}", written.html);
            assert!(
                !written.html.contains("<service>") && written.html.contains("&lt;service&gt;"),
                "escaped"
            );
            assert!(written.html.contains(&format!("lang=\"{}\"", language.word())));
            subjects.push(written.subject);
        }
        assert_ne!(subjects[0], subjects[1], "{kind:?}");
        assert_eq!(Kind::from_word(kind.word()), Some(kind));
    }
}

#[test]
fn the_folder_of_the_operator_takes_the_place_of_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("test.en.txt", "Subject: Hallo {{service}}\n\nOurs.\n");
    put("reset_password.en.html", "<b>{{link}}</b>");
    put("layout.html", "<main>{{body}}</main>");
    put(".notes", "not a template");
    let catalogue = Catalogue::read(Some(folder.path())).unwrap();
    let test = catalogue.write(Kind::Test, Language::English, &words).unwrap();
    assert_eq!((test.subject.as_str(), test.text.as_str()), ("Hallo <service>", "Ours.\n"));
    assert_eq!(test.html, "<main><p>Ours.</p></main>");
    let reset = catalogue.write(Kind::ResetPassword, Language::English, &words).unwrap();
    assert_eq!(reset.html, "<b>https://x.example/verify-email#token=abc&amp;d</b>");
    assert!(catalogue.write(Kind::Test, Language::German, &words).unwrap().subject.contains("Testnachricht"));
}

#[test]
fn a_template_that_can_not_be_filled_stops_the_start() {
    let refusal = |name: &str, text: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        Catalogue::read(Some(folder.path())).unwrap_err()
    };
    for (name, text, why) in [
        ("tset.en.txt", "Subject: x\n\ny", "there is no such template"),
        ("test.fr.txt", "Subject: x\n\ny", "there is no such template"),
        ("test.en.md", "Subject: x\n\ny", "there is no such template"),
        ("test.en.txt", "no subject", "does not begin with a line"),
        ("test.en.txt", "Subject: a\nb\n\ny", "does not begin with a line"),
        ("test.en.txt", "Subject: x\n\n{{link}}", "it has no {{link}}"),
        ("reset_password.de.txt", "Subject: x\n\nHallo", "{{link}} is missing"),
        ("reset_password.de.txt", "Subject: {{link}}\n\n{{link}}", "it has no {{link}}"),
        ("reset_password.de.html", "<p>Hallo</p>", "{{link}} is missing"),
        ("layout.html", "<p>Hallo</p>", "{{body}} is missing"),
    ] {
        let refused = refusal(name, text);
        assert!(refused.contains(why) && refused.contains(name), "{name}: {refused}");
    }
    assert!(
        Catalogue::read(Some(std::path::Path::new("nowhere"))).unwrap_err().contains("mail_templates_dir")
    );
}

// SEC-79
#[test]
fn no_word_adds_a_header_or_a_recipient() {
    let catalogue = Catalogue::read(None).unwrap();
    let evil = |_: &str| Some(Cow::Borrowed("x\r\nBcc: eve@example.com\r\n\r\nHello"));
    let written = catalogue.write(Kind::PasswordChanged, Language::English, &evil).unwrap();
    let letter = Letter {
        id: MailId::from_i64(1),
        user: UserId::from_i64(1),
        kind: Kind::PasswordChanged,
        language: Language::English,
        recipient: "ada@example.com".to_owned(),
        words: Words::new(),
        seed: None,
        created_at: Timestamp::from_millis(0),
        expires_at: Timestamp::from_millis(0),
        attempts: 1,
    };
    let from = postman::sender(&Settings::default()).unwrap();
    let sent = message::message(&from, "localhost", &letter, written).unwrap();
    let head = String::from_utf8(sent.formatted()).unwrap();
    let head = head.split("\r\n\r\n").next().unwrap();
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    assert_eq!(sent.envelope().to().len(), 1);
}

// SEC-79
#[test]
fn whatever_can_be_stored_can_be_mailed_to_and_nothing_else() {
    for (stored, mailed) in [
        ("ada@example.com", "ada@example.com"),
        ("o'brien+x=y@Mail.Example.CO.UK", "o'brien+x=y@mail.example.co.uk"),
        ("ada@b\u{fc}cher.example", "ada@xn--bcher-kva.example"),
        ("#$&'*+-/=?^_`{|}~@x.io", "#$&'*+-/=?^_`{|}~@x.io"),
    ] {
        assert!(crate::names::Email::parse(stored).is_ok());
        assert_eq!(message::address(stored).unwrap().to_string(), mailed);
    }
    for odd in ["ada", "a b@x.com", "a@x.com,b@x.com", "a@x.com\r\nBcc: b@x.com", "<a@x.com>"] {
        assert!(message::address(odd).is_err(), "{odd:?}");
    }
}

#[test]
fn the_sender_is_what_the_operator_says_or_nobody_at_the_services_host() {
    let with = |from: Option<&str>, url: &str| Settings {
        mail_from: from.map(str::to_owned),
        public_url: url.parse().unwrap(),
        ..Settings::default()
    };
    let sender = |settings| postman::sender(&settings).map(|from| from.to_string());
    assert_eq!(sender(with(None, "https://auth.example.com/x")).unwrap(), "no-reply@auth.example.com");
    assert_eq!(sender(with(None, "http://[::1]:8000")).unwrap(), "no-reply@localhost");
    let named = sender(with(Some("Countersign <auth@example.com>"), "http://localhost")).unwrap();
    assert_eq!(named, "Countersign <auth@example.com>");
    assert!(sender(with(Some("a@b@c"), "http://localhost")).unwrap_err().contains("mail_from"));
}

#[test]
fn a_password_travels_protected_unless_the_server_is_this_machine_or_the_operator_says_so() {
    use crate::settings::SmtpSecurity as S;
    for (url, security) in [
        ("smtps://a:b@mail.example.com", S::Wrapped),
        ("smtp://a:b@mail.example.com:587", S::StartTls),
        ("smtp://mail.example.com", S::StartTlsIfOffered),
        ("smtp://a:b@localhost:25", S::Plain),
        ("smtp://a:b@relay?tls=none", S::Plain),
        ("smtp://a:b@127.0.0.1", S::Plain),
        ("smtp://a:b@[::1]:2525", S::Plain),
        ("smtp://relay?tls=required", S::StartTls),
        ("smtp://127.0.0.1?tls=opportunistic", S::StartTlsIfOffered),
    ] {
        let url: url::Url = url.parse().unwrap();
        assert_eq!(S::of(&url), security, "{url}");
    }
}

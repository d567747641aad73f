//! `POST /users`: who may sign up, under which names, with which passwords.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Answer, App, PASSWORD, codes_of};
use crate::call::join_all;

async fn sign_up(app: &App, username: &str, password: &str, email: Value) -> Answer {
    app.post("/users", json!({"username": username, "password": password, "email": email})).await
}

// SEC-13
#[tokio::test]
async fn the_answer_is_the_user_and_nothing_more() {
    let app = App::start().await;
    let answer = sign_up(&app, "Ada_L-1", PASSWORD, json!("Ada@Example.com")).await;
    let id = answer.body["id"].as_str().unwrap().to_owned();
    let expected = json!({"id": id, "username": "Ada_L-1", "email": "Ada@Example.com", "email_verified": false,
                          "created_at": "2026-11-24T09:30:00.000Z"});
    assert_eq!((answer.status, &answer.body), (201, &expected));
    assert!(id.parse::<u64>().is_ok_and(|id| id > 0), "{id}");
    assert!(answer.set_cookies().is_empty());
}

#[tokio::test]
async fn an_absent_address_is_null() {
    let app = App::start().await;
    assert_eq!(app.sign_up("ada").await.body["email"], Value::Null);
    assert_eq!(sign_up(&app, "bob", PASSWORD, Value::Null).await.body["email"], Value::Null);
}

// SEC-13
#[tokio::test]
async fn fields_that_are_not_the_persons_to_set_are_refused() {
    let app = App::start().await;
    for field in ["is_admin", "id", "email_verified", "created_at", "password_hash", "epoch", "disabled_at"] {
        let mut body = json!({"username": "ada", "password": PASSWORD});
        body[field] = json!(true);
        let answer = app.post("/users", body).await;
        assert_eq!((answer.status, codes_of(&answer, field)), (400, vec!["unknown_field".to_owned()]));
        assert_eq!(answer.body["errors"].as_object().unwrap().len(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn every_failing_field_is_named_with_every_failing_reason() {
    let app = App::start().await;
    let body = json!({"username": "", "password": "1234567", "email": "a@b@c", "admin": 1});
    let answer = app.post("/users", body).await;
    assert_eq!(answer.status, 400);
    assert_eq!(codes_of(&answer, "username"), ["invalid_username"]);
    let of_password = ["password_too_short", "password_too_common", "password_entirely_numeric"];
    assert_eq!(codes_of(&answer, "password"), of_password);
    assert_eq!(codes_of(&answer, "email"), ["invalid_email"]);
    assert_eq!(codes_of(&answer, "admin"), ["unknown_field"]);
    assert_eq!(answer.body["errors"].as_object().unwrap().len(), 4);
    let empty = app.post("/users", json!({})).await;
    assert_eq!(
        (codes_of(&empty, "username"), codes_of(&empty, "password")),
        (vec!["required".to_owned()], vec!["required".to_owned()])
    );
}

// SEC-1, SEC-2, SEC-3, SEC-4
#[tokio::test]
async fn each_rule_for_passwords_has_its_word() {
    let app = App::start().await;
    let long = "é".repeat(512) + "a";
    for (password, code) in [
        ("t7#kQw1", "password_too_short"),
        (long.as_str(), "password_too_long"),
        ("pAsSwOrD123", "password_too_common"),
        ("93719283749182", "password_entirely_numeric"),
        ("ada-lovelace", "password_too_similar"),
        ("somewhere.example", "password_too_similar"),
    ] {
        let answer = sign_up(&app, "ada-lovelac", password, json!("x@somewhere.example")).await;
        assert_eq!(codes_of(&answer, "password"), [code], "{password}: {answer:?}");
        assert!(!answer.text.contains(password), "a password was repeated: {answer:?}");
    }
    for (name, password) in
        [("a", "        "), ("b", "密码安全🔑猫犬鳥"), ("c", "no upper, no digit"), ("d", &"x".repeat(1024))]
    {
        assert_eq!(sign_up(&app, name, password, Value::Null).await.status, 201, "{password}");
    }
}

// SEC-2
#[tokio::test]
async fn every_byte_of_a_long_password_counts_and_nothing_is_trimmed() {
    let app = App::start().await;
    let whole = format!(" {}y", "x".repeat(1022));
    assert_eq!(sign_up(&app, "ada", &whole, Value::Null).await.status, 201);
    assert_eq!(app.authenticate("ada", &whole).await.status, 200);
    let last_byte = format!(" {}z", "x".repeat(1022));
    for other in [last_byte.as_str(), whole.trim(), &whole[..1023], &format!("{whole}y"), &whole.repeat(2)] {
        let answer = app.authenticate("ada", other).await;
        assert_eq!((answer.status, answer.code()), (401, "invalid_credentials"), "{} bytes", other.len());
    }
}

// SEC-6
#[tokio::test]
async fn both_spellings_of_a_letter_are_one_password_and_nul_is_a_byte() {
    let app = App::start().await;
    sign_up(&app, "ada", "cafe\u{301} au lait", Value::Null).await;
    assert_eq!(app.authenticate("ada", "caf\u{e9} au lait").await.status, 200);
    assert_eq!(app.authenticate("ada", "cafe\u{301} au lait").await.status, 200);
    assert_eq!(app.authenticate("ada", "cafe au lait").await.status, 401);
    sign_up(&app, "bob", "nul\0 and the rest", Value::Null).await;
    assert_eq!(app.authenticate("bob", "nul\0 and the rest").await.status, 200);
    assert_eq!(app.authenticate("bob", "nul\0 and another").await.status, 401);
    assert_eq!(app.authenticate("bob", "nul").await.status, 401);
}

// SEC-77
#[tokio::test]
async fn a_username_is_one_to_a_hundred_plain_characters() {
    let app = App::start().await;
    let (longest, too_long) = ("a".repeat(100), "a".repeat(101));
    for name in ["a", "_", "-", "0", "Ada_Lovelace-1815", &longest] {
        assert_eq!(sign_up(&app, name, PASSWORD, Value::Null).await.status, 201, "{name}");
    }
    let bad = [
        "",
        " ",
        "a b",
        " ada",
        "ada ",
        "ada\u{0}",
        "ada\n",
        "a.b",
        "a@b.example",
        "a+b",
        "a/b",
        "ａｄａ",
        "аda",
        "ada\u{200b}",
        "\u{feff}ada",
        "ad\u{131}",
        "\u{130}",
        "\u{17f}",
        "\u{212a}",
        "\u{202e}ada",
        "ada\u{301}",
        "é",
        too_long.as_str(),
    ];
    for name in bad {
        let answer = sign_up(&app, name, PASSWORD, Value::Null).await;
        assert_eq!(
            (answer.status, codes_of(&answer, "username")),
            (400, vec!["invalid_username".into()]),
            "{name:?}"
        );
    }
}

// SEC-78
#[tokio::test]
async fn a_name_is_taken_without_regard_to_case_and_kept_as_typed() {
    let app = App::start().await;
    assert_eq!(app.sign_up("Ada").await.body["username"], "Ada");
    for name in ["Ada", "ada", "ADA"] {
        let answer = app.sign_up(name).await;
        assert_eq!((answer.status, codes_of(&answer, "username")), (400, vec!["username_taken".into()]));
    }
    assert_eq!(app.authenticate("aDa", PASSWORD).await.status, 200);
}

// SEC-78
#[tokio::test]
async fn of_sign_ups_that_race_for_one_name_one_wins() {
    let app = App::start().await;
    let race = (0..12).map(|n| {
        let name = if n % 2 == 0 { "ada" } else { "ADA" };
        app.sign_up(name)
    });
    let answers = join_all(race).await;
    let mut won = 0;
    for answer in answers {
        match answer.status {
            201 => won += 1,
            400 => assert_eq!(codes_of(&answer, "username"), ["username_taken"]),
            _ => assert_eq!(answer.code(), "overloaded", "{answer:?}"),
        }
    }
    assert_eq!(won, 1);
}

// SEC-81
#[tokio::test]
async fn an_unverified_address_may_repeat() {
    let app = App::start().await;
    for name in ["ada", "bob"] {
        assert_eq!(sign_up(&app, name, PASSWORD, json!("one@example.com")).await.status, 201);
    }
}

// SEC-79
#[tokio::test]
async fn an_address_is_exactly_one() {
    let app = App::start().await;
    for address in [
        "",
        "a",
        "a@",
        "@b.example",
        "a@b@c.example",
        "a@b.example,c@d.example",
        "a@b.example;c@d.example",
        "a@b.example\r\nBcc: c@d.example",
        "<a@b.example>",
        "A <a@b.example>",
        "a%c@b.example",
        " a@b.example",
        "a@b.example ",
        "a@localhost",
        "a@[127.0.0.1]",
        "a\u{0}@b.example",
    ] {
        let answer = sign_up(&app, "ada", PASSWORD, json!(address)).await;
        assert_eq!(
            (answer.status, codes_of(&answer, "email")),
            (400, vec!["invalid_email".into()]),
            "{address:?}"
        );
    }
}

// SEC-67
#[tokio::test]
async fn a_stale_authorization_header_does_not_disturb_a_sign_up() {
    let app = App::start().await;
    let body = json!({"username": "ada", "password": PASSWORD});
    for value in ["Bearer nonsense", "Basic YTpi", ""] {
        let name = format!("ada{}", value.len());
        let body = json!({"username": name, "password": body["password"]});
        let call = app.call(Method::POST, "/users").header("authorization", value).json(&body);
        assert_eq!(call.send().await.status, 201);
    }
}

//! Accounts whose password Django hashed: they sign in, and their hash is made anew, once.

use base64::Engine as _;
use serde_json::json;

use crate::app::App;
use crate::call::join_all;

/// Made by Django 5.2, all of `correct horse battery`.
const OF_DJANGO: [&str; 6] = [
    "pbkdf2_sha256$7$xVkIotcPTSRGb2Q2ScC7LI$jd4PR2cX1u3gUgmqtK2pUG6lvTt4EVG1/KpGiZB7FRk=",
    "pbkdf2_sha1$7$V6Y2ldIvV1BxRkYWb3mEUt$xXpWJcl81A/dFRGVNs5/nfayANE=",
    "bcrypt_sha256$$2b$04$eK/0GKXYp4oXKB8bZPCOMOw3fcqrei4Mef7awIOvSXU0LB41z1bEa",
    "bcrypt$$2b$04$DG/97InEE8DtuU/wQnTXUOasUu8xxcSGCZus1eii3ow56OBzsxQIO",
    "scrypt$16$UH9VyF5EVfHEFEbfCt00c2$4$3$a1qql3JJ9S9KDg78uC6wgfBZBBvooZZvuUrGdKMPh6BVKzO4Ts/PZX+0n3usWXy78pfx0CqK+4UfUdG5wSIBxg==",
    "argon2$argon2id$v=19$m=64,t=1,p=2$WmFWNHhjN0gwUUpqRTBSak9EVzJlRw$noLYVyGkYvYx7jDzZhnXwUoaC0XgzsWIpScTbA+Rt6c",
];
const PASSWORD: &str = "correct horse battery";
const CURRENT: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

fn set_hash(app: &App, hash: &str) {
    app.execute_sql(&format!("UPDATE users SET password_hash = '{hash}'"));
}

fn hash(app: &App) -> String {
    app.cell("SELECT password_hash FROM users")
}

// SEC-8
#[tokio::test]
async fn each_of_djangos_hashes_signs_in_and_is_made_anew_once() {
    let app = App::start().await;
    app.sign_up("ada").await;
    for of_django in OF_DJANGO {
        set_hash(&app, of_django);
        assert_eq!(app.authenticate("ada", "wrong horse battery").await.status, 401, "{of_django}");
        assert_eq!(hash(&app), of_django, "a wrong password changes nothing");
        assert_eq!(app.authenticate("ada", PASSWORD).await.status, 200, "{of_django}");
        let upgraded = hash(&app);
        assert!(upgraded.starts_with(CURRENT), "{upgraded}");
        assert_eq!(app.authenticate("ada", PASSWORD).await.status, 200);
        assert_eq!(hash(&app), upgraded, "once");
    }
}

// SEC-8
#[tokio::test]
async fn an_upgrade_ends_no_sign_in() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    set_hash(&app, OF_DJANGO[0]);
    app.sign_in("ada").await;
    assert_eq!(app.me(&session.access_token).await.status, 200);
    assert_eq!(app.refresh(&session.refresh_token).await.status, 200);
}

// SEC-8
#[tokio::test]
async fn older_parameters_are_raised_and_stronger_ones_stay() {
    let weak = App::start_with(|mut settings| {
        settings.argon2.memory_kib = 65_536;
        settings
    })
    .await;
    weak.sign_up("ada").await;
    let strong = hash(&weak);
    assert!(strong.contains("m=65536,"), "{strong}");
    let app = App::start().await;
    app.sign_up("ada").await;
    set_hash(&app, &strong);
    assert_eq!(app.authenticate("ada", PASSWORD).await.status, 200);
    assert_eq!(hash(&app), strong, "a stronger hash stays");
    set_hash(&weak, &fresh_hash(&app).await);
    assert_eq!(weak.authenticate("ada", PASSWORD).await.status, 200);
    assert!(hash(&weak).contains("m=65536,"));
}

async fn fresh_hash(app: &App) -> String {
    app.execute_sql("DELETE FROM users");
    app.sign_up("ada").await;
    hash(app)
}

/// The sign-in that would upgrade is under way while the password changes: whichever commits first, the new password
/// is the one that counts.
// SEC-8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_loses_against_a_password_change() {
    let app = App::start().await;
    let session = app.somebody("ada").await;
    let mut token = session.access_token;
    for round in 0..6 {
        let (old, new) = (format!("{PASSWORD} {round}"), format!("{PASSWORD} {}", round + 1));
        if round == 0 {
            let body = json!({"password": old, "current_password": PASSWORD});
            let call = app.call(reqwest::Method::PATCH, "/me").bearer(&token).json(&body);
            assert_eq!(call.send().await.status, 200);
        }
        weaken(&app, &old);
        let body = json!({"password": new, "current_password": old});
        let change = app.call(reqwest::Method::PATCH, "/me").bearer(&token).json(&body);
        let sign_ins = (0..3).map(|_| app.authenticate("ada", &old));
        let (changed, _) = tokio::join!(change.send(), join_all(sign_ins));
        assert_eq!(changed.status, 200, "{changed:?}");
        assert_eq!(app.authenticate("ada", &old).await.status, 401, "round {round}: the old one came back");
        let answer = app.authenticate("ada", &new).await;
        assert_eq!(answer.status, 200, "round {round}");
        token = answer.body["access_token"].as_str().unwrap().to_owned();
        assert!(hash(&app).starts_with(CURRENT));
    }
}

/// Replaces the hash by a weaker one of the same password, as an import would have left it.
fn weaken(app: &App, password: &str) {
    let key = pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(password.as_bytes(), b"salt", 7);
    let key = base64::engine::general_purpose::STANDARD.encode(key);
    set_hash(app, &format!("pbkdf2_sha256$7$salt${key}"));
}

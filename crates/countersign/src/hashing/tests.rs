use std::net::Ipv4Addr;

use secrecy::SecretString;

use super::*;
use crate::password::vectors;

mod load;

const CHEAP: Params = Params { memory_kib: 64, iterations: 1, parallelism: 1 };
const HERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
/// More than any wait in these tests.
const LONG: Duration = Duration::from_secs(3_600);

fn lanes_with(change: impl FnOnce(&mut LaneConfig)) -> HashLanes {
    let mut config = LaneConfig { lanes: 1, params: CHEAP, max_wait: LONG, give_back_after: LONG };
    change(&mut config);
    HashLanes::start(config).unwrap()
}

fn lanes() -> HashLanes {
    lanes_with(|_| {})
}

fn typed(text: &str) -> Option<Password> {
    Password::for_sign_in(SecretString::from(text.to_owned()))
}

// SEC-7
#[tokio::test]
async fn a_new_hash_is_argon2id_at_the_given_cost_with_a_salt_of_its_own() {
    let lanes = lanes();
    let first = lanes.hash(typed("correct horse").unwrap(), HERE).await.unwrap();
    let second = lanes.hash(typed("correct horse").unwrap(), HERE).await.unwrap();
    assert!(first.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{first}");
    assert_ne!(first, second);
    let Ok(StoredHash::Argon2(hash)) = StoredHash::parse(&first) else { panic!("{first}") };
    assert_eq!((hash.salt.len(), hash.tag.len()), (16, 32));
}

// SEC-7
#[test]
fn the_default_cost_is_owasps() {
    assert_eq!(LaneConfig::default().params, Params { memory_kib: 19_456, iterations: 2, parallelism: 1 });
}

#[tokio::test]
async fn the_right_password_matches_and_another_does_not() {
    let lanes = lanes();
    let hash = lanes.hash(typed("correct horse").unwrap(), HERE).await.unwrap();
    for (password, verdict) in [
        ("correct horse", Verdict::Right { upgrade: false }),
        ("correct horsf", Verdict::Wrong),
        ("correct horse ", Verdict::Wrong),
        ("Correct horse", Verdict::Wrong),
        ("", Verdict::Wrong),
    ] {
        assert_eq!(
            lanes.verify(typed(password), Some(hash.clone()), HERE).await.unwrap(),
            verdict,
            "{password:?}"
        );
    }
}

// SEC-2
#[tokio::test]
async fn byte_1024_matters_and_a_longer_password_is_simply_wrong() {
    let lanes = lanes();
    let longest = "x".repeat(1024);
    let hash = lanes.hash(typed(&longest).unwrap(), HERE).await.unwrap();
    let changed = format!("{}y", &longest[..1023]);
    assert_eq!(
        lanes.verify(typed(&longest), Some(hash.clone()), HERE).await.unwrap(),
        Verdict::Right { upgrade: false }
    );
    assert_eq!(lanes.verify(typed(&changed), Some(hash.clone()), HERE).await.unwrap(), Verdict::Wrong);
    let too_long = typed(&format!("{longest}x"));
    assert!(too_long.is_none());
    assert_eq!(lanes.verify(too_long, Some(hash), HERE).await.unwrap(), Verdict::Wrong);
}

// SEC-6
#[tokio::test]
async fn composed_decomposed_and_nul_are_what_they_are() {
    let lanes = lanes();
    let hash = lanes.hash(typed("cafe\u{301}\0!").unwrap(), HERE).await.unwrap();
    let right = Verdict::Right { upgrade: false };
    assert_eq!(lanes.verify(typed("caf\u{e9}\0!"), Some(hash.clone()), HERE).await.unwrap(), right);
    assert_eq!(lanes.verify(typed("cafe\u{301}\0!"), Some(hash.clone()), HERE).await.unwrap(), right);
    assert_eq!(lanes.verify(typed("caf\u{e9}"), Some(hash), HERE).await.unwrap(), Verdict::Wrong);
}

#[tokio::test]
async fn every_hash_of_django_opens_with_its_password_alone_and_asks_for_an_upgrade() {
    let lanes = lanes_with(|config| config.lanes = 2);
    for vector in vectors::document().vectors.into_iter().filter(vectors::Vector::is_cheap) {
        let right = lanes.verify(typed(&vector.password), Some(vector.hash.clone()), HERE).await.unwrap();
        assert_eq!(right, Verdict::Right { upgrade: true }, "{}", vector.hash);
        let wrong =
            lanes.verify(typed(&format!("?{}", vector.password)), Some(vector.hash), HERE).await.unwrap();
        assert_eq!(wrong, Verdict::Wrong);
    }
}

#[tokio::test]
async fn djangos_own_argon2_default_verifies_and_its_strength_outlives_the_upgrade() {
    let lanes = lanes();
    let vectors = vectors::document().vectors;
    let strong = vectors.iter().find(|vector| vector.algorithm == "argon2" && !vector.is_cheap()).unwrap();
    let verdict = lanes.verify(typed(&strong.password), Some(strong.hash.clone()), HERE).await.unwrap();
    assert_eq!(verdict, Verdict::Right { upgrade: true });
    assert_eq!(lanes.memory_kib(), 0, "100 MiB are not kept");
    let upgraded = lanes.upgrade(typed(&strong.password).unwrap(), &strong.hash, HERE).await.unwrap();
    assert!(upgraded.starts_with("$argon2id$v=19$m=102400,t=2,p=8$"), "{upgraded}");
    let verdict = lanes.verify(typed(&strong.password), Some(upgraded), HERE).await.unwrap();
    assert_eq!(verdict, Verdict::Right { upgrade: false });
}

// SEC-8
#[tokio::test]
async fn an_imported_hash_of_a_decomposed_password_opens_to_both_spellings_where_it_can() {
    let lanes = lanes();
    let vectors = vectors::document().vectors;
    for vector in vectors.iter().filter(|vector| vector.is_cheap() && vector.is_decomposed()) {
        let as_typed =
            lanes.verify(typed("cafe\u{301} au lait"), Some(vector.hash.clone()), HERE).await.unwrap();
        assert_eq!(as_typed, Verdict::Right { upgrade: true }, "raw first: {}", vector.hash);
        let composed =
            lanes.verify(typed("caf\u{e9} au lait"), Some(vector.hash.clone()), HERE).await.unwrap();
        assert_eq!(composed, Verdict::Wrong, "nobody can guess how it was decomposed");
    }
    let of_composed = lanes.hash(typed("caf\u{e9} au lait").unwrap(), HERE).await.unwrap();
    let imported = format!("argon2{of_composed}");
    let then_nfc = lanes.verify(typed("cafe\u{301} au lait"), Some(imported), HERE).await.unwrap();
    assert_eq!(then_nfc, Verdict::Right { upgrade: true });
}

#[tokio::test]
async fn a_strong_hash_that_only_the_raw_form_opens_is_upgraded_too() {
    let (ours, theirs) = (lanes(), lanes_with(|config| config.params.iterations = 3));
    let raw = Password::for_sign_in(SecretString::from("e\u{301}clair au cafe\u{301}".to_owned())).unwrap();
    let params = theirs.params();
    let text = "e\u{301}clair au cafe\u{301}";
    let stored = theirs.ask(1, None, move |bench| bench.hash_text(text, params)).await.unwrap();
    assert!(!StoredHash::parse(&stored).unwrap().needs_upgrade(&CHEAP), "strong enough by itself");
    assert_eq!(ours.verify(Some(raw), Some(stored), HERE).await.unwrap(), Verdict::Right { upgrade: true });
}

// SEC-8
#[tokio::test]
async fn older_parameters_are_upgraded_and_stronger_ones_stay() {
    let (weak, middle) = (lanes(), lanes_with(|config| config.params.iterations = 2));
    let strong = lanes_with(|config| config.params.iterations = 3);
    for (maker, upgrade) in [(&weak, true), (&middle, false), (&strong, false)] {
        let hash = maker.hash(typed("correct horse").unwrap(), HERE).await.unwrap();
        let verdict = middle.verify(typed("correct horse"), Some(hash), HERE).await.unwrap();
        assert_eq!(verdict, Verdict::Right { upgrade });
    }
}

// SEC-10
#[tokio::test]
async fn whatever_is_missing_exactly_one_hash_at_the_current_cost_is_computed() {
    let lanes = lanes();
    let hash = lanes.hash(typed("correct horse").unwrap(), HERE).await.unwrap();
    let unreadable = [
        "",
        "!unusable",
        "md5$salt$hash",
        "pbkdf2_sha256$99999999$a$b",
        "$argon2id$v=19$m=9999999,t=1,p=1$a$b",
    ];
    let mut cases = vec![
        (typed("x"), None),
        (None, None),
        (None, Some(hash.clone())),
        (typed("wrong"), Some(hash.clone())),
    ];
    cases.push((typed("cafe\u{301}"), None));
    cases.push((typed("cafe\u{301}"), Some(hash)));
    cases.extend(unreadable.map(|text| (typed("x"), Some(text.to_owned()))));
    for (password, stored) in cases {
        let (before, what) = (lanes.0.queue.pace.samples(), format!("{password:?} {stored:?}"));
        let current_work = lanes.work_of(password.as_ref(), stored.as_deref().and_then(readable).as_ref());
        assert_eq!(current_work, CHEAP.work(), "{what}");
        assert_eq!(lanes.verify(password, stored, HERE).await.unwrap(), Verdict::Wrong, "{what}");
        assert_eq!(lanes.0.queue.pace.samples(), before + 1, "{what}");
    }
}

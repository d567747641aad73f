use super::*;
use crate::secret::SecretString;
use crate::testing::TestService;

const PASSWORD: &str = "correct horse battery";

fn new_user(service: &Countersign, username: &str, email: Option<&str>) -> NewUser {
    let password = Some(SecretString::from(PASSWORD));
    NewUser::judge(service.rules(), Some(username), email, password, FieldErrors::new()).unwrap()
}

fn codes(error: &Error) -> Vec<(String, Vec<&'static str>)> {
    let Error::Invalid(errors) = error else { panic!("{error:?}") };
    let codes = |errors: &[FieldError]| errors.iter().map(|error| error.code).collect();
    errors.iter().map(|(field, errors)| (field.to_owned(), codes(errors))).collect()
}

#[tokio::test]
async fn every_failing_field_is_named_with_every_reason_at_once() {
    let service = TestService::start().await;
    let mut form = FieldErrors::new();
    form.add("is_admin", FieldError::new("unknown_field", ""));
    let password = Some(SecretString::from("1234567"));
    let refused = NewUser::judge(service.rules(), Some("not a name"), Some("nobody"), password, form);
    let expected = [
        ("email", vec!["invalid_email"]),
        ("is_admin", vec!["unknown_field"]),
        ("password", vec!["password_too_short", "password_too_common", "password_entirely_numeric"]),
        ("username", vec!["invalid_username"]),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(field, codes)| (field.to_owned(), codes)).collect();
    assert_eq!(codes(&refused.unwrap_err()), expected);
}

#[tokio::test]
async fn a_name_is_taken_without_regard_to_case() {
    let service = TestService::start().await;
    let ada = sign_up(&service, new_user(&service, "Ada", Some("Ada@Example.com")), None).await.unwrap();
    assert_eq!((&*ada.username, ada.email.as_deref()), ("Ada", Some("Ada@Example.com")));
    let refused = sign_up(&service, new_user(&service, "aDA", None), None).await.unwrap_err();
    assert_eq!(codes(&refused), [("username".to_owned(), vec!["username_taken"])]);
}

// SEC-81
#[tokio::test]
async fn an_unverified_address_may_repeat() {
    let service = TestService::start().await;
    for name in ["ada", "bob"] {
        let user = sign_up(&service, new_user(&service, name, Some("same@example.com")), None).await.unwrap();
        assert!(!user.email_verified);
    }
}

// SEC-78: the insert decides, whatever a look before it said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_inserts_of_one_name_one_wins() {
    let service = TestService::start().await;
    let other = service.second_node().await;
    let inserts = (0..40).map(|n| {
        let node = if n % 2 == 0 { service.clone() } else { other.clone() };
        tokio::spawn(async move {
            let name = Username::parse(if n % 4 < 2 { "racer" } else { "RACER" }).unwrap();
            insert(&node, name, None, None, None, Budgets::default()).await
        })
    });
    let mut won = 0;
    for insert in inserts.collect::<Vec<_>>() {
        match insert.await.unwrap() {
            Ok(_) => won += 1,
            Err(refused) => assert_eq!(codes(&refused), [("username".to_owned(), vec!["username_taken"])]),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn accounts_are_listed_in_pages_in_the_order_of_their_making() {
    let service = TestService::start().await;
    for name in ["c", "a", "b"] {
        let name = Username::parse(name).unwrap();
        insert(&service, name, None, None, None, Budgets::default()).await.unwrap();
        service.advance(std::time::Duration::from_millis(1));
    }
    let names =
        |page: &[Account]| page.iter().map(|account| account.user.username.to_string()).collect::<Vec<_>>();
    let first = list(&service, None, 2).await.unwrap();
    assert_eq!(names(&first), ["c", "a"]);
    let rest = list(&service, first.last().map(|account| account.user.id), 2).await.unwrap();
    assert_eq!(names(&rest), ["b"]);
    assert!(!rest[0].has_password);
}

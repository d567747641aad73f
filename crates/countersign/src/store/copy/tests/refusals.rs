//! What is refused before anything is written.

use super::super::super::migrate::{Applied, Migration, checksum, demand};
use super::*;

fn is_usage(outcome: &Result<Copied, Refusal>) -> bool {
    matches!(outcome, Err(Refusal::Usage(sentence)) if sentence.contains("the same database"))
}

#[tokio::test]
async fn a_target_with_rows_is_refused_and_left_as_it_was() {
    for (kind, to) in pairs() {
        let from = filled_like(&kind).await;
        to.open().await.unwrap();
        to.execute(
            "INSERT INTO users (id, username, username_key, epoch, tokens_after, created_at)
             VALUES (5, 'ada', 'ada', 0, 0, 0)",
        );
        let before = to.dump();
        let outcome = copied(&from, &to).await;
        assert!(
            matches!(&outcome, Err(Refusal::Taken(why)) if why.contains("users has rows")),
            "{outcome:?}"
        );
        assert!(to.dump() == before);
        to.open().await.unwrap();
    }
}

#[tokio::test]
async fn a_finished_copy_is_a_database_like_any_other() {
    for (kind, to) in pairs() {
        let from = filled_like(&kind).await;
        copied(&from, &to).await.unwrap();
        assert!(matches!(copied(&from, &to).await, Err(Refusal::Taken(_))));
    }
}

#[tokio::test]
async fn one_file_under_two_names_is_one_database() {
    let site = Site::sqlite();
    site.open().await.unwrap();
    let (hard, soft) = (site.beside(".hard"), site.beside(".soft"));
    std::fs::hard_link(site.beside(""), &hard).unwrap();
    std::os::unix::fs::symlink(site.beside(""), &soft).unwrap();
    for other in [site.beside(""), hard, soft] {
        let outcome = copy(&site.place, &Place::Sqlite(other), &mut |_| {}).await;
        assert!(is_usage(&outcome), "{outcome:?}");
    }
}

#[tokio::test]
async fn one_schema_under_two_urls_is_one_database_and_two_schemas_are_two() {
    if !countersign_testbed::postgres_or_skip() {
        return;
    }
    let site = Site::postgres();
    site.open().await.unwrap();
    let url = site.schema.as_ref().unwrap().url();
    for other in [url.clone(), format!("{url}&application_name=other"), url.replace("127.0.0.1", "localhost")]
    {
        let outcome = copy(&site.place, &Place::Postgres(SecretString::from(other)), &mut |_| {}).await;
        assert!(is_usage(&outcome), "{outcome:?}");
    }
    copied(&site, &Site::postgres()).await.unwrap();
}

#[tokio::test]
async fn a_source_that_is_not_there_or_empty_or_unfinished_is_refused_and_no_target_is_made() {
    let to = Site::sqlite();
    let outcome = copied(&Site::sqlite(), &to).await;
    assert!(outcome.unwrap_err().to_string().contains("there is no database"));
    for (from, _) in pairs() {
        if from.is_sqlite() {
            from.connection().execute_batch("CREATE TABLE other (id INTEGER)").unwrap();
        }
        let nothing = copied(&from, &to).await.unwrap_err().to_string();
        assert!(nothing.contains("no Countersign database"), "{nothing}");
        from.open().await.unwrap();
        from.execute(&format!(
            "INSERT INTO schema_migrations VALUES ({}, 'unfinished copy', 'x', 1)",
            marker::VERSION
        ));
        let unfinished = copied(&from, &to).await.unwrap_err().to_string();
        assert!(unfinished.contains("not finished"), "{unfinished}");
    }
    assert!(!to.beside("").exists());
}

#[tokio::test]
async fn a_source_or_a_target_of_a_newer_schema_is_refused() {
    for (from, to) in pairs() {
        from.open().await.unwrap();
        to.open().await.unwrap();
        let later = "INSERT INTO schema_migrations VALUES (9999, 'later', 'x', 1)";
        for newer in [&to, &from] {
            newer.execute(later);
            let refusal = copied(&from, &to).await.unwrap_err().to_string();
            assert!(refusal.contains("newer than this program"), "{refusal}");
            newer.execute("DELETE FROM schema_migrations WHERE version = 9999");
        }
        copied(&from, &to).await.unwrap();
    }
}

#[test]
fn a_source_of_an_older_schema_is_refused_with_what_to_do() {
    let known = [
        Migration { version: 1, name: "one", sql: "SELECT 1" },
        Migration { version: 2, name: "two", sql: "SELECT 2" },
    ];
    let applied = known.iter().map(|it| Applied {
        version: it.version,
        name: it.name.into(),
        checksum: checksum(it.sql),
    });
    let mut applied: Vec<Applied> = applied.collect();
    demand(&applied, &known).unwrap();
    applied.pop();
    let refusal = demand(&applied, &known).unwrap_err().0;
    assert!(refusal.contains("countersign migrate"), "{refusal}");
}

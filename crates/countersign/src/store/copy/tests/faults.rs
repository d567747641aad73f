//! What goes wrong on the way: somebody writes to one of the sides, a second copy begins, a value can't be moved.

use super::*;

/// Copies, and runs the statements on a side when the copy first reaches this stage with this table.
async fn disturbed(
    from: &Site,
    to: &Site,
    at: (Stage, &str),
    mut disturb: impl FnMut(),
) -> Result<Copied, Refusal> {
    let mut is_due = true;
    let mut tell = |progress: Progress| {
        if is_due && (progress.stage, progress.table) == at {
            disturb();
            is_due = false;
        }
    };
    let outcome = copy(&from.place, &to.place, &mut tell).await;
    assert!(!is_due, "{at:?} did not come");
    outcome
}

fn failure(outcome: Result<Copied, Refusal>) -> String {
    match outcome {
        Err(Refusal::Failed(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_row_of_the_target_that_is_not_what_was_copied_is_found() {
    let tampering = [
        ("users", "UPDATE users SET epoch = epoch + 1 WHERE username_key = 'user_17'"),
        ("users", "UPDATE users SET password_hash = '' WHERE password_hash IS NULL"),
        ("sign_ins", "DELETE FROM sign_ins WHERE created_at = 17"),
        ("sign_ins", "UPDATE sign_ins SET successor_salt = current_hash WHERE successor_salt IS NULL"),
        (
            "users",
            "INSERT INTO users (id, username, username_key, epoch, tokens_after, created_at)
                   VALUES (5, 'new', 'new', 0, 0, 0)",
        ),
    ];
    for (from, to) in pairs().into_iter().filter(|(from, _)| from.is_sqlite()) {
        fill(&from, 100, 300);
        for (table, sql) in tampering {
            let outcome = disturbed(&from, &to, (Stage::Verifying, "users"), || to.execute(sql)).await;
            let sentence = failure(outcome);
            assert!(sentence.contains(&format!("the table {table} is not what was copied")), "{sentence}");
            assert!(to.open().await.unwrap_err().contains("not finished"));
        }
        assert!(copied(&from, &to).await.unwrap().began_anew);
        assert!(to.dump() == from.dump());
    }
}

#[tokio::test]
async fn a_source_that_somebody_writes_to_is_copied_from_one_moment_and_refused_in_the_end() {
    let writing = [
        "UPDATE sign_ins SET generation = generation + 1 WHERE created_at = 17",
        "DELETE FROM sign_ins WHERE created_at = 18",
        "INSERT INTO users (id, username, username_key, epoch, tokens_after, created_at)
         VALUES (5, 'new', 'new', 0, 0, 0)",
        // As many rows as before.
        "DELETE FROM users WHERE id = 5; INSERT INTO users (id, username, username_key, epoch, tokens_after, created_at)
         VALUES (6, 'new', 'new', 0, 0, 0)",
    ];
    for (kind, to) in pairs() {
        let from = filled_like(&kind).await;
        for sql in writing {
            let before = from.dump();
            let sentence =
                failure(disturbed(&from, &to, (Stage::Copying, "users"), || from.execute(sql)).await);
            assert!(sentence.contains("the source has changed"), "{sentence}");
            assert!(to.dump() == before, "the copy is not that of one moment");
            assert!(to.open().await.unwrap_err().contains("not finished"));
        }
        copied(&from, &to).await.unwrap();
        assert!(to.dump() == from.dump());
    }
}

#[tokio::test]
async fn of_two_copies_to_one_target_the_later_one_wins() {
    let overtake =
        format!("UPDATE schema_migrations SET checksum = 'another' WHERE version = {}", marker::VERSION);
    for (from, to) in pairs().into_iter().filter(|(from, _)| from.is_sqlite()) {
        fill(&from, 100, 300);
        for at in [(Stage::Copying, "users"), (Stage::Copying, "sign_ins"), (Stage::Verifying, "sign_ins")] {
            let sentence = failure(disturbed(&from, &to, at, || to.execute(&overtake)).await);
            assert!(sentence.contains("another copy"), "{sentence}");
            assert!(to.open().await.unwrap_err().contains("not finished"));
        }
        copied(&from, &to).await.unwrap();
    }
}

/// The service takes no such text in; a hand that mends the database may have.
#[tokio::test]
async fn a_text_that_the_target_cannot_hold_is_refused_by_its_place() {
    for (from, to) in pairs().into_iter().filter(|(from, _)| from.is_sqlite()) {
        fill(&from, 50, 60);
        from.execute("UPDATE users SET username = 'a' || char(0) || 'b' WHERE id = 0");
        let outcome = copied(&from, &to).await;
        if to.is_sqlite() {
            outcome.unwrap();
            continue;
        }
        let sentence = failure(outcome);
        for part in ["the row with id 0 of the table users", "NUL", "column username"] {
            assert!(sentence.contains(part), "{part}: {sentence}");
        }
    }
}

#[tokio::test]
async fn a_value_of_the_wrong_kind_is_refused_by_its_place() {
    for (from, to) in pairs() {
        let from = if from.is_sqlite() { from } else { filled_like(&from).await };
        if from.is_sqlite() {
            fill(&from, 50, 60);
            from.execute("UPDATE sign_ins SET user_agent = CAST(x'ff' AS TEXT) WHERE id = 0");
        } else {
            from.execute("ALTER TABLE sign_ins ALTER COLUMN user_agent TYPE BYTEA USING NULL");
        }
        let sentence = failure(copied(&from, &to).await);
        assert!(sentence.contains("of the table sign_ins has"), "{sentence}");
        assert!(sentence.contains("column user_agent, where text belongs"), "{sentence}");
    }
}

/// A row that refers to nobody is not smuggled in.
#[tokio::test]
async fn a_row_that_breaks_a_rule_of_the_schema_is_refused_by_its_place() {
    for (from, to) in pairs().into_iter().filter(|(from, _)| from.is_sqlite()) {
        fill(&from, 50, 60);
        from.execute("PRAGMA foreign_keys = OFF; UPDATE sign_ins SET user_id = 4 WHERE id = 0");
        let sentence = failure(copied(&from, &to).await);
        assert!(sentence.contains("the target refuses") && sentence.contains("sign_ins"), "{sentence}");
        assert!(to.open().await.unwrap_err().contains("not finished"));
    }
}

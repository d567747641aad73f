//! The service from outside, over a real socket, asked by the people and programs that will ask it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "the actors of tests: a panic is how they fail"
)]

mod app;
mod call;
mod documented;
mod jar;
mod actors;
mod postbox;
mod story;

mod first_principles;
mod denials;
mod sessions;
mod forward_auth;
mod mailed;
mod oauth;
mod openapi;
mod docs_page;
mod embedding;
mod equivalence;
mod foreign_hashes;
mod malformed;
mod unavailable;
mod checker;
mod races;
mod limits;
mod faults;

mod model;
mod logs;
mod metrics;
mod audit;
mod tidy;

/// All of the above that asks a service, on the other database. What stays out has no database, or is about SQLite's file.
#[test]
fn the_service_does_the_same_on_postgresql() {
    let skips = [
        "the_service_does_the_same_on_postgresql",
        "tidy::",
        "openapi::",
        "docs_page::",
        "mailed::pages::",
        "mailed::browser::",
        "oauth::browser::",
        "checker::tests::",
        "faults::",
        "a_damaged_or_foreign_file",
        "an_emptied_file",
        "while_another_program_holds_the_database",
        "a_short_lock_is_waited_for",
    ];
    countersign_testbed::run_again_on_postgres(&[], &skips);
}

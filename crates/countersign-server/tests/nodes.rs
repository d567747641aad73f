//! The real program on PostgreSQL, as one of several nodes: how they start, what they refuse, whose time they go by, and
//! that one may be restarted after the other.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the actors of tests: a panic is how they fail"
)]

#[expect(dead_code, reason = "the tests of the library use the rest of it")]
#[path = "../../countersign/tests/it/checker.rs"]
mod checker;
#[path = "nodes/commands.rs"]
mod commands;
#[path = "nodes/failover.rs"]
mod failover;
#[expect(dead_code, reason = "the tests on SQLite use the rest of it")]
#[path = "it/program.rs"]
mod program;
#[path = "nodes/rolling.rs"]
mod rolling;
#[path = "nodes/site.rs"]
mod site;
#[path = "nodes/skew.rs"]
mod skew;
#[path = "nodes/start.rs"]
mod start;

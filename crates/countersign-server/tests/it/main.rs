//! The real program, spawned as an operator does: what it prints, how it ends, what it leaves behind.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the actors of tests: a panic is how they fail"
)]

mod audit;
mod commands;
mod copy;
mod doctor;
mod limits;
mod mail;
mod program;
mod serving;
mod settings;
mod users;

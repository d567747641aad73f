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
mod story;

mod first_principles;
mod denials;
mod openapi;
mod docs_page;
mod embedding;
mod equivalence;
mod foreign_hashes;
mod malformed;
mod unavailable;
mod checker;
mod races;
mod model;
mod logs;
mod tidy;

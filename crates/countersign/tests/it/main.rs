//! The service from outside, over a real socket, asked by the people and programs that will ask it.

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

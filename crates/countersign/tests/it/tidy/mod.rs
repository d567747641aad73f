//! The rules of the source tree, kept by tests instead of memory.

pub mod tree;
mod rust;
mod order;
mod rooms;
mod statements;
mod sizes;
mod words;
mod migrations;

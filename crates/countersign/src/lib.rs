//! The service as a library.

// Part I, words: pure, no I/O
pub mod error;
pub mod time;
pub mod secret;
pub mod id;
pub mod names;
pub mod password;

// Part II, ground
mod store;
pub mod settings;
pub mod hashing;
pub mod web;

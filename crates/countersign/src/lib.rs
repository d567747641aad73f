//! The service as a library.

// Part I, words: pure, no I/O
pub mod error;
pub mod time;
pub mod secret;
pub mod id;

// Part II, ground
mod store;

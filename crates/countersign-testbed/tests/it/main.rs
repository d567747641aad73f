//! The testbed, tested: a prop that doesn't do what it says makes every test that leans on it worthless.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests: a panic is how they fail")]

mod clusters;
mod guarded;
mod proxy;
mod postgres;

//! The public face of the crate under arbitrary input, and beside another implementation.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as loudly as tests")]

mod jsonwebtoken;
mod properties;

//! Real parallelism over real sockets: many clients, two nodes, one database. What the contract says of concurrency
//! must hold whoever comes first, and the checker reads every run's log.

pub mod harness;
mod account;
mod endings;
mod storms;

//! Authentication as a library: sign up, trade the password for tokens, verify, refresh, sign out.
//!
//! The modules stand in reading order, and that order is law: a module uses only those listed above it.

// Part I, words: pure, no I/O
pub mod error;
pub mod time;
pub mod secret;
pub mod id;
pub mod names;
pub mod text;
pub mod language;
mod template;
pub mod user_agent;
pub mod password;

// Part II, ground
mod metrics;
mod store;
pub mod settings;
pub mod hashing;
mod keys;
mod web;
mod audit;
mod one_time;
mod mail;
pub mod identity_provider;
mod turnstile;
mod service;
mod caller;
mod limits;

// Part III, the flow: six chapters
pub mod user;
pub mod sign_in;
pub mod authenticate;
pub mod access;
mod refresh;
mod revoke;

// Part IV, extensions: they use Parts I to III and never one another
pub mod profile;
pub mod sessions;
mod forward_auth;
pub mod verify_email;
pub mod password_reset;
pub mod oauth;
pub mod operator;
pub mod copy;
pub mod trail;
mod health;
mod api_docs;

// Part V, the whole
pub mod jobs;
mod scrape;
pub(crate) mod router;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use access::CurrentUser;
pub use router::{App, app, openapi, router};
pub use service::{Countersign, OpenError};
pub use settings::Settings;

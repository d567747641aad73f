//! Real PostgreSQL servers, faulty networks, a mail server with moods and identity providers that can lie, for the tests and benchmarks of this workspace alone.
//!
//! ```no_run
//! use countersign_testbed::{Cluster, postgres_or_skip};
//!
//! if !postgres_or_skip() {
//!     return;
//! }
//! let schema = Cluster::shared().schema();
//! schema.execute("CREATE TABLE users (id text PRIMARY KEY)");
//! let address = schema.url(); // postgres://countersign@127.0.0.1:…/countersign?options=…
//! ```
//!
//! Whatever goes wrong here panics: a test that has no server or no network proves nothing. All calls block, most of
//! them for a few milliseconds, and may be made inside a tokio runtime.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "the props of tests: a panic is how they fail"
)]

mod wait;
mod installation;
mod guardian;
mod query;
mod server;
mod cluster;
mod schema;
mod programs;
mod replica;
mod certificate;
mod tls;
mod twice;
mod proxy;
mod smtp;
mod web;
mod issuer;
mod github;

pub use certificate::Certificate;
pub use cluster::Cluster;
pub use github::GitHubServer;
pub use issuer::{Issuer, Person, SigningAlgorithm, Twist};
pub use proxy::{Direction, Proxy, When};
pub use query::Rows;
pub use schema::Schema;
pub use server::{Stop, free_port};
pub use smtp::{MailServer, Mood, ReceivedMail, SmtpTls};
pub use tls::Tls;
pub use twice::{STORE_VARIABLE, run_again_on_postgres, schema_if_asked};
pub use web::Misbehaviour;

/// Names the folder of the PostgreSQL server's programs, where the usual places don't have it or have another.
pub const BIN_VARIABLE: &str = "COUNTERSIGN_TEST_POSTGRES_BIN";

/// Names a server that [`Cluster::shared`] uses instead of starting one: `postgres://user:password@host:port/database`.
/// The user must be a superuser, or own the database where a test doesn't ask for more.
pub const URL_VARIABLE: &str = "COUNTERSIGN_TEST_POSTGRES_URL";

/// Whether clusters can be started here.
///
/// # Errors
///
/// Where the PostgreSQL server's programs were looked for.
pub fn available() -> Result<(), String> {
    installation::find().map(drop)
}

/// Whether a test that needs [`Cluster::shared`] can run: where not, it says so loudly, and the test returns.
///
/// # Panics
///
/// Where `CI` is set and there is no PostgreSQL: what is skipped there is skipped everywhere.
pub fn postgres_or_skip() -> bool {
    cluster::given_url().is_some() || binaries_or_skip()
}

/// As [`postgres_or_skip`], for a test that starts clusters of its own, which no given server can stand in for.
///
/// # Panics
///
/// Where `CI` is set and there is no PostgreSQL.
pub fn binaries_or_skip() -> bool {
    let Err(missing) = available() else { return true };
    let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!is_ci, "{missing}");
    eprintln!("\n*** SKIPPED, NOTHING WAS TESTED: {missing} ***\n");
    false
}

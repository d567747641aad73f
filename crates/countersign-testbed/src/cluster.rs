//! PostgreSQL clusters: one that all tests of a process share, and those of tests that break theirs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::OnceLock;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::URL_VARIABLE;
use crate::query::{Rows, ask};
use crate::schema::Schema;
use crate::server::{Server, Stop};

const DATABASE: &str = "countersign";

/// What makes a cluster fast and unfit for anything but tests: nothing is safe when the machine fails.
const FAST: [(&str, &str); 5] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("shared_buffers", "128MB"),
    ("max_connections", "400"),
];

/// A PostgreSQL cluster with the superuser and the database `countersign`, on a port of 127.0.0.1. Dropped, it is
/// stopped and its folder removed; the same happens when this process ends, however it ends.
pub struct Cluster {
    pub(crate) url: String,
    /// How the superuser gets in.
    pub(crate) config: Config,
    pub(crate) server: Option<Server>,
}

impl Cluster {
    /// Starts a cluster with these settings of `postgresql.conf`. It writes as safely as PostgreSQL does by itself.
    pub fn start(options: &[(&str, &str)]) -> Self {
        Self::start_in(&std::env::temp_dir(), options)
    }

    /// As [`Cluster::start`], with its folder in another than the system's folder for temporary files, which may lie in
    /// memory. The user that the server runs as must get there.
    pub fn start_in(parent: &Path, options: &[(&str, &str)]) -> Self {
        let server = Server::create(parent, options);
        ask(&server.config("postgres"), &format!("CREATE DATABASE {DATABASE}")).expect("a new database");
        Self::of(server)
    }

    /// Starts a cluster for ordinary tests: fast, for 400 connections, and unsafe at a loss of power.
    pub fn start_fast() -> Self {
        Self::start(&FAST)
    }

    /// The one fast cluster of this process, started when it is first asked for; or the server that
    /// [`URL_VARIABLE`] names.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| given_url().map_or_else(Self::start_fast, Self::given))
    }

    pub(crate) fn of(server: Server) -> Self {
        let url = format!("postgres://countersign@127.0.0.1:{}/{DATABASE}", server.port());
        Self { url, config: server.config(DATABASE), server: Some(server) }
    }

    fn given(url: String) -> Self {
        let config = url.parse().unwrap_or_else(|error| panic!("{URL_VARIABLE}: {error}"));
        Self { url, config, server: None }
    }

    /// Where clients connect: `postgres://countersign@127.0.0.1:PORT/countersign`.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The port of the server.
    pub fn port(&self) -> u16 {
        self.address().port()
    }

    /// The address of the server, for a proxy or a bare connection.
    pub fn address(&self) -> SocketAddr {
        if let Some(server) = &self.server {
            return (Ipv4Addr::LOCALHOST, server.port()).into();
        }
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let Some(Host::Tcp(host)) = self.config.get_hosts().first() else {
            panic!("{URL_VARIABLE} names no host")
        };
        let found = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port));
        found.ok().and_then(|mut found| found.next()).unwrap_or_else(|| panic!("{host} has no address"))
    }

    /// A schema of its own for one test.
    pub fn schema(&self) -> Schema {
        Schema::new(self)
    }

    /// Runs statements as superuser, in one transaction unless they say otherwise.
    ///
    /// # Panics
    ///
    /// With the server's answer, if that is a refusal; so does [`Cluster::query_text`].
    pub fn execute(&self, sql: &str) {
        self.query_text(sql);
    }

    /// The rows that statements give to the superuser.
    pub fn query_text(&self, sql: &str) -> Rows {
        self.try_query(sql).unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// The rows that statements give to the superuser.
    ///
    /// # Errors
    ///
    /// What the server answers instead, with the SQLSTATE, or why it can't be reached.
    pub fn try_query(&self, sql: &str) -> Result<Rows, String> {
        ask(&self.config, sql)
    }

    /// Ends every connection that clients have to the database, as an administrator would.
    pub fn terminate_backends(&self) {
        self.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
             WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
        );
    }

    /// Stops the server and waits until it has ended. [`Stop::Smart`] waits for the clients.
    pub fn stop(&self, how: Stop) {
        self.own_server().stop(how);
    }

    /// Starts the stopped server again, on the same port, and waits until it answers.
    pub fn start_again(&self) {
        self.own_server().try_start().unwrap_or_else(|log| panic!("PostgreSQL did not start again:\n{log}"));
    }

    /// What the server has written to its log.
    pub fn log(&self) -> String {
        self.own_server().log()
    }

    /// The server that we started; another's is not ours to stop.
    pub(crate) fn own_server(&self) -> &Server {
        self.server.as_ref().unwrap_or_else(|| panic!("the server of {URL_VARIABLE} is not ours to operate"))
    }
}

/// The server that [`Cluster::shared`] uses, where one is named.
pub(crate) fn given_url() -> Option<String> {
    std::env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty())
}

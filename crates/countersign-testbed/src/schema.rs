//! A schema for one test: what the tests of a shared cluster do is out of each other's sight.

use tokio_postgres::Config;

use crate::cluster::Cluster;
use crate::query::{Rows, ask};

/// An own schema in a cluster's database. Whoever connects with its [`url`](Self::url) sees it, and no other.
pub struct Schema {
    name: String,
    url: String,
    /// The superuser's way in, with the same search path.
    config: Config,
    /// Whether the server stays when the process ends: then the schema is dropped before.
    must_go: bool,
}

impl Schema {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let name = format!("test_{:016x}", getrandom::u64().expect("randomness"));
        cluster.execute(&format!("CREATE SCHEMA {name}"));
        let joint = if cluster.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{joint}options=-csearch_path%3D{name}", cluster.url);
        let mut config = cluster.config.clone();
        config.options(format!("-csearch_path={name}"));
        Self { name, url, config, must_go: cluster.server.is_none() }
    }

    /// Where clients connect: the cluster's address with this schema as search path.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The schema's name, which no other has.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements in the schema as superuser, in one transaction unless they say otherwise.
    ///
    /// # Panics
    ///
    /// With the server's answer, if that is a refusal; so does [`Schema::query_text`].
    pub fn execute(&self, sql: &str) {
        self.query_text(sql);
    }

    /// The rows that statements give to the superuser in the schema.
    pub fn query_text(&self, sql: &str) -> Rows {
        self.try_query(sql).unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// The rows that statements give to the superuser in the schema.
    ///
    /// # Errors
    ///
    /// What the server answers instead, with the SQLSTATE, or why it can't be reached.
    pub fn try_query(&self, sql: &str) -> Result<Rows, String> {
        ask(&self.config, sql)
    }
}

impl Drop for Schema {
    /// Drops the schema from a server that stays, unless somebody holds it for longer than a second.
    fn drop(&mut self) {
        if self.must_go {
            let _ = self.try_query(&format!("SET lock_timeout = '1s'; DROP SCHEMA {} CASCADE", self.name));
        }
    }
}

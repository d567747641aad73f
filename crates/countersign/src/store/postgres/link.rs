//! One connection, made ready for our statements, and the pool that lends them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult, WeakPool};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, Protection, cause};
use super::clock::SharedClock;
use super::error::{Trouble, describe, late, trouble};
use crate::error::{Error, Internal, Result};
use crate::secret::random_bytes;
use crate::store::CannotOpen;

/// Connecting and making ready, all hosts of the address together.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long a transaction waits for one of the pool's connections.
const POOL_WAIT: Duration = Duration::from_secs(3);

/// Whatever the server's defaults are, ours hold: no statement and no forgotten transaction holds a lock for ever, and
/// a commit is durable before it is answered (SEC-103). The batches look rows up in the order of their keys, so that
/// two of them never wait for each other in a circle; a plan that scans or hashes would lose that order.
const MAKE_READY: &str = "
    SET default_transaction_isolation = 'read committed';
    SET statement_timeout = '6s';
    SET lock_timeout = '4s';
    SET idle_in_transaction_session_timeout = '15s';
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// For connections that have few statements, each of which looks rows up by their keys: by the index, however small the
/// table was when the plan was made, and planned once. A batch planned anew, for arrays of just this length, costs the
/// server more than the rows of a small one.
pub(super) const BY_KEYS_ALONE: &str = "
    SET enable_seqscan = off;
    SET enable_bitmapscan = off;
    SET plan_cache_mode = 'force_generic_plan'";

/// The life of the server's memory. The table is unlogged: it is empty after a crash and on a promoted standby, and whoever
/// comes first begins a new life. Only within one life does a transaction's number mean that transaction.
const LIFE: &str = "SELECT life FROM server_life";
const NEW_LIFE: &str = "
    INSERT INTO server_life (only_row, life) VALUES (true, $1)
    ON CONFLICT (only_row) DO UPDATE SET life = server_life.life RETURNING life";

/// How connections are made.
#[derive(Clone)]
pub(super) struct Links {
    config: Config,
    tls: MakeRustlsConnect,
    shown: String,
    clock: SharedClock,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NoLink {
    Refused(tokio_postgres::Error),
    Late,
}

impl NoLink {
    /// Whether trying again is idle: a wrong password, a database that does not exist.
    pub(super) fn is_final(&self) -> bool {
        let Self::Refused(error) = self else { return false };
        error.as_db_error().is_some_and(|refusal| {
            let class = refusal.code().code().get(..2).unwrap_or_default().to_owned();
            matches!(class.as_str(), "28" | "3D" | "42")
        }) || error.to_string().contains("TLS handshake")
    }

    pub(super) fn to_sentence(&self) -> String {
        match self {
            Self::Refused(error) => match error.as_db_error() {
                Some(_) => describe(error),
                None => cause(error),
            },
            Self::Late => format!("no connection within {} seconds", CONNECT_LIMIT.as_secs()),
        }
    }
}

impl From<NoLink> for Error {
    fn from(refusal: NoLink) -> Self {
        Self::Unavailable(Internal::new(format!("PostgreSQL: {}", refusal.to_sentence())))
    }
}

impl Links {
    pub(super) fn new(url: &str, clock: SharedClock) -> std::result::Result<Self, CannotOpen> {
        let explain = |what: String| CannotOpen(format!("can't use the setting database_url: {what}"));
        let address = Address::parse(url).map_err(explain)?;
        let tls = super::tls::connector(&address).map_err(explain)?;
        warn_if_unprotected(&address);
        Ok(Self { config: address.config, tls, shown: address.shown, clock })
    }

    pub(super) fn cannot_open(&self, sentence: &str) -> CannotOpen {
        CannotOpen(format!(
            "can't open the database {}: {sentence}. See that the server runs, that the address, the user and the \
             password in `database_url` are right, and that the database exists",
            self.shown
        ))
    }

    /// # Errors
    /// [`NoLink`].
    pub(super) async fn connect(&self) -> std::result::Result<Link, NoLink> {
        timeout(CONNECT_LIMIT, self.make()).await.map_err(|_| NoLink::Late)?.map_err(NoLink::Refused)
    }

    async fn make(&self) -> std::result::Result<Link, tokio_postgres::Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(reason = describe(&error), "a connection to the database broke");
            }
        });
        let mut link = Link { client, driver, life: None, statements: Mutex::default() };
        link.client.batch_execute(MAKE_READY).await?;
        link.life = link.find_life().await.ok();
        self.clock.compare(&link).await?;
        Ok(link)
    }
}

fn warn_if_unprotected(address: &Address) {
    use tokio_postgres::config::Host;
    let is_near = |host: &Host| match host {
        Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
        Host::Unix(_) => true,
    };
    if address.protection != Protection::VerifiedHost && !address.config.get_hosts().iter().all(is_near) {
        tracing::warn!(
            database = address.shown,
            "whoever is between here and the database could read and change what is said: \
             add sslmode=verify-full to database_url, unless the network is yours alone"
        );
    }
}

/// One connection.
pub(super) struct Link {
    pub(super) client: Client,
    driver: JoinHandle<()>,
    /// `None` before the first migration.
    pub(super) life: Option<i64>,
    /// Prepared once each: by the text's address, since texts are static.
    statements: Mutex<HashMap<(usize, usize), Statement>>,
}

impl Link {
    async fn find_life(&self) -> std::result::Result<i64, tokio_postgres::Error> {
        let row = match self.client.query_opt(LIFE, &[]).await? {
            Some(row) => row,
            None => self.client.query_one(NEW_LIFE, &[&i64::from_ne_bytes(random_bytes())]).await?,
        };
        row.try_get(0)
    }

    pub(super) async fn prepared(
        &self,
        sql: &'static str,
    ) -> std::result::Result<Statement, tokio_postgres::Error> {
        let key = (sql.as_ptr().addr(), sql.len());
        let known = self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).insert(key, statement.clone());
        Ok(statement)
    }

    /// Closes it at once: whatever it was doing ends with it.
    pub(super) fn retire(&self) {
        self.driver.abort();
    }

    pub(super) fn is_lost(&self) -> bool {
        self.client.is_closed()
    }
}

impl Drop for Link {
    /// The client's own end waits for answers that may never come.
    fn drop(&mut self) {
        self.retire();
    }
}

/// Lends connections to transactions.
#[derive(Clone)]
pub(super) struct Pool(managed::Pool<Lender>);

pub(super) type Lent = managed::Object<Lender>;

pub(super) struct Lender(Links);

impl managed::Manager for Lender {
    type Type = Link;
    type Error = NoLink;

    async fn create(&self) -> std::result::Result<Link, NoLink> {
        self.0.connect().await
    }

    async fn recycle(&self, link: &mut Link, _: &Metrics) -> RecycleResult<NoLink> {
        if link.is_lost() { Err(RecycleError::message("lost")) } else { Ok(()) }
    }
}

impl Pool {
    pub(super) fn new(links: Links, size: u32) -> std::result::Result<Self, managed::BuildError> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let builder = managed::Pool::builder(Lender(links)).max_size(size).wait_timeout(Some(POOL_WAIT));
        builder.runtime(deadpool::Runtime::Tokio1).build().map(Self)
    }

    pub(super) async fn get(&self) -> Result<Lent> {
        self.0.get().await.map_err(|refusal| match refusal {
            managed::PoolError::Backend(refusal) => refusal.into(),
            managed::PoolError::Closed => super::closed(),
            managed::PoolError::Timeout(_) => late("waiting for a connection of the pool"),
            other => Error::Unavailable(Internal::new(format!("the pool of connections: {other:?}"))),
        })
    }

    pub(super) fn status(&self) -> deadpool::Status {
        self.0.status()
    }

    pub(super) fn close(&self) {
        self.0.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    pub(super) fn downgrade(&self) -> Weak {
        Weak(self.0.weak())
    }
}

/// A pool that may be gone.
pub(super) struct Weak(WeakPool<Lender>);

impl Weak {
    pub(super) fn upgrade(&self) -> Option<Pool> {
        self.0.upgrade().map(Pool)
    }
}

/// Why a statement of a batch failed: its error, and whether the connection can go on.
pub(super) fn failure(link: &Link, error: &tokio_postgres::Error) -> (Error, bool) {
    (trouble(error), Trouble::of(error) != Trouble::Lost && !link.is_lost())
}

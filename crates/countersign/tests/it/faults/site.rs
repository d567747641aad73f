//! A site: two nodes on one PostgreSQL behind a network that can fail, clients that never give up, and the log of all
//! that they heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use countersign::secret::SecretString;
use countersign::settings::{Argon2Settings, Database, RateLimits};
use countersign::{Countersign, Settings};
use countersign_testbed::{Cluster, Proxy, Schema};
use tokio::task::JoinSet;

use crate::checker::Log;
use crate::checker::witness::{Held, Reply, Witness};
use crate::races::harness::{PASSWORD, serve};

/// How soon after its end a fault must be forgotten.
const HEALED_WITHIN: Duration = Duration::from_secs(5);
/// A client that hears nothing good for so long has lost something.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Site {
    pub witnesses: Vec<Witness>,
    pub log: Arc<Log>,
    pub proxy: Arc<Proxy>,
    pub schema: Schema,
    services: Vec<Countersign>,
    _folder: tempfile::TempDir,
}

impl Site {
    /// Two nodes that reach a schema of the cluster through one proxy. The time is the database's, as it is in earnest.
    pub async fn on(cluster: &Cluster) -> Self {
        let (folder, schema) = (tempfile::tempdir().unwrap(), cluster.schema());
        let proxy = Arc::new(Proxy::start(cluster.address()));
        let settings = Settings {
            data_dir: folder.path().join("data"),
            database: Some(Database::Postgres(SecretString::from(proxy.url(&schema.url())))),
            database_connections: 8,
            secret_key: Some(SecretString::from("a key for tests: 7Rk2vQ9xLp4sWm8t")),
            // The least that OWASP lists: faults of the network are looked for, not of the processor.
            argon2: Argon2Settings { memory_kib: 7_168, iterations: 5, parallelism: 1 },
            // Who signs up and in is many people at one address.
            rate_limits: RateLimits { on: false, ..RateLimits::default() },
            ..Settings::default()
        };
        let log = Arc::new(Log::default());
        let (mut services, mut witnesses) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let service = Countersign::open(settings.clone()).await.unwrap();
            witnesses.push(Witness::new(format!("http://{}", serve(&service).await), Arc::clone(&log)));
            services.push(service);
        }
        Self { witnesses, log, proxy, schema, services, _folder: folder }
    }

    /// Somebody who has just signed up and in.
    pub async fn somebody(&self, name: &str) -> Held {
        assert_eq!(self.witnesses[0].sign_up(name, PASSWORD).await.status, 201);
        self.witnesses[1].sign_in(name, PASSWORD).await.held.unwrap()
    }

    /// While the database can't be reached: ready says so, alive stays alive, and each request is told to come again.
    pub async fn is_down(&self, held: &Held) {
        for witness in &self.witnesses {
            until("readiness goes red", async || witness.get("/health/ready").await.status == 503).await;
            assert_eq!(witness.get("/health/live").await.status, 200);
            let answer = witness.get_with("/me", &held.access).await;
            assert_eq!((answer.status, answer.code.as_str()), (503, "database_unavailable"), "{answer:?}");
            assert!(answer.retry_after.is_some(), "{answer:?}");
        }
    }

    /// Within five seconds of the fault's end each node answers again.
    pub async fn is_healed(&self, held: &Held) {
        let begun = Instant::now();
        for witness in &self.witnesses {
            let healed = async || {
                witness.get("/health/ready").await.status == 200
                    && witness.get_with("/me", &held.access).await.status == 200
            };
            until("it heals", healed).await;
        }
        assert!(begun.elapsed() < HEALED_WITHIN, "healed after {:?}", begun.elapsed());
    }

    pub fn services(&self) -> &[Countersign] {
        &self.services
    }
}

/// Waits for a condition, as long as a patient operator would.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Clients that refresh, look and sign in until they are told to stop; each asks again, with the same key, until it is
/// answered.
pub struct Crowd {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    clients: JoinSet<Held>,
}

impl Crowd {
    pub async fn gather(site: &Site, size: usize) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        // Everybody signs up before anybody is busy.
        let mut everybody = Vec::new();
        for number in 0..size {
            let name = format!("client-{number}");
            let held = site.somebody(&name).await;
            everybody.push((number, name, held));
        }
        let mut clients = JoinSet::new();
        for (number, name, held) in everybody {
            let client = Client {
                name,
                number,
                witnesses: site.witnesses.clone(),
                stop: Arc::clone(&stop),
                done: Arc::clone(&done),
            };
            clients.spawn(client.live(held));
        }
        Self { stop, done, clients }
    }

    /// Waits until so many more refreshes were answered.
    pub async fn goes_on(&self, more: usize) {
        let goal = self.done.load(Ordering::SeqCst) + more;
        until("the crowd goes on", async || self.done.load(Ordering::SeqCst) >= goal).await;
    }

    /// Lets everyone finish, and proves that everyone is still signed in.
    pub async fn disperse(mut self, site: &Site) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        let mut everyone = Vec::new();
        while let Some(held) = self.clients.join_next().await {
            everyone.push(held.unwrap());
        }
        for (number, held) in everyone.iter().enumerate() {
            let reply = site.witnesses[number % 2].refresh(&held.refresh, None).await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
        self.done.load(Ordering::SeqCst)
    }
}

/// What a client insists on.
enum Ask<'a> {
    Refresh(&'a str, &'a str),
    SignOut(&'a str),
    SignIn(&'a str),
}

struct Client {
    name: String,
    number: usize,
    witnesses: Vec<Witness>,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
}

impl Client {
    async fn live(self, mut held: Held) -> Held {
        let mut turn = self.number;
        while !self.stop.load(Ordering::SeqCst) {
            turn += 1;
            held = self.refresh(turn, &held).await;
            self.done.fetch_add(1, Ordering::SeqCst);
            self.witness(turn).me(&held).await;
            if turn.is_multiple_of(16) {
                held = self.sign_in_anew(turn, &held).await;
            }
        }
        held
    }

    fn witness(&self, turn: usize) -> &Witness {
        &self.witnesses[turn % self.witnesses.len()]
    }

    async fn refresh(&self, turn: usize, held: &Held) -> Held {
        let key = format!("client-{}-turn-{turn}-0123456789", self.number);
        let reply = self.insist(turn, Ask::Refresh(&held.refresh, &key)).await;
        reply.held.expect("a refresh that was answered has a successor")
    }

    /// A sign-out, whose answer binds, and a new sign-in.
    async fn sign_in_anew(&self, turn: usize, held: &Held) -> Held {
        self.insist(turn, Ask::SignOut(&held.refresh)).await;
        self.insist(turn, Ask::SignIn(&self.name)).await.held.expect("a sign-in has tokens")
    }

    /// Asks until there is an answer that says something; anything but a success is a loss.
    async fn insist(&self, turn: usize, ask: Ask<'_>) -> Reply {
        let begun = Instant::now();
        let mut attempt = turn;
        loop {
            let witness = self.witness(attempt);
            let reply = match ask {
                Ask::Refresh(token, key) => witness.refresh(token, Some(key)).await,
                Ask::SignOut(token) => witness.sign_out(token).await,
                Ask::SignIn(name) => witness.sign_in(name, PASSWORD).await,
            };
            match reply.status {
                200..=299 => return reply,
                0 | 503 => assert!(begun.elapsed() < PATIENCE, "{} asked in vain: {reply:?}", self.name),
                _ => panic!("{} lost something: {reply:?}", self.name),
            }
            attempt += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

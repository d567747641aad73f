//! Nodes that share one database and one clock, each behind a real socket, and the chance that a run is made of.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;

use countersign::names::Username;
use countersign::settings::RateLimits;
use countersign::time::{Clock, Timestamp};
use countersign::user::{self, User};
use countersign::{Countersign, Settings, router};
use countersign_testbed::Schema;

use crate::app::settings_for;
use crate::checker::Log;
use crate::checker::witness::{Held, Reply, Witness};

/// 2026-11-24T09:30:00Z.
pub const START: Timestamp = Timestamp::from_millis(1_795_512_600_000);
pub const PASSWORD: &str = "correct horse battery";

pub struct Nodes {
    pub services: Vec<Countersign>,
    pub witnesses: Vec<Witness>,
    pub clock: Clock,
    pub log: Arc<Log>,
    pub chance: Chance,
    _schema: Option<Schema>,
    _folder: tempfile::TempDir,
}

impl Nodes {
    /// So many nodes on one database, without limits on guessing: most races are about other things.
    pub async fn start(count: usize) -> Self {
        Self::start_limited(count, RateLimits { on: false, ..RateLimits::default() }).await
    }

    /// With these limits.
    pub async fn start_limited(count: usize, rate_limits: RateLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (settings, schema) = settings_for(folder.path());
        let settings = Settings { rate_limits, ..settings };
        let (clock, log) = (Clock::fixed(START), Arc::new(Log::default()));
        let chance = Chance::of_this_run();
        let (services, witnesses) = (Vec::new(), Vec::new());
        let mut nodes = Self { services, witnesses, clock, log, chance, _schema: schema, _folder: folder };
        nodes.open(count, &settings).await;
        nodes
    }

    /// Every node ends, and as many begin.
    pub async fn restart(&mut self) {
        self.witnesses.clear();
        let stopped = std::mem::take(&mut self.services);
        for service in &stopped {
            service.shut_down().await;
        }
        self.open(stopped.len(), stopped[0].settings()).await;
    }

    async fn open(&mut self, count: usize, settings: &Settings) {
        for _ in 0..count {
            let service = Countersign::open_with_clock(settings.clone(), self.clock.clone()).await.unwrap();
            let address = serve(&service).await;
            self.witnesses.push(Witness::new(format!("http://{address}"), Arc::clone(&self.log)));
            self.services.push(service);
        }
    }

    /// Requests go to the nodes in turn.
    pub fn node(&self, number: usize) -> &Witness {
        &self.witnesses[number % self.witnesses.len()]
    }

    pub async fn sign_up(&self, name: &str) {
        let reply = patiently(|| self.node(0).sign_up(name, PASSWORD)).await;
        assert_eq!(reply.status, 201, "{reply:?}");
    }

    pub async fn sign_in(&self, name: &str, password: &str) -> Held {
        let reply = patiently(|| self.node(0).sign_in(name, password)).await;
        reply.held.clone().unwrap_or_else(|| panic!("{reply:?}"))
    }

    pub async fn account(&self, name: &str) -> User {
        let name = Username::parse(name).unwrap();
        user::find_by_name(&self.services[0], &name).await.unwrap().unwrap().user
    }
}

/// Serves a node on a port of its own.
pub async fn serve(service: &Countersign) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = router(service).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// Asks again as long as the hash lanes are too busy, as a client does that obeys `Retry-After`.
pub async fn patiently<F: Future<Output = Reply>>(ask: impl Fn() -> F) -> Reply {
    loop {
        let reply = ask().await;
        if reply.code != "overloaded" {
            return reply;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// How often each race is run: `COUNTERSIGN_RACE_TRIALS`, else so many.
pub fn trials(usual: usize) -> usize {
    let asked = std::env::var("COUNTERSIGN_RACE_TRIALS").ok();
    asked.map_or(usual, |asked| asked.parse().expect("COUNTERSIGN_RACE_TRIALS is a number"))
}

/// Chance with a seed that the run prints and `COUNTERSIGN_RACE_SEED` repeats (splitmix64). It draws who starts late
/// and by how much; the schedule itself stays the machine's.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    pub fn of_this_run() -> Self {
        let asked = std::env::var("COUNTERSIGN_RACE_SEED").ok();
        let seed = asked.map_or_else(
            || RandomState::new().build_hasher().finish(),
            |asked| asked.parse().expect("COUNTERSIGN_RACE_SEED is a number"),
        );
        println!("seed: COUNTERSIGN_RACE_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// A late start: so many turns given up to other tasks.
    pub fn lateness(&mut self) -> u64 {
        self.below(40)
    }
}

/// Gives up so many turns.
pub async fn be_late(turns: u64) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

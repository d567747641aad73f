//! A client that works until nobody answers any more, remembers what it was promised, and comes back for it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::checker::witness::{Held, Reply, Witness};

const PASSWORD: &str = "correct horse battery";
/// Ended sign-ins that are tried again after each restart.
const PROBES: usize = 3;

pub struct Client {
    number: usize,
    accounts: usize,
    /// Whether the present account is known to exist.
    has_account: bool,
    held: Option<Held>,
    /// The token that `held` was refreshed from.
    spent: Option<Held>,
    /// A refresh whose answer was lost, with its key, if it had one.
    lost: Option<(Held, Option<String>)>,
    /// Sign-ins that have ended for certain.
    graves: Vec<Held>,
    chance: Chance,
}

/// Nobody answers: the program is dead.
struct Silence;

impl Client {
    pub fn new(number: usize, chance: &mut Chance) -> Self {
        Self {
            number,
            accounts: 0,
            has_account: false,
            held: None,
            spent: None,
            lost: None,
            graves: Vec::new(),
            chance: Chance(chance.below(u64::MAX)),
        }
    }

    fn name(&self) -> String {
        format!("client-{}-{}", self.number, self.accounts)
    }

    fn key(&mut self) -> Option<String> {
        let keyed = self.chance.below(2) == 0;
        keyed.then(|| format!("{:032x}", u128::from(self.chance.below(u64::MAX)) << 64))
    }

    /// Comes back for what it was promised, and then works on until the program dies.
    pub async fn works(&mut self, witness: &Witness) {
        self.works_until(witness, &AtomicBool::new(false)).await;
    }

    /// As [`Client::works`], until it is told to stop; whether it was answered for so long.
    pub async fn works_until(&mut self, witness: &Witness, stop: &AtomicBool) -> bool {
        if self.takes_stock_or_stops(witness).await.is_err() {
            return false;
        }
        while !stop.load(Ordering::Relaxed) {
            if self.step(witness).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Asks once for all that it was promised. What it hears is in the log, and the checker's to judge.
    pub async fn takes_stock(&mut self, witness: &Witness) {
        assert!(self.takes_stock_or_stops(witness).await.is_ok(), "nobody answers");
        if let Some(held) = self.held.clone() {
            witness.me(&held).await;
            witness.refresh(&held.refresh, None).await;
        }
        for grave in &self.graves {
            witness.me(grave).await;
            witness.refresh(&grave.refresh, None).await;
        }
    }

    async fn takes_stock_or_stops(&mut self, witness: &Witness) -> Result<(), Silence> {
        for _ in 0..PROBES.min(self.graves.len()) {
            let at = self.chance.below(self.graves.len() as u64);
            let Some(grave) = usize::try_from(at).ok().and_then(|at| self.graves.get(at)) else { break };
            answered(witness.me(grave).await)?;
            answered(witness.refresh(&grave.refresh, None).await)?;
        }
        if let Some((held, key)) = self.lost.clone() {
            let reply = answered(witness.refresh(&held.refresh, key.as_deref()).await)?;
            self.lost = None;
            if reply.session_ended == Some(true) {
                self.graves.push(held.clone());
            }
            self.spent = Some(held);
            self.held = reply.held;
        }
        Ok(())
    }

    async fn step(&mut self, witness: &Witness) -> Result<(), Silence> {
        if !self.has_account {
            let reply = answered(witness.sign_up(&self.name(), PASSWORD).await)?;
            // Taken: by this very client, whose answer was lost.
            self.has_account = matches!(reply.status, 201 | 400);
            return Ok(());
        }
        let Some(held) = self.held.clone() else {
            self.held = answered(witness.sign_in(&self.name(), PASSWORD).await)?.held;
            self.spent = None;
            return Ok(());
        };
        match self.chance.below(100) {
            0..3 => {
                self.accounts += 1;
                self.has_account = false;
                self.held = None;
            }
            3..11 => self.signs_out(witness, held).await?,
            11..25 => drop(answered(witness.me(&held).await)?),
            25..29 => self.replays(witness, held).await?,
            _ => self.refreshes(witness, held).await?,
        }
        Ok(())
    }

    async fn refreshes(&mut self, witness: &Witness, held: Held) -> Result<(), Silence> {
        let key = self.key();
        self.lost = Some((held.clone(), key.clone()));
        let reply = witness.refresh(&held.refresh, key.as_deref()).await;
        let Ok(reply) = answered(reply) else {
            self.held = None;
            return Err(Silence);
        };
        self.lost = None;
        if reply.status == 200 {
            self.held = reply.held;
            self.spent = Some(held);
        }
        Ok(())
    }

    async fn signs_out(&mut self, witness: &Witness, held: Held) -> Result<(), Silence> {
        self.held = None;
        if answered(witness.sign_out(&held.refresh).await).is_err() {
            // Ended or not: the next refresh tells.
            self.lost = Some((held, None));
            return Err(Silence);
        }
        self.graves.push(held);
        Ok(())
    }

    /// A thief, or a tab that comes late.
    async fn replays(&mut self, witness: &Witness, held: Held) -> Result<(), Silence> {
        let Some(spent) = &self.spent else { return Ok(()) };
        let reply = answered(witness.refresh(&spent.refresh, None).await)?;
        if reply.code == "refresh_token_reused" {
            self.graves.push(held);
            self.held = None;
        }
        Ok(())
    }
}

fn answered(reply: Reply) -> Result<Reply, Silence> {
    if reply.status == 0 { Err(Silence) } else { Ok(reply) }
}

/// Chance with a seed that the run prints and `COUNTERSIGN_CRASH_SEED` repeats (splitmix64); the schedule itself stays
/// the machine's.
pub struct Chance(u64);

impl Chance {
    pub fn of_this_run() -> Self {
        let asked = std::env::var("COUNTERSIGN_CRASH_SEED").ok();
        let seed = asked.map_or_else(
            || RandomState::new().build_hasher().finish(),
            |asked| asked.parse().expect("COUNTERSIGN_CRASH_SEED is a number"),
        );
        println!("seed: COUNTERSIGN_CRASH_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

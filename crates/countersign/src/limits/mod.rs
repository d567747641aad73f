//! How often somebody may try: budgets of wrong passwords, of sign-ups, mails and links, shared by all nodes through the database.
//!
//! A guess is counted in the transaction that decides its answer, right or wrong, and not before: so no number of
//! parallel guesses is told more than the budget allows, and a right password costs no write of its own. Why so stands
//! in decision 0008.

mod key;
mod sql;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use crate::audit::{About, Event};
use crate::error::{Error, Result, TokenRefusal};
use crate::id::{SignInId, UserId};
use crate::service::Countersign;
use crate::settings::Rate;
use crate::store::Tx;
use crate::time::Timestamp;
use crate::turnstile::Pass;

use key::{canonical, key, network};
use sql::Used;

/// How many rows may tell of what was used. Whoever wants one of them forgotten has to fill all others with as much.
const MOST_ROWS: u32 = 131_072;
/// After so many new rows of one node it is time to see whether there are too many.
const TRIM_AFTER: u32 = 1_024;
/// Removes more than come in between, so that what several nodes add is caught up with.
const TRIM_BATCH: u32 = 4_096;

/// How long a guess waits for others on the same budget: as long as a password waits for a lane.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a password is given, as far as its owner was let in there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nobody knows.
    Unknown,
    /// A device on which the owner has signed in under the present password.
    Device(UserId, [u8; 16]),
    /// A living sign-in of the owner's.
    SignIn(SignInId),
}

/// So many units in so long, for one whom `key` stands for.
#[derive(Debug, Clone, Copy)]
struct Budget {
    key: i64,
    rate: Rate,
    /// Whether the guess is refused when it is used up; others only count.
    decides: bool,
    /// Whether it is the account's own, so that a right password gives it back (SEC-20).
    is_accounts: bool,
}

/// All the budgets that an attempt draws on, three at most.
#[derive(Debug, Clone, Default)]
pub(crate) struct Budgets(Vec<Budget>);

/// What became of the units that were used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    new_rows: u32,
    used_up: bool,
}

/// A password that is about to be checked; the default one is limited by nothing.
#[derive(Default)]
pub(crate) struct Guess {
    pub(crate) budgets: Budgets,
    _pass: Pass,
}

/// Whether a password may be checked now: refuses at once where the answer could be nothing but a refusal, and lets no
/// more under way than could still be answered.
///
/// # Errors
/// [`Error::RateLimited`]; [`Error::Overloaded`] after waiting too long for others; [`Error::Unavailable`].
pub(crate) async fn begin_guess(
    service: &Countersign,
    username: &str,
    from: Option<IpAddr>,
    place: Place,
) -> Result<Guess> {
    let budgets = Budgets::of_guess(service, username, from, place);
    match tokio::time::timeout(PATIENCE, budgets.enter(service)).await {
        Ok(pass) => Ok(Guess { _pass: pass?, budgets }),
        Err(_) => Err(Error::Overloaded { retry_after: PATIENCE }),
    }
}

/// Counts a wrong password. When this returns `Ok`, and not before, whoever asks may be told that it was wrong.
///
/// # Errors
/// [`Error::RateLimited`]: it may not be told, for the budget was used up meanwhile. [`Error::Unavailable`].
pub(crate) async fn count_wrong(service: &Countersign, guess: Guess, about: About) -> Result<()> {
    count(service, &guess.budgets, about, "wrong_passwords").await
}

async fn count(service: &Countersign, budgets: &Budgets, about: About, what: &'static str) -> Result<()> {
    if budgets.0.is_empty() {
        return Ok(());
    }
    let input = (budgets.clone(), service.now());
    let spent = service
        .store()
        .write(input, |tx, (budgets, now)| Box::pin(async move { budgets.spend(tx, *now).await }));
    spent.await?.note(service, About { detail: None, ..about }.because(what)).await;
    Ok(())
}

/// Whether an address may sign up at all.
///
/// # Errors
/// [`Error::RateLimited`], [`Error::Unavailable`].
pub(crate) async fn begin_sign_up(service: &Countersign, from: Option<IpAddr>) -> Result<Budgets> {
    let budgets = Budgets::of_sign_up(service, from);
    budgets.rooms(service).await?;
    Ok(budgets)
}

/// Does what a mailed link asks for, and counts a link that was never sent, or was used before, for whoever sends it: nobody
/// can try links for ever (SEC-23).
///
/// # Errors
/// [`Error::RateLimited`] where that address has sent too many; those of `redeeming`; [`Error::Unavailable`].
pub(crate) async fn redeem_link<T>(
    service: &Countersign,
    from: Option<IpAddr>,
    redeeming: impl Future<Output = Result<T>>,
) -> Result<T> {
    let budgets = Budgets::of_links(service, from);
    budgets.rooms(service).await?;
    let redeemed = redeeming.await;
    if matches!(redeemed, Err(Error::OneTimeToken(TokenRefusal::Invalid))) {
        let about = About { address: from, ..About::default() };
        count(service, &budgets, about, "links").await?;
    }
    redeemed
}

/// Whether an address may be sent to a provider.
///
/// # Errors
/// [`Error::RateLimited`], [`Error::Unavailable`].
pub(crate) async fn begin_oauth(service: &Countersign, from: Option<IpAddr>) -> Result<Budgets> {
    let limits = &service.settings().rate_limits;
    let address = from.filter(|_| limits.on).map(network);
    let attempts = address.map(|address| budget(service, limits.oauth, &[b"oauth", &address]));
    let budgets = Budgets(attempts.into_iter().collect());
    budgets.rooms(service).await?;
    Ok(budgets)
}

/// Removes what is over, one small batch. Returns how many rows.
pub(crate) async fn sweep(service: &Countersign, batch: u32) -> Result<u64> {
    let steps = service.store().write((service.now(), batch), |tx, (now, batch)| {
        Box::pin(async move { tx.remove_ended_windows(*now, *batch).await })
    });
    steps.await
}

/// How many rows wait for a sweep, counted up to `most`.
pub(crate) async fn backlog(service: &Countersign, most: u32) -> Result<u64> {
    let steps = service.store().read((service.now(), most), |tx, (now, most)| {
        Box::pin(async move { tx.ended_windows(*now, *most).await })
    });
    steps.await
}

/// Keeps the table small whoever fills it: removes what is over, then what says least.
async fn trim(service: &Countersign) -> Result<()> {
    let steps = service.store().write(service.now(), |tx, now| {
        Box::pin(async move {
            tx.remove_ended_windows(*now, TRIM_BATCH).await?;
            tx.remove_least_used(MOST_ROWS, TRIM_BATCH).await.map(drop)
        })
    });
    steps.await
}

impl Budgets {
    /// A guess at a known place has an allowance of its own, which nobody else can use up (SEC-21); what it gets wrong
    /// counts for its address as well. All others share those of the account.
    fn of_guess(service: &Countersign, username: &str, from: Option<IpAddr>, place: Place) -> Self {
        let limits = &service.settings().rate_limits;
        if !limits.on {
            return Self::default();
        }
        let (account, address) = (canonical(username), from.map(network));
        let at_unknown = place == Place::Unknown;
        let here = address.as_deref().unwrap_or_default();
        let own = match place {
            Place::Unknown => budget(service, limits.sign_in_account, &[b"account", account.as_bytes()]),
            Place::Device(user, device) => {
                let user = user.as_i64().to_be_bytes();
                budget(service, limits.sign_in, &[b"device", &user, &device])
            }
            Place::SignIn(sign_in) => {
                budget(service, limits.sign_in, &[b"sign-in", &sign_in.as_i64().to_be_bytes()])
            }
        };
        let pair = budget(service, limits.sign_in, &[b"account and address", account.as_bytes(), here]);
        let of_address =
            address.as_deref().map(|address| budget(service, limits.sign_in_address, &[b"address", address]));
        let mut budgets = vec![
            Budget { is_accounts: true, ..own },
            Budget { is_accounts: true, decides: at_unknown, ..pair },
        ];
        budgets.extend(of_address.map(|budget| Budget { decides: at_unknown, ..budget }));
        // Rows that are written in one order by all can't block one another.
        budgets.sort_unstable_by_key(|budget| budget.key);
        Self(budgets)
    }

    /// Of a sign-up that no form asked for.
    pub(crate) fn of_sign_up(service: &Countersign, from: Option<IpAddr>) -> Self {
        let limits = &service.settings().rate_limits;
        let address = from.filter(|_| limits.on).map(network);
        let sign_ups = address.map(|address| budget(service, limits.sign_up, &[b"sign-up", &address]));
        Self(sign_ups.into_iter().collect())
    }

    /// Of links that turn out to be none.
    fn of_links(service: &Countersign, from: Option<IpAddr>) -> Self {
        let limits = &service.settings().rate_limits;
        let address = from.filter(|_| limits.on).map(network);
        let links = address.map(|address| budget(service, limits.link_address, &[b"link", &address]));
        Self(links.into_iter().collect())
    }

    /// Of mails that somebody asks for: by whoever asks from this address, and to this account.
    pub(crate) fn of_mail(service: &Countersign, from: Option<IpAddr>, to: Option<UserId>) -> Self {
        let limits = &service.settings().rate_limits;
        if !limits.on {
            return Self::default();
        }
        let of_address =
            from.map(|from| budget(service, limits.mail_address, &[b"mail from", &network(from)]));
        let to = to.map(|to| to.as_i64().to_be_bytes());
        let of_account = to.map(|to| budget(service, limits.mail_account, &[b"mail to", &to]));
        let mut budgets: Vec<Budget> = of_address.into_iter().chain(of_account).collect();
        budgets.sort_unstable_by_key(|budget| budget.key);
        Self(budgets)
    }

    /// Three keys for a statement of fixed shape; where there are fewer, the last one again.
    fn keys(&self) -> [i64; 3] {
        let mut keys = [self.0.last().map_or(0, |budget| budget.key); 3];
        keys.iter_mut().zip(&self.0).for_each(|(place, budget)| *place = budget.key);
        keys
    }

    async fn enter(&self, service: &Countersign) -> Result<Pass> {
        let turnstile = service.turnstile();
        let full = match turnstile.enter(&self.rooms(service).await?) {
            Ok(pass) => return Ok(pass),
            Err(full) => full,
        };
        // However many wait, one of them looks again when somebody has left.
        let _first = full.line.lock().await;
        loop {
            match turnstile.enter(&self.rooms(service).await?) {
                Ok(pass) => return Ok(pass),
                Err(full) => full.turned.await,
            }
        }
    }

    /// What is left of each budget that decides.
    async fn rooms(&self, service: &Countersign) -> Result<Vec<(i64, i64)>> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let (keys, now) = (self.keys(), service.now());
        let used = service
            .store()
            .read((keys, now), |tx, (keys, now)| Box::pin(async move { tx.used_of(*keys, *now).await }));
        let used = used.await?;
        if let Err(refusal) = refuse(&self.0, &used, now) {
            self.heed_clock(service, &used, now).await?;
            return Err(refusal);
        }
        let left = |budget: &Budget| budget.most().saturating_sub(units(&used, budget));
        Ok(self.0.iter().filter(|budget| budget.decides).map(|budget| (budget.key, left(budget))).collect())
    }

    /// Where the clock was set back, a window may seem to end years from now. It is made to end a whole period from now:
    /// never earlier than it would have, and never later than somebody who is new would have to wait.
    async fn heed_clock(&self, service: &Countersign, used: &[Used], now: Timestamp) -> Result<()> {
        for budget in &self.0 {
            let latest = now.plus(budget.rate.period);
            if used.iter().any(|used| used.key == budget.key && used.ends_at > latest) {
                let steps = service.store().write((budget.key, latest), |tx, (key, latest)| {
                    Box::pin(async move { tx.cut_window_short(*key, *latest).await })
                });
                steps.await?;
            }
        }
        Ok(())
    }

    /// Uses one unit of each, or of none where one that decides has none left: the error undoes the transaction.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub(crate) async fn spend(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<Spent> {
        let mut spent = Spent::default();
        for (index, budget) in self.0.iter().enumerate() {
            let ends_at = now.plus(budget.rate.period);
            match tx.use_unit(budget.key, budget.most(), now, ends_at).await? {
                Some(units) => {
                    spent.new_rows += u32::from(units == 1);
                    spent.used_up |= budget.decides && units >= budget.most();
                }
                None if budget.decides => {
                    // Those before it have room: what is full of them was filled by this attempt, which is undone.
                    let rest = self.0.get(index..).unwrap_or_default();
                    refuse(rest, &tx.used_of(self.keys(), now).await?, now)?;
                    return Err(Error::RateLimited { retry_after: budget.rate.period });
                }
                None => {}
            }
        }
        Ok(spent)
    }

    /// A right password gives back what its account used (SEC-20), unless all was used before: then it comes too late,
    /// and its answer would be one more than the budget allows.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub(crate) async fn settle(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        for budget in self.0.iter().filter(|budget| budget.is_accounts) {
            tx.give_back_units(budget.key, budget.most(), now).await?;
        }
        refuse(&self.0, &tx.used_of(self.keys(), now).await?, now)
    }
}

impl Budget {
    fn most(&self) -> i64 {
        i64::from(self.rate.count)
    }
}

impl Spent {
    /// Tells the auditor of a budget that was used up, once in its window, and trims the table from time to time.
    pub(crate) async fn note(self, service: &Countersign, about: About) {
        if self.used_up {
            service.record(Event::RateLimitReached, about);
        }
        if service.new_limit_rows(self.new_rows, TRIM_AFTER)
            && let Err(error) = trim(service).await
        {
            tracing::warn!(?error, "the table of limits was not trimmed");
        }
    }
}

/// Refuses where a budget that decides is used up; the one that lasts longest says for how long.
fn refuse(budgets: &[Budget], used: &[Used], now: Timestamp) -> Result<()> {
    let is_used_up = |budget: &&Budget| budget.decides && units(used, budget) >= budget.most();
    let wait = |budget: &Budget| {
        let ends_at = used.iter().find(|used| used.key == budget.key).map_or(now, |used| used.ends_at);
        ends_at.since(now).min(budget.rate.period)
    };
    match budgets.iter().filter(is_used_up).map(wait).max() {
        Some(retry_after) => Err(Error::RateLimited { retry_after }),
        None => Ok(()),
    }
}

fn units(used: &[Used], budget: &Budget) -> i64 {
    used.iter().find(|used| used.key == budget.key).map_or(0, |used| used.units)
}

fn budget(service: &Countersign, rate: Rate, name: &[&[u8]]) -> Budget {
    Budget { key: key(service, name), rate, decides: true, is_accounts: false }
}

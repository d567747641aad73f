//! A document of a provider that is kept for a while, fetched once for all who wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::fault::ProviderFault;
use crate::time::Timestamp;

/// How long a document is believed without asking again.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(60 * 60);

/// How often keys may be asked for because of a token that names an unknown one: whoever makes up tokens must not make
/// us ask for each.
pub(super) const RENEWED_AFTER: Duration = Duration::from_secs(60);

/// The document, if it is there.
#[derive(Debug)]
pub(super) struct Kept<T> {
    state: Mutex<State<T>>,
    /// How many fetches have ended: a waiter who sees another number than before takes what that fetch brought.
    fetches: AtomicU64,
}

#[derive(Debug)]
struct State<T> {
    value: Option<(Arc<T>, Timestamp)>,
    /// What the last fetch came to, where it failed.
    fault: Option<ProviderFault>,
    renewed_at: Option<Timestamp>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        let state = State { value: None, fault: None, renewed_at: None };
        Self { state: Mutex::new(state), fetches: AtomicU64::new(0) }
    }
}

impl<T> Kept<T> {
    /// What is kept, or what `fetch` brings. Whoever comes while somebody fetches waits and shares the outcome, a failure
    /// too: else they would all wait for a provider that is down, one after the other.
    ///
    /// # Errors
    /// Those of `fetch`. A failure is shared, never kept.
    pub(super) async fn get(
        &self,
        now: Timestamp,
        fetch: impl Future<Output = Result<T, ProviderFault>>,
    ) -> Result<Arc<T>, ProviderFault> {
        let before = self.fetches.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        if let Some((value, fetched_at)) = &state.value
            && is_within(*fetched_at, now, KEPT_FOR)
        {
            return Ok(Arc::clone(value));
        }
        if self.fetches.load(Ordering::SeqCst) != before
            && let Some(fault) = &state.fault
        {
            return Err(fault.clone());
        }
        self.fetch(&mut state, now, fetch).await
    }

    /// What is kept in the place of `seen`, which lacked something: fetched anew, but not more than once a minute.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub(super) async fn renew(
        &self,
        now: Timestamp,
        seen: Arc<T>,
        fetch: impl Future<Output = Result<T, ProviderFault>>,
    ) -> Result<Arc<T>, ProviderFault> {
        let mut state = self.state.lock().await;
        if let Some((value, _)) = &state.value
            && !Arc::ptr_eq(value, &seen)
        {
            return Ok(Arc::clone(value));
        }
        if state.renewed_at.is_some_and(|renewed_at| is_within(renewed_at, now, RENEWED_AFTER)) {
            return Ok(seen);
        }
        state.renewed_at = Some(now);
        self.fetch(&mut state, now, fetch).await
    }

    async fn fetch(
        &self,
        state: &mut State<T>,
        now: Timestamp,
        fetch: impl Future<Output = Result<T, ProviderFault>>,
    ) -> Result<Arc<T>, ProviderFault> {
        let outcome = fetch.await.map(Arc::new);
        self.fetches.fetch_add(1, Ordering::SeqCst);
        match &outcome {
            Ok(value) => {
                state.value = Some((Arc::clone(value), now));
                state.fault = None;
            }
            Err(fault) => state.fault = Some(fault.clone()),
        }
        outcome
    }
}

/// A time in the future is of a clock that was set back, and counts as long ago.
fn is_within(earlier: Timestamp, now: Timestamp, time: Duration) -> bool {
    earlier <= now && now.since(earlier) < time
}

//! Reading connections, a few more than there are threads that read, each with a cache that can't be stale.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::witness::{Testimony, Witness};
use super::{Connection, straight_through};
use crate::error::{Error, Internal, Result};
use crate::id::SignInId;
use crate::store::{Live, LiveQuery, Steps, Tx};

/// About 250 bytes each: at most 4 MiB a connection.
const CACHED_SIGN_INS: usize = 16_384;

pub(super) struct Readers {
    seats: Vec<Mutex<Reader>>,
    witness: Witness,
}

/// A connection with the living sign-ins that it has found since anybody last committed: our own writer, or the command
/// line beside a running server.
struct Reader {
    connection: Connection,
    /// What the witness said before the first of them was read.
    testimony: Option<Testimony>,
    living: HashMap<SignInId, Live>,
}

thread_local! {
    static SEAT: usize = NEXT_SEAT.fetch_add(1, Ordering::Relaxed);
}
static NEXT_SEAT: AtomicUsize = AtomicUsize::new(0);

impl Readers {
    pub(super) fn open(file: &Path) -> Result<Self> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let reader = || {
            let connection = Connection::open_for_reading(file)?;
            Ok(Mutex::new(Reader { connection, testimony: None, living: HashMap::new() }))
        };
        let seats = (0..threads.saturating_add(1)).map(|_| reader()).collect::<Result<_>>()?;
        Ok(Self { seats, witness: Witness::of(file)? })
    }

    /// Reads on the calling thread: a warm page costs less than the way to another thread.
    pub(super) fn read<I, T>(&self, input: &I, steps: Steps<I, T>) -> Result<T> {
        let mut reader = self.seat()?;
        reader.connection.batch("BEGIN")?;
        let outcome = straight_through(steps(&mut Tx::of_sqlite(&mut reader.connection), input));
        reader.connection.batch("ROLLBACK")?;
        outcome
    }

    pub(super) fn check(&self, query: LiveQuery) -> Result<Option<Live>> {
        let mut reader = self.seat()?;
        match query {
            LiveQuery::SignIn(id) => reader.check_sign_in(id, self.witness.ask()),
            LiveQuery::User(_) => reader.look(query),
        }
    }

    /// Each thread has a connection of its own as long as there are enough; nothing is awaited while it is held.
    fn seat(&self) -> Result<MutexGuard<'_, Reader>> {
        let seat = SEAT.with(|seat| *seat).checked_rem(self.seats.len()).unwrap_or_default();
        let reader =
            self.seats.get(seat).ok_or_else(|| Error::Fault(Internal::new("no reading connection")))?;
        Ok(reader.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Reader {
    fn check_sign_in(&mut self, id: SignInId, now: Testimony) -> Result<Option<Live>> {
        if self.testimony != Some(now) {
            self.living.clear();
            self.testimony = Some(now);
        }
        if let Some(live) = self.living.get(&id) {
            return Ok(Some(live.clone()));
        }
        let found = self.look(LiveQuery::SignIn(id))?;
        if let Some(live) = &found {
            self.remember(id, live);
        }
        Ok(found)
    }

    fn look(&mut self, query: LiveQuery) -> Result<Option<Live>> {
        let (sql, values, read) = query.statement();
        self.connection.one(sql, &values, read)
    }

    /// The row may be newer than the testimony that it is filed under, never older: the witness was asked first.
    fn remember(&mut self, id: SignInId, live: &Live) {
        if self.living.len() >= CACHED_SIGN_INS {
            self.living.clear();
        }
        self.living.insert(id, live.clone());
    }
}

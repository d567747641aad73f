//! The store by itself: one writer thread that makes rotations of one row durable, a batch to each commit.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, params};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::Outcome;
use crate::dice::Dice;
use crate::figures::Done;

/// No batch is larger, however many wait.
const BATCH_LIMIT: usize = 256;
/// A month, in milliseconds: how far ahead an expiry lies.
const MONTH_MILLIS: i64 = 30 * 86_400_000;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE sign_ins (
        id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, generation INTEGER NOT NULL, current_hash BLOB NOT NULL,
        next_salt BLOB NOT NULL, previous_salt BLOB, previous_key_hash BLOB, recent_spendings BLOB,
        created_at INTEGER NOT NULL, last_used_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
        ended_at INTEGER, user_agent TEXT, address TEXT
    );";
const SIGN_IN: &str = "
    INSERT INTO sign_ins (id, user_id, generation, current_hash, next_salt, recent_spendings, created_at,
        last_used_at, expires_at, user_agent, address)
    VALUES (?1, ?1, 0, ?2, ?2, zeroblob(64), 0, 0, ?3, 'countersign-bench', '127.0.0.1')";
const ROTATE: &str = "
    UPDATE sign_ins
    SET generation = generation + 1, current_hash = ?3, previous_salt = next_salt, next_salt = ?4,
        recent_spendings = ?5, last_used_at = ?6, expires_at = ?6 + ?7
    WHERE id = ?1 AND current_hash = ?2 AND ended_at IS NULL AND expires_at > ?6";

struct Rotation {
    id: i64,
    old: [u8; 32],
    new: [u8; 32],
    now: i64,
    done: oneshot::Sender<bool>,
}

/// A client with the sign-ins that it alone rotates: their ids, and the hashes that they hold now.
struct Client {
    sign_ins: Vec<(i64, [u8; 32])>,
    dice: Dice,
}

/// A table of sign-ins with its writer, and clients that rotate them.
pub(crate) struct Grouped {
    queue: mpsc::Sender<Rotation>,
    writer: JoinHandle<Outcome<()>>,
    runtime: Runtime,
    clients: Vec<Client>,
    round: i64,
}

impl Grouped {
    /// Makes a database in `dir` with `rows` sign-ins, in which each of so many clients has so many, spread evenly.
    ///
    /// # Errors
    /// When the database can't be made.
    pub(crate) fn open(dir: &Path, clients: usize, sign_ins: usize, rows: usize) -> Outcome<Self> {
        let database = Connection::open(dir.join("ceiling.db"))?;
        database.execute_batch(SCHEMA)?;
        let distance = (rows / (clients * sign_ins)).max(1);
        let mut ids = (1_i64..).step_by(distance);
        let mut of_one = |client| {
            let sign_ins = ids.by_ref().take(sign_ins).map(|id| (id, hash_of(id, 0))).collect();
            Client { sign_ins, dice: Dice::of(client) }
        };
        let clients: Vec<_> = (0..clients).map(&mut of_one).collect();
        let filling = database.unchecked_transaction()?;
        {
            let mut sign_in = filling.prepare(SIGN_IN)?;
            for id in 1..=i64::try_from(distance * clients.len() * sign_ins)? {
                sign_in.execute(params![id, hash_of(id, 0), MONTH_MILLIS])?;
            }
        }
        filling.commit()?;
        database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        let (queue, waiting) = mpsc::channel(BATCH_LIMIT * 4);
        let writer = std::thread::spawn(move || write(database, waiting));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Self { queue, writer, runtime, clients, round: 0 })
    }

    /// Durable rotations, every client in a closed loop.
    ///
    /// # Errors
    /// When a rotation is not made.
    pub(crate) fn rotate_all(&mut self, lasts: Duration) -> Outcome<Done> {
        self.round += 1;
        let (queue, round) = (&self.queue, self.round);
        let clients = std::mem::take(&mut self.clients);
        let started = Instant::now();
        let outcome: Outcome<Vec<_>> = self.runtime.block_on(async {
            let clients: Vec<_> = clients
                .into_iter()
                .map(|client| tokio::spawn(client.rotate(queue.clone(), round, started + lasts)))
                .collect();
            let mut done = Vec::with_capacity(clients.len());
            for client in clients {
                done.push(client.await??);
            }
            Ok(done)
        });
        let lasted = started.elapsed();
        let (clients, counts): (Vec<_>, Vec<u64>) = outcome?.into_iter().unzip();
        self.clients = clients;
        Ok(Done { count: counts.iter().sum(), lasted })
    }

    /// Ends the writer.
    ///
    /// # Errors
    /// What the writer ran into.
    pub(crate) fn close(self) -> Outcome<()> {
        drop(self.queue);
        self.writer.join().map_err(|_| "the writer died")?
    }
}

impl Client {
    async fn rotate(
        mut self,
        queue: mpsc::Sender<Rotation>,
        round: i64,
        end: Instant,
    ) -> Outcome<(Self, u64)> {
        let mut count: u64 = 0;
        while Instant::now() < end {
            count += 1;
            let chosen = self.dice.throw(self.sign_ins.len());
            let (id, hash) = self.sign_ins.get_mut(chosen).ok_or("a client without sign-ins")?;
            let new = hash_of(*id, (round << 40).wrapping_add_unsigned(count));
            let (done, answer) = oneshot::channel();
            let rotation = Rotation { id: *id, old: *hash, new, now: round, done };
            queue.send(rotation).await.map_err(|_| "the writer has ended")?;
            if !answer.await? {
                return Err("a rotation found another hash than it left".into());
            }
            *hash = new;
        }
        Ok((self, count))
    }
}

/// Thirty-two bytes that differ by client and turn; the store does not care whether they can be guessed.
fn hash_of(id: i64, turn: i64) -> [u8; 32] {
    let mixed = turn.wrapping_mul(0x5851_f42d_4c95_7f2d_i64).rotate_left(31) ^ id;
    let mut hash = [0; 32];
    for (chunk, part) in hash.chunks_mut(8).zip([id, turn, mixed, !mixed]) {
        chunk.copy_from_slice(&part.to_le_bytes());
    }
    hash
}

fn write(mut database: Connection, mut waiting: mpsc::Receiver<Rotation>) -> Outcome<()> {
    let mut batch = Vec::with_capacity(BATCH_LIMIT);
    while waiting.blocking_recv_many(&mut batch, BATCH_LIMIT) > 0 {
        let transaction = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut answers = Vec::with_capacity(batch.len());
        {
            let mut statement = transaction.prepare_cached(ROTATE)?;
            for Rotation { id, old, new, now, done } in batch.drain(..) {
                let rows = statement.execute(params![id, old, new, new, [0_u8; 64], now, MONTH_MILLIS])?;
                answers.push((done, rows == 1));
            }
        }
        transaction.commit()?;
        for (done, won) in answers {
            // A client that has gone does not want to know.
            let _ = done.send(won);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_goes_on_where_the_last_one_ended_and_all_that_is_counted_is_stored() {
        let dir = tempfile::tempdir().unwrap();
        let mut grouped = Grouped::open(dir.path(), 4, 2, 80).unwrap();
        let mut counted = 0;
        for _ in 0..3 {
            counted += grouped.rotate_all(Duration::from_millis(30)).unwrap().count;
        }
        grouped.close().unwrap();
        let database = Connection::open(dir.path().join("ceiling.db")).unwrap();
        let stored: i64 =
            database.query_row("SELECT sum(generation) FROM sign_ins", [], |row| row.get(0)).unwrap();
        let rows: i64 = database.query_row("SELECT count(*) FROM sign_ins", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 80);
        assert!(counted >= 12);
        assert_eq!(stored, counted.cast_signed());
    }
}

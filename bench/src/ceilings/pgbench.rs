//! PostgreSQL by itself: `pgbench` with the very statement that spends one refresh token, one to each transaction.

use std::time::Duration;

use crate::Outcome;
use crate::machine::cores;
use crate::postgres::cluster::Postgres;
use crate::postgres::population::Others;

/// Where the statement stands. Read, not copied: the two can't drift apart.
const SOURCE: &str = include_str!("../../../crates/countersign/src/store/spend.rs");
/// Rows that pgbench spends, among the others as evenly as those of the program's clients.
const SPENT_ROWS: i64 = crate::postgres::population::HELD as i64;
/// Rows keep this hash: pgbench can't make new ones, and PostgreSQL writes the old one as if it were new.
const HASH: &str = r"\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const DAY_MILLIS: i64 = 86_400_000;

/// A database of `pgbench`'s own.
pub(crate) struct Pgbench<'p> {
    postgres: &'p Postgres,
    database: &'p str,
    others: Others,
}

/// What `pgbench` says of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Told {
    /// Transactions.
    pub(crate) count: i64,
    /// Transactions in a second, connecting not counted.
    pub(crate) rate: f64,
    /// What one of them takes on average, in milliseconds.
    pub(crate) mean_ms: f64,
}

impl<'p> Pgbench<'p> {
    /// On a populated database that nobody else uses.
    pub(crate) fn on(postgres: &'p Postgres, database: &'p str, others: Others) -> Self {
        Self { postgres, database, others }
    }

    /// Spends with so many clients, each with rows of its own.
    ///
    /// # Errors
    /// When `pgbench` fails, or one of its transactions spent nothing.
    pub(crate) fn spend(&self, clients: usize, lasts: Duration) -> Outcome<Told> {
        self.run("UPDATE sign_ins SET generation = 0, current_hash = '", &format!("{HASH}'"))?;
        let now = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
        let now = self.postgres.number(self.database, now)?;
        let said =
            self.postgres.pgbench(self.database, &self.words(clients, lasts, now)?, &script(SOURCE)?)?;
        let told = told(&said).ok_or_else(|| format!("pgbench said:\n{said}"))?;
        let spent = self.run("SELECT sum(generation) FROM sign_ins", "")?;
        if spent.trim() != told.count.to_string() {
            return Err(format!("pgbench made {} transactions, and {spent} spendings", told.count).into());
        }
        Ok(told)
    }

    /// The best of several numbers of clients.
    ///
    /// # Errors
    /// As [`Pgbench::spend`].
    pub(crate) fn best_of(&self, clients: &[usize], lasts: Duration) -> Outcome<Told> {
        let told: Vec<_> = clients.iter().map(|count| self.spend(*count, lasts)).collect::<Outcome<_>>()?;
        told.into_iter().max_by(|one, two| one.rate.total_cmp(&two.rate)).ok_or_else(|| "no clients".into())
    }

    /// A statement about the rows that are spent.
    fn run(&self, statement: &str, rest: &str) -> Outcome<String> {
        let Others { base, step, .. } = self.others;
        let apart = self.distance();
        let sql = format!(
            "{statement}{rest} WHERE id IN
             (SELECT {base} + (1 + n * {apart}) * {step} FROM generate_series(CAST(0 AS BIGINT), {SPENT_ROWS} - 1) n)"
        );
        self.postgres.run(self.database, &sql)
    }

    fn distance(&self) -> i64 {
        (self.others.count / SPENT_ROWS).max(1)
    }

    fn words(&self, clients: usize, lasts: Duration, now: i64) -> Outcome<Vec<String>> {
        let rows = (SPENT_ROWS / i64::try_from(clients)?).max(1);
        let Others { base, step, .. } = self.others;
        let variables = [
            format!("base={base}"),
            format!("step={step}"),
            format!("apart={}", self.distance()),
            format!("rows={rows}"),
            "turn=-1".to_owned(),
            format!("hash={HASH}"),
            format!("now={now}"),
            format!("expiry={}", now + 30 * DAY_MILLIS),
            "transport=cookie".to_owned(),
        ];
        let threads = clients.min(cores());
        let mut words = vec!["--no-vacuum".to_owned(), "--protocol=prepared".to_owned()];
        words.extend([format!("--client={clients}"), format!("--jobs={threads}")]);
        words.push(format!("--time={}", lasts.as_secs().max(1)));
        words.extend(variables.map(|variable| format!("--define={variable}")));
        Ok(words)
    }
}

/// A client's rows in turn, each in the generation that it has come to. No request of the load carries an
/// `Idempotency-Key`, hence the NULL.
fn script(source: &str) -> Outcome<String> {
    let begun = source.split_once("const SPEND: &str = \"").ok_or("no statement SPEND")?.1;
    let mut statement = begun.split_once("\";").ok_or("no end of SPEND")?.0.trim().to_owned();
    // The longest first: $10 begins like $1.
    let names =
        ["transport", "expiry", "now", "now", "NULL", "hash", "hash", "hash", "generation", "sign_in"];
    for (at, name) in (1..=names.len()).rev().zip(names) {
        let value = if name == "NULL" { name.to_owned() } else { format!(":{name}") };
        statement = statement.replace(&format!("${at}"), &value);
    }
    Ok(format!(
        "\\set turn :turn + 1\n\
         \\set generation :turn / :rows\n\
         \\set sign_in :base + (1 + (:client_id * :rows + mod(:turn, :rows)) * :apart) * :step\n\
         {statement};\n"
    ))
}

fn told(said: &str) -> Option<Told> {
    let after = |name: &str| {
        let rest = said.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split([' ', '/']).next()
    };
    Some(Told {
        count: after("number of transactions actually processed: ")?.parse().ok()?,
        rate: after("tps = ")?.parse().ok()?,
        mean_ms: after("latency average = ")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::population::multiply_sign_ins;

    #[test]
    fn the_script_is_the_statement_with_a_name_for_each_parameter() {
        let script = script(SOURCE).unwrap();
        let squeezed = script.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "current_hash = :hash, successor_salt = :hash, retry_key_hash = NULL,",
            "substr(:now || spendings, 1, 104), last_used_at = :now,",
            "CASE WHEN :expiry < ends_at THEN :expiry ELSE ends_at END",
            "WHERE id = :sign_in AND generation = :generation AND current_hash = :hash AND transport = :transport",
        ] {
            assert!(squeezed.contains(part), "{squeezed}");
        }
        assert!(super::script("const SPEND: &str = \"half of it").is_err());
    }

    #[test]
    fn the_end_of_a_run_is_read() {
        let said = "latency average = 0.521 ms\ninitial connection time = 9.1 ms\n\
                    number of transactions actually processed: 15342/15342\n\
                    tps = 15355.8 (without initial connection time)\n";
        assert_eq!(told(said), Some(Told { count: 15_342, rate: 15_355.8, mean_ms: 0.521 }));
        assert_eq!(told("pgbench: error"), None);
    }

    #[test]
    fn every_transaction_spends_in_every_run() {
        if !countersign_testbed::binaries_or_skip() {
            return;
        }
        let postgres = Postgres::start(&std::env::temp_dir()).unwrap();
        let schema = include_str!("../../../crates/countersign/migrations/0001_flow.postgres.sql");
        let seed = "
            INSERT INTO users (id, username, username_key, epoch, tokens_after, created_at)
            SELECT n, n, n, 3, 0, 0 FROM generate_series(1, 3000) n;
            INSERT INTO sign_ins (id, user_id, epoch, generation, current_hash, spendings, transport, created_at,
                last_used_at, expires_at, ends_at, sweep_day)
            SELECT n * 1000000, 1, 3, 0, '', '', 'cookie', 0, 0, 4102444800000, 4102444800000, 0
            FROM generate_series(1, 2) n;";
        postgres.run("countersign", &format!("{schema};{seed}")).unwrap();
        let others = multiply_sign_ins(&postgres, "countersign", 3001).unwrap();
        let pgbench = Pgbench::on(&postgres, "countersign", others);
        for clients in [1, 8] {
            assert!(pgbench.spend(clients, Duration::from_secs(1)).unwrap().count > 0);
        }
    }
}

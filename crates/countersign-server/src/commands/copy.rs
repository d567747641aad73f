//! `countersign copy`: everything of one database into another, such as from SQLite to PostgreSQL.

use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, Command, builder::NonEmptyStringValueParser};
use countersign::Settings;
use countersign::copy::{self, Copied, Progress, Refusal, Stage};
use countersign::settings::{Database, show};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::exit::{Failure, Outcome};
use crate::output::{self, harmless};
use crate::telemetry;

/// What the help says about the move as a whole.
const AFTER: &str = "\
Stop the service first: what it writes meanwhile would not be in the copy, which then fails. The source stays \
as it is. The target must be empty; a copy that did not come to its end is begun anew, and the service does \
not start on it.\n\n\
A URL may hold a password, and other users of the machine can read a command line: give it in the variable. \
Settings have no effect on this command.";

pub(super) fn command() -> Command {
    let url = |name: &'static str, variable: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("URL")
            .env(variable)
            .hide_env_values(true)
            .required(true)
            .value_parser(NonEmptyStringValueParser::new())
            .help(help)
    };
    Command::new("copy")
        .about("Copy everything from one database into another, SQLite or PostgreSQL, and verify it")
        .arg(url("from", "COUNTERSIGN_COPY_FROM", "The database to read: sqlite://PATH or postgres://…"))
        .arg(url("to", "COUNTERSIGN_COPY_TO", "The empty database to fill"))
        .arg(super::json())
        .after_help(AFTER)
}

pub(super) fn run(arguments: &ArgMatches) -> Outcome {
    let (from, to) = (database(arguments, "from")?, database(arguments, "to")?);
    telemetry::start(&Settings { log: "warn".to_owned(), ..Settings::default() });
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bar = Bar::new();
    let copied = runtime.block_on(copy::copy(&from, &to, |progress| bar.show(progress)));
    bar.0.finish_and_clear();
    let copied = copied.map_err(failure)?;
    Ok(output::say(&if arguments.get_flag("json") {
        as_json(&copied, begun.elapsed())
    } else {
        as_lines(&copied, &from, &to)
    })?)
}

fn database(arguments: &ArgMatches, name: &str) -> Result<Database, Failure> {
    let given = arguments.get_one::<String>(name).map(String::as_str).unwrap_or_default();
    Database::parse(given)
        .map_err(|fault| Failure::Settings(format!("--{name}: {}. {}.", fault.why, fault.mend)))
}

fn failure(refusal: Refusal) -> Failure {
    let sentence = harmless(&refusal.to_string());
    match refusal {
        Refusal::Usage(_) => Failure::Settings(format!("nothing was copied: {sentence}.")),
        Refusal::Taken(_) => Failure::Conflict(format!("nothing was copied: {sentence}.")),
        Refusal::Failed(_) => Failure::Failed(format!("the copy did not come to its end: {sentence}.")),
    }
}

fn shown(database: &Database) -> String {
    harmless(&show::database_without_secrets(database))
}

fn as_json(copied: &Copied, took: Duration) -> String {
    let tables: Vec<_> = copied
        .tables
        .iter()
        .map(|table| json!({"name": table.name, "rows": table.rows, "checksum": table.checksum}))
        .collect();
    let seconds = took.as_secs_f64();
    format!("{:#}", json!({"tables": tables, "began_anew": copied.began_anew, "seconds": seconds}))
}

fn as_lines(copied: &Copied, from: &Database, to: &Database) -> String {
    let mut lines = String::new();
    if copied.began_anew {
        lines.push_str("The rest of an unfinished copy was removed first.\n");
    }
    for table in &copied.tables {
        let checksum = table.checksum.get(..16).unwrap_or_default();
        lines.push_str(&format!("{:<16} {:>12} rows   {checksum}…\n", table.name, table.rows));
    }
    lines.push_str(&format!("Both sides have the same: {} and {}.\n\n", shown(from), shown(to)));
    lines.push_str(&format!(
        "Nobody is signed out if the new service has the same secret key{}.\n\
         Give it to every node by secret_key_file, and set public_url to what it was: addresses are not\n\
         guessed where several nodes may share a database. Keep the old database until you have seen it work.",
        key_of(from)
    ));
    lines
}

/// Where the key of the source's service is, if it made its own.
fn key_of(from: &Database) -> String {
    let Database::Sqlite(file) = from else { return String::new() };
    let key = file.with_file_name("secret_key");
    if key.is_file() {
        format!(", which is in {}", harmless(&key.display().to_string()))
    } else {
        String::new()
    }
}

/// Drawn on a terminal alone.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        const STYLE: &str = "{msg:<22} {bar:30} {human_pos}/{human_len} rows, {eta} left";
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        Self(match ProgressStyle::with_template(STYLE) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    fn show(&self, progress: Progress) {
        let what = match progress.stage {
            Stage::Copying => "copying",
            Stage::Verifying => "verifying",
        };
        if progress.rows < self.0.position() {
            self.0.reset();
        }
        self.0.set_length(progress.total);
        self.0.set_message(format!("{what} {}", progress.table));
        self.0.set_position(progress.rows);
    }
}

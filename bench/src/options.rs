//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::ceilings::hyper::SUBCOMMAND;

/// The measurements by name, in the order of the table.
pub(crate) const WORKS: [&str; 14] = [
    "fsync",
    "me",
    "refresh",
    "sign-in",
    "storm",
    "start",
    "limits",
    "sweep",
    "postgres-refresh",
    "postgres-me",
    "postgres-nodes",
    "postgres-growth",
    "postgres-sign-in",
    "postgres-sweep",
];

/// What all those begin with that need PostgreSQL; by itself it names them all.
pub(crate) const POSTGRES: &str = "postgres";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To measure.
    Measure(Plan),
    /// To be the bare server that measuring compares with.
    BareHyper {
        /// The file that holds the answer to give.
        answer: PathBuf,
    },
}

/// What to measure and how.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Names out of [`WORKS`].
    pub(crate) works: Vec<String>,
    /// How long each side of a round lasts.
    pub(crate) lasts: Duration,
    /// How many rounds.
    pub(crate) rounds: usize,
    /// The program, where it is not the workspace's own.
    pub(crate) server: Option<PathBuf>,
    /// Where the databases go, where it is not beside this program.
    pub(crate) dir: Option<PathBuf>,
    /// JSON instead of a table.
    pub(crate) json: bool,
    /// Also write the table to `bench/RESULTS.md`.
    pub(crate) write: bool,
}

fn command() -> Command {
    let path = || value_parser!(PathBuf);
    let names = ["all", POSTGRES].into_iter().chain(WORKS);
    Command::new("countersign-bench")
        .about("Measures the real program beside the ceilings of this machine, in the same run.")
        .args_conflicts_with_subcommands(true)
        .arg(
            Arg::new("works")
                .value_name("WORK")
                .num_args(0..)
                .value_parser(names.collect::<Vec<_>>())
                .default_value("all")
                .help("What to measure"),
        )
        .arg(
            Arg::new("seconds")
                .long("seconds")
                .value_name("N")
                .default_value("3")
                .value_parser(value_parser!(u64).range(1..=300))
                .help("How long each side of a round lasts"),
        )
        .arg(
            Arg::new("rounds")
                .long("rounds")
                .value_name("N")
                .default_value("5")
                .value_parser(value_parser!(u64).range(1..=100))
                .help("How many rounds; medians are reported"),
        )
        .arg(
            Arg::new("server")
                .long("server")
                .value_name("PATH")
                .value_parser(path())
                .help("The program to measure [default: target/release/countersign, built first]"),
        )
        .arg(
            Arg::new("dir")
                .long("dir")
                .value_name("PATH")
                .value_parser(path())
                .help("Where the databases go, on the disk to measure [default: beside this program]"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON instead of a table"))
        .arg(
            Arg::new("write")
                .long("write")
                .action(ArgAction::SetTrue)
                .help("Also write the table to bench/RESULTS.md"),
        )
        .subcommand(
            Command::new(SUBCOMMAND).hide(true).arg(Arg::new("answer").required(true).value_parser(path())),
        )
}

/// Reads the command line, the program's name first.
///
/// # Errors
/// What is wrong with it, or the help that was asked for.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Asked, clap::Error> {
    let matches = command().try_get_matches_from(words)?;
    if let Some((_, bare)) = matches.subcommand() {
        return Ok(Asked::BareHyper { answer: path(bare, "answer").unwrap_or_default() });
    }
    let number = |name| matches.get_one::<u64>(name).copied().unwrap_or(1);
    let asked: Vec<&str> =
        matches.get_many::<String>("works").into_iter().flatten().map(String::as_str).collect();
    let wanted = |work: &&str| {
        let is_of_group = asked.contains(&POSTGRES) && work.starts_with(POSTGRES);
        asked.contains(&"all") || is_of_group || asked.contains(work)
    };
    Ok(Asked::Measure(Plan {
        works: WORKS.into_iter().filter(wanted).map(str::to_owned).collect(),
        lasts: Duration::from_secs(number("seconds")),
        rounds: usize::try_from(number("rounds")).unwrap_or(1),
        server: path(&matches, "server"),
        dir: path(&matches, "dir"),
        json: matches.get_flag("json"),
        write: matches.get_flag("write"),
    }))
}

fn path(matches: &ArgMatches, name: &str) -> Option<PathBuf> {
    matches.get_one::<PathBuf>(name).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Plan {
        let words = ["countersign-bench"].into_iter().chain(line.split_whitespace()).map(OsString::from);
        match parse(words) {
            Ok(Asked::Measure(plan)) => plan,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_a_word_everything_is_measured() {
        let plan = plan("");
        assert_eq!(plan.works, WORKS);
        assert_eq!(
            (plan.lasts, plan.rounds, plan.json, plan.write),
            (Duration::from_secs(3), 5, false, false)
        );
    }

    #[test]
    fn named_works_are_measured_in_the_order_of_the_table() {
        let plan = plan("storm me --rounds 2 --seconds 7 --server x --json");
        assert_eq!(plan.works, ["me", "storm"]);
        assert_eq!((plan.lasts, plan.rounds, plan.json), (Duration::from_secs(7), 2, true));
        assert_eq!(plan.server, Some(PathBuf::from("x")));
    }

    #[test]
    fn the_measurements_on_postgresql_have_a_name_together() {
        let named = plan("start postgres").works;
        let expected: Vec<&str> = ["start"].into_iter().chain(WORKS.into_iter().skip(8)).collect();
        assert_eq!(named, expected);
    }

    #[test]
    fn an_unknown_work_and_no_rounds_are_refused() {
        for line in ["everything", "me --rounds 0", "me --seconds 0.5"] {
            let words = ["countersign-bench"].into_iter().chain(line.split_whitespace()).map(OsString::from);
            assert!(parse(words).is_err(), "{line}");
        }
    }

    #[test]
    fn the_bare_server_takes_its_answer_from_a_file() {
        let words = ["countersign-bench", "bare-hyper", "a"].map(OsString::from);
        assert!(matches!(parse(words), Ok(Asked::BareHyper { answer }) if answer.as_os_str() == "a"));
    }

    #[test]
    fn the_command_tree_is_valid() {
        command().debug_assert();
    }
}

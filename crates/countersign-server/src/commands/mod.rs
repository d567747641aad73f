//! The commands, one file each: what it is called and what it does.

mod completions;
mod config;

use clap::{ArgMatches, Command};

use crate::exit::Outcome;

/// Every command, in the order of `--help`.
pub(crate) fn all() -> Vec<Command> {
    vec![config::command(), completions::command()]
}

/// Does what the arguments ask for.
pub(crate) fn run(arguments: &ArgMatches) -> Outcome {
    match arguments.subcommand() {
        Some(("config", arguments)) => config::run(arguments),
        Some(("completions", arguments)) => completions::run(arguments),
        _ => Ok(()),
    }
}

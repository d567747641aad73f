//! `countersign completions <shell>`: what a shell needs to complete commands and flags.

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use crate::exit::Outcome;
use crate::{cli, output};

pub(super) fn command() -> Command {
    Command::new("completions").about("Print the completions for a shell").arg(
        Arg::new("shell").required(true).help("The shell to complete for").value_parser(value_parser!(Shell)),
    )
}

pub(super) fn run(arguments: &ArgMatches) -> Outcome {
    let Some(shell) = arguments.get_one::<Shell>("shell") else { return Ok(()) };
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut cli::command(&[]), "countersign", &mut script);
    Ok(output::say(String::from_utf8_lossy(&script).trim_end())?)
}

//! The commands, one file each: what it is called and what it does.

mod cleanup;
mod completions;
mod config;
mod desk;
mod migrate;
mod openapi;
mod password;
mod serve;
mod user;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::exit::Outcome;

/// Every command, in the order of `--help`.
pub(crate) fn all() -> [Command; 7] {
    [
        serve::command(),
        migrate::command(),
        cleanup::command(),
        user::command(),
        openapi::command(),
        config::command(),
        completions::command(),
    ]
}

/// Does what the arguments ask for.
pub(crate) fn run(arguments: &ArgMatches) -> Outcome {
    match arguments.subcommand() {
        Some(("serve", arguments)) => serve::run(arguments),
        Some(("migrate", arguments)) => migrate::run(arguments),
        Some(("cleanup", arguments)) => cleanup::run(arguments),
        Some(("user", arguments)) => user::run(arguments),
        Some(("openapi", _)) => openapi::run(),
        Some(("config", arguments)) => config::run(arguments),
        Some(("completions", arguments)) => completions::run(arguments),
        // clap demands one of the above.
        _ => Ok(()),
    }
}

/// A switch of a command.
fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
}

/// The switch of every command that prints data.
fn json() -> Arg {
    switch("json", "Print JSON instead of lines for people")
}

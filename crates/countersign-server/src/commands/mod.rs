//! The commands, one file each: what it is called and what it does.

mod audit;
mod cleanup;
mod completions;
mod config;
mod copy;
mod desk;
mod doctor;
mod explain;
mod mail;
mod migrate;
mod openapi;
mod password;
mod serve;
mod user;

use clap::{Arg, ArgAction, ArgMatches, Command};
use countersign::Countersign;
use countersign::names::Username;
use countersign::user::{self as accounts, Account};

use crate::exit::{Failure, Outcome};
use crate::output::harmless;

/// Every command, in the order of `--help`.
pub(crate) fn all() -> [Command; 12] {
    [
        serve::command(),
        migrate::command(),
        cleanup::command(),
        copy::command(),
        user::command(),
        audit::command(),
        explain::command(),
        mail::command(),
        openapi::command(),
        config::command(),
        doctor::command(),
        completions::command(),
    ]
}

/// Does what the arguments ask for.
pub(crate) fn run(arguments: &ArgMatches) -> Outcome {
    match arguments.subcommand() {
        Some(("serve", arguments)) => serve::run(arguments),
        Some(("migrate", arguments)) => migrate::run(arguments),
        Some(("cleanup", arguments)) => cleanup::run(arguments),
        Some(("copy", arguments)) => copy::run(arguments),
        Some(("user", arguments)) => user::run(arguments),
        Some(("audit", arguments)) => audit::run(arguments),
        Some(("explain", arguments)) => explain::run(arguments),
        Some(("mail", arguments)) => mail::run(arguments),
        Some(("openapi", _)) => openapi::run(),
        Some(("config", arguments)) => config::run(arguments),
        Some(("doctor", arguments)) => doctor::run(arguments),
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

/// The account of this name.
async fn account(service: &Countersign, name: &str) -> Result<Account, Failure> {
    let nobody = || Failure::NotFound(format!("there is no account of the name {}", harmless(name)));
    // What can't be a name is nobody's name.
    let username = Username::parse(name).map_err(|_| nobody())?;
    accounts::find_by_name(service, &username).await.map_err(desk::failure)?.ok_or_else(nobody)
}

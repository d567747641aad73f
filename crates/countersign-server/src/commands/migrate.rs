//! `countersign migrate`: make the database, or bring it up to this version, without serving.

use clap::{ArgMatches, Command};

use super::desk::{self, Missing};
use crate::exit::Outcome;
use crate::output;

pub(super) fn command() -> Command {
    Command::new("migrate").about("Make the database, or bring it up to this version (serve does so too)")
}

pub(super) fn run(arguments: &ArgMatches) -> Outcome {
    desk::with_service(arguments, Missing::Create, async |service| {
        let place = service.settings().place_of_data();
        Ok(output::say(&format!("The database at {} is up to date.", output::harmless(&place)))?)
    })
}

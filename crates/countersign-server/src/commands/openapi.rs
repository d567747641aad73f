//! `countersign openapi`: the description of the HTTP interface.

use clap::Command;

use crate::exit::Outcome;
use crate::output;

pub(super) fn command() -> Command {
    Command::new("openapi").about("Print the OpenAPI description of the HTTP interface, as JSON")
}

pub(super) fn run() -> Outcome {
    Ok(output::say(&countersign::openapi())?)
}

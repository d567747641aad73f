//! `countersign cleanup`: remove now what is over, as the running service does from time to time.

use clap::{ArgMatches, Command};
use countersign::jobs::{self, Swept};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;

use super::desk::{self, Missing};
use crate::exit::Outcome;
use crate::output;

pub(super) fn command() -> Command {
    Command::new("cleanup")
        .about("Remove what is over: old sign-ins, and deleted accounts past their retention")
        .arg(super::json())
}

pub(super) fn run(arguments: &ArgMatches) -> Outcome {
    let as_json = arguments.get_flag("json");
    desk::with_service(arguments, Missing::Refuse, async |service| {
        // Nobody knows how much there is to do without doing it: it counts up. Nothing is drawn but on a
        // terminal.
        let progress = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let swept = jobs::sweep(service, |so_far| {
            progress.set_position(so_far.rows());
            progress.set_message("removed");
        })
        .await
        .map_err(desk::failure);
        progress.finish_and_clear();
        let swept = swept?;
        Ok(output::say(&if as_json {
            let Swept { sign_ins, users, audit_events } = swept;
            json!({"sign_ins": sign_ins, "users": users, "audit_events": audit_events}).to_string()
        } else {
            let Swept { sign_ins, users, audit_events } = swept;
            format!("Removed {sign_ins} sign-ins, {users} deleted accounts and {audit_events} audit events.")
        })?)
    })
}

//! `countersign cleanup`: remove now what is over, as the running service does from time to time.

use clap::{ArgMatches, Command};
use countersign::jobs::{self, Swept};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value};

use super::desk::{self, Missing};
use crate::exit::{Failure, Outcome};
use crate::output;

/// A bar needs an end; counting further than this would take as long as the work itself.
const MOST_COUNTED: u32 = 10_000_000;
const TEMPLATE: &str = "{wide_bar} {pos} of {len} rows, {eta} left";

pub(super) fn command() -> Command {
    Command::new("cleanup")
        .about("Remove what is over: sign-ins, deleted accounts and audit events past their retention, links, mails, attempts, counters")
        .after_help("It may run beside the service, to which it leaves most of the time.")
        .arg(super::json())
}

pub(super) fn run(arguments: &ArgMatches) -> Outcome {
    let as_json = arguments.get_flag("json");
    desk::with_service(arguments, Missing::Refuse, async |service| {
        let due = jobs::backlog(service, MOST_COUNTED).await.map_err(desk::failure)?;
        let progress = bar(due);
        let swept = jobs::sweep(service, |so_far| {
            // More may have come due since it was counted.
            progress.set_length(due.max(so_far.seen()));
            progress.set_position(so_far.seen());
        });
        let swept = swept.await.map_err(desk::failure);
        progress.finish_and_clear();
        let elsewhere = "another program is cleaning up at this moment; it does what is due";
        let swept = swept?.ok_or_else(|| Failure::Conflict(elsewhere.to_owned()))?;
        Ok(output::say(&if as_json { object(&swept) } else { sentence(&swept) })?)
    })
}

/// Nothing is drawn but on a terminal.
fn bar(due: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(due), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(TEMPLATE) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn object(swept: &Swept) -> String {
    let rows = swept.iter().map(|(table, done)| (table.word().to_owned(), Value::from(done.removed)));
    Value::Object(rows.collect::<Map<_, _>>()).to_string()
}

fn sentence(swept: &Swept) -> String {
    let rows: Vec<String> =
        swept.iter().map(|(table, done)| format!("{} from {}", done.removed, table.word())).collect();
    format!("Removed rows: {}.", rows.join(", "))
}

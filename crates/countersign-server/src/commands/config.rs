//! `countersign config`: which settings hold and why, and whether they can stand.

use clap::{ArgMatches, Command};
use serde_json::{Map, Value, json};

use super::{json as json_switch, switch};
use crate::exit::Outcome;
use crate::output;
use crate::settings::Configuration;

pub(super) fn command() -> Command {
    let show = Command::new("show")
        .about("Show every setting that holds; secrets stay hidden")
        .arg(switch("origin", "Say where each value came from"))
        .arg(json_switch());
    let check = Command::new("check").about("Say whether the service would start with these settings");
    Command::new("config")
        .about("Show or check the settings")
        .subcommand_required(true)
        .subcommands([show, check])
}

pub(super) fn run(arguments: &ArgMatches) -> Outcome {
    match arguments.subcommand() {
        Some(("show", arguments)) => show(arguments),
        Some(("check", arguments)) => check(arguments),
        _ => Ok(()),
    }
}

fn show(arguments: &ArgMatches) -> Outcome {
    let configuration = Configuration::read(arguments)?;
    let with_origin = arguments.get_flag("origin");
    if arguments.get_flag("json") {
        let entries: Map<String, Value> = configuration
            .names()
            .into_iter()
            .map(|name| {
                let value = configuration.shown(&name);
                let origin = configuration.origin(&name).to_string();
                let entry =
                    if with_origin { json!({"value": value, "origin": origin}) } else { json!(value) };
                (name, entry)
            })
            .collect();
        return Ok(output::say(&format!("{:#}", Value::Object(entries)))?);
    }
    let lines: Vec<String> = configuration
        .names()
        .iter()
        .map(|name| {
            let value = configuration.shown(name).unwrap_or_else(|| "(unset)".to_owned());
            let line = format!("{name} = {}", output::harmless(&value));
            if with_origin { format!("{line}  # {}", configuration.origin(name)) } else { line }
        })
        .collect();
    Ok(output::say(&lines.join("\n"))?)
}

fn check(arguments: &ArgMatches) -> Outcome {
    let configuration = Configuration::read(arguments)?;
    for warning in configuration.settings.warnings() {
        output::complain(&format!("warning: {warning}"));
    }
    Ok(output::say("The settings can stand.")?)
}

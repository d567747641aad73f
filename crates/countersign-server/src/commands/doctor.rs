//! `countersign doctor`: whether what the service depends on is there and agrees with the settings.

use clap::{ArgMatches, Command};
use countersign::identity_provider::{self, Finding, Severity};
use serde_json::{Value, json};

use crate::exit::{Failure, Outcome};
use crate::output::{harmless, say};
use crate::settings::Configuration;

pub(super) fn command() -> Command {
    Command::new("doctor")
        .about("Ask every identity provider of the settings whether it can be worked with")
        .arg(super::json())
}

pub(super) fn run(arguments: &ArgMatches) -> Outcome {
    let configuration = Configuration::read(arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let examined = runtime.block_on(identity_provider::examine(&configuration.settings));
    let findings = examined.map_err(Failure::Failed)?;
    if arguments.get_flag("json") {
        let rows: Vec<Value> = findings.iter().map(as_value).collect();
        say(&format!("{:#}", Value::Array(rows)))?;
    } else if findings.is_empty() {
        say("No identity provider is set up; there is nothing else that could be asked.")?;
    } else {
        findings.iter().try_for_each(|finding| say(&line(finding)))?;
    }
    match findings.iter().filter(|finding| finding.severity == Severity::Fault).count() {
        0 => Ok(()),
        1 => Err(Failure::Failed("1 fault was found".to_owned())),
        faults => Err(Failure::Failed(format!("{faults} faults were found"))),
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Fine => "ok",
        Severity::Warning => "warning",
        Severity::Fault => "fault",
    }
}

fn line(finding: &Finding) -> String {
    let Finding { provider, subject, severity, text } = finding;
    format!("{:<8} {provider:<10} {subject:<14} {}", word(*severity), harmless(text))
}

fn as_value(finding: &Finding) -> Value {
    json!({
        "provider": finding.provider,
        "subject": finding.subject,
        "severity": word(finding.severity),
        "text": finding.text,
    })
}

//! `countersign mail`: what waits in the outbox, what failed, and whether the way out is open.

use clap::{Arg, ArgMatches, Command};
use countersign::Countersign;
use countersign::id::MailId;
use countersign::names::Email;
use countersign::operator::{self, Waiting};
use countersign::time::Timestamp;
use serde_json::{Value, json};

use super::desk::{self, Missing};
use crate::exit::{Failure, Outcome};
use crate::output::{harmless, say};

/// Few enough to be read in one short transaction.
const PAGE: u32 = 500;

pub(super) fn command() -> Command {
    let id = Arg::new("id").value_name("ID").help("Retry this mail alone");
    let to = Arg::new("to").value_name("ADDRESS").required(true).help("Where the test mail goes");
    Command::new("mail")
        .about("Look at mails that wait or failed, and try the way out")
        .subcommand_required(true)
        .subcommands([
            Command::new("list")
                .about("List mails that wait to be sent, and those that failed")
                .arg(super::json()),
            Command::new("retry").about("Try failed mails again; those whose link has expired stay").arg(id),
            Command::new("test").about("Send a test mail at once, and say what the mail server said").arg(to),
        ])
}

pub(super) fn run(arguments: &ArgMatches) -> Outcome {
    let Some((verb, arguments)) = arguments.subcommand() else { return Ok(()) };
    desk::with_service(arguments, Missing::Refuse, async |service| match verb {
        "list" => list(service, arguments.get_flag("json")).await,
        "retry" => retry(service, arguments.get_one::<String>("id")).await,
        _ => test(service, arguments.get_one::<String>("to").map(String::as_str).unwrap_or_default()).await,
    })
}

async fn list(service: &Countersign, as_json: bool) -> Outcome {
    let mut rows: Vec<Value> = Vec::new();
    let mut after: Option<MailId> = None;
    if !as_json {
        say(
            "ID                   STATE     KIND                    TRIES  NEXT TRY                  TO, LAST ERROR",
        )?;
    }
    loop {
        let page = operator::mails(service, after, PAGE).await.map_err(desk::failure)?;
        for mail in &page {
            if as_json {
                rows.push(as_value(mail));
            } else {
                say(&line(mail))?;
            }
        }
        after = page.last().map(|mail| mail.id);
        if page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
            return if as_json { Ok(say(&format!("{:#}", Value::Array(rows)))?) } else { Ok(()) };
        }
    }
}

fn state(mail: &Waiting) -> &'static str {
    if mail.failed_at.is_some() { "failed" } else { "waiting" }
}

fn line(mail: &Waiting) -> String {
    let next = if mail.failed_at.is_some() { "never".to_owned() } else { mail.due_at.to_rfc3339() };
    let error = mail.last_error.as_deref().map_or_else(String::new, |error| format!(": {}", harmless(error)));
    let (id, kind, tries, to) = (mail.id, harmless(&mail.kind), mail.attempts, harmless(&mail.recipient));
    format!("{id:<20} {:<9} {kind:<23} {tries:<6} {next:<25} {to}{error}", state(mail))
}

fn as_value(mail: &Waiting) -> Value {
    json!({
        "id": mail.id.to_string(),
        "state": state(mail),
        "kind": mail.kind,
        "user": mail.user.to_string(),
        "to": mail.recipient,
        "created_at": mail.created_at.to_rfc3339(),
        "due_at": mail.due_at.to_rfc3339(),
        "attempts": mail.attempts,
        "failed_at": mail.failed_at.map(Timestamp::to_rfc3339),
        "last_error": mail.last_error,
    })
}

async fn retry(service: &Countersign, id: Option<&String>) -> Outcome {
    let unknown =
        || Failure::NotFound("there is no failed mail of this id that is still worth sending".to_owned());
    let only = id.map(|id| id.parse::<MailId>().map_err(|_| unknown())).transpose()?;
    let retried = operator::retry_mails(service, only).await.map_err(desk::failure)?;
    if retried == 0 && only.is_some() {
        return Err(unknown());
    }
    Ok(say(&format!("{retried} mails will be tried again by the running service."))?)
}

async fn test(service: &Countersign, to: &str) -> Outcome {
    let to = Email::parse(to).map_err(|error| Failure::Failed(error.message))?;
    match operator::test_mail(service, &to).await {
        Ok(()) => Ok(say(&format!("The test mail to {} was taken.", to.as_str()))?),
        Err(why) => Err(Failure::Failed(format!("the test mail was not taken: {}", harmless(&why)))),
    }
}

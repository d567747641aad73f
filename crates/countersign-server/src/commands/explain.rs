//! `countersign explain`: why somebody is signed in no more, in sentences.

use clap::{Arg, ArgMatches, Command};
use countersign::Countersign;
use countersign::error::Error;
use countersign::id::SignInId;
use countersign::time::Timestamp;
use countersign::trail::{self, Told};
use serde_json::{Value, json};

use super::desk::{self, Missing};
use super::{account, json as json_switch};
use crate::exit::{Failure, Outcome};
use crate::output::{harmless, say};

pub(super) fn command() -> Command {
    let what = Arg::new("what")
        .value_name("NAME|SESSION")
        .required(true)
        .help("The account's username, or the id of a sign-in");
    Command::new("explain")
        .about("Tell in sentences what happened to an account or a sign-in, and why it ended")
        .arg(what)
        .arg(json_switch())
}

pub(super) fn run(arguments: &ArgMatches) -> Outcome {
    let what = arguments.get_one::<String>("what").map(String::as_str).unwrap_or_default();
    desk::with_service(arguments, Missing::Refuse, async |service| {
        let told = explain(service, what).await?;
        if arguments.get_flag("json") {
            let list = told
                .iter()
                .map(|told| json!({"at": told.at.map(Timestamp::to_rfc3339), "sentence": told.sentence}));
            return Ok(say(&format!("{:#}", Value::Array(list.collect())))?);
        }
        let lines: Vec<String> = told.iter().map(line).collect();
        Ok(say(&lines.join("\n"))?)
    })
}

/// A name wins over an id, which looks like a number of nineteen digits.
async fn explain(service: &Countersign, what: &str) -> Result<Vec<Told>, Failure> {
    match account(service, what).await {
        Ok(account) => trail::explain_user(service, &account).await.map_err(desk::failure),
        Err(Failure::NotFound(_)) => explain_sign_in(service, what).await,
        Err(failure) => Err(failure),
    }
}

async fn explain_sign_in(service: &Countersign, what: &str) -> Result<Vec<Told>, Failure> {
    let unknown =
        || Failure::NotFound(format!("there is neither an account nor a sign-in {}", harmless(what)));
    let id: SignInId = what.parse().map_err(|_| unknown())?;
    trail::explain_sign_in(service, id).await.map_err(|error| match error {
        Error::NotFound => unknown(),
        other => desk::failure(other),
    })
}

fn line(told: &Told) -> String {
    match told.at {
        Some(at) => format!("{}  {}", at.to_rfc3339(), told.sentence),
        None => told.sentence.clone(),
    }
}

//! What every command that works on the data does first and last: open the service, and close it in good
//! order.

use clap::ArgMatches;
use countersign::Countersign;
use countersign::error::Error;
use countersign::settings::Database;

use crate::exit::{Failure, Outcome};
use crate::output::harmless;
use crate::settings::Configuration;
use crate::telemetry;

/// Whether a command may begin a new database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It makes one.
    Create,
    /// It refuses: in the wrong folder it would otherwise find nothing and leave an empty one behind.
    Refuse,
}

/// Opens the service, lets `work` use it, and closes it whatever came of that.
pub(super) fn with_service<W>(arguments: &ArgMatches, missing: Missing, work: W) -> Outcome
where
    W: AsyncFnOnce(&Countersign) -> Outcome,
{
    let mut configuration = Configuration::read(arguments)?;
    if !configuration.is_set("log") {
        // What a command has to say stands in its output.
        configuration.settings.log = "warn".to_owned();
    }
    telemetry::start(&configuration.settings);
    if missing == Missing::Refuse {
        demand_database(&configuration)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let service = open(configuration.settings).await?;
        let outcome = work(&service).await;
        service.shut_down().await;
        outcome
    })
}

/// Opens the service.
pub(super) async fn open(settings: countersign::Settings) -> Result<Countersign, Failure> {
    Countersign::open(settings).await.map_err(|refusal| Failure::Failed(refusal.to_string()))
}

/// Whether there is a database already.
pub(super) fn has_database(settings: &countersign::Settings) -> bool {
    match settings.database() {
        Database::Sqlite(file) => file.exists(),
        Database::Postgres(_) => true,
    }
}

fn demand_database(configuration: &Configuration) -> Outcome {
    if has_database(&configuration.settings) {
        return Ok(());
    }
    let place = configuration.shown("database_url").unwrap_or_default();
    let origin =
        configuration.origin(if configuration.is_set("database_url") { "database_url" } else { "data_dir" });
    Err(Failure::Failed(format!(
        "there is no database at {place} ({origin}). Name another one with --data-dir, or make one with \
         `countersign serve` or `countersign migrate`."
    )))
}

/// A refusal of the library in words for the operator.
pub(super) fn failure(error: Error) -> Failure {
    match error {
        Error::Invalid(fields) => {
            let taken =
                fields.iter().flat_map(|(_, errors)| errors).any(|error| error.code == "username_taken");
            let lines: Vec<String> = fields
                .iter()
                .flat_map(|(field, errors)| {
                    errors.iter().map(move |error| format!("{field}: {}", error.message))
                })
                .collect();
            let text = lines.join("\n  ");
            if taken {
                Failure::Conflict(text)
            } else {
                Failure::Failed(format!("this can't stand:\n  {text}"))
            }
        }
        Error::NotFound => Failure::NotFound("there is no such thing (any more)".to_owned()),
        Error::Overloaded { .. } => {
            Failure::Failed("too many passwords wait to be hashed; try again".to_owned())
        }
        Error::Unavailable(why) => Failure::Failed(format!(
            "the database can't answer now ({}); try again",
            harmless(why.for_the_log())
        )),
        Error::Fault(why) => {
            Failure::Failed(format!("a fault of this program: {}", harmless(why.for_the_log())))
        }
        other => Failure::Failed(format!("it was refused: {other:?}")),
    }
}

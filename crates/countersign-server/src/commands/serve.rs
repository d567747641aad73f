//! `countersign serve`: the service itself, from its start to its last answer.

use std::net::SocketAddr;

use clap::{ArgMatches, Command};
use countersign::settings::Database;
use countersign::{Countersign, Settings, jobs};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::desk;
use crate::exit::{Failure, Outcome};
use crate::serve::{self, Patience, Room};
use crate::settings::Configuration;
use crate::{ops, output, telemetry};

pub(super) fn command() -> Command {
    const ABOUT: &str = "Run the service; without any settings it makes all that it needs";
    const END: &str = "SIGTERM or SIGINT ends it in good order: what was accepted is answered. A second one \
                       ends it at once.";
    Command::new("serve").about(ABOUT).long_about(format!("{ABOUT}, in ./countersign-data.\n\n{END}"))
}

pub(super) fn run(arguments: &ArgMatches) -> Outcome {
    let configuration = Configuration::read(arguments)?;
    telemetry::start(&configuration.settings);
    warn(&configuration.settings);
    let room = Room::within(ops::raise_open_files());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(answer(configuration, room))
}

fn warn(settings: &Settings) {
    for warning in settings.warnings() {
        tracing::warn!(setting = warning.setting, "{}", warning.why);
    }
}

async fn answer(configuration: Configuration, room: Room) -> Outcome {
    let signals = Signals::hear()?;
    let guessed_address = !configuration.is_set("public_url");
    let quiet = configuration.is_set("log_format");
    let mut settings = configuration.settings;
    let wanted = settings.listen;
    // The address first: who can't have it leaves nothing behind.
    let listener = serve::bind(wanted).map_err(|reason| {
        Failure::Failed(format!(
            "can't listen on {wanted} ({reason}). Choose another address with --listen IP:PORT."
        ))
    })?;
    let address = listener.local_addr()?;
    if guessed_address {
        settings.public_url = Settings::public_url_for(address);
    }
    let fresh = !desk::has_database(&settings);
    let service = desk::open(settings).await?;
    let app = countersign::app(&service);
    let cleaning = tokio::spawn({
        let service = service.clone();
        async move { jobs::run(&service).await }
    });
    tokio::spawn(say_how_fast(service.clone()));
    tracing::info!(%address, public_url = service.settings().base_url(), "listening");
    if !quiet {
        welcome(&service, address, fresh);
    }
    ops::notify("READY=1");
    let left = serve::run(listener, app, Patience::default(), room, signals.first()).await;
    if left > 0 {
        tracing::warn!(connections = left, "stopped before every connection had come to its end");
    }
    cleaning.abort();
    service.shut_down().await;
    tracing::info!("stopped");
    Ok(())
}

/// What an operator plans with: how many sign-ins a second this machine can take.
async fn say_how_fast(service: Countersign) {
    match service.lanes().measure().await {
        Ok(rate) => tracing::info!(
            passwords_per_second = rate.round(),
            lanes = service.lanes().lanes(),
            "measured: verifies so many passwords a second"
        ),
        Err(error) => tracing::warn!(?error, "the speed of hashing could not be measured"),
    }
}

/// The few lines that a person reads who starts this for the first time.
fn welcome(service: &Countersign, address: SocketAddr, fresh: bool) {
    let settings = service.settings();
    let url = output::harmless(settings.base_url());
    let mut lines = format!(
        "Countersign {} listens on http://{address}, public address {url}\n{}",
        env!("CARGO_PKG_VERSION"),
        where_the_data_are(settings, fresh),
    );
    if fresh {
        lines.push_str(&format!(
            "\n\nTry it: sign up, sign in, and read {url}/docs\n  \
             curl -i {url}/users -H 'Content-Type: application/json' \\\n    \
             -d '{{\"username\": \"ada\", \"password\": \"analytical engine\"}}'\n  \
             curl -i {url}/authenticate -c cookies -H 'Content-Type: application/json' \\\n    \
             -d '{{\"username\": \"ada\", \"password\": \"analytical engine\"}}'\n\
             Ctrl-C ends it."
        ));
    }
    // Nobody may be reading it: no reason not to serve.
    let _ = output::say(&lines);
}

fn where_the_data_are(settings: &Settings, fresh: bool) -> String {
    if let Database::Postgres(_) = settings.database() {
        let place = output::harmless(&settings.place_of_data());
        let connections = settings.database_connections;
        return format!("Its data are in {place}, to which this node opens up to {connections} connections.");
    }
    let folder = settings.data_dir.canonicalize().unwrap_or_else(|_| settings.data_dir.clone());
    let folder = output::harmless(&folder.display().to_string());
    format!("Its data are in {folder}{}.", if fresh { ", made just now" } else { "" })
}

/// The signals that end the service.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn hear() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for the first one; the second ends the process at once.
    async fn first(mut self) {
        self.next().await;
        tracing::info!("stopping: running requests are answered");
        ops::notify("STOPPING=1");
        tokio::spawn(async move {
            self.next().await;
            tracing::warn!("stopped at once");
            std::process::exit(1);
        });
    }
}

//! `countersign audit`: the trail of events, listed and followed.

use std::time::Duration;

use clap::{Arg, ArgMatches, Command, value_parser};
use countersign::Countersign;
use countersign::time::Timestamp;
use countersign::trail::{self, Follower, Recorded, Since, Whose};
use serde_json::json;

use super::desk::{self, Missing};
use super::{account, switch};
use crate::exit::Outcome;
use crate::output::{harmless, say};

/// How often a follower looks for what is new.
const PACE: Duration = Duration::from_millis(500);
const HEAD: &str =
    "AT                        EVENT                         USER                 FROM             DETAIL";

pub(super) fn command() -> Command {
    let user = Arg::new("user").long("user").value_name("NAME").help("Only events of this account");
    let since = Arg::new("since")
        .long("since")
        .value_name("TIME")
        .value_parser(since)
        .help("Only events from then on: 30m, 2h, 7d, or an instant in RFC 3339");
    let limit = Arg::new("limit")
        .long("limit")
        .value_name("NUMBER")
        .value_parser(value_parser!(u32).range(0..=1_000_000))
        .default_value("100")
        .help("At most so many of the newest events");
    Command::new("audit").about("List or follow what has happened").args([
        user,
        since,
        limit,
        switch("follow", "Go on with what happens from now on"),
        switch("json", "Print one JSON object a line instead of lines for people"),
    ])
}

pub(super) fn run(arguments: &ArgMatches) -> Outcome {
    desk::with_service(arguments, Missing::Refuse, async |service| {
        let whose = match arguments.get_one::<String>("user") {
            Some(name) => Whose::User(account(service, name).await?.user.id),
            None => Whose::Everybodys,
        };
        let as_json = arguments.get_flag("json");
        let since = arguments.get_one::<Since>("since").copied();
        let limit = arguments.get_one::<u32>("limit").copied().unwrap_or_default();
        // Begun before the list, so that nothing falls between the two.
        let follower = match arguments.get_flag("follow") {
            true => Some(Follower::begin(service, whose).await.map_err(desk::failure)?),
            false => None,
        };
        let events = trail::list(service, whose, since, limit).await.map_err(desk::failure)?;
        if !as_json {
            say(HEAD)?;
        }
        print(&events, as_json)?;
        match follower {
            Some(follower) => follow(service, follower, &events, as_json).await,
            None => Ok(()),
        }
    })
}

/// Until somebody ends it, or nobody reads any more.
async fn follow(
    service: &Countersign,
    mut follower: Follower,
    listed: &[Recorded],
    as_json: bool,
) -> Outcome {
    follower.skip(listed);
    loop {
        let new = follower.next(service).await.map_err(desk::failure)?;
        print(&new, as_json)?;
        tokio::time::sleep(PACE).await;
    }
}

fn print(events: &[Recorded], as_json: bool) -> Outcome {
    let lines: Vec<String> =
        events.iter().map(|event| if as_json { object(event) } else { line(event) }).collect();
    if lines.is_empty() { Ok(()) } else { Ok(say(&lines.join("\n"))?) }
}

fn line(event: &Recorded) -> String {
    let text = |text: &Option<String>| text.as_deref().map(harmless).unwrap_or_default();
    let gone = event.user.filter(|_| event.username.is_none()).map(|id| id.to_string());
    let user = text(&event.username.clone().or(gone));
    let times = if event.times > 1 { format!(" ({} times)", event.times) } else { String::new() };
    let (at, word) = (event.at.to_rfc3339(), harmless(&event.event));
    let (from, detail) = (text(&event.address), text(&event.detail));
    format!("{at:<25} {word:<29} {user:<20} {from:<16} {detail}{times}").trim_end().to_owned()
}

fn object(event: &Recorded) -> String {
    json!({
        "id": event.id.to_string(),
        "at": event.at.to_rfc3339(),
        "event": event.event,
        "outcome": event.outcome,
        "times": event.times,
        "request_id": event.request_id,
        "user": event.user.map(|id| id.to_string()),
        "username": event.username,
        "sign_in": event.sign_in.map(|id| id.to_string()),
        "address": event.address,
        "detail": event.detail,
    })
    .to_string()
}

/// `30m`, `2h`, `7d` or an instant.
fn since(text: &str) -> Result<Since, String> {
    if let Some(at) = Timestamp::from_rfc3339(text) {
        return Ok(Since::At(at));
    }
    let seconds =
        [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)].into_iter().find_map(|(unit, seconds)| {
            let amount: u64 = text.strip_suffix(unit)?.parse().ok()?;
            amount.checked_mul(seconds)
        });
    let since = seconds.map(|seconds| Since::Ago(Duration::from_secs(seconds)));
    since.ok_or_else(|| "write 30m, 2h, 7d, or an instant such as 2026-11-24T09:30:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_while_ago_or_an_instant() {
        assert_eq!(since("2h"), Ok(Since::Ago(Duration::from_secs(7_200))));
        assert_eq!(since("90s"), Ok(Since::Ago(Duration::from_secs(90))));
        let instant = Timestamp::from_millis(1_795_512_600_000);
        assert_eq!(since("2026-11-24T10:30:00+01:00"), Ok(Since::At(instant)));
        for text in ["", "2", "h", "-2h", "2 h", "2w", "1.5h", "99999999999999999d", "yesterday"] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}

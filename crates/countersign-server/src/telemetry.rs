//! The log: which events, how they look, and nothing in them that could deceive a reader.

use std::io::{self, IsTerminal, Write};

use countersign::settings::{LogFormat, Problem, Settings};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::output;

/// Why this log filter can't stand, if it can't.
pub(crate) fn refuse(filter: &str) -> Option<Problem> {
    let reason = EnvFilter::builder().parse(filter).err()?;
    let mend = "Write a level (error, warn, info, debug, trace) or pairs such as info,countersign=debug";
    Some(Problem::new("log", format!("it is not a log filter ({reason})"), mend).showing(filter))
}

/// Sends events to standard error from here on, panics among them. Times are UTC.
pub(crate) fn start(settings: &Settings) {
    let filter = EnvFilter::builder().parse_lossy(&settings.log);
    let usual = if io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json };
    // Without colours: then every escape character in a line is somebody else's, and can be taken away.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(CleanStderr);
    match settings.log_format.unwrap_or(usual) {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no text");
        tracing::error!(place, message, "a panic: a fault of this program");
    }));
}

/// Standard error, where each event is one line and shows what is in it (SEC-108).
struct CleanStderr;

impl<'writer> MakeWriter<'writer> for CleanStderr {
    type Writer = Self;

    fn make_writer(&'writer self) -> Self {
        Self
    }
}

impl Write for CleanStderr {
    /// Takes one whole event. A log that can't be written must not stop the service, so that errors end here.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = clean(&String::from_utf8_lossy(event));
        let _ = io::stderr().lock().write_all(line.as_bytes());
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The event in one line; what could move a cursor or turn the writing stands there as `\u001b`, in JSON too.
fn clean(event: &str) -> String {
    let mut line = output::harmless(event.trim_end_matches('\n'));
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    // SEC-108
    #[test]
    fn an_event_stays_in_its_line_and_cannot_move_the_cursor() {
        let event = "signed in name=eve\r\n2026 forged \u{1b}[2J\u{9b}2J\u{202e}txt\u{2028}\n";
        let expected = "signed in name=eve\\u000d\\u000a2026 forged \\u001b[2J\\u009b2J\\u202etxt\\u2028\n";
        assert_eq!(clean(event), expected);
    }

    #[test]
    fn an_escaped_json_event_reads_as_the_same() {
        let event = serde_json::json!({"name": "\u{202e}\u{9b}ada"}).to_string();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&clean(&event)).unwrap()["name"],
            "\u{202e}\u{9b}ada"
        );
    }

    #[test]
    fn a_filter_is_refused_with_the_reason() {
        assert!(refuse("info,countersign=debug").is_none());
        assert!(refuse("countersign=loud").is_some());
    }
}

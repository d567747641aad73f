//! How a command ends: what a script may rely on.

use std::io;
use std::process::ExitCode;

use crate::output;

/// What `--help` says about exit codes.
pub(crate) const HELP: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 not found, 4 taken";

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It went wrong.
    Failed(String),
    /// The arguments or the settings can't stand.
    Settings(String),
    /// What was named does not exist.
    NotFound(String),
    /// What was asked for contradicts what is there.
    Conflict(String),
    /// Whoever read the output has gone, as `head` does; nobody is left to tell.
    NobodyReads,
}

/// How a command ends.
pub(crate) type Outcome = Result<(), Failure>;

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Says what went wrong on standard error, and gives the code.
pub(crate) fn report(outcome: Outcome) -> ExitCode {
    let (code, text) = match outcome {
        Ok(()) | Err(Failure::NobodyReads) => return ExitCode::SUCCESS,
        Err(Failure::Failed(text)) => (1, text),
        Err(Failure::Settings(text)) => (2, text),
        Err(Failure::NotFound(text)) => (3, text),
        Err(Failure::Conflict(text)) => (4, text),
    };
    output::complain(&text);
    ExitCode::from(code)
}

//! What a command says: data on standard output, everything else on standard error.

use std::io::{self, Write};

pub(crate) use countersign::text::harmless;

/// Writes a text, and a line break, to standard output.
///
/// # Errors
/// [`io::ErrorKind::BrokenPipe`] where nobody reads any more.
pub(crate) fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Tells people on standard error; a closed one is no reason to fail.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "countersign: {text}");
}

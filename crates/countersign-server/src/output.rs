//! What a command says: data on standard output, everything else on standard error.

use std::io::{self, Write};

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

/// A name or a text that somebody else chose, with nothing that could move a terminal's cursor (SEC-108).
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .flat_map(|letter| {
            if is_harmful(letter) { escape(letter) } else { letter.to_string() }.chars().collect::<Vec<_>>()
        })
        .collect()
}

/// Control characters, line separators, and what turns the direction of writing.
pub(crate) fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The character as `\u001b`, which JSON reads back as the same.
pub(crate) fn escape(letter: char) -> String {
    format!("\\u{:04x}", u32::from(letter))
}

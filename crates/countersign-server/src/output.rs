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
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_harmful(letter) {
            // As JSON writes it, so that it reads back as the same there.
            shown.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Control characters, what separates lines, and what turns the direction of writing.
fn is_harmful(letter: char) -> bool {
    let invisible = matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}');
    letter.is_control() || invisible || matches!(letter, '\u{2066}'..='\u{2069}' | '\u{feff}')
}

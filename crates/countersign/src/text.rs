//! Texts that somebody else chose, made fit to be shown: bounded, and with nothing that moves a terminal's cursor.

use std::fmt::Write as _;

/// The text with control characters, line separators and what turns the direction of writing as `\u001b` writes them:
/// as JSON does, so that it reads back as the same there (SEC-108).
#[must_use]
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_harmful(letter) {
            // Writing to a String can't fail.
            let _ = write!(shown, "\\u{:04x}", u32::from(letter));
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// The first `most` characters of the text, harmless; `…` stands for what is left out.
#[must_use]
pub fn brief(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => harmless(text.get(..end).unwrap_or_default()) + "…",
        None => harmless(text),
    }
}

/// Control characters, what separates lines, and what turns the direction of writing or can't be seen.
fn is_harmful(letter: char) -> bool {
    let invisible = matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    letter.is_control() || invisible || matches!(letter, '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    // SEC-108
    #[test]
    fn nothing_harmful_is_left_and_all_else_stays() {
        assert_eq!(harmless("a\r\n\u{1b}[31m\u{202e}b"), "a\\u000d\\u000a\\u001b[31m\\u202eb");
        assert_eq!(harmless("é 漢字 🙂 \\ \""), "é 漢字 🙂 \\ \"");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(brief("äöü", 3), "äöü");
        assert_eq!(brief("äöü", 2), "äö…");
        assert_eq!(brief("\u{7}\u{7}", 1), "\\u0007…");
    }
}

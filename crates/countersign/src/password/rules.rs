//! The password rules: Django's four, each of which can be switched off, and one upper limit that can't.

use std::collections::HashMap;

use super::common::is_common;
use super::{Password, compose};
use crate::error::FieldError;

/// From this likeness on, a password is too similar to a name.
const MAX_SIMILARITY: f64 = 0.7;

/// Which rules bind a new password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The fewest code points that [`Rules::length`] accepts.
    pub min_length: usize,
    /// At least `min_length` code points.
    pub length: bool,
    /// Not on the list of common passwords.
    pub common: bool,
    /// Not digits alone.
    pub numeric: bool,
    /// Not too similar to the username or the e-mail address.
    pub similarity: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { min_length: 8, length: true, common: true, numeric: true, similarity: true }
    }
}

impl Rules {
    /// Every rule that a password breaks; none means that it is good. It is judged in its NFC form.
    #[must_use]
    pub fn check(&self, password: &str, username: Option<&str>, email: Option<&str>) -> Vec<FieldError> {
        match compose(password) {
            Some(composed) => self.check_composed(&composed, username, email),
            None => self.check_composed(password, username, email),
        }
    }

    pub(super) fn check_composed(
        &self,
        password: &str,
        username: Option<&str>,
        email: Option<&str>,
    ) -> Vec<FieldError> {
        let checks = [
            self.too_short(password),
            too_long(password),
            (self.common && is_common(password)).then(too_common),
            (self.numeric && is_numeric(password)).then(entirely_numeric),
            (self.similarity).then(|| too_similar(password, username, email)).flatten(),
        ];
        checks.into_iter().flatten().collect()
    }

    /// An empty password is none, whatever the rules say.
    fn too_short(&self, password: &str) -> Option<FieldError> {
        let least = if self.length { self.min_length.max(1) } else { 1 };
        if password.chars().count() >= least {
            return None;
        }
        let unit = if least == 1 { "character" } else { "characters" };
        Some(FieldError::new("password_too_short", format!("Use at least {least} {unit}.")))
    }
}

fn too_long(password: &str) -> Option<FieldError> {
    (password.len() > Password::MAX_BYTES).then(|| {
        let most = Password::MAX_BYTES;
        FieldError::new(
            "password_too_long",
            format!("Use at most {most} bytes: plain letters count one byte each."),
        )
    })
}

fn too_common() -> FieldError {
    FieldError::new(
        "password_too_common",
        "Many people use this password. Choose one that nobody else would.",
    )
}

fn entirely_numeric() -> FieldError {
    FieldError::new("password_entirely_numeric", "Use more than digits: add letters or other characters.")
}

fn too_similar(password: &str, username: Option<&str>, email: Option<&str>) -> Option<FieldError> {
    let password = Letters::of(password);
    let named = [("username", username), ("e-mail address", email)];
    let (what, _) = named.into_iter().find(|(_, name)| name.is_some_and(|name| password.resembles(name)))?;
    Some(FieldError::new(
        "password_too_similar",
        format!("This is too similar to the {what}. Choose something unrelated to it."),
    ))
}

/// Digits of any script, and the signs that Unicode counts as numbers (½, Ⅷ).
fn is_numeric(password: &str) -> bool {
    !password.is_empty() && password.chars().all(char::is_numeric)
}

/// How often each letter occurs in a password, without regard to case: counted once, compared with many names.
struct Letters {
    counts: HashMap<char, usize>,
    length: usize,
}

impl Letters {
    fn of(text: &str) -> Self {
        let mut counts = HashMap::new();
        let mut length = 0;
        for letter in text.chars().flat_map(char::to_lowercase) {
            *counts.entry(letter).or_insert(0) += 1;
            length += 1;
        }
        Self { counts, length }
    }

    /// Whether the name, or a word of it, is too similar: Django's `UserAttributeSimilarityValidator`.
    fn resembles(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let words = name.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.chain([name.as_str()]).filter(|word| !word.is_empty()).any(|word| self.is_like(word))
    }

    fn is_like(&self, word: &str) -> bool {
        let length = word.chars().count();
        if self.dwarfs(length) {
            return false;
        }
        self.likeness(word, length) >= MAX_SIMILARITY
    }

    /// Ten times a word's length leaves at most 2/11 of likeness: not worth counting.
    #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^52")]
    fn dwarfs(&self, length: usize) -> bool {
        self.length >= length.saturating_mul(10)
            && (length as f64) < MAX_SIMILARITY / 2.0 * self.length as f64
    }

    /// Twice the letters in common over all letters, their order left out: what Python's difflib calls `quick_ratio`.
    #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^52")]
    fn likeness(&self, word: &str, length: usize) -> f64 {
        let mut seen = HashMap::new();
        let shared = word.chars().filter(|letter| {
            let used = seen.entry(*letter).or_insert(0_usize);
            *used += 1;
            self.counts.get(letter).is_some_and(|available| *used <= *available)
        });
        2.0 * shared.count() as f64 / (self.length + length) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(password: &str, username: &str, email: &str) -> Vec<&'static str> {
        let broken = Rules::default().check(password, Some(username), Some(email));
        broken.into_iter().map(|error| error.code).collect()
    }

    fn alone(password: &str) -> Vec<&'static str> {
        codes(password, "zzz", "qqq@example.com")
    }

    // SEC-1
    #[test]
    fn length_is_counted_in_code_points_of_the_nfc_form() {
        assert_eq!(alone("t7#kQw1"), ["password_too_short"]);
        assert!(alone("t7#kQw1!").is_empty());
        assert!(alone("\u{5bc6}\u{7801}\u{5b89}\u{5168}\u{1f511}\u{732b}\u{72ac}\u{9ce5}").is_empty());
        assert_eq!(alone("xyzbvn\u{fc}"), ["password_too_short"]);
        assert_eq!(alone("xyzbvnu\u{308}"), ["password_too_short"], "the same seven, decomposed");
    }

    #[test]
    fn the_short_message_names_the_minimum() {
        let rules = Rules { min_length: 15, ..Rules::default() };
        let broken = rules.check("fourteen chars", None, None);
        assert_eq!(broken.first().map(|error| error.message.as_str()), Some("Use at least 15 characters."));
        assert!(rules.check("fifteen charss!", None, None).is_empty());
    }

    // SEC-2
    #[test]
    fn byte_1024_is_the_last() {
        assert!(alone(&"\u{e9}".repeat(512)).is_empty());
        assert_eq!(alone(&format!("{}a", "\u{e9}".repeat(512))), ["password_too_long"]);
    }

    // SEC-4
    #[test]
    fn a_common_password_is_refused_in_any_case() {
        assert_eq!(alone("PaSsWoRd1"), ["password_too_common"]);
    }

    #[test]
    fn digits_of_any_script_alone_are_refused() {
        assert_eq!(alone("4815162342108"), ["password_entirely_numeric"]);
        assert_eq!(
            alone("\u{664}\u{668}\u{661}\u{665}\u{661}\u{666}\u{662}\u{663}"),
            ["password_entirely_numeric"]
        );
        assert!(alone("481516234210-").is_empty());
    }

    #[test]
    fn every_reason_comes_at_once() {
        let expected = [
            "password_too_short",
            "password_too_common",
            "password_entirely_numeric",
            "password_too_similar",
        ];
        assert_eq!(codes("123456", "123456", "ada@example.com"), expected);
        assert_eq!(alone(""), ["password_too_short"]);
    }

    #[test]
    fn a_password_like_the_username_or_a_part_of_the_address_is_refused() {
        assert_eq!(codes("LovelaceAda", "adalovelace", "x@y.example"), ["password_too_similar"]);
        assert_eq!(codes("xpollination", "zzz", "no.pollination@y.example"), ["password_too_similar"]);
        assert_eq!(codes("pollination", "zzz", "x@pollination.example"), ["password_too_similar"]);
        assert!(codes("nothing like it", "adalovelace", "x@y.example").is_empty());
    }

    #[test]
    fn likeness_of_exactly_seven_tenths_is_too_much() {
        assert_eq!(codes("abcdefgxyz", "abcdefguvw", ""), ["password_too_similar"], "2 × 7 / 20");
        assert!(codes("abcdefwxyz", "abcdefqrst", "").is_empty(), "2 × 6 / 20");
    }

    #[test]
    fn likeness_is_that_of_pythons_difflib() {
        // (password, name, SequenceMatcher(a=password, b=name).quick_ratio() of Python 3.11)
        let known = [
            ("testclient", "testclient", 1.0),
            ("abcd", "bcde", 0.75),
            ("aab", "aaab", 6.0 / 7.0),
            ("aaab", "ab", 4.0 / 6.0),
            ("stan", "nats", 1.0),
            ("xyz", "abc", 0.0),
        ];
        for (password, name, ratio) in known {
            let likeness = Letters::of(password).likeness(name, name.chars().count());
            assert!((likeness - ratio).abs() < 1e-12, "{password} {name} {likeness}");
        }
    }

    #[test]
    fn a_rule_that_is_switched_off_does_not_bind() {
        let none =
            Rules { length: false, common: false, numeric: false, similarity: false, ..Rules::default() };
        assert!(none.check("123456", Some("123456"), None).is_empty());
        assert_eq!(none.check("", None, None).first().map(|error| error.code), Some("password_too_short"));
        assert_eq!(
            none.check(&"1".repeat(1025), None, None).first().map(|error| error.code),
            Some("password_too_long")
        );
    }

    // SEC-3
    #[test]
    fn no_kind_of_character_is_demanded_or_forbidden() {
        for fine in [
            "all lower case words",
            "ALL UPPER CASE WORDS",
            "\u{1f511}\u{1f408}\u{1f409}\u{1f40b}\u{1f412}\u{1f418}\u{1f422}\u{1f427}",
            "tab\tnul\0new\nline",
        ] {
            assert!(alone(fine).is_empty(), "{fine:?}");
        }
    }
}

//! The languages of mails and of pages for people, and which of them a request asks for.

use std::cell::Cell;

/// How much of an `Accept-Language` is read: nobody reads twenty languages.
const MOST_RANGES: usize = 20;

/// A language that mails and pages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English, where no other is asked for.
    #[default]
    English,
    /// German.
    German,
}

thread_local! {
    static CURRENT: Cell<Language> = const { Cell::new(Language::English) };
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Its tag (RFC 5646).
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language of this tag, whatever region stands behind it; `None` where it is none of ours.
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|language| language.word().eq_ignore_ascii_case(primary))
    }

    /// What an `Accept-Language` (RFC 9110 §12.5.4) likes best of ours; of equals the first.
    #[must_use]
    pub fn accepted(header: &str) -> Self {
        let mut best = (Self::default(), 0);
        for range in header.split(',').take(MOST_RANGES) {
            let (tag, weight) = range.split_once(';').unwrap_or((range, ""));
            let language = if tag.trim() == "*" { Some(Self::default()) } else { Self::of_tag(tag) };
            let weight = per_mille(weight);
            if let Some(language) = language.filter(|_| weight > best.1) {
                best = (language, weight);
            }
        }
        best.0
    }

    /// The language of the request that this thread is working on.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.get()
    }

    /// Makes this the current one until the guard is dropped, even by a panic.
    pub(crate) fn enter(self) -> Entered {
        Entered(CURRENT.replace(self))
    }
}

/// Puts the former language back.
pub(crate) struct Entered(Language);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// `q=0.8` is 800; whatever is no weight is one.
fn per_mille(parameter: &str) -> u32 {
    let weight = parameter.trim().strip_prefix("q=").or_else(|| parameter.trim().strip_prefix("Q="));
    let weight =
        weight.and_then(|weight| weight.trim().parse::<f32>().ok()).filter(|it| (0.0..=1.0).contains(it));
    weight.map_or(1_000, |weight| (weight * 1_000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_is_liked_best_is_taken_and_english_where_none_is_ours() {
        for (header, language) in [
            ("", Language::English),
            ("de", Language::German),
            ("de-AT, en;q=0.7", Language::German),
            ("en;q=0.5, DE-ch;q=0.9", Language::German),
            ("fr, de;q=0.3, en;q=0.2", Language::German),
            ("fr, *;q=0.5, de;q=0.3", Language::English),
            ("de;q=0, en;q=0.1", Language::English),
            ("de;q=x", Language::German),
            ("den, deu", Language::English),
            ("\u{0};;,,;q=9", Language::English),
        ] {
            assert_eq!(Language::accepted(header), language, "{header:?}");
        }
    }

    #[test]
    fn no_header_is_read_to_a_far_end() {
        assert_eq!(Language::accepted(&format!("{}de", "fr,".repeat(30))), Language::English);
    }

    #[test]
    fn the_current_language_is_that_of_the_innermost_guard() {
        let outer = Language::German.enter();
        {
            let _inner = Language::English.enter();
            assert_eq!(Language::current(), Language::English);
        }
        assert_eq!(Language::current(), Language::German);
        drop(outer);
        assert_eq!(Language::current(), Language::English);
    }
}

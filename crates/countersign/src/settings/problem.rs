//! What is said of a setting that can't stand, or that can but should not.

use std::fmt;

/// A setting that stops the start: which, what was given, why it can't stand, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting's name.
    pub setting: String,
    /// What was given; `None` where it is secret or was not given.
    pub value_shown: Option<String>,
    /// Why it can't stand.
    pub why: String,
    /// How to mend it.
    pub mend: String,
}

impl Problem {
    /// A problem with a setting whose value is not shown.
    pub fn new(setting: &str, why: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { setting: setting.to_owned(), value_shown: None, why: why.into(), mend: mend.into() }
    }

    /// The same problem, showing what was given: shortened, and with nothing that could move a
    /// terminal's cursor.
    #[must_use]
    pub fn showing(mut self, value: &str) -> Self {
        const SHOWN: usize = 100;
        let mut shown: String = value.chars().take(SHOWN).flat_map(char::escape_debug).collect();
        if value.chars().nth(SHOWN).is_some() {
            shown.push('…');
        }
        self.value_shown = Some(shown);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, value_shown, why, mend } = self;
        match value_shown {
            Some(value) => write!(out, "{setting} = \"{value}\": {why}. {mend}."),
            None => write!(out, "{setting}: {why}. {mend}."),
        }
    }
}

/// A setting that the service starts with, although somebody should look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The setting's name.
    pub setting: &'static str,
    /// What follows from it.
    pub why: &'static str,
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.setting, self.why)
    }
}

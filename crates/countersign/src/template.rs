//! Texts with gaps: `{{name}}` is filled in, and there is nothing else to learn. A gap that nobody fills is found when the
//! text is read, not when it is sent.

use std::borrow::Cow;

/// A text with gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Gap(String),
}

impl Template {
    /// Reads a text. Gaps have the names that are known, and all that must be there are there.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(crate) fn parse(text: &str, known: &[&str], needed: &[&str]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, behind)) = after.split_once("}}") else {
                return Err("a {{ has no }} behind it".to_owned());
            };
            let name = name.trim();
            if !known.contains(&name) {
                return Err(format!("it has no {{{{{name}}}}}; there are {}", known.join(", ")));
            }
            parts.extend([Part::Text(before.to_owned()), Part::Gap(name.to_owned())]);
            rest = behind;
        }
        parts.push(Part::Text(rest.to_owned()));
        let template = Self(parts);
        match needed.iter().find(|needed| !template.has(needed)) {
            Some(missing) => Err(format!("{{{{{missing}}}}} is missing in it")),
            None => Ok(template),
        }
    }

    /// Whether the text has this gap.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Gap(gap) if gap == name))
    }

    /// The text with every gap filled in. A word that `words` doesn't have leaves nothing.
    pub(crate) fn fill<'w>(&self, words: impl Fn(&str) -> Option<Cow<'w, str>>) -> String {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Gap(name) => filled.push_str(&words(name).unwrap_or_default()),
            }
        }
        filled
    }
}

/// Text as it stands between tags and in a quoted attribute.
pub(crate) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_and_what_is_filled_in_is_not_read_again() {
        let template = Template::parse("Dear {{name}}, {{ link }}!", &["name", "link"], &["link"]).unwrap();
        let words = |name: &str| Some(Cow::Borrowed(if name == "name" { "{{link}}" } else { "https://x" }));
        assert_eq!(template.fill(words), "Dear {{link}}, https://x!");
        assert_eq!(template.fill(|_| None), "Dear , !");
    }

    #[test]
    fn a_gap_that_nobody_fills_is_refused_and_so_is_a_text_without_its_link() {
        let refusal = |text| Template::parse(text, &["name", "link"], &["link"]).unwrap_err();
        assert_eq!(refusal("{{nmae}} {{link}}"), "it has no {{nmae}}; there are name, link");
        assert_eq!(refusal("{{link"), "a {{ has no }} behind it");
        assert_eq!(refusal("{{name}}"), "{{link}} is missing in it");
    }

    #[test]
    fn html_is_escaped_between_tags_and_in_attributes() {
        assert_eq!(html("<a href=\"x\" title='y'>&"), "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;");
    }
}

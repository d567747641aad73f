//! Just enough of Rust's grammar to tell code from comments and texts, and one function from the next.

/// A Rust file, taken apart.
pub struct Source {
    pub path: String,
    pub text: String,
    /// The code with comments and texts blanked out and the unit tests cut off; lines stay where they are.
    pub code: String,
    /// The same with the unit tests.
    pub whole: String,
    /// The texts in the code, without the unit tests'.
    pub texts: Vec<String>,
}

/// A function: its name, its first line (from 1), its length in lines, its body.
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
    pub body: String,
}

impl Source {
    pub fn read(path: &str, text: &str) -> Self {
        let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
        let (code, texts) = take_apart(&text[..tests]);
        let (whole, _) = take_apart(text);
        Self { path: path.to_owned(), text: text.to_owned(), code, whole, texts }
    }

    /// Whether the whole file is tests: those of a crate, or a module's own beside it.
    pub fn is_test(&self) -> bool {
        let test_modules = ["tests", "oracle", "vectors"];
        self.path.trim_end_matches(".rs").split('/').any(|part| test_modules.contains(&part))
    }

    /// Every function of the file, its unit tests included.
    pub fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        for (at, _) in self.whole.match_indices("fn ") {
            let starts_a_word = at == 0 || !is_word(self.whole.as_bytes()[at - 1]);
            let name: String =
                self.whole[at + 3..].bytes().take_while(|byte| is_word(*byte)).map(char::from).collect();
            let Some(body) = body_from(&self.whole, at).filter(|_| starts_a_word && !name.is_empty()) else {
                continue;
            };
            let line = self.whole[..at].matches('\n').count() + 1;
            let lines = body.matches('\n').count()
                + 1
                + self.whole[at..body_start(&self.whole, at)].matches('\n').count();
            found.push(Function { name, line, lines, body });
        }
        found
    }

    /// The first names after `crate::`, those of grouped imports included.
    pub fn crate_paths(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (at, _) in self.code.match_indices("crate::") {
            if at > 0 && is_word(self.code.as_bytes()[at - 1]) {
                continue;
            }
            let rest = &self.code[at + "crate::".len()..];
            match rest.strip_prefix('{') {
                Some(group) => names.extend(first_names(group)),
                None => names.push(word(rest)),
            }
        }
        names
    }

    /// Whether the code has this word, standing by itself.
    pub fn names(&self, name: &str) -> bool {
        self.code.match_indices(name).any(|(at, _)| {
            let before = at.checked_sub(1).map(|at| self.code.as_bytes()[at]);
            let after = self.code.as_bytes().get(at + name.len());
            !before.is_some_and(is_word) && !after.is_some_and(|byte| is_word(*byte))
        })
    }
}

pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn word(text: &str) -> String {
    text.trim_start().bytes().take_while(|byte| is_word(*byte)).map(char::from).collect()
}

/// The first name of each entry of a `{…}` group, whose opening brace is gone.
fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut entry, mut names) = (1, String::new(), Vec::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(word(&std::mem::take(&mut entry))),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if letter != ',' || depth > 1 {
            entry.push(letter);
        }
    }
    names.push(word(&entry));
    names.retain(|name| !name.is_empty());
    names
}

/// Where the body of the function at this place opens.
fn body_start(code: &str, from: usize) -> usize {
    code[from..].find('{').map_or(code.len(), |offset| from + offset)
}

/// The body from brace to brace; `None` for a declaration without one.
fn body_from(code: &str, from: usize) -> Option<String> {
    let opens = code[from..].find('{')?;
    if ends_before_a_body(&code[from..from + opens]) {
        return None;
    }
    let mut depth = 0;
    for (at, letter) in code[from + opens..].char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(code[from + opens..=from + opens + at].to_owned());
        }
    }
    None
}

/// Whether a semicolon ends the declaration; the one of `[u8; 32]` does not.
fn ends_before_a_body(signature: &str) -> bool {
    let mut depth = 0;
    signature.chars().any(|letter| {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        letter == ';' && depth == 0
    })
}

/// The code without comments and texts, and the texts.
fn take_apart(source: &str) -> (String, Vec<String>) {
    let letters: Vec<char> = source.chars().collect();
    let (mut code, mut texts, mut at) = (String::with_capacity(source.len()), Vec::new(), 0);
    let blank = |code: &mut String, skipped: &[char]| {
        code.extend(skipped.iter().map(|letter| if *letter == '\n' { '\n' } else { ' ' }));
    };
    while at < letters.len() {
        let rest = &letters[at..];
        let end = at + skipped(rest, code.chars().last());
        if end > at {
            if let Some(text) = text_of(&letters[at..end]) {
                texts.push(text);
            }
            blank(&mut code, &letters[at..end]);
            at = end;
        } else {
            code.push(letters[at]);
            at += 1;
        }
    }
    (code, texts)
}

/// How many letters at the front are a comment, a text or a letter in quotes; 0 for code.
fn skipped(rest: &[char], before: Option<char>) -> usize {
    match rest {
        ['/', '/', ..] => rest.iter().position(|letter| *letter == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => text(rest),
        ['r', '"' | '#', ..] if !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_') => {
            raw_text(rest)
        }
        ['\'', '\\', ..] => 3 + rest[3..].iter().position(|letter| *letter == '\'').unwrap_or(0),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn text(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw_text(rest: &[char]) -> usize {
    let marks = rest[1..].iter().take_while(|letter| **letter == '#').count();
    if rest.get(1 + marks) != Some(&'"') {
        return 0;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', marks)).collect();
    let body = &rest[marks + 2..];
    let length = body.windows(end.len()).position(|window| window == end).unwrap_or(body.len());
    (marks + 2 + length + end.len()).min(rest.len())
}

fn text_of(skipped: &[char]) -> Option<String> {
    let whole: String = skipped.iter().collect();
    let inside = whole.trim_start_matches('r').trim_matches('#').strip_prefix('"')?.strip_suffix('"')?;
    Some(inside.to_owned())
}

#[test]
fn a_declaration_without_a_body_does_not_take_the_next_ones() {
    let text =
        "trait T {\n    fn none(x: [u8; 2]) -> bool;\n}\nimpl T for X {\n    fn some() -> [u8; 2] {}\n}\n";
    let names: Vec<String> = Source::read("x.rs", text).functions().into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["some"]);
}

#[test]
fn comments_texts_and_unit_tests_are_told_from_code() {
    let text = "use crate::{a, b::{c, d}, e};\n// crate::not\nfn one(x: [u8; 2]) -> &'static str {\n    \"crate::nor {\"\n}\n\
                /* /* fn no() {} */ */ const Q: char = '\"'; const R: &str = r#\"a \"b\" c\"#;\nfn two();\n\
                #[cfg(test)]\nmod tests {\n    use crate::z;\n    fn three() {}\n}\n";
    let source = Source::read("x.rs", text);
    assert_eq!(source.crate_paths(), ["a", "b", "e"]);
    assert_eq!(source.texts, ["crate::nor {", "a \"b\" c"]);
    let functions: Vec<(String, usize, usize)> = source
        .functions()
        .into_iter()
        .map(|function| (function.name, function.line, function.lines))
        .collect();
    assert_eq!(functions[0], ("one".to_owned(), 3, 3));
    assert_eq!(functions.last().unwrap().0, "three");
    assert!(source.names("Q") && !source.names("not") && !source.names("z"));
}

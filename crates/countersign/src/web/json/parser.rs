//! Reads one JSON object (RFC 8259): strictly, within bounds, and without leaving copies of secrets behind.
//!
//! Own code rather than `serde_json`, because the latter keeps decoded strings in buffers that nobody wipes.

use zeroize::Zeroizing;

/// How deep a body may nest; its own braces are the first level (SEC-69).
pub(super) const MAX_DEPTH: usize = 64;

/// How many members an object of a body may have at the top; forms have a handful.
pub(super) const MAX_MEMBERS: usize = 100;

/// One member of the top-level object. A name may come twice; whoever asks for it finds out.
pub(super) struct Member {
    pub(super) name: Zeroizing<String>,
    pub(super) value: Value,
}

/// A value as far as forms care: text, nothing, or the name of what it is instead.
pub(super) enum Value {
    Null,
    Text(Zeroizing<String>),
    Other(&'static str),
}

/// Why a text is no acceptable object, and the byte where that shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) what: &'static str,
    pub(super) offset: usize,
}

type Parsed<T> = Result<T, Malformed>;

/// The members of the object that `text` is, in their order.
pub(super) fn object(text: &str) -> Parsed<Vec<Member>> {
    let mut parser = Parser { text, at: 0 };
    if text.starts_with('\u{feff}') {
        return Err(parser.malformed("a byte order mark is not allowed"));
    }
    parser.skip_space();
    if !parser.take(b'{') {
        return Err(parser.malformed("expected an object in braces"));
    }
    let mut members = Vec::new();
    parser.members(|parser, name| {
        if members.len() == MAX_MEMBERS {
            return Err(parser.malformed("too many members"));
        }
        let value = parser.value(1)?;
        members.push(Member { name, value });
        Ok(())
    })?;
    parser.skip_space();
    if parser.peek().is_some() { Err(parser.malformed("nothing may follow the object")) } else { Ok(members) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, expected: u8) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, offset: self.at }
    }

    /// What stands between `{` (already taken) and `}`; `each` reads the value that belongs to a name.
    fn members(&mut self, mut each: impl FnMut(&mut Self, Zeroizing<String>) -> Parsed<()>) -> Parsed<()> {
        self.skip_space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.malformed("expected a name in double quotes"));
            }
            let name = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.malformed("expected ':'"));
            }
            each(self, name)?;
            self.skip_space();
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.malformed("expected ',' or '}'"));
            }
        }
    }

    /// A value inside `depth` levels.
    fn value(&mut self, depth: usize) -> Parsed<Value> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'n') => self.word("null").map(|()| Value::Null),
            Some(b't') => self.word("true").map(|()| Value::Other("a boolean")),
            Some(b'f') => self.word("false").map(|()| Value::Other("a boolean")),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| Value::Other("a number")),
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(self.malformed("nested too deep")),
            Some(b'{') => {
                self.at += 1;
                self.members(|parser, _| parser.value(depth + 1).map(drop))?;
                Ok(Value::Other("an object"))
            }
            Some(b'[') => {
                self.at += 1;
                self.elements(depth + 1)?;
                Ok(Value::Other("an array"))
            }
            _ => Err(self.malformed("expected a value")),
        }
    }

    fn elements(&mut self, depth: usize) -> Parsed<()> {
        self.skip_space();
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            self.skip_space();
            if self.take(b']') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.malformed("expected ',' or ']'"));
            }
        }
    }

    fn word(&mut self, word: &str) -> Parsed<()> {
        if self.rest().starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.malformed("expected a value"))
        }
    }

    fn number(&mut self) -> Parsed<()> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _signed = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let digits = self.text.get(start..self.at).unwrap_or_default();
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(()),
            _ => Err(Malformed { what: "the number is out of range", offset: start }),
        }
    }

    fn digits(&mut self) -> Parsed<()> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.malformed("expected a digit"));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    /// A string, decoded. The room is taken at once, since text that grows would leave copies behind.
    fn string(&mut self) -> Parsed<Zeroizing<String>> {
        self.at += 1;
        let mut text = Zeroizing::new(String::with_capacity(self.distance_to_quote()));
        loop {
            let run = self.rest().bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ');
            let run = run.ok_or(Malformed { what: "the string has no end", offset: self.text.len() })?;
            text.push_str(self.rest().get(..run).unwrap_or_default());
            self.at += run;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(self.malformed("a control character must be escaped")),
            }
        }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// How many bytes a string has from here on, escapes as they are written: decoded it is never longer.
    fn distance_to_quote(&self) -> usize {
        let mut escaped = false;
        let is_end = |byte| {
            let end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            end
        };
        self.rest().bytes().position(is_end).unwrap_or(0)
    }

    fn escape(&mut self) -> Parsed<char> {
        let start = self.at;
        self.at += 1;
        let unknown = Malformed { what: "unknown escape", offset: start };
        match self.next().ok_or(unknown)? {
            b'"' => Ok('"'),
            b'\\' => Ok('\\'),
            b'/' => Ok('/'),
            b'b' => Ok('\u{8}'),
            b'f' => Ok('\u{c}'),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            b'u' => self.unicode_escape(start),
            _ => Err(unknown),
        }
    }

    fn unicode_escape(&mut self, start: usize) -> Parsed<char> {
        let lone = Malformed { what: "a surrogate without its other half", offset: start };
        let first = self.four_hex_digits()?;
        let second = match first {
            0xD800..=0xDBFF if self.take(b'\\') && self.take(b'u') => Some(self.four_hex_digits()?),
            _ => None,
        };
        match char::decode_utf16([first].into_iter().chain(second)).next() {
            Some(Ok(character)) => Ok(character),
            _ => Err(lone),
        }
    }

    fn four_hex_digits(&mut self) -> Parsed<u16> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let digit = digit.and_then(|digit| u16::try_from(digit).ok());
            unit = unit << 4 | digit.ok_or(self.malformed("expected four hexadecimal digits"))?;
            self.at += 1;
        }
        Ok(unit)
    }
}

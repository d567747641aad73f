//! A strict reader of JSON objects (RFC 8259) that borrows from its input and refuses duplicate members.
//!
//! A general parser would take the last of two equal members, or build a tree that nobody reads. Here each
//! document is read once, straight into the caller's fields, and whatever is doubtful is [`Malformed`].

use std::borrow::Cow;

use crate::refusal::Refusal;

/// How deep arrays and objects may lie within the document. Claims are flat; 64 is far more than anyone needs,
/// and keeps hostile nesting off the stack.
const MAX_DEPTH: usize = 64;

/// The largest integer that every JSON implementation keeps exactly: 2^53 - 1 (RFC 7493 §2.2).
pub(crate) const MAX_INTEGER: i64 = 9_007_199_254_740_991;

/// The document is not JSON, or not what the reader asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<Malformed> for Refusal {
    fn from(_: Malformed) -> Self {
        Self::Invalid
    }
}

/// What the caller did with a member.
pub(crate) enum Member {
    /// It read the value, into a place that takes one value only (see [`set_once`]).
    Taken,
    /// It does not know the name: the reader skips the value.
    Unknown,
}

/// Fills a place that was empty; a second value is a duplicate member (RFC 7515 §4, RFC 7519 §4).
pub(crate) fn set_once<T>(place: &mut Option<T>, value: T) -> Result<Member, Malformed> {
    if place.is_some() {
        return Err(Malformed);
    }
    *place = Some(value);
    Ok(Member::Taken)
}

/// Reads a document that is one object and nothing else. `member` is called with each name, unescaped; it reads
/// the value or says that it does not know the name.
pub(crate) fn read_object<'a>(
    document: &'a [u8],
    member: impl FnMut(&str, &mut Reader<'a>) -> Result<Member, Malformed>,
) -> Result<(), Malformed> {
    let text = str::from_utf8(document).map_err(|_| Malformed)?;
    let mut reader = Reader { text, at: 0 };
    reader.skip_whitespace();
    reader.object(1, member)?;
    reader.skip_whitespace();
    if reader.at == text.len() { Ok(()) } else { Err(Malformed) }
}

/// A position in a document.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, Malformed> {
        let byte = self.peek().ok_or(Malformed)?;
        self.at += 1;
        Ok(byte)
    }

    fn expect(&mut self, wanted: u8) -> Result<(), Malformed> {
        if self.next()? == wanted { Ok(()) } else { Err(Malformed) }
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// A step over the comma, or the end of the list.
    fn more(&mut self, end: u8) -> Result<bool, Malformed> {
        self.skip_whitespace();
        let byte = self.next()?;
        if byte == b',' {
            self.skip_whitespace();
            return Ok(true);
        }
        if byte == end { Ok(false) } else { Err(Malformed) }
    }

    fn opens_empty(&mut self, start: u8, end: u8) -> Result<bool, Malformed> {
        self.expect(start)?;
        self.skip_whitespace();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(true);
        }
        Ok(false)
    }

    fn object(
        &mut self,
        depth: usize,
        mut member: impl FnMut(&str, &mut Self) -> Result<Member, Malformed>,
    ) -> Result<(), Malformed> {
        if self.opens_empty(b'{', b'}')? {
            return Ok(());
        }
        let mut unknown: Vec<Cow<'a, str>> = Vec::new();
        loop {
            let name = self.string()?;
            self.skip_whitespace();
            self.expect(b':')?;
            self.skip_whitespace();
            if let Member::Unknown = member(&name, self)? {
                self.skip_value(depth)?;
                unknown.push(name);
            }
            if !self.more(b'}')? {
                break;
            }
        }
        // Sorting keeps a document of a thousand members from costing a million comparisons.
        unknown.sort_unstable();
        if unknown.windows(2).any(|pair| matches!(pair, [first, second] if first == second)) {
            return Err(Malformed);
        }
        Ok(())
    }

    /// A string, borrowed unless it holds an escape.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.expect(b'"')?;
        let plain = self.plain_run()?;
        if self.next()? == b'"' {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            text.push(self.escaped()?);
            text.push_str(self.plain_run()?);
            if self.next()? == b'"' {
                return Ok(Cow::Owned(text));
            }
        }
    }

    /// A string that is not empty.
    pub(crate) fn nonempty_string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let text = self.string()?;
        if text.is_empty() { Err(Malformed) } else { Ok(text) }
    }

    /// The characters up to the next quote or backslash, which stays to be read.
    fn plain_run(&mut self) -> Result<&'a str, Malformed> {
        let rest = self.text.get(self.at..).ok_or(Malformed)?;
        let length =
            rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20).ok_or(Malformed)?;
        let run = rest.get(..length).ok_or(Malformed)?;
        self.at += length;
        match self.peek() {
            Some(b'"' | b'\\') => Ok(run),
            _ => Err(Malformed),
        }
    }

    /// The character of an escape whose backslash has been read.
    fn escaped(&mut self) -> Result<char, Malformed> {
        Ok(match self.next()? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.escaped_unit(),
            _ => return Err(Malformed),
        })
    }

    /// The character of a `\u` escape; two escapes make one where UTF-16 needs a pair. A lone half is no character.
    fn escaped_unit(&mut self) -> Result<char, Malformed> {
        let first = self.hex4()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first).ok_or(Malformed);
        }
        self.expect(b'\\')?;
        self.expect(b'u')?;
        let second = self.hex4()?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(Malformed);
        }
        char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)).ok_or(Malformed)
    }

    fn hex4(&mut self) -> Result<u32, Malformed> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = char::from(self.next()?).to_digit(16).ok_or(Malformed)?;
            value = value * 16 + digit;
        }
        Ok(value)
    }

    /// An integer from 0 to [`MAX_INTEGER`], written as one: a sign is no digit, and a fraction or an exponent is left
    /// over, where the object has no place for it.
    pub(crate) fn integer(&mut self) -> Result<i64, Malformed> {
        let first = self.next()?;
        if !first.is_ascii_digit() {
            return Err(Malformed);
        }
        let mut value = i64::from(first - b'0');
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            self.at += 1;
            // A leading zero is not JSON; a value past the range never comes back into it.
            if first == b'0' || value > MAX_INTEGER / 10 {
                return Err(Malformed);
            }
            value = value * 10 + i64::from(digit - b'0');
        }
        if value > MAX_INTEGER { Err(Malformed) } else { Ok(value) }
    }

    /// One string, or an array of strings.
    pub(crate) fn string_or_strings(&mut self) -> Result<Vec<Cow<'a, str>>, Malformed> {
        if self.peek() == Some(b'"') {
            return Ok(vec![self.string()?]);
        }
        let mut strings = Vec::new();
        if self.opens_empty(b'[', b']')? {
            return Ok(strings);
        }
        loop {
            strings.push(self.string()?);
            if !self.more(b']')? {
                return Ok(strings);
            }
        }
    }

    /// Any value, checked and dropped. `depth` counts the arrays and objects that it lies in.
    fn skip_value(&mut self, depth: usize) -> Result<(), Malformed> {
        match self.peek().ok_or(Malformed)? {
            b'"' => self.string().map(drop),
            b'{' if depth < MAX_DEPTH => self.object(depth + 1, |_, _| Ok(Member::Unknown)),
            b'[' if depth < MAX_DEPTH => self.skip_array(depth + 1),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.skip_number(),
        }
    }

    fn skip_array(&mut self, depth: usize) -> Result<(), Malformed> {
        if self.opens_empty(b'[', b']')? {
            return Ok(());
        }
        loop {
            self.skip_value(depth)?;
            if !self.more(b']')? {
                return Ok(());
            }
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), Malformed> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    fn skip_number(&mut self) -> Result<(), Malformed> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.skip_digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.skip_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.skip_digits()?;
        }
        Ok(())
    }

    fn skip_digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests;

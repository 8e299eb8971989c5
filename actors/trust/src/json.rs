//! One parse of a document into one tree, from which both the signed bytes and the typed view are
//! made, so that nobody can be shown another document than the one that was signed.
//!
//! Stricter than Go's `encoding/json`: a member name may occur once, text is UTF-8, and numbers and
//! strings without a canonical form are kept apart, so that they are refused where they are signed.

use std::collections::BTreeMap;

use portreeve_protocol::limits::{JSON_DEPTH, JSON_VALUES};

use crate::error::TrustError;

/// Members by name, in the byte order of their names.
pub(crate) type Object = BTreeMap<String, Value>;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer that a double holds exactly.
    Integer(i64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Self>),
    /// An object.
    Object(Object),
    /// A value that canonical JSON cannot write; why.
    NoCanonicalForm(&'static str),
}

/// The largest integer of which a double holds every smaller one.
const EXACT: i64 = 1 << 53;

/// Parses `bytes`, the whole of them.
///
/// # Errors
/// `Malformed` for what is not JSON, `UnsupportedForm` for repeated member names, excess depth or
/// excess size.
pub(crate) fn parse(document: &str, bytes: &[u8]) -> Result<Value, TrustError> {
    let text = std::str::from_utf8(bytes).map_err(|error| TrustError::Malformed {
        document: document.to_owned(),
        at: error.valid_up_to(),
        why: "text that is not UTF-8",
    })?;
    let mut parser = Parser { text, bytes, at: 0, values: 0 };
    let parsed = parser.value(0).and_then(|value| {
        parser.blanks();
        if parser.at == bytes.len() { Ok(value) } else { Err(Fault::Syntax("text after the end")) }
    });
    parsed.map_err(|fault| match fault {
        Fault::Syntax(why) => {
            TrustError::Malformed { document: document.to_owned(), at: parser.at, why }
        }
        Fault::Form(why) => TrustError::UnsupportedForm {
            document: document.to_owned(),
            why: format!("{why} at byte {}", parser.at),
        },
    })
}

enum Fault {
    Syntax(&'static str),
    Form(&'static str),
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    values: usize,
}

impl Parser<'_> {
    fn blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The next byte after blanks, not consumed.
    fn peek(&mut self) -> Result<u8, Fault> {
        self.blanks();
        self.bytes.get(self.at).copied().ok_or(Fault::Syntax("the end of the text"))
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        self.values += 1;
        if depth > JSON_DEPTH {
            return Err(Fault::Form("it nests too deeply"));
        }
        if self.values > JSON_VALUES {
            return Err(Fault::Form("it holds too many values"));
        }
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => Ok(self.string()?.map_or(
                Value::NoCanonicalForm("a string holds half of a surrogate pair"),
                Value::Text,
            )),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => Err(Fault::Syntax("no value")),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Fault> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        Err(Fault::Syntax("an unknown word"))
    }

    fn object(&mut self, depth: usize) -> Result<Value, Fault> {
        self.at += 1;
        let mut members = Object::new();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            if self.peek()? != b'"' {
                return Err(Fault::Syntax("no member name"));
            }
            let name = self.string()?.ok_or(Fault::Form("a member name is not Unicode"))?;
            if self.peek()? != b':' {
                return Err(Fault::Syntax("no colon"));
            }
            self.at += 1;
            let value = self.value(depth + 1)?;
            if members.insert(name, value).is_some() {
                return Err(Fault::Form("a member name occurs twice"));
            }
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return Err(Fault::Syntax("neither comma nor closing brace")),
            }
        }
        self.at += 1;
        Ok(Value::Object(members))
    }

    fn list(&mut self, depth: usize) -> Result<Value, Fault> {
        self.at += 1;
        let mut values = Vec::new();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(Value::List(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            match self.peek()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return Err(Fault::Syntax("neither comma nor closing bracket")),
            }
        }
        self.at += 1;
        Ok(Value::List(values))
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start { Err(Fault::Syntax("no digit")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        let mut plain = true;
        if self.take(b'.') {
            plain = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            plain = false;
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        if !plain || text == "-0" {
            return Ok(Value::NoCanonicalForm("a number is not written as a plain integer"));
        }
        match text.parse::<i64>() {
            Ok(number) if (-EXACT..=EXACT).contains(&number) => Ok(Value::Integer(number)),
            _ => Ok(Value::NoCanonicalForm("an integer is beyond 2^53")),
        }
    }

    /// A string from its opening quote on; `None` if it holds half of a surrogate pair.
    fn string(&mut self) -> Result<Option<String>, Fault> {
        self.at += 1;
        let mut text = String::new();
        let mut whole = true;
        loop {
            let start = self.at;
            while self.bytes.get(self.at).is_some_and(|&b| b >= 0x20 && b != b'"' && b != b'\\') {
                self.at += 1;
            }
            text.push_str(&self.text[start..self.at]);
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => match self.escape()? {
                    Some(character) => text.push(character),
                    None => whole = false,
                },
                Some(_) => return Err(Fault::Syntax("a control character in a string")),
                None => return Err(Fault::Syntax("the end of the text in a string")),
            }
        }
        self.at += 1;
        Ok(whole.then_some(text))
    }

    /// One escape from its backslash on; `None` for half of a surrogate pair.
    fn escape(&mut self) -> Result<Option<char>, Fault> {
        self.at += 2;
        let plain = match self.bytes.get(self.at - 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(Fault::Syntax("an unknown escape")),
        };
        Ok(Some(plain))
    }

    fn unicode(&mut self) -> Result<Option<char>, Fault> {
        let unit = self.hex()?;
        if !(0xd800..0xdc00).contains(&unit) {
            return Ok(char::from_u32(unit));
        }
        if !self.bytes[self.at..].starts_with(b"\\u") {
            return Ok(None);
        }
        self.at += 2;
        let low = self.hex()?;
        if !(0xdc00..0xe000).contains(&low) {
            return Ok(None);
        }
        Ok(char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)))
    }

    fn hex(&mut self) -> Result<u32, Fault> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or(Fault::Syntax("a short escape"))?;
        let mut unit = 0;
        for &digit in digits {
            let digit = char::from(digit).to_digit(16).ok_or(Fault::Syntax("a bad escape"))?;
            unit = unit << 4 | digit;
        }
        self.at += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests;

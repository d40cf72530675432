//! The canonical form of JSON (RFC 8785), of which leaves use objects, strings and integers.
//!
//! Takes members and gives their bytes; takes bytes and gives members. Refuses at once whatever the writer would not have written: a blank,
//! another order, a repeated name, another spelling of a string or number, a float, null, boolean or array, an object in an object in an object.
//! Nothing is normalised: what was accepted hashes to what was signed.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::{Commitment, Digest, LeafError, Reference};

/// Largest integer that every JSON reader keeps exact.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// A value.
#[derive(Debug)]
enum Value<'a> {
    Text(Cow<'a, str>),
    Integer(u64),
    Object(Members<'a>),
}

/// The members of an object. Names are ASCII, so that their order by bytes is that of RFC 8785 (by UTF-16 units).
#[derive(Debug, Default)]
pub(super) struct Members<'a>(Vec<(&'a str, Value<'a>)>);

impl<'a> Members<'a> {
    pub(super) fn text(&mut self, name: &'a str, text: impl Into<Cow<'a, str>>) {
        self.0.push((name, Value::Text(text.into())));
    }

    /// The canonical bytes.
    pub(super) fn write(mut self) -> Result<Vec<u8>, LeafError> {
        let mut out = String::with_capacity(1024);
        self.write_to(&mut out)?;
        Ok(out.into_bytes())
    }

    fn write_to(&mut self, out: &mut String) -> Result<(), LeafError> {
        self.0.sort_unstable_by_key(|(name, _)| *name);
        out.push('{');
        for (place, (name, value)) in self.0.iter_mut().enumerate() {
            if place > 0 {
                out.push(',');
            }
            write_text(name, out);
            out.push(':');
            match value {
                Value::Text(text) => write_text(text, out),
                Value::Integer(number) if *number > INTEGER_MAX => return Err(LeafError::TooLarge),
                // Writing to a String cannot fail.
                Value::Integer(number) => drop(write!(out, "{number}")),
                Value::Object(members) => members.write_to(out)?,
            }
        }
        out.push('}');
        Ok(())
    }

    /// Reads canonical bytes.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, LeafError> {
        let text = str::from_utf8(bytes).map_err(|error| LeafError::NotCanonical(error.valid_up_to()))?;
        let mut reader = Reader { text, at: 0 };
        let members = reader.object(2).ok_or(LeafError::NotCanonical(reader.at))?;
        if reader.at < text.len() {
            return Err(LeafError::NotCanonical(reader.at));
        }
        Ok(members)
    }

    fn take(&mut self, name: &str) -> Option<Value<'a>> {
        let place = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.swap_remove(place).1)
    }

    pub(super) fn take_text(&mut self, name: &str) -> Option<Cow<'a, str>> {
        match self.take(name)? {
            Value::Text(text) => Some(text),
            Value::Integer(_) | Value::Object(_) => None,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == name)
    }

    /// Whether every member was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The letter of a control character's short escape (RFC 8785, 3.2.2.2).
fn short_escape(character: char) -> Option<char> {
    Some(match character {
        '"' | '\\' => character,
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{c}' => 'f',
        '\r' => 'r',
        _ => return None,
    })
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push_str(text);
    } else {
        for character in text.chars() {
            match short_escape(character) {
                Some(letter) => out.extend(['\\', letter]),
                // Writing to a String cannot fail.
                None if character < ' ' => drop(write!(out, "\\u{:04x}", u32::from(character))),
                None => out.push(character),
            }
        }
    }
    out.push('"');
}

/// Reads from `at` on; `None` stands for: not canonical, at about `at`.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// An object that may hold objects down to `depth` levels, itself included.
    fn object(&mut self, depth: u8) -> Option<Members<'a>> {
        let inner = depth.checked_sub(1)?;
        self.expect(b'{')?;
        let mut members = Vec::with_capacity(24);
        let mut last = None;
        // No leaf has an empty object, so there is at least one member.
        loop {
            // A name that needs an escape is none of ours.
            let Cow::Borrowed(name) = self.string()? else {
                return None;
            };
            if last.is_some_and(|last| last >= name) {
                return None;
            }
            last = Some(name);
            self.expect(b':')?;
            let value = match self.peek()? {
                b'"' => Value::Text(self.string()?),
                b'{' => Value::Object(self.object(inner)?),
                b'0'..=b'9' => Value::Integer(self.integer()?),
                _ => return None,
            };
            members.push((name, value));
            if self.expect(b',').is_none() {
                self.expect(b'}')?;
                return Some(Members(members));
            }
        }
    }

    fn integer(&mut self) -> Option<u64> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let text = self.rest().get(..digits)?;
        if text.len() > 1 && text.starts_with('0') {
            return None;
        }
        let number = text.parse().ok().filter(|number| *number <= INTEGER_MAX)?;
        self.at += digits;
        Some(number)
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.expect(b'"')?;
        let plain = self.plain()?;
        if self.expect(b'"').is_some() {
            return Some(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            if self.expect(b'"').is_some() {
                return Some(Cow::Owned(text));
            }
            text.push(self.escape()?);
            text.push_str(self.plain()?);
        }
    }

    /// Characters up to the next quote or backslash; a bare control character is refused.
    fn plain(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let end = rest
            .bytes()
            .position(|byte| byte < b' ' || byte == b'"' || byte == b'\\')?;
        self.at += end;
        rest.get(..end)
    }

    /// An escape that the writer would have chosen.
    fn escape(&mut self) -> Option<char> {
        let rest = self.rest();
        let character = match rest.as_bytes() {
            [b'\\', b'u', ..] => {
                let code = u32::from_str_radix(rest.get(2..6)?, 16).ok()?;
                char::from_u32(code)?
            }
            [b'\\', b'b', ..] => '\u{8}',
            [b'\\', b't', ..] => '\t',
            [b'\\', b'n', ..] => '\n',
            [b'\\', b'f', ..] => '\u{c}',
            [b'\\', b'r', ..] => '\r',
            [b'\\', letter @ (b'"' | b'\\'), ..] => char::from(*letter),
            _ => return None,
        };
        // One spelling only: what the writer makes of the character must stand here.
        let mut spelt = String::new();
        write_text(character.encode_utf8(&mut [0; 4]), &mut spelt);
        let spelt = spelt.strip_prefix('"')?.strip_suffix('"')?;
        if !rest.starts_with(spelt) {
            return None;
        }
        self.at += spelt.len();
        Some(character)
    }
}

/// A type that stands in a leaf as one member.
pub(super) trait Member: Sized {
    fn put<'a>(&'a self, name: &'static str, members: &mut Members<'a>);
    fn take(name: &'static str, members: &mut Members<'_>) -> Result<Self, LeafError>;
}

impl Member for String {
    fn put<'a>(&'a self, name: &'static str, members: &mut Members<'a>) {
        members.text(name, self.as_str());
    }

    fn take(name: &'static str, members: &mut Members<'_>) -> Result<Self, LeafError> {
        let text = members.take_text(name).ok_or(LeafError::Member(name))?;
        Ok(text.into_owned())
    }
}

impl Member for u64 {
    fn put<'a>(&'a self, name: &'static str, members: &mut Members<'a>) {
        members.0.push((name, Value::Integer(*self)));
    }

    fn take(name: &'static str, members: &mut Members<'_>) -> Result<Self, LeafError> {
        match members.take(name) {
            Some(Value::Integer(number)) => Ok(number),
            _ => Err(LeafError::Member(name)),
        }
    }
}

impl Member for Digest {
    fn put<'a>(&'a self, name: &'static str, members: &mut Members<'a>) {
        members.text(name, self.to_string());
    }

    fn take(name: &'static str, members: &mut Members<'_>) -> Result<Self, LeafError> {
        let text = members.take_text(name);
        text.and_then(|text| Self::parse(&text)).ok_or(LeafError::Member(name))
    }
}

impl Member for Commitment {
    fn put<'a>(&'a self, name: &'static str, members: &mut Members<'a>) {
        members.text(name, self.to_string());
    }

    fn take(name: &'static str, members: &mut Members<'_>) -> Result<Self, LeafError> {
        let text = members.take_text(name);
        text.and_then(|text| Self::parse(&text)).ok_or(LeafError::Member(name))
    }
}

impl Member for Reference {
    fn put<'a>(&'a self, name: &'static str, members: &mut Members<'a>) {
        let mut inner = Members::default();
        self.i.put("i", &mut inner);
        self.h.put("h", &mut inner);
        members.0.push((name, Value::Object(inner)));
    }

    fn take(name: &'static str, members: &mut Members<'_>) -> Result<Self, LeafError> {
        let Some(Value::Object(mut inner)) = members.take(name) else {
            return Err(LeafError::Member(name));
        };
        let (i, h) = (u64::take("i", &mut inner)?, Digest::take("h", &mut inner)?);
        if !inner.is_empty() {
            return Err(LeafError::UnknownMember);
        }
        Ok(Self { i, h })
    }
}

impl<T: Member> Member for Option<T> {
    fn put<'a>(&'a self, name: &'static str, members: &mut Members<'a>) {
        if let Some(value) = self {
            value.put(name, members);
        }
    }

    fn take(name: &'static str, members: &mut Members<'_>) -> Result<Self, LeafError> {
        if !members.has(name) {
            return Ok(None);
        }
        T::take(name, members).map(Some)
    }
}

//! The members of one JSON object, straight into the places of the wanted fields.
//!
//! Takes what `serde_json` calls out while it reads a line; gives for each wanted field where its text lies. Refuses what has no exact text.

use std::fmt;
use std::fmt::Write as _;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Members;
use crate::decode::header::{Known, Meaning, Names};
use crate::decode::sent::Sent;
use crate::reject::RejectCode;

/// A wanted field in the line at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Missing,
    Null,
    /// Its text lies in the line, from and to this byte.
    Line(usize, usize),
    /// Its text lies beside the line.
    Own(usize, usize),
    /// A number with a fraction or exponent, or too large: the member of this number in the object.
    Fraction(usize),
    Bad(RejectCode),
}

impl Member {
    /// Null, or a text of nothing.
    #[inline]
    pub(crate) fn is_blank(self) -> bool {
        match self {
            Self::Missing | Self::Null => true,
            Self::Line(start, end) | Self::Own(start, end) => start == end,
            Self::Fraction(_) | Self::Bad(_) => false,
        }
    }
}

/// Reads one object.
pub(crate) struct Record<'a> {
    pub(crate) line: &'a str,
    pub(crate) names: &'a mut Names,
    pub(crate) members: &'a mut Members,
}

impl<'de> DeserializeSeed<'de> for Record<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Record<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { line, names, members } = self;
        let mut number = 0;
        while let Some(meaning) = map.next_key_seed(Name {
            names,
            known: &mut members.known,
        })? {
            match meaning {
                Meaning::Wanted(slot, rank) => {
                    let value = map.next_value_seed(Scalar {
                        line,
                        number,
                        text: &mut members.text,
                    })?;
                    members.fill(slot, rank, value);
                }
                Meaning::Other(_) | Meaning::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            number += 1;
        }
        Ok(())
    }
}

/// The name of a member.
struct Name<'a> {
    names: &'a mut Names,
    known: &'a mut Known,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Meaning;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Meaning, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Meaning;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Meaning, E> {
        Ok(self.known.meaning(self.names, name))
    }
}

/// The value of a wanted member.
struct Scalar<'a> {
    line: &'a str,
    number: usize,
    text: &'a mut String,
}

impl Scalar<'_> {
    fn own(self, text: fmt::Arguments<'_>) -> Member {
        let start = self.text.len();
        // Writing to a string does not fail.
        let _ = self.text.write_fmt(text);
        Member::Own(start, self.text.len())
    }
}

impl<'de> DeserializeSeed<'de> for Scalar<'_> {
    type Value = Member;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Member, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scalar<'_> {
    type Value = Member;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string, a number or a truth value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Member, E> {
        // A borrowed string is a piece of the line; a raw NUL cannot be in it.
        let start = text.as_ptr().addr().wrapping_sub(self.line.as_ptr().addr());
        Ok(Member::Line(start, start.wrapping_add(text.len())))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Member, E> {
        if text.contains('\0') {
            return Ok(Member::Bad(RejectCode::NulCharacter));
        }
        Ok(self.own(format_args!("{text}")))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Member, E> {
        if number > EXACT_MAX {
            return Ok(Member::Bad(RejectCode::InexactNumber));
        }
        Ok(self.own(format_args!("{number}")))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Member, E> {
        if number.unsigned_abs() > EXACT_MAX {
            return Ok(Member::Bad(RejectCode::InexactNumber));
        }
        Ok(self.own(format_args!("{number}")))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Member, E> {
        Ok(Member::Fraction(self.number))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Member, E> {
        Ok(self.own(format_args!("{truth}")))
    }

    fn visit_unit<E: Error>(self) -> Result<Member, E> {
        Ok(Member::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Member::Bad(RejectCode::WrongType))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Member, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::Bad(RejectCode::WrongType))
    }
}

/// The text of a number with a fraction, as sent, when a double holds it exactly: at most 15 digits and no exponent.
pub(crate) fn exact_fraction(line: &str, number: usize) -> Sent<'_> {
    let text = nth_value(line, number).unwrap_or_default();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    if plain && (1..=DIGITS_EXACT).contains(&digits) {
        Sent::Text(text)
    } else {
        Sent::Bad(RejectCode::InexactNumber)
    }
}

/// The scalar that is the value of the member of that number in an object that is known to be valid JSON.
fn nth_value(line: &str, number: usize) -> Option<&str> {
    let mut depth = 0_usize;
    let mut seen = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' if depth == 1 && seen == number => {
                let value = line.get(at + 1..)?;
                let end = value.find([',', '}'])?;
                return value.get(..end).map(str::trim_ascii);
            }
            b':' if depth == 1 => seen += 1,
            _ => {}
        }
    }
    None
}

/// Whether objects and arrays lie more than 32 deep in each other.
pub(crate) fn nests_too_deep(line: &str) -> bool {
    // Few brackets cannot nest deep, wherever they stand: most lines end here.
    if memchr::memchr2_iter(b'{', b'[', line.as_bytes()).count() <= DEPTH_MAX {
        return false;
    }
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in line.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Why `serde_json` did not take the line. Its message holds a position and no value.
pub(crate) fn code_of(error: &serde_json::Error) -> RejectCode {
    if error.is_data() {
        return RejectCode::NotAnObject;
    }
    let message = error.to_string();
    if message.contains("surrogate") || message.contains("hex escape") {
        return RejectCode::LoneSurrogate;
    }
    RejectCode::MalformedJson
}

/// Brackets within brackets.
const DEPTH_MAX: usize = 32;

/// Whole numbers up to 2^53 - 1 are the same for every JSON reader (RFC 8259 section 6).
const EXACT_MAX: u64 = (1 << 53) - 1;

/// Decimal digits that a double always keeps.
const DIGITS_EXACT: usize = 15;

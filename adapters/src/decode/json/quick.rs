//! The usual object, read without a general parser.
//!
//! Takes the text of one object; fills the places of the wanted fields when the object is flat, its names and strings have no escapes and its
//! numbers are short and whole. Anything else it leaves to the general parser, whose answer it never contradicts.

use super::Members;
use super::member::Member;
use crate::decode::header::{Meaning, Names};

/// Whether the object was of the usual kind; if not, what stands in the places means nothing.
pub(super) fn read(text: &str, names: &mut Names, members: &mut Members) -> bool {
    object(text, names, members).is_some()
}

fn object(text: &str, names: &mut Names, members: &mut Members) -> Option<()> {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'{') {
        return None;
    }
    let mut at = 1;
    loop {
        let (meaning, start) = name(text, blanks(bytes, at), names, members)?;
        let (value, end) = value(bytes, blanks(bytes, start))?;
        if let Meaning::Wanted(slot, rank) = meaning {
            members.fill(slot, rank, value);
        }
        at = blanks(bytes, end);
        match bytes.get(at)? {
            b',' => at += 1,
            b'}' if at + 1 == bytes.len() => return Some(()),
            _ => return None,
        }
    }
}

/// What the name that starts there stands for, and the place behind its colon.
fn name(text: &str, start: usize, names: &mut Names, members: &mut Members) -> Option<(Meaning, usize)> {
    let bytes = text.as_bytes();
    if let Some((meaning, length)) = members.known.written(bytes.get(start..)?) {
        return Some((meaning, start + length));
    }
    let start = behind(bytes, start, b'"')?;
    let end = string_end(bytes, start)?;
    let meaning = members.known.meaning(names, text.get(start..end)?);
    Some((meaning, behind(bytes, blanks(bytes, end + 1), b':')?))
}

/// A value, and the place behind it.
fn value(bytes: &[u8], start: usize) -> Option<(Member, usize)> {
    let rest = bytes.get(start..)?;
    match rest.first()? {
        b'"' => {
            let end = string_end(bytes, start + 1)?;
            Some((Member::Line(start + 1, end), end + 1))
        }
        b'0'..=b'9' => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let plain = digits == 1 || rest.first() != Some(&b'0');
            let ended = matches!(rest.get(digits)?, b',' | b'}' | b' ');
            (plain && ended && digits <= DIGITS_PLAIN).then_some((Member::Line(start, start + digits), start + digits))
        }
        b'n' if rest.starts_with(b"null") => Some((Member::Null, start + 4)),
        b't' if rest.starts_with(b"true") => Some((Member::Line(start, start + 4), start + 4)),
        b'f' if rest.starts_with(b"false") => Some((Member::Line(start, start + 5), start + 5)),
        _ => None,
    }
}

fn behind(bytes: &[u8], at: usize, expected: u8) -> Option<usize> {
    (bytes.get(at) == Some(&expected)).then_some(at + 1)
}

/// The place behind the blanks that start there.
fn blanks(bytes: &[u8], at: usize) -> usize {
    // Most writers leave none.
    if bytes.get(at).is_some_and(|byte| *byte > b' ') {
        return at;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        .count()
}

/// The place of the quote that ends the string from there on; none when something else is special in it.
#[inline]
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (words, tail) = bytes.get(start..)?.as_chunks::<8>();
    let mut at = start;
    for word in words {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            at += special.trailing_zeros() as usize / 8;
            return (bytes.get(at) == Some(&b'"')).then_some(at);
        }
        at += 8;
    }
    let found = tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
    (tail.get(found) == Some(&b'"')).then_some(at + found)
}

/// The high bit of each byte that is `"`, `\` or below 0x20; exact up to the first of them.
fn special(word: u64) -> u64 {
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let below = word.wrapping_sub(ONES * 0x20) & !word;
    (zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c)) | below) & (ONES * 0x80)
}

/// 1 in each byte.
const ONES: u64 = u64::MAX / 0xff;

/// A whole number of so few digits is exact in every reader.
const DIGITS_PLAIN: usize = 15;

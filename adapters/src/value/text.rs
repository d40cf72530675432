//! Free text: addresses, names of units, scopes of business.
//!
//! Takes text of a bounded number of characters; gives it without the blanks around it, line breaks and tabs inside as single blanks, and
//! real characters for the private-use points that older charsets had for them.
//! Refuses what is longer, control characters, and marks that turn the direction of writing, which would show an officer another text
//! than was sealed.

use super::fold::any_byte;
use super::private_use::mapped;
use super::{RejectCode, Scratch};

/// The text of at most `max` characters.
pub(super) fn parse<'a>(sent: &'a str, max: u16, scratch: &'a mut Scratch) -> Result<&'a str, RejectCode> {
    let text = if any_byte(sent.as_bytes(), is_suspect) {
        cleaned(sent, scratch)?
    } else {
        sent
    };
    let max = usize::from(max);
    if text.len() > max && text.chars().count() > max {
        return Err(RejectCode::TooLong);
    }
    Ok(text)
}

/// Not 0 of a byte that could belong to a control character, a mark of writing direction or a private-use point; nearly every text has none.
#[inline]
pub(super) fn is_suspect(byte: u8) -> u8 {
    // Without a branch or a truth, so that many are tested at once.
    let is = |other| u8::from(byte == other);
    u8::from(byte < 0x20) | is(0x7F) | is(0xC2) | is(0xE2) | is(0xEE)
}

/// The text on one line and in real characters.
fn cleaned<'a>(sent: &'a str, scratch: &'a mut Scratch) -> Result<&'a str, RejectCode> {
    let mut breaks = false;
    for char in sent.chars() {
        if matches!(char, '\n' | '\r' | '\t') {
            breaks = true;
        } else if is_control(char) {
            return Err(RejectCode::ControlCharacter);
        }
    }
    let Scratch { folded, made } = scratch;
    Ok(mapped(if breaks { joined(sent, made) } else { sent }, folded))
}

/// Control characters and marks of writing direction.
pub(super) fn is_control(char: char) -> bool {
    char.is_control() || matches!(char, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// One line out of several.
fn joined<'a>(sent: &str, room: &'a mut String) -> &'a str {
    room.clear();
    for part in sent
        .split(['\n', '\r', '\t'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        if !room.is_empty() {
            room.push(' ');
        }
        room.push_str(part);
    }
    room
}

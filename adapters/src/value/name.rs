//! 姓名: what came, without the blanks around it.
//!
//! Takes 1 to 50 characters; gives them as they came: rare characters and every kind of middle dot stay, since folding is a matter of
//! comparison ([`folded`]); only a private-use character that stands for a real one becomes that one. Refuses digits, control characters
//! and what broken decoding leaves.

use super::fold::{any_byte, is_blank, narrow};
use super::private_use::mapped;
use super::text::{is_control, is_suspect};
use super::{RejectCode, Scratch};

/// Characters at most.
const LENGTH_MAX: usize = 50;

/// The name as sent.
pub(super) fn parse<'a>(sent: &'a str, scratch: &'a mut Scratch) -> Result<&'a str, RejectCode> {
    let mut length = 0;
    for char in sent.chars() {
        length += 1;
        if is_control(char) {
            return Err(RejectCode::ControlCharacter);
        }
        if char.is_ascii_digit() || matches!(char, '０'..='９' | '\u{FFFD}') {
            return Err(RejectCode::BadName);
        }
    }
    if length > LENGTH_MAX {
        Err(RejectCode::TooLong)
    } else {
        Ok(mapped(sent, &mut scratch.folded))
    }
}

/// Whether no byte could belong to what is refused or mapped, and there are no more bytes than there may be characters.
pub(super) fn is_usual(name: &str) -> bool {
    let is_odd = |byte| u8::from(is_suspect(byte)) | u8::from(byte <= b'9') | u8::from(byte == 0xEF) != 0;
    name.len() <= LENGTH_MAX && !any_byte(name.as_bytes(), is_odd)
}

/// The name as it is compared: every middle dot is U+00B7, Latin letters are narrow capitals, blanks are gone. Two spellings of one name
/// are equal in it; it is never stored in place of the name.
pub fn folded(name: &str) -> String {
    name.chars()
        .filter(|char| !is_blank(*char))
        .map(|char| match narrow(char) {
            '.' | '\u{2022}' | '\u{2027}' | '\u{30FB}' | '\u{FF65}' => '\u{B7}',
            other => other,
        })
        .collect()
}

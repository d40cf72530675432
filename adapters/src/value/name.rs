//! 姓名: what came, without the blanks around it.
//!
//! Takes 1 to 50 characters; gives them as they came: rare characters and every kind of middle dot stay, since folding is a matter of
//! comparison ([`folded`]); only a private-use character that stands for a real one becomes that one. Refuses digits, control characters
//! and what broken decoding leaves.

use super::fold::{is_blank, is_chinese, narrow};
use super::private_use::mapped;
use super::text::is_control;
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

/// Whether it is Chinese from U+4000 to U+9FFF and nothing else, and has no more bytes than there may be characters.
#[inline]
pub(super) fn is_usual(name: &str) -> bool {
    let (letters, rest) = name.as_bytes().as_chunks();
    // A text in UTF-8: the first byte says how long each character is.
    rest.is_empty() && letters.iter().all(|[first, _, _]| is_chinese(*first)) && name.len() <= LENGTH_MAX
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

//! 姓名: what came, without the blanks around it.
//!
//! Takes 1 to 50 characters; gives them unchanged: rare characters, private-use characters and every kind of middle dot stay, since
//! folding is a matter of comparison. Refuses digits, control characters and what broken decoding leaves.

use super::RejectCode;
use super::text::is_control;

/// Characters at most.
const LENGTH_MAX: usize = 50;

/// The name as sent.
pub(super) fn parse(sent: &str) -> Result<&str, RejectCode> {
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
        Ok(sent)
    }
}

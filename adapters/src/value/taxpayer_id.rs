//! 纳税人识别号: the unified code (18), region and organisation code (15), or one of these or a resident id with two more digits.
//!
//! Takes 15, 17, 18 or 20 characters; gives them in capitals without blanks. Refuses another length or alphabet, a province that never
//! was, and 18 characters that are neither a unified code nor a resident id. The organisation code inside 15 characters is not held
//! against old registrations.

use super::fold::{digits, identifier};
use super::region::{self, Level};
use super::{RejectCode, Scratch, citizen_id, uscc};

/// The number in its canonical form.
pub(super) fn parse<'a>(sent: &'a str, scratch: &'a mut Scratch) -> Result<&'a str, RejectCode> {
    let number = identifier(sent, &mut scratch.folded);
    let bytes = number.as_bytes();
    if !matches!(bytes.len(), 15 | 17 | 18 | 20) {
        return Err(RejectCode::BadLength);
    }
    if !bytes.iter().all(u8::is_ascii_alphanumeric) {
        return Err(RejectCode::BadAlphabet);
    }
    match (bytes.get(..18), bytes.get(..6)) {
        (Some(whole), _) => whole_number(whole)?,
        (None, Some(area)) => {
            let area = digits(area).ok_or(RejectCode::BadAlphabet)?;
            if region::level(area) == Level::Unknown {
                return Err(RejectCode::UnknownRegion);
            }
        }
        (None, None) => return Err(RejectCode::BadLength),
    }
    Ok(number)
}

fn whole_number(bytes: &[u8]) -> Result<(), RejectCode> {
    let Err(code) = uscc::check(bytes) else {
        return Ok(());
    };
    match bytes {
        [first @ .., last]
            if first.iter().all(u8::is_ascii_digit)
                && first.try_into().ok().and_then(citizen_id::check_character) == Some(char::from(*last)) =>
        {
            Ok(())
        }
        _ => Err(code),
    }
}

//! 纳税人识别号: the unified code (18), region and organisation code (15), or one of these or a resident id with two more digits.
//!
//! Takes 15, 17, 18 or 20 characters; gives them in capitals without blanks. Refuses another length or alphabet, a province that never
//! was, and 18 characters that are neither a unified code nor a resident id. The organisation code inside 15 characters is not held
//! against old registrations. Gives the numbers that are inside one, by which the tax register meets those of the other agencies.

use super::fold::{digits, identifier, misfit};
use super::region::{self, Level};
use super::{RejectCode, Scratch, citizen_id, org_code, uscc};

/// The number in its canonical form.
pub(super) fn parse<'a>(sent: &'a str, scratch: &'a mut Scratch) -> Result<&'a str, RejectCode> {
    let number = identifier(sent, &mut scratch.folded);
    let bytes = number.as_bytes();
    if !matches!(bytes.len(), 15 | 17 | 18 | 20) {
        return Err(misfit(number, &[15, 17, 18, 20]));
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

/// The unified code in a number of canonical form: its first 18 characters where they are one. What is a resident id as well is none:
/// one id in a few hundred passes as the code of a notary's office, hardly any code passes as an id.
pub fn uscc(number: &str) -> Option<&str> {
    number
        .get(..18)
        .filter(|code| uscc::check(code.as_bytes()).is_ok() && !is_resident_id(code.as_bytes()))
}

/// The resident id in a number of canonical form: its first 18 characters where they are one.
pub fn citizen_id(number: &str) -> Option<&str> {
    number.get(..18).filter(|id| is_resident_id(id.as_bytes()))
}

/// The organisation code in a number of canonical form: that of its unified code, or characters 7 to 15 of an older number. Fifteen
/// characters that may as well be the resident id of a person who trades have none.
pub fn org_code(number: &str) -> Option<&str> {
    if let Some(code) = uscc(number) {
        return uscc::org_code(code);
    }
    if !matches!(number.len(), 15 | 17) {
        return None;
    }
    let code = number
        .get(6..15)
        .filter(|code| org_code::check(code.as_bytes()).is_ok())?;
    let of_a_person = number.get(..15).is_some_and(citizen_id::is_short);
    if of_a_person { None } else { Some(code) }
}

fn whole_number(bytes: &[u8]) -> Result<(), RejectCode> {
    match uscc::check(bytes) {
        Err(code) if !is_resident_id(bytes) => Err(code),
        _ => Ok(()),
    }
}

fn is_resident_id(bytes: &[u8]) -> bool {
    // Not the registry's question: when its holder was born.
    bytes.try_into().is_ok_and(|id| citizen_id::check(id, i32::MAX).is_ok())
}

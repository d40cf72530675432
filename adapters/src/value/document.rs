//! Numbers of other documents: permits, passports, certificates, codes of a source without a published table.
//!
//! Takes printable text; gives it in capital ASCII without blanks. Refuses what is longer than the field, and any character without an
//! ASCII form. A birth certificate's number is one letter and nine digits wherever it stands.

use super::fold::identifier;
use super::{RejectCode, Scratch};

/// The number of at most `max` characters.
pub(super) fn parse<'a>(field: &str, sent: &'a str, max: u16, scratch: &'a mut Scratch) -> Result<&'a str, RejectCode> {
    let number = identifier(sent, &mut scratch.folded);
    if !number.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(RejectCode::BadAlphabet);
    }
    if number.len() > usize::from(max) {
        return Err(RejectCode::TooLong);
    }
    if field == "birth_cert_no" {
        return birth_certificate(number);
    }
    Ok(number)
}

/// 出生医学证明编号.
fn birth_certificate(number: &str) -> Result<&str, RejectCode> {
    match number.as_bytes() {
        bytes if bytes.len() != 10 => Err(RejectCode::BadLength),
        [b'A'..=b'Z', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => Ok(number),
        _ => Err(RejectCode::BadAlphabet),
    }
}

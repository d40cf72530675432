//! Numbers of other documents: permits, passports, certificates, codes of a source without a published table.
//!
//! Takes printable text; gives it in capital ASCII without blanks. Refuses what is longer than the field, any character without an
//! ASCII form, and what a spreadsheet left of a long number. A birth certificate's number is one letter and nine digits wherever it stands, that of a disability card a resident id
//! with kind and grade behind it, and `B` with the count of re-issues where there was one.

use super::fold::{any_byte, identifier, is_scientific};
use super::{RejectCode, Scratch, citizen_id};

/// The number of at most `max` characters.
pub(super) fn parse<'a>(field: &str, sent: &'a str, max: u16, scratch: &'a mut Scratch) -> Result<&'a str, RejectCode> {
    let number = identifier(sent, &mut scratch.folded);
    if any_byte(number.as_bytes(), |byte| u8::from(!byte.is_ascii_graphic())) {
        return Err(RejectCode::BadAlphabet);
    }
    if number.len() > usize::from(max) {
        return Err(RejectCode::TooLong);
    }
    if is_scientific(number) {
        return Err(RejectCode::LostDigits);
    }
    match field {
        "birth_cert_no" => birth_certificate(number),
        "disability_no" => disability_card(number),
        _ => Ok(number),
    }
}

/// 残疾人证号.
fn disability_card(number: &str) -> Result<&str, RejectCode> {
    let bytes = number.as_bytes();
    let (Some((id, rest)), 20 | 22) = (bytes.split_first_chunk::<18>(), bytes.len()) else {
        return Err(RejectCode::BadLength);
    };
    let [digits @ .., check] = id;
    let (b'1'..=b'7', b'1'..=b'4') = (rest.first().unwrap_or(&0), rest.get(1).unwrap_or(&0)) else {
        return Err(RejectCode::BadAlphabet);
    };
    let reissue = matches!(rest.get(2..), Some([] | [b'B', b'0'..=b'9']));
    if !reissue || !digits.iter().all(u8::is_ascii_digit) {
        return Err(RejectCode::BadAlphabet);
    }
    match citizen_id::check_character(digits) {
        Some(right) if right == char::from(*check) => Ok(number),
        _ => Err(RejectCode::BadChecksum),
    }
}

/// 出生医学证明编号.
fn birth_certificate(number: &str) -> Result<&str, RejectCode> {
    match number.as_bytes() {
        bytes if bytes.len() != 10 => Err(RejectCode::BadLength),
        [b'A'..=b'Z', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => Ok(number),
        _ => Err(RejectCode::BadAlphabet),
    }
}

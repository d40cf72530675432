//! 电话: a mobile number `1[3-9]` and nine digits, or a landline number with its area code.
//!
//! Takes the forms in which people write them; gives digits, for a landline `0518-85400000` with the hyphens that were sent. The
//! numbers that clerks type when there is none mean nothing is known. Refuses everything else.

use super::fold::{identifier, is_digits};
use super::{RejectCode, Scratch};

/// Numbers that stand for none.
const PLACEHOLDERS: [&str; 2] = ["13800000000", "11111111111"];

/// The number, or nothing where it is a placeholder.
pub(super) fn parse<'a>(sent: &'a str, scratch: &'a mut Scratch) -> Result<Option<&'a str>, RejectCode> {
    // Most landline numbers are canonical as sent; one of zeros is a placeholder.
    if is_landline(sent) {
        return Ok(is_somebodys(sent).then_some(sent));
    }
    let Scratch { folded, made } = scratch;
    let number = identifier(sent, folded);
    if is_mobile(number) {
        return Ok((!PLACEHOLDERS.contains(&number)).then_some(number));
    }
    let number = number.trim_start_matches('+');
    let number = number
        .strip_prefix("86")
        .filter(|rest| rest.len() >= 11)
        .unwrap_or(number);
    made.clear();
    made.extend(number.chars().filter(|char| *char != '-'));
    if PLACEHOLDERS.contains(&made.as_str()) || made.bytes().all(|byte| byte == b'0') {
        return Ok(None);
    }
    if is_mobile(made) {
        return Ok(Some(made));
    }
    // The hyphens of a landline number say where its area code ends.
    made.clear();
    made.extend(
        number
            .chars()
            .filter(|char| *char != '(')
            .map(|char| if char == ')' { '-' } else { char }),
    );
    let number = made.trim_start_matches('-');
    if is_landline(number) {
        Ok(is_somebodys(number).then_some(number))
    } else {
        Err(RejectCode::BadPhone)
    }
}

/// Whether it is a number in one of its two canonical forms that stands for itself.
pub(super) fn is_usual(sent: &str) -> bool {
    if is_mobile(sent) {
        !PLACEHOLDERS.contains(&sent)
    } else {
        is_landline(sent) && is_somebodys(sent)
    }
}

/// A landline number of zeros is none.
fn is_somebodys(landline: &str) -> bool {
    landline.bytes().any(|byte| !matches!(byte, b'0' | b'-'))
}

fn is_mobile(number: &str) -> bool {
    matches!(number.as_bytes(), [b'1', b'3'..=b'9', rest @ ..] if rest.len() == 9 && is_digits(rest))
}

/// `0` and 2 or 3 more digits, a hyphen or none, 7 or 8 digits, and an extension or none.
fn is_landline(number: &str) -> bool {
    match number.as_bytes() {
        // Nearly every one is written so.
        [b'0', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', local @ ..] if local.len() == 8 && is_digits(local) => true,
        bytes => bytes.first() == Some(&b'0') && is_landline_in_parts(bytes),
    }
}

fn is_landline_in_parts(bytes: &[u8]) -> bool {
    let (first, rest) = at_hyphen(bytes);
    let (second, third) = rest.map_or((None, None), |rest| {
        let (second, third) = at_hyphen(rest);
        (Some(second), third)
    });
    let extension = |part: Option<&[u8]>| part.is_none_or(|part| !part.is_empty() && is_digits(part));
    is_digits(first)
        && match second {
            Some(local) if matches!(first.len(), 3 | 4) => {
                matches!(local.len(), 7 | 8) && is_digits(local) && extension(third)
            }
            second => matches!(first.len(), 10..=12) && third.is_none() && extension(second),
        }
}

/// What stands before the first hyphen, and what behind it.
fn at_hyphen(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|byte| *byte == b'-') {
        Some(at) => (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..)),
        None => (bytes, None),
    }
}

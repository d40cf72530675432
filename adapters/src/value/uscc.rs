//! 统一社会信用代码, GB 32100-2015 with its amendment: authority, kind, region 6, organisation code 9, check character.
//!
//! Takes 18 characters; gives them in capitals without blanks. Refuses another length or alphabet, a pair of authority and kind that
//! the standard does not know, and check characters that do not agree, its own (MOD 31) or that of the organisation code inside.

use super::fold::{digits, identifier, misfit};
use super::{RejectCode, Scratch, org_code};

/// The alphabet in the order of its values; I, O, S, V and Z are not in it.
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// 3^(i−1) mod 31 for the first 17 characters.
const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
/// The value of each byte in the alphabet; 255 where it has none.
const VALUES: [u8; 256] = values();

/// The code in its 18 characters.
pub(super) fn parse<'a>(sent: &'a str, scratch: &'a mut Scratch) -> Result<&'a str, RejectCode> {
    let code = identifier(sent, &mut scratch.folded);
    if code.len() != 18 {
        return Err(misfit(code, &[18]));
    }
    check(code.as_bytes()).map(|()| code)
}

/// The organisation code in a code of canonical form, characters 9 to 17 (GB 32100-2015, 4.4).
pub fn org_code(code: &str) -> Option<&str> {
    code.get(8..17)
}

/// Whether the 18 bytes are such a code.
pub(super) fn check(code: &[u8]) -> Result<(), RejectCode> {
    if code.len() != 18 {
        return Err(RejectCode::BadLength);
    }
    let mut sum = 0;
    for (byte, weight) in code.iter().zip(WEIGHTS) {
        sum += value(*byte).ok_or(RejectCode::BadAlphabet)? * weight;
    }
    let last = code
        .last()
        .and_then(|byte| value(*byte))
        .ok_or(RejectCode::BadAlphabet)?;
    let (Some(kind), Some(region), Some(organisation)) = (code.get(..2), code.get(2..8), code.get(8..17)) else {
        return Err(RejectCode::BadLength);
    };
    if digits(region).is_none() {
        return Err(RejectCode::BadAlphabet);
    }
    if (sum + last) % 31 != 0 {
        return Err(RejectCode::BadChecksum);
    }
    if !is_kind(kind) {
        return Err(RejectCode::UnknownCode);
    }
    org_code::check(organisation)
}

/// The check character that belongs to the first 17.
#[cfg(test)]
pub(super) fn check_character(first: &str) -> Option<char> {
    let sum: u32 = first
        .bytes()
        .zip(WEIGHTS)
        .filter_map(|(byte, weight)| Some(value(byte)? * weight))
        .sum();
    let check = usize::try_from((31 - sum % 31) % 31).ok()?;
    ALPHABET.get(check).map(|byte| char::from(*byte))
}

fn value(byte: u8) -> Option<u32> {
    VALUES
        .get(usize::from(byte))
        .filter(|value| **value < 31)
        .map(|value| u32::from(*value))
}

/// Authority and kind. For diplomatic (2), cultural (4) and tourist (6) bodies no kinds are published.
fn is_kind(pair: &[u8]) -> bool {
    matches!(
        pair,
        [b'1' | b'5', b'1' | b'2' | b'3' | b'9']
            | [b'2' | b'4' | b'6', _]
            | [b'3', b'1'..=b'5' | b'9']
            | [b'7', b'1' | b'2' | b'9']
            | [b'8' | b'A', b'1' | b'9']
            | [b'9', b'1'..=b'3']
            | [b'N', b'1'..=b'3' | b'9']
            | [b'Y', b'1']
    )
}

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler: a place out of bounds would not build"
)]
const fn values() -> [u8; 256] {
    let mut values = [255; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        #[expect(clippy::cast_possible_truncation, reason = "below 31")]
        {
            values[ALPHABET[at] as usize] = at as u8;
        }
        at += 1;
    }
    values
}

//! 注册号 of enterprises before the unified code: 15 digits, or the 13 of older registers.
//!
//! Takes digits; gives them. Refuses another length or alphabet, and 15 digits whose last is not the one that ISO 7064 MOD 11,10 gives.
//! The older 13 have no check digit.

use super::fold::{identifier, misfit};
use super::{RejectCode, Scratch};

/// The number in its 15 or 13 digits.
pub(super) fn parse<'a>(sent: &'a str, scratch: &'a mut Scratch) -> Result<&'a str, RejectCode> {
    let number = identifier(sent, &mut scratch.folded);
    if !matches!(number.len(), 13 | 15) {
        return Err(misfit(number, &[13, 15]));
    }
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RejectCode::BadAlphabet);
    }
    match number.as_bytes().split_last() {
        Some((last, first)) if first.len() == 14 && check_digit(first) != u32::from(last - b'0') => {
            Err(RejectCode::BadChecksum)
        }
        _ => Ok(number),
    }
}

/// The check digit of ISO 7064 MOD 11,10 over 14 digits.
pub(super) fn check_digit(first: &[u8]) -> u32 {
    let product = first.iter().fold(10, |product, byte| {
        let sum = (product + u32::from(byte.wrapping_sub(b'0'))) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10
}

//! 组织机构代码, GB 11714-1997: 8 characters and a check character.
//!
//! Takes 9 characters, with or without the hyphen before the last; gives them without it. Refuses another length or alphabet and a
//! wrong check character.

use super::fold::{identifier, misfit};
use super::{RejectCode, Scratch};

/// Weights of the first 8 characters, 3^i mod 11.
const WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// The code in its 9 characters.
pub(super) fn parse<'a>(sent: &'a str, scratch: &'a mut Scratch) -> Result<&'a str, RejectCode> {
    let Scratch { folded, made } = scratch;
    let mut code = identifier(sent, folded);
    if code.contains('-') {
        made.clear();
        made.extend(code.chars().filter(|char| *char != '-'));
        code = made;
    }
    if code.len() != 9 {
        return Err(misfit(code, &[9]));
    }
    check(code.as_bytes()).map(|()| code)
}

/// Whether the 9 bytes are such a code.
pub(super) fn check(code: &[u8]) -> Result<(), RejectCode> {
    let Some((last, first)) = code.split_last().filter(|(_, first)| first.len() == 8) else {
        return Err(RejectCode::BadLength);
    };
    let mut sum = 0;
    for (byte, weight) in first.iter().zip(WEIGHTS) {
        sum += weight
            * match byte {
                b'0'..=b'9' => u32::from(byte - b'0'),
                b'A'..=b'Z' => u32::from(byte - b'A') + 10,
                _ => return Err(RejectCode::BadAlphabet),
            };
    }
    let expected = match 11 - sum % 11 {
        10 => b'X',
        11 => b'0',
        digit => b'0' + u8::try_from(digit).unwrap_or(0),
    };
    match last {
        last if *last == expected => Ok(()),
        b'0'..=b'9' | b'X' => Err(RejectCode::BadChecksum),
        _ => Err(RejectCode::BadAlphabet),
    }
}

//! Numbers: whole numbers, and decimals in a canonical written form.
//!
//! Takes ASCII or full-width digits, with a point and trailing zeros where a spreadsheet put them; gives an `i64`, or text with exactly
//! the decimals of the field. Refuses signs, exponents, thousands marks, more decimals than the field has, and what is out of range.

use super::fold::narrow;
use super::{RejectCode, Scratch};

/// Digits of a decimal in all, as in `DECIMAL(18, s)`.
const PRECISION: usize = 18;

/// A whole number from 0 to `max`.
pub(super) fn integer(sent: &str, max: i64) -> Result<i64, RejectCode> {
    let mut number: i64 = 0;
    let mut seen = false;
    let mut decimals = false;
    for char in sent.chars().map(narrow) {
        match (char, char.to_digit(10)) {
            ('.', _) if seen && !decimals => decimals = true,
            // `12.0` is a whole number that passed through a spreadsheet.
            ('0', _) if decimals => {}
            (_, Some(digit)) if !decimals => {
                seen = true;
                number = number
                    .checked_mul(10)
                    .and_then(|tens| tens.checked_add(i64::from(digit)))
                    .ok_or(RejectCode::BadNumber)?;
            }
            _ => return Err(RejectCode::BadNumber),
        }
    }
    if seen && number <= max {
        Ok(number)
    } else {
        Err(RejectCode::BadNumber)
    }
}

/// A decimal of `scale` places: no zeros before the first digit but one, exactly `scale` digits after the point.
pub(super) fn decimal<'a>(sent: &str, scale: u8, scratch: &'a mut Scratch) -> Result<&'a str, RejectCode> {
    let Scratch { folded, made } = scratch;
    folded.clear();
    folded.extend(sent.chars().map(narrow));
    let (whole, fraction) = folded.split_once('.').unwrap_or((folded, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
        return Err(RejectCode::BadNumber);
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let scale = usize::from(scale);
    if fraction.len() > scale || whole.len() + scale > PRECISION {
        return Err(RejectCode::BadNumber);
    }
    made.clear();
    made.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        made.push('.');
        made.push_str(fraction);
        made.extend(std::iter::repeat_n('0', scale - fraction.len()));
    }
    Ok(made)
}

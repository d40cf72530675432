//! 公民身份号码, GB 11643-1999: `AAAAAA YYYYMMDD SSS C`.
//!
//! Takes 18 characters, or the 15 of numbers issued before 1999; gives 18. Refuses another length or alphabet, a day that does not
//! exist or has not come, a province that never was, and a check character that ISO 7064 MOD 11-2 does not give. Whether a county
//! code was in force when its holder was born is no ground to refuse: numbers were issued from the mid-1980s on, whatever the birth.

use super::date::{YEARS, days_from_civil, days_in_month};
use super::fold::{eight_digits, figures, identifier, is_scientific, misfit};
use super::region;
use super::{RejectCode, Scratch};

/// Weights of the first 17 characters, 2^(17−i) mod 11 (GB 11643-1999, 3.2): of eight, of eight and of the last.
const WEIGHTS: ([u64; 8], [u64; 8], u64) = ([7, 9, 10, 5, 8, 4, 2, 1], [6, 3, 7, 9, 10, 5, 8, 4], 2);
/// Check character by the weighted sum mod 11.
const CHECKS: &[u8; 11] = b"10X98765432";

/// The number in its 18 characters. `today` is the last day on which a birth may lie, in days since 1970-01-01.
pub fn parse<'a>(sent: &'a str, scratch: &'a mut Scratch, today: i32) -> Result<&'a str, RejectCode> {
    // Nearly every number is canonical as sent, and then nothing needs folding.
    if let Ok(id) = sent.as_bytes().try_into() {
        let verdict = check(id, today);
        if verdict != Err(RejectCode::BadAlphabet) {
            return verdict.map(|()| sent);
        }
    }
    let Scratch { folded, made } = scratch;
    let mut id = identifier(sent, folded);
    if id.len() == 15 {
        raise(id, made)?;
        id = made;
    }
    if is_scientific(id) {
        return Err(RejectCode::LostDigits);
    }
    let bytes = id.as_bytes().try_into().map_err(|_| misfit(id, &[15, 18]))?;
    check(bytes, today).map(|()| id)
}

/// The birth date in a number of canonical form, in days since 1970-01-01.
pub fn birth_day(id: &str) -> Option<i32> {
    let date = eight_digits(*id.as_bytes().get(6..)?.first_chunk()?)?;
    days_from_civil(date / 10_000, date / 100 % 100, date % 100)
}

/// The sex in a number of canonical form, as a code of GB/T 2261.1: `1` male, `2` female.
pub fn sex(id: &str) -> Option<&'static str> {
    let digit = id.as_bytes().get(16)?;
    Some(if digit % 2 == 1 { "1" } else { "2" })
}

/// The check character that belongs to 17 digits.
pub fn check_character(first: &[u8; 17]) -> Option<char> {
    let [last @ b'0'..=b'9'] = *first.last_chunk()? else {
        return None;
    };
    let (early, late) = (*first.first_chunk()?, *first.get(8..)?.first_chunk()?);
    let (of_early, of_late, of_last) = WEIGHTS;
    let sum = weighed(early, of_early)? + weighed(late, of_late)? + u64::from(last - b'0') * of_last;
    let check = CHECKS.get(usize::try_from(sum % 11).ok()?)?;
    Some(char::from(*check))
}

/// The weighted sum of eight digits. A product of 64 bits sums up four of 16 bits in its highest.
fn weighed(digits: [u8; 8], [w1, w2, w3, w4, w5, w6, w7, w8]: [u64; 8]) -> Option<u64> {
    const APART: u64 = 0x00ff_00ff_00ff_00ff;
    let figures = figures(digits)?;
    let odd = (figures & APART).wrapping_mul(w1 << 48 | w3 << 32 | w5 << 16 | w7);
    let even = (figures >> 8 & APART).wrapping_mul(w2 << 48 | w4 << 32 | w6 << 16 | w8);
    Some((odd >> 48) + (even >> 48))
}

/// All 18 characters at once: arrays of known length keep this free of loops.
pub(super) fn check(id: &[u8; 18], today: i32) -> Result<(), RejectCode> {
    let [first @ .., last] = id;
    if !(last.is_ascii_digit() || *last == b'X') {
        return Err(RejectCode::BadAlphabet);
    }
    let check = check_character(first).ok_or(RejectCode::BadAlphabet)?;
    if check != char::from(*last) {
        return Err(RejectCode::BadChecksum);
    }
    let [one, two, _, _, _, _, date @ .., _, _, _, _] = *id;
    let date = eight_digits(date).ok_or(RejectCode::BadAlphabet)?;
    let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
    if !YEARS.contains(&year) || day == 0 || day > days_in_month(year, month) {
        return Err(RejectCode::BadDate);
    }
    // A year has at most 366 days, so that every earlier year is over.
    let earliest = 1970 + today.max(0).cast_unsigned() / 366;
    if year >= earliest && days_from_civil(year, month, day).is_none_or(|born| born > today) {
        return Err(RejectCode::FutureDate);
    }
    if region::has_province([one, two]) {
        Ok(())
    } else {
        Err(RejectCode::UnknownRegion)
    }
}

/// Whether the 15 digits can be a number of before 1999: a day of the calendar in a known province.
pub(super) fn is_short(number: &str) -> bool {
    let mut raised = String::new();
    let raised = raise(number, &mut raised).is_ok().then_some(raised);
    raised.is_some_and(|id| id.as_bytes().try_into().is_ok_and(|id| check(id, i32::MAX).is_ok()))
}

/// From 15 digits to 18: the century and the check character are put in. Order numbers 996 to 999 were kept for centenarians.
fn raise(short: &str, made: &mut String) -> Result<(), RejectCode> {
    if !short.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RejectCode::BadAlphabet);
    }
    let (Some(area), Some(rest)) = (short.get(..6), short.get(6..)) else {
        return Err(RejectCode::BadLength);
    };
    let century = if short.get(12..).is_some_and(|order| order >= "996") {
        "18"
    } else {
        "19"
    };
    made.clear();
    made.push_str(area);
    made.push_str(century);
    made.push_str(rest);
    made.extend(made.as_bytes().try_into().ok().and_then(check_character));
    Ok(())
}

//! One column of one record of a DBF → text.
//!
//! Takes its bytes and type letter; appends text. Refuses bytes that are no text in the charset, numbers that did not fit, and numbers whose
//! last digits `FoxPro` may have lost: it keeps them as floats, however wide their column.

use std::fmt::Write as _;

use super::header::{Column, decoded, u32_at};
use crate::catalogue::FieldType;
use crate::decode::sheet::{Epoch, Form, write_number};
use crate::layout::Encoding;
use crate::reject::RejectCode;
use crate::value::date::civil_from_days;

/// Whether columns of this type are read: texts, numbers, days, truth values, and those that `FoxPro` added. Memos and pictures lie in another
/// file.
pub(crate) fn is_read(kind: u8) -> bool {
    b"CNFDLITYB".contains(&kind)
}

/// Appends what the column says; nothing when it is empty.
pub(crate) fn write(
    bytes: &[u8],
    column: &Column,
    kind: &FieldType,
    encoding: Encoding,
    out: &mut String,
) -> Result<(), RejectCode> {
    match column.kind {
        b'C' => text(bytes, encoding, out),
        b'N' | b'F' => number(bytes, out),
        b'D' => day(bytes, out),
        b'L' => truth(bytes, out),
        b'I' => {
            let value = u32_at(bytes, 0).ok_or(RejectCode::BadNumber)?.cast_signed();
            let _ = write!(out, "{value}");
            Ok(())
        }
        b'Y' => currency(bytes, out),
        b'T' => moment(bytes, out),
        b'B' => {
            let value = bytes.first_chunk().copied().map(f64::from_le_bytes);
            write_number(
                value.ok_or(RejectCode::BadNumber)?,
                Form::Plain,
                kind,
                Epoch::Y1900,
                out,
            )
        }
        _ => Err(RejectCode::BadAlphabet),
    }
}

/// Padded with blanks, by some with NUL.
fn text(bytes: &[u8], encoding: Encoding, out: &mut String) -> Result<(), RejectCode> {
    let end = bytes
        .iter()
        .rposition(|byte| !matches!(byte, b' ' | 0))
        .map_or(0, |at| at + 1);
    let bytes = bytes.get(..end).unwrap_or_default();
    if let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()) {
        out.push_str(text);
        return Ok(());
    }
    out.push_str(&decoded(bytes, encoding).ok_or(RejectCode::BadEncoding)?);
    Ok(())
}

fn number(bytes: &[u8], out: &mut String) -> Result<(), RejectCode> {
    let bytes = bytes.trim_ascii();
    let text = std::str::from_utf8(bytes)
        .map_err(|_| RejectCode::BadNumber)?
        .trim_matches('\0');
    if text.is_empty() {
        return Ok(());
    }
    if text.bytes().all(|byte| byte == b'*') {
        return Err(RejectCode::Overflow);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || whole.len() + fraction.len() == 0 {
        return Err(RejectCode::BadNumber);
    }
    if whole.trim_start_matches('0').len() > DIGITS_EXACT {
        return Err(RejectCode::LostDigits);
    }
    let fraction = fraction.trim_end_matches('0');
    if text.starts_with('-') {
        out.push('-');
    }
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    Ok(())
}

fn day(bytes: &[u8], out: &mut String) -> Result<(), RejectCode> {
    let text = std::str::from_utf8(bytes).map_err(|_| RejectCode::BadDate)?;
    let text = text.trim_matches([' ', '\0']);
    if !text.bytes().all(|byte| byte == b'0') {
        out.push_str(text);
    }
    Ok(())
}

fn truth(bytes: &[u8], out: &mut String) -> Result<(), RejectCode> {
    match bytes.first() {
        Some(b'T' | b't' | b'Y' | b'y') => out.push_str("true"),
        Some(b'F' | b'f' | b'N' | b'n') => out.push_str("false"),
        Some(b'?' | b' ' | 0) | None => {}
        Some(_) => return Err(RejectCode::BadAlphabet),
    }
    Ok(())
}

/// Ten-thousandths in 64 bits.
fn currency(bytes: &[u8], out: &mut String) -> Result<(), RejectCode> {
    let value = bytes
        .first_chunk()
        .copied()
        .map(i64::from_le_bytes)
        .ok_or(RejectCode::BadNumber)?;
    let sign = if value < 0 { "-" } else { "" };
    let (whole, rest) = (value.unsigned_abs() / 10_000, value.unsigned_abs() % 10_000);
    let fraction = format!("{rest:04}");
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let _ = write!(out, "{sign}{whole}{point}{fraction}");
    Ok(())
}

/// A Julian day and milliseconds of the day; zero is no moment.
fn moment(bytes: &[u8], out: &mut String) -> Result<(), RejectCode> {
    let (day, millis) = u32_at(bytes, 0).zip(u32_at(bytes, 4)).ok_or(RejectCode::BadDate)?;
    if day == 0 {
        return Ok(());
    }
    let days = i32::try_from(day).map_err(|_| RejectCode::BadDate)? - JULIAN_1970;
    let (year, month, day) = civil_from_days(days);
    // FoxPro rounds to the next second with up to half a millisecond missing.
    let seconds = (millis + 1) / 1000;
    if !(0..=9999).contains(&year) || seconds >= 86_400 {
        return Err(RejectCode::BadDate);
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let _ = write!(out, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    Ok(())
}

/// What a float keeps of a decimal number.
const DIGITS_EXACT: usize = 15;

/// The Julian day number of 1970-01-01.
const JULIAN_1970: i32 = 2_440_588;

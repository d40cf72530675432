//! Folding: the blanks, widths, cases and placeholders in which sources wrap a value.
//!
//! Takes any text; gives what is left of it. Refuses nothing.

use super::RejectCode;

/// The value without what surrounds it: ASCII, ideographic and zero-width blanks, and the apostrophe by which spreadsheets mark text.
#[inline]
pub fn trimmed(sent: &str) -> &str {
    // Nearly every value needs nothing.
    if is_bare(sent.as_bytes()) {
        return sent;
    }
    trimmed_by_characters(sent)
}

/// Whether the first and the last character of a text are letters or digits of ASCII, or Chinese from U+4000 to U+9FFF: no blank is, and no
/// mark. Others may be as well.
#[inline]
pub(super) fn is_bare(text: &[u8]) -> bool {
    let (Some(first), Some(last)) = (text.first(), text.last()) else {
        return false;
    };
    // The first of three bytes, so that the last byte of the text is their third.
    let before = text.last_chunk::<3>().map_or(0, |[first, ..]| *first);
    (first.is_ascii_alphanumeric() || is_chinese(*first)) && (last.is_ascii_alphanumeric() || is_chinese(before))
}

/// Whether a byte begins one of the characters from U+4000 to U+9FFF.
pub(super) fn is_chinese(byte: u8) -> bool {
    matches!(byte, 0xE4..=0xE9)
}

fn trimmed_by_characters(sent: &str) -> &str {
    let mark = |char| is_blank(char) || matches!(char, '\'' | '\u{2018}' | '\u{2019}' | '＇');
    sent.trim_start_matches(mark).trim_end_matches(is_blank)
}

/// Blanks of every kind, but no character that would change what is read.
pub(super) fn is_blank(char: char) -> bool {
    char.is_whitespace() || matches!(char, '\u{200B}' | '\u{FEFF}')
}

/// Whether a source means "nothing" by it, in any field.
#[inline]
pub(super) fn is_placeholder(trimmed: &str) -> bool {
    match trimmed.as_bytes().first() {
        // No such word begins with a digit, and most values do.
        Some(b'0'..=b'9') => false,
        Some(byte) if is_chinese(*byte) => {
            matches!(trimmed, "无" | "不详" | "不明" | "未知" | "暂无" | "空" | "未填")
        }
        _ => trimmed.len() <= 12 && is_placeholder_in_signs(trimmed),
    }
}

/// The same of what begins with neither a digit nor Chinese.
fn is_placeholder_in_signs(trimmed: &str) -> bool {
    let ascii = ["null", "\"null\"", "(null)", "none", "n/a", "nan", "undefined"];
    trimmed
        .bytes()
        .all(|byte| matches!(byte, b'-' | b'/' | b'*' | b'.' | b'_' | b'?'))
        || trimmed.chars().all(|char| matches!(char, '—' | '－' | '–' | '／'))
        || trimmed == "\\N"
        || ascii.iter().any(|word| trimmed.eq_ignore_ascii_case(word))
}

/// An identifier in capital ASCII without blanks: full-width forms become ASCII, blanks and soft marks go.
///
/// What is canonical as sent is lent; anything else is written to `room`. Characters without an ASCII form stay, for the caller to
/// refuse.
pub(super) fn identifier<'a>(sent: &'a str, room: &'a mut String) -> &'a str {
    if !any_byte(sent.as_bytes(), |byte| {
        u8::from(!byte.is_ascii_digit() && !byte.is_ascii_uppercase())
    }) {
        return sent;
    }
    room.clear();
    room.extend(sent.chars().filter(|char| !is_blank(*char)).map(narrow));
    room
}

/// The ASCII twin of a full-width character, in capitals.
pub(super) fn narrow(char: char) -> char {
    let ascii = match char {
        '\u{FF01}'..='\u{FF5E}' => u32::from(char)
            .checked_sub(0xFEE0)
            .and_then(char::from_u32)
            .unwrap_or(char),
        '\u{3000}' => ' ',
        '—' | '–' | '‐' | '−' => '-',
        other => other,
    };
    ascii.to_ascii_uppercase()
}

/// Whether an identifier is what a spreadsheet makes of one of 15 digits and more that it took for a number: `3.20706E+17`.
pub(super) fn is_scientific(identifier: &str) -> bool {
    let exponent = |text: &str| text.parse().is_ok_and(|exponent: u8| (14..=30).contains(&exponent));
    let Some((number, exponent_text)) = identifier.split_once('E') else {
        return false;
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // No sign of either, and it may be the number of a document.
    let is_written = number.contains('.') || exponent_text.starts_with('+');
    is_written
        && whole.len() == 1
        && is_digits(whole.as_bytes())
        && is_digits(fraction.as_bytes())
        && exponent(exponent_text)
}

/// Why an identifier has none of these lengths: its last digits are lost, a character foreign to it takes more than one byte, or there are
/// more or fewer.
pub(super) fn misfit(identifier: &str, lengths: &[usize]) -> RejectCode {
    if is_scientific(identifier) {
        RejectCode::LostDigits
    } else if lengths.contains(&identifier.chars().count()) {
        RejectCode::BadAlphabet
    } else {
        RejectCode::BadLength
    }
}

/// Whether all bytes are ASCII digits. Eight are tested at once; the last eight overlap those before them.
#[inline]
pub(super) fn is_digits(bytes: &[u8]) -> bool {
    match bytes.last_chunk() {
        Some(last) => are_digits(*last) && bytes.as_chunks().0.iter().all(|word| are_digits(*word)),
        None => bytes.iter().all(u8::is_ascii_digit),
    }
}

#[inline]
fn are_digits(word: [u8; 8]) -> bool {
    figures(word).is_some()
}

/// Whether `is` gives anything but 0 of some byte. Blocks are tested as a whole, without a branch a byte; the last one overlaps the one before it.
#[inline]
pub(super) fn any_byte(bytes: &[u8], is: impl Fn(u8) -> u8 + Copy) -> bool {
    let (blocks, rest) = bytes.as_chunks::<16>();
    let last = bytes.last_chunk::<16>();
    let mut found = [0; 16];
    for block in blocks.iter().chain(last) {
        for (found, byte) in found.iter_mut().zip(block) {
            *found |= is(*byte);
        }
    }
    found.iter().fold(0, |all, byte| all | byte) != 0 || last.is_none() && rest.iter().any(|byte| is(*byte) != 0)
}

/// Eight ASCII digits as a number, all at once: pairs of neighbours are put together three times over.
#[inline]
pub(super) fn eight_digits(bytes: [u8; 8]) -> Option<u32> {
    let figures = figures(bytes)?;
    let join = |parts: u64, base: u64, bits: u32| parts.wrapping_mul(base).wrapping_add(parts >> bits);
    let pairs = join(figures, 10, 8) & 0x00ff_00ff_00ff_00ff;
    let fours = join(pairs, 100, 16) & 0x0000_ffff_0000_ffff;
    u32::try_from(join(fours, 10_000, 32) & 0xffff_ffff).ok()
}

/// The values of eight ASCII digits, a byte each.
#[inline]
pub(super) fn figures(bytes: [u8; 8]) -> Option<u64> {
    let figures = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
    // A byte above 9 has its high half set, or sets it when 6 is added to it.
    ((figures | figures.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0 == 0).then_some(figures)
}

/// A run of ASCII digits as a number; `None` for anything else. At most 9 digits.
pub(super) fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0_u32, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            None
        } else {
            sum.checked_mul(10)?.checked_add(u32::from(digit))
        }
    })
}

//! The sender's own number of a row, by which it finds a reject in its own table.
//!
//! Takes the text of the column that a layout says is that number (`headers = { "流水号" = "row_id" }`); gives it for the report of rejects, and for
//! nothing else. It is no field: it goes through no policy and into no record. So that no personal datum comes into a report by it, whatever the
//! column holds, it refuses what is not short plain text of digits, letters and `-_./`, and what could be the number of a person, a unit or a phone.

use super::sent::Sent;

/// The name by which layouts know it.
pub(crate) const NAME: &str = "row_id";

/// Longer texts are no number of a row.
const BYTES_MAX: usize = 36;

/// So many digits one after another are a phone or more.
const DIGITS_MAX: usize = 10;

/// The number of the row, where it may be shown.
pub(crate) fn of(sent: Sent<'_>) -> Option<&str> {
    match sent {
        Sent::Text(text) => Some(crate::value::trimmed(text)).filter(|text| may_be_shown(text)),
        Sent::Missing | Sent::Bad(_) | Sent::Undecodable(_) => None,
    }
}

fn may_be_shown(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    let runs = text.split(|letter: char| !letter.is_ascii_digit());
    // A credit code or an old document may hold its digits apart.
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let short = runs.map(str::len).max().unwrap_or_default() <= DIGITS_MAX;
    let unit = text.len() == 18 && digits >= 8 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (1..=BYTES_MAX).contains(&text.len()) && text.bytes().all(plain) && short && !unit
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::decode::sent::Sent;
    use crate::reject::RejectCode;

    #[test]
    fn a_number_of_a_row_is_shown() {
        for number in [
            "1",
            "A-17",
            "2026/06/00031",
            "f47ac10b-58cc-4372-a567-0e02b2c3d479",
            "XH_9.1",
        ] {
            assert_eq!(of(Sent::Text(number)), Some(number));
        }
        assert_eq!(of(Sent::Text(" 17 ")), Some("17"));
    }

    #[test]
    fn what_could_be_a_person_a_unit_or_a_phone_is_not() {
        for text in [
            "",
            "320706186001010008",
            "32070618600101000X",
            "320706860101000",
            "13900000000",
            "0518-85400000000",
            "913207000000000004",
            "91320700MA1000000X",
            "张某",
            "a b",
            "a@b.cn",
            "1234567890123456789012345678901234567",
        ] {
            assert_eq!(of(Sent::Text(text)), None, "{text}");
        }
        for sent in [Sent::Missing, Sent::Bad(RejectCode::ErrorCell), Sent::Undecodable(1)] {
            assert_eq!(of(sent), None);
        }
    }
}

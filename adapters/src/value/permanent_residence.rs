//! 外国人永久居留身份证: cards of both forms, which are valid beside each other.
//!
//! Takes a number in canonical form (capital ASCII without blanks): three letters and twelve digits, or, issued since 2023-12-01, eighteen
//! characters that begin with 9 and end in a check character of ISO 7064 MOD 11-2. Refuses another length or alphabet and a wrong check
//! character. The two numbers of one person share no characters, so that nothing here leads from one to the other.

use super::{RejectCode, citizen_id};

/// Whether it is the number of such a card.
pub fn check(number: &str) -> Result<(), RejectCode> {
    match number.as_bytes() {
        [a, b, c, digits @ ..] if number.len() == 15 => {
            let letters = [a, b, c].iter().all(|byte| byte.is_ascii_uppercase());
            if letters && digits.iter().all(u8::is_ascii_digit) {
                Ok(())
            } else {
                Err(RejectCode::BadAlphabet)
            }
        }
        [first @ .., last] if number.len() == 18 => {
            let in_alphabet = last.is_ascii_digit() || *last == b'X';
            if !number.starts_with('9') || !first.iter().all(u8::is_ascii_digit) || !in_alphabet {
                return Err(RejectCode::BadAlphabet);
            }
            match first.try_into().ok().and_then(citizen_id::check_character) {
                Some(check) if check == char::from(*last) => Ok(()),
                _ => Err(RejectCode::BadChecksum),
            }
        }
        _ => Err(RejectCode::BadLength),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_of_both_forms_are_accepted_and_nothing_else() {
        assert_eq!(check("XYZ000018610101"), Ok(()));
        let body = b"93115618601231000";
        let right = citizen_id::check_character(body);
        for last in "0123456789X".chars() {
            let number = format!("93115618601231000{last}");
            let expected = if right == Some(last) {
                Ok(())
            } else {
                Err(RejectCode::BadChecksum)
            };
            assert_eq!(check(&number), expected, "{number}");
        }
        for (number, code) in [
            ("xyz000018610101", RejectCode::BadAlphabet),
            ("XY0000018610101", RejectCode::BadAlphabet),
            ("XYZ00001861010A", RejectCode::BadAlphabet),
            ("320706186001010008", RejectCode::BadAlphabet),
            ("93115618601231000A", RejectCode::BadAlphabet),
            ("9311561860123100", RejectCode::BadLength),
            ("", RejectCode::BadLength),
        ] {
            assert_eq!(check(number), Err(code), "{number}");
        }
    }
}

//! Bytes as lower-case hexadecimal digits: the one form in which ids, digests and tags are shown.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Two digits a byte. By table: evidence records hold many of them, and formatting byte by byte showed in profiles.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_has_two_lower_case_digits() {
        for byte in 0..=255_u8 {
            assert_eq!(super::hex(&[byte, 0]), format!("{byte:02x}00"));
        }
    }
}

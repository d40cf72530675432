//! Bytes as lower-case hexadecimal digits, by table.

/// The two digits of each byte: worked out one by one they cost a tenth of a pseudonym.
#[expect(clippy::indexing_slicing, reason = "worked out by the compiler, which would say so")]
const PAIRS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

/// The two digits of one byte.
pub(crate) fn pair(byte: u8) -> [u8; 2] {
    PAIRS.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| pair(*byte)).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_has_two_lower_case_digits() {
        for byte in 0..=255_u8 {
            assert_eq!(super::hex(&[byte, 0]), format!("{byte:02x}00"));
        }
        assert_eq!(super::hex(&[]), "");
    }
}

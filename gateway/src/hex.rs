//! Bytes as lower-case hexadecimal digits: the one form in which ids, digests and tags are shown; and read, of either case.

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

/// Reads digits of either case; none when they are not exactly two for each byte.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    unhex_into(text, &mut bytes).map(|()| bytes)
}

/// The same into a place that the caller wipes. After none it may hold a part.
pub(crate) fn unhex_into(text: &str, bytes: &mut [u8]) -> Option<()> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? * 16 + low?).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = super::hex(&bytes);
        for text in [text.clone(), text.to_uppercase()] {
            assert_eq!(
                super::unhex::<256>(&text).as_ref().map(<[u8; 256]>::as_slice),
                Some(&*bytes)
            );
        }
        assert_eq!(super::unhex(""), Some([]));
        for wrong in ["0", "000", "0000", "0g", "+1", " 1", "é", "1é"] {
            assert_eq!(super::unhex::<1>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_byte_has_two_lower_case_digits() {
        for byte in 0..=255_u8 {
            assert_eq!(super::hex(&[byte, 0]), format!("{byte:02x}00"));
        }
    }
}

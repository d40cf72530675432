//! GB18030 where it is ASCII or characters of two bytes, as nearly all of it is, by one look into a table a character.
//!
//! Takes bytes from the start of a character on; gives UTF-8 up to the first byte of anything else: a character of four bytes, one that
//! is cut off, a byte that is none. What a pair means is asked of `encoding_rs` once, so that the two never differ.

use std::sync::LazyLock;

use encoding_rs::{DecoderResult, GB18030};

/// By two bytes as they lie in memory: the character's bytes from the lowest on, and in the highest byte how many; 0 where they are no character
/// of two or three bytes alone, as where the first is ASCII.
static TABLE: LazyLock<Box<[u32; PAIRS]>> = LazyLock::new(|| {
    let mut table = Box::new([0; PAIRS]);
    for (pair, place) in (0..=u16::MAX).zip(table.iter_mut()) {
        *place = entry(pair.to_le_bytes()).unwrap_or_default();
    }
    table
});

const PAIRS: usize = 1 << 16;

/// The entry of a pair that is a character alone.
fn entry(pair: [u8; 2]) -> Option<u32> {
    let [0x80..=0xff, _] = pair else {
        return None;
    };
    let mut text = [0; 8];
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    let (result, read, length) = decoder.decode_to_utf8_without_replacement(&pair, &mut text, true);
    let [first, second, third, ..] = text;
    (result == DecoderResult::InputEmpty && read == 2 && (2..=3).contains(&length) && first >= 0x80)
        .then(|| u32::from_le_bytes([first, second, third, u8::try_from(length).unwrap_or_default()]))
}

/// Decodes into `text` as far as there is room; gives bytes read and bytes written. Behind those written, up to eight more are overwritten.
pub(super) fn decode(bytes: &[u8], text: &mut [u8]) -> (usize, usize) {
    let table = &**TABLE;
    let (mut rest, mut written) = (bytes, 0);
    loop {
        let mut room = text.get_mut(written..).unwrap_or_default();
        if let (Some((word, after)), Some(place)) = (rest.split_first_chunk::<8>(), room.first_chunk_mut::<8>()) {
            // Eight bytes are written at once, wherever the first of them that is not ASCII stands.
            *place = *word;
            let high = u64::from_le_bytes(*word) & HIGH;
            if high == 0 {
                rest = after;
                written += 8;
                continue;
            }
            let ascii = high.trailing_zeros() as usize / 8;
            rest = rest.get(ascii..).unwrap_or_default();
            written += ascii;
            room = room.get_mut(ascii..).unwrap_or_default();
        } else if let ([byte @ 0..0x80, after @ ..], Some(place)) = (rest, room.first_mut()) {
            *place = *byte;
            rest = after;
            written += 1;
            continue;
        }
        let free = room.len();
        while let Some((pair, after)) = rest.split_first_chunk()
            && let Some(place) = room.first_chunk_mut()
        {
            let entry = table.get(usize::from(u16::from_le_bytes(*pair)));
            let entry = entry.copied().unwrap_or_default();
            *place = entry.to_le_bytes();
            // Told by a branch that nearly always goes one way: the next character need not wait until the table has said how long this one is.
            let length = match entry >> 24 {
                3 => 3,
                0 => break,
                _ => 2,
            };
            rest = after;
            room = room.get_mut(length..).unwrap_or_default();
        }
        if room.len() == free {
            return (bytes.len() - rest.len(), written);
        }
        written += free - room.len();
    }
}

/// The high bit of each byte.
const HIGH: u64 = 0x8080_8080_8080_8080;

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]

    use encoding_rs::GB18030;
    use proptest::prelude::*;

    use super::decode;

    #[test]
    fn every_pair_is_what_encoding_rs_makes_of_it_or_is_left_to_it() {
        let mut known = 0;
        for pair in (0x8000..=u16::MAX).map(u16::to_be_bytes) {
            let bytes = [b"a", pair.as_slice(), b"12345678"].concat();
            let mut text = [0; 32];
            let (read, written) = decode(&bytes, &mut text);
            let (whole, _, wrong) = GB18030.decode(&bytes);
            if read == bytes.len() {
                known += 1;
                assert!(!wrong);
                assert_eq!(&text[..written], whole.as_bytes(), "{pair:x?}");
            } else {
                assert_eq!((read, written), (1, 1), "{pair:x?}");
                assert!(wrong || pair[0] == 0x80, "{pair:x?}: a character of two bytes is left");
            }
        }
        assert_eq!(known, 126 * 190);
    }

    proptest! {
        #[test]
        fn whatever_the_room_a_start_is_decoded_and_the_rest_left(text in "[a-z,\n姓名户籍·é€𬱖]{0,60}", room in 0usize..200) {
            let bytes = GB18030.encode(&text).0.into_owned();
            let mut out = vec![0; room];
            let (read, written) = decode(&bytes, &mut out);
            let mut again = out[..written].to_vec();
            again.extend(GB18030.decode(&bytes[read..]).0.as_bytes());
            prop_assert_eq!(again, text.as_bytes());
            // Room for all is enough for all that has pairs.
            if room > 3 * bytes.len() + 8 {
                let first = text.find('𬱖').unwrap_or(text.len());
                prop_assert_eq!(written, first);
            }
        }
    }
}

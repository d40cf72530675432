//! Bytes that are called GB18030 → whether they are UTF-8 after all.
//!
//! Takes them in any pieces, in order; says where it is sure that they are UTF-8, or at their end that they were. A few characters of GB18030 may be
//! UTF-8 by chance, hardly with a Chinese character in it: that begins with a byte of a rare character of GB18030. Whoever reads UTF-8 as GB18030
//! stores names that look like names, so that such a file is refused and never believed; in UTF-8 it can always be sent.

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Doubt {
    letter: Letter,
    han: usize,
    /// Something was no UTF-8: nothing later matters.
    settled: bool,
}

impl Doubt {
    /// Takes more bytes. Of them so many, when the last of these ends the character by which it is sure.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.settled {
            return None;
        }
        for (at, byte) in bytes.iter().enumerate() {
            match self.letter.push(*byte) {
                Ok(Some(letter)) if is_han(letter) => self.han += 1,
                Ok(_) => continue,
                Err(NotUtf8) => {
                    self.settled = true;
                    return None;
                }
            }
            if self.han == HAN_SURE {
                return Some(at + 1);
            }
        }
        None
    }

    /// Whether all of it was UTF-8 with Chinese in it, now that nothing follows.
    pub(crate) fn remains(&self) -> bool {
        !self.settled && self.han > 0 && self.letter.missing == 0
    }
}

/// The character at hand.
#[derive(Default)]
struct Letter {
    point: u32,
    /// The least that so many bytes may say.
    least: u32,
    missing: u8,
}

struct NotUtf8;

impl Letter {
    /// Takes a byte; gives the character that it ends, if that is none of ASCII.
    fn push(&mut self, byte: u8) -> Result<Option<char>, NotUtf8> {
        if self.missing == 0 {
            let (bits, missing, least) = match byte {
                ..0x80 => return Ok(None),
                0xC2..=0xDF => (byte & 0x1F, 1, 0x80),
                0xE0..=0xEF => (byte & 0x0F, 2, 0x800),
                0xF0..=0xF4 => (byte & 0x07, 3, 0x1_0000),
                _ => return Err(NotUtf8),
            };
            *self = Self {
                point: u32::from(bits),
                least,
                missing,
            };
            return Ok(None);
        }
        if byte & 0xC0 != 0x80 {
            return Err(NotUtf8);
        }
        self.point = self.point << 6 | u32::from(byte & 0x3F);
        self.missing -= 1;
        if self.missing > 0 {
            return Ok(None);
        }
        let letter = char::from_u32(self.point).filter(|_| self.point >= self.least);
        letter.map(Some).ok_or(NotUtf8)
    }
}

/// A Chinese character of whatever block.
pub(crate) fn is_han(letter: char) -> bool {
    matches!(letter, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// Chinese characters in UTF-8 and nothing else: no text of GB18030 has so many by chance.
const HAN_SURE: usize = 4;

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::{Doubt, is_han};

    fn gb18030(text: &str) -> Vec<u8> {
        encoding_rs::GB18030.encode(text).0.into_owned()
    }

    fn doubted(bytes: &[u8]) -> bool {
        let mut doubt = Doubt::default();
        doubt.take(bytes).is_some() || doubt.remains()
    }

    #[test]
    fn one_chinese_character_of_utf8_is_enough_at_the_end() {
        for text in ["王", "gmsfhm,xm\n1,王测\n", "é,䶮", "·𬱖·"] {
            assert!(doubted(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_has_no_chinese_in_it_or_ends_amid_a_character_says_nothing() {
        for bytes in [
            "gmsfhm,xm\n1,Wang".as_bytes(),
            "é·".as_bytes(),
            &"王测".as_bytes()[..5],
            b"",
        ] {
            assert!(!doubted(bytes));
        }
    }

    #[test]
    fn gb18030_is_not_doubted() {
        for text in ["王测试", "姓名", "䶮㛃𬱖·", "联通", "孔茂", "琚", "路·茅"] {
            assert!(!doubted(&gb18030(text)), "{text}");
        }
    }

    #[test]
    fn what_is_sure_is_sure_at_the_same_byte_however_it_is_cut() {
        let bytes = "a王b测试·,名号".as_bytes();
        let at = "a王b测试·,名".len();
        assert_eq!(Doubt::default().take(bytes), Some(at));
        let mut doubt = Doubt::default();
        let first = bytes.iter().position(|byte| doubt.take(&[*byte]).is_some());
        assert_eq!(first, Some(at - 1));
    }

    proptest! {
        #[test]
        fn what_remains_is_what_the_library_reads(bytes in proptest::collection::vec(any::<u8>(), 0..8), text in "[a王é𬱖]{0,1}") {
            // Fewer Chinese characters than it is sure by: behind those nothing more is read.
            for bytes in [bytes.clone(), [text.as_bytes(), &bytes].concat(), text.into_bytes()] {
                let read = std::str::from_utf8(&bytes).is_ok_and(|text| text.chars().any(is_han));
                prop_assert_eq!(doubted(&bytes), read);
            }
        }
    }
}

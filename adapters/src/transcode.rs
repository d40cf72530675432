//! Bytes of a declared charset → UTF-8 text, cut anywhere, before any parser sees them.
//!
//! Takes frames of any size; gives text in pieces of at most a few times 64 KiB, never half a character. UTF-8 is checked where it lies and
//! not copied. A byte sequence that the charset does not have is reported with its offset and line, in its place: U+FFFD is never made.
//! Accepts a byte order mark of the stated charset; where none is stated, the first bytes decide, or where these are ASCII the first ones that are
//! not. Refuses a mark that contradicts it, UTF-16, a file whose first bytes show that it is in the other charset, one that is called GB18030 and all of
//! it is UTF-8, and one whose charset nobody stated and nothing shows.

mod doubt;
mod pairs;

use encoding_rs::{Decoder, DecoderResult, GB18030};

use crate::decode::{Undecodable, Unreadable};
use crate::layout::{Encoding, GB18030_MARK, Sight, UTF8_MARK, is_gb18030};

pub(crate) use self::doubt::{Doubt, is_han};

/// The state between frames.
pub(crate) struct Transcoder {
    stage: Stage,
    encoding: Encoding,
    /// Nobody stated the charset: the first bytes decide that are not ASCII.
    open: bool,
    /// Of what is called GB18030: whether it is.
    doubt: Doubt,
    /// Bytes taken so far, the mark included.
    offset: u64,
    /// Line of the next character, 1-based.
    line: u64,
}

enum Stage {
    /// The first bytes, until there are enough to see what the file is.
    Head(Vec<u8>),
    /// Nothing but ASCII so far, and nobody stated the charset.
    Ascii,
    /// The first bytes that are not, until there are enough.
    Late(Vec<u8>),
    /// The bytes of a character that the last frame cut off, at most three.
    Utf8(Vec<u8>),
    Gb18030(Box<Gb18030>),
}

/// Most bytes go through a table of pairs; a line with anything else in it goes through `encoding_rs` from there on.
struct Gb18030 {
    decoder: Decoder,
    /// The decoder may hold a part of a character, so that what comes next is for it, up to the end of the line.
    within: bool,
    /// Text, up to `filled`.
    text: Vec<u8>,
    filled: usize,
}

/// What came of a step of decoding.
enum Step {
    /// Nothing is left, and nothing has to be said.
    Done,
    /// There is no room for more.
    Full,
    /// So many bytes before the next one begins what is no character.
    Undecodable(u64),
}

/// What comes out, in the order of the file.
#[derive(Clone, Copy)]
pub(crate) enum Piece<'a> {
    Text(&'a str),
    /// Bytes that are no character.
    Undecodable(Undecodable),
}

/// Who takes it.
pub(crate) type Sink<'a> = dyn FnMut(Piece<'_>) -> Result<(), Unreadable> + 'a;

impl Transcoder {
    /// Of bytes in that charset; when it is `open`, their first ones may say another.
    pub(crate) fn new(encoding: Encoding, open: bool) -> Self {
        Self {
            stage: Stage::Head(Vec::new()),
            encoding,
            open,
            doubt: Doubt::default(),
            offset: 0,
            line: 1,
        }
    }

    /// The charset, which is sure once bytes were seen that are not ASCII.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Hands the text of one more frame to `sink`; with `last`, no character may stay incomplete.
    pub(crate) fn push(&mut self, bytes: &[u8], last: bool, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        match &mut self.stage {
            Stage::Head(held) => {
                let Some((head, rest)) = enough(held, bytes, last) else {
                    return Ok(());
                };
                let mark = self.begin(&head, last && rest.is_empty())?;
                self.push(head.get(mark..).unwrap_or_default(), last && rest.is_empty(), sink)?;
                self.rest(rest, last, sink)
            }
            Stage::Ascii => {
                let plain = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(bytes.len());
                let (plain, rest) = bytes.split_at(plain);
                self.ascii(plain, sink)?;
                if !rest.is_empty() {
                    self.stage = Stage::Late(Vec::new());
                }
                self.rest(rest, last, sink)
            }
            Stage::Late(held) => {
                let Some((window, rest)) = enough(held, bytes, last) else {
                    return Ok(());
                };
                self.decide(&window)?;
                self.stage = self.of_charset();
                self.push(&window, last && rest.is_empty(), sink)?;
                self.rest(rest, last, sink)
            }
            Stage::Utf8(_) | Stage::Gb18030(_) => self.body(bytes, last, sink),
        }
    }

    /// What is left of a frame, if anything is.
    fn rest(&mut self, rest: &[u8], last: bool, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        if rest.is_empty() {
            return Ok(());
        }
        self.push(rest, last, sink)
    }

    /// Leaves the head behind; gives the length of the mark. `whole`: it is all of the file.
    fn begin(&mut self, head: &[u8], whole: bool) -> Result<usize, Unreadable> {
        if self.open {
            self.decide(head)?;
        }
        let mark = check_head(head, self.encoding, whole);
        let mark = mark.map_err(|error| if self.open { error.undeclared() } else { error })?;
        self.offset = mark as u64;
        self.stage = if self.open && head.is_ascii() {
            Stage::Ascii
        } else {
            self.of_charset()
        };
        Ok(mark)
    }

    /// Lets the bytes say the charset that nobody stated.
    fn decide(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        self.encoding = match Sight::of(bytes) {
            Sight::Sure(found) => found,
            Sight::Ascii(declared) => declared.unwrap_or(self.encoding),
            Sight::Both => return Err(Unreadable::CharsetUnclear),
        };
        Ok(())
    }

    fn of_charset(&self) -> Stage {
        match self.encoding {
            Encoding::Utf8 => Stage::Utf8(Vec::new()),
            Encoding::Gb18030 => Stage::Gb18030(Box::new(Gb18030 {
                decoder: GB18030.new_decoder_without_bom_handling(),
                within: false,
                text: Vec::new(),
                filled: 0,
            })),
        }
    }

    fn ascii(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        for piece in bytes.chunks(TEXT_BYTES) {
            let text = std::str::from_utf8(piece).unwrap_or_default();
            self.offset += text.len() as u64;
            self.line += line_ends(text);
            sink(Piece::Text(text))?;
        }
        Ok(())
    }

    fn body(&mut self, bytes: &[u8], last: bool, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        match self.encoding {
            Encoding::Utf8 => {
                for piece in bytes.chunks(TEXT_BYTES) {
                    self.utf8(piece, sink)?;
                }
                match &mut self.stage {
                    Stage::Utf8(cut) if last && !cut.is_empty() => {
                        let len = std::mem::take(cut).len();
                        sink(self.undecodable(len))
                    }
                    _ => Ok(()),
                }
            }
            Encoding::Gb18030 => {
                if let Some(sure) = self.doubt.take(bytes) {
                    // What comes before is read as ever, so that how the file is cut changes nothing.
                    self.gb18030(bytes.get(..sure).unwrap_or_default(), false, sink)?;
                    return Err(not_gb18030());
                }
                self.gb18030(bytes, last, sink)?;
                if last && self.doubt.remains() {
                    return Err(not_gb18030());
                }
                Ok(())
            }
        }
    }

    fn utf8(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        let mut rest = self.utf8_cut(bytes, sink)?;
        // The fast check looks at all that is left whatever is wrong at its beginning: tried again behind each wrong byte, it would be quadratic.
        let mut clean = true;
        while !rest.is_empty() {
            // A character that the end cuts off would have all before it checked a second time, and slower.
            let (whole, open) = rest.split_at(rest.len() - open_end(rest));
            if std::mem::take(&mut clean)
                && let Ok(text) = simdutf8::basic::from_utf8(whole)
                && !text.is_empty()
            {
                self.offset += text.len() as u64;
                self.line += line_ends(text);
                sink(Piece::Text(text))?;
                rest = open;
                continue;
            }
            let (valid, invalid, bad) = match simdutf8::compat::from_utf8(rest) {
                Ok(text) => (text, &[][..], 0),
                Err(error) => {
                    let (valid, invalid) = rest.split_at(error.valid_up_to());
                    let bad = error.error_len().unwrap_or_default();
                    (std::str::from_utf8(valid).unwrap_or_default(), invalid, bad)
                }
            };
            self.offset += valid.len() as u64;
            self.line += line_ends(valid);
            if !valid.is_empty() {
                sink(Piece::Text(valid))?;
            }
            let (wrong, after) = invalid.split_at(bad);
            self.offset += wrong.len() as u64;
            if wrong.is_empty() {
                self.offset += after.len() as u64;
                if let Stage::Utf8(cut) = &mut self.stage {
                    cut.extend_from_slice(after);
                }
                return Ok(());
            }
            sink(self.undecodable(wrong.len()))?;
            rest = after;
        }
        Ok(())
    }

    /// Completes the character that the last frame cut off; gives what is left.
    fn utf8_cut<'a>(&mut self, bytes: &'a [u8], sink: &mut Sink<'_>) -> Result<&'a [u8], Unreadable> {
        let mut rest = bytes;
        while let Stage::Utf8(cut) = &mut self.stage
            && !cut.is_empty()
            && let Some((byte, after)) = rest.split_first()
        {
            cut.push(*byte);
            match std::str::from_utf8(cut) {
                Ok(text) => {
                    // One character, and no line end.
                    self.offset += 1;
                    sink(Piece::Text(text))?;
                    cut.clear();
                    rest = after;
                }
                Err(error) if error.error_len().is_none() => {
                    self.offset += 1;
                    rest = after;
                }
                Err(_) => {
                    // The byte does not continue the character, so it begins another.
                    let len = cut.len() - 1;
                    cut.clear();
                    sink(self.undecodable(len))?;
                }
            }
        }
        Ok(rest)
    }

    fn gb18030(&mut self, bytes: &[u8], last: bool, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        let Stage::Gb18030(stage) = &mut self.stage else {
            return Ok(());
        };
        let mut rest = bytes;
        loop {
            let (step, after) = stage.step(rest, last);
            self.offset += (rest.len() - after.len()) as u64;
            rest = after;
            let text = stage.take();
            self.line += line_ends(text);
            if !text.is_empty() {
                sink(Piece::Text(text))?;
            }
            match step {
                Step::Done => return Ok(()),
                Step::Full => {}
                Step::Undecodable(behind) => sink(Piece::Undecodable(Undecodable {
                    offset: self.offset.saturating_sub(behind),
                    line: self.line,
                }))?,
            }
        }
    }

    /// The last `len` bytes taken are no character.
    fn undecodable(&self, len: usize) -> Piece<'static> {
        Piece::Undecodable(Undecodable {
            offset: self.offset.saturating_sub(len as u64),
            line: self.line,
        })
    }
}

impl Gb18030 {
    /// Decodes until something has to be said or done; gives what is left.
    fn step<'a>(&mut self, bytes: &'a [u8], last: bool) -> (Step, &'a [u8]) {
        // Two bytes become at most three. Room by need: a batch of one row is common.
        let room = bytes.len().saturating_mul(2).clamp(TEXT_BYTES_LEAST, TEXT_BYTES);
        if self.text.len() < room {
            self.text.resize(room, 0);
        }
        let mut rest = bytes;
        loop {
            if !self.within {
                let (read, written) = pairs::decode(rest, self.text.get_mut(self.filled..).unwrap_or_default());
                rest = rest.get(read..).unwrap_or_default();
                self.filled += written;
            }
            if rest.is_empty() && !(last && self.within) {
                return (Step::Done, rest);
            }
            if self.text.len() - self.filled < TEXT_BYTES_LEAST / 2 {
                return (Step::Full, rest);
            }
            // No character has a line end in it, so that behind one the decoder holds nothing. It is looked for near by only: this is done behind each
            // wrong byte.
            let near = rest.get(..LINE_BYTES_LOOK).unwrap_or(rest);
            let end = memchr::memchr(b'\n', near).map_or(near.len(), |end| end + 1);
            let line = near.get(..end).unwrap_or_default();
            let room = self.text.get_mut(self.filled..).unwrap_or_default();
            let last = last && end == rest.len();
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(line, room, last);
            rest = rest.get(read..).unwrap_or_default();
            self.filled += written;
            self.within = true;
            match result {
                DecoderResult::InputEmpty if line.ends_with(b"\n") => self.within = false,
                DecoderResult::InputEmpty if rest.is_empty() => return (Step::Done, rest),
                DecoderResult::InputEmpty => {}
                DecoderResult::OutputFull => return (Step::Full, rest),
                DecoderResult::Malformed(bad, after) => {
                    return (Step::Undecodable(u64::from(bad) + u64::from(after)), rest);
                }
            }
        }
    }

    /// The text so far, which is done with then.
    fn take(&mut self) -> &str {
        // INVARIANT: both ways of decoding write whole characters of UTF-8.
        let text = self.text.get(..self.filled).unwrap_or_default();
        self.filled = 0;
        simdutf8::basic::from_utf8(text).unwrap_or_default()
    }
}

/// How many bytes at the end begin a character of UTF-8 that does not end there.
fn open_end(bytes: &[u8]) -> usize {
    let lead = bytes.iter().rev().take(3).position(|byte| !matches!(byte, 0x80..=0xBF));
    let taken = lead.map_or(0, |behind| behind + 1);
    let whole = match bytes.get(bytes.len() - taken) {
        Some(0xC2..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF4) => 4,
        _ => 0,
    };
    if taken < whole { taken } else { 0 }
}

/// The bytes held together with more, once there are enough of them or no more follow, and what is left then.
fn enough<'a>(held: &mut Vec<u8>, bytes: &'a [u8], last: bool) -> Option<(Vec<u8>, &'a [u8])> {
    let missing = HEAD_BYTES.saturating_sub(held.len()).min(bytes.len());
    let (first, rest) = bytes.split_at(missing);
    held.extend_from_slice(first);
    (held.len() >= HEAD_BYTES || last).then(|| (std::mem::take(held), rest))
}

/// The length of the byte order mark at the start of a file, or the refusal of a file that is in another charset. `whole`: nothing follows.
pub(crate) fn check_head(head: &[u8], encoding: Encoding, whole: bool) -> Result<usize, Unreadable> {
    let mark = mark_len(head, encoding)?;
    let mut doubt = Doubt::default();
    match encoding {
        _ if mark > 0 => Ok(mark),
        Encoding::Gb18030 if doubt.take(head).is_some() || whole && doubt.remains() => {
            Err(wrong(encoding, Encoding::Utf8.name(), "first bytes"))
        }
        Encoding::Utf8 if is_gb18030(head) => Err(wrong(encoding, Encoding::Gb18030.name(), "first bytes")),
        _ => Ok(mark),
    }
}

/// The refusal of a file that is called GB18030 and is UTF-8.
pub(crate) fn not_gb18030() -> Unreadable {
    wrong(Encoding::Gb18030, Encoding::Utf8.name(), "bytes so far")
}

/// Whether a file says of itself that it is UTF-16, which is not read.
pub(crate) fn is_utf16(head: &[u8]) -> bool {
    head.starts_with(&[0xfe, 0xff]) || head.starts_with(&[0xff, 0xfe])
}

/// Bytes of the byte order mark at the start, or the refusal of a mark that contradicts the declared charset.
fn mark_len(head: &[u8], encoding: Encoding) -> Result<usize, Unreadable> {
    let found = if is_utf16(head) {
        Some((None, "utf-16", 2))
    } else if head.starts_with(UTF8_MARK) {
        Some((Some(Encoding::Utf8), "utf-8", 3))
    } else if head.starts_with(GB18030_MARK) {
        Some((Some(Encoding::Gb18030), "gb18030", 4))
    } else {
        None
    };
    match found {
        None => Ok(0),
        Some((of, _, len)) if of == Some(encoding) => Ok(len),
        Some((_, found, _)) => Err(wrong(encoding, found, "byte order mark")),
    }
}

fn wrong(declared: Encoding, found: &'static str, by: &'static str) -> Unreadable {
    Unreadable::WrongCharset {
        declared: Some(declared.name()),
        found,
        by,
    }
}

fn line_ends(text: &str) -> u64 {
    // Lines are short: what finds each of them would cost more than a look at every byte, many at once.
    let count = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0_u8, |count, byte| count.wrapping_add(u8::from(*byte == b'\n')))
    };
    text.as_bytes()
        .chunks(usize::from(u8::MAX))
        .map(|bytes| u64::from(count(bytes)))
        .sum()
}

/// First bytes that are looked at before anything is read: a few records.
pub(crate) const HEAD_BYTES: usize = 4096;

/// Text in one piece: enough for hundreds of records, small enough to stay in the cache until it is parsed.
const TEXT_BYTES: usize = 64 * 1024;

/// How far a line's end is looked for where single characters are decoded.
const LINE_BYTES_LOOK: usize = 256;

/// Room for the few characters that a decoder may hold back.
const TEXT_BYTES_LEAST: usize = 64;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::{Piece, TEXT_BYTES, Transcoder};
    use crate::decode::Unreadable;
    use crate::layout::Encoding;

    fn whole(encoding: Encoding, frames: &[&[u8]]) -> Result<String, Unreadable> {
        let mut text = String::new();
        let mut sink = |piece: Piece<'_>| match piece {
            Piece::Text(piece) => {
                text.push_str(piece);
                Ok(())
            }
            Piece::Undecodable(at) => Err(at.into()),
        };
        let mut transcoder = Transcoder::new(encoding, false);
        for frame in frames {
            transcoder.push(frame, false, &mut sink)?;
        }
        transcoder.push(&[], true, &mut sink)?;
        Ok(text)
    }

    #[test]
    fn every_cut_gives_the_same_text_in_both_charsets() {
        let text = "\u{feff}姓名,性别\n䶮㛃𬱖·,男\n";
        let plain = text.trim_start_matches('\u{feff}');
        for (encoding, bytes) in [
            (Encoding::Utf8, text.as_bytes().to_vec()),
            (Encoding::Gb18030, encoding_rs::GB18030.encode(text).0.into_owned()),
        ] {
            for at in 0..=bytes.len() {
                let (left, right) = bytes.split_at(at);
                assert_eq!(whole(encoding, &[left, right]).unwrap(), plain, "cut at {at}");
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(whole(encoding, &single).unwrap(), plain);
        }
    }

    #[test]
    fn a_wrong_byte_is_named_by_offset_and_line() {
        let gb = [b"a\nb\n".as_slice(), &[0xd0, 0xd5, 0xff, b'c']].concat();
        for cut in 0..gb.len() {
            let (left, right) = gb.split_at(cut);
            let error = whole(Encoding::Gb18030, &[left, right]).unwrap_err();
            assert!(
                matches!(error, Unreadable::BadEncoding { offset: 6, line: 3 }),
                "{error:?} cut at {cut}"
            );
            let error = whole(Encoding::Utf8, &[left, right]).unwrap_err();
            assert!(
                matches!(error, Unreadable::BadEncoding { offset: 4, line: 3 }),
                "{error:?} cut at {cut}"
            );
        }
    }

    #[test]
    fn a_character_that_never_ends_is_an_error_at_the_end() {
        let utf8 = "ab姓".as_bytes();
        let error = whole(Encoding::Utf8, &[&utf8[..4]]).unwrap_err();
        assert!(matches!(error, Unreadable::BadEncoding { offset: 2, line: 1 }));
        let error = whole(Encoding::Gb18030, &[b"ab\xd0"]).unwrap_err();
        assert!(matches!(error, Unreadable::BadEncoding { offset: 2, line: 1 }));
        let error = whole(Encoding::Utf8, &[b"abcde\xe5"]).unwrap_err();
        assert!(matches!(error, Unreadable::BadEncoding { offset: 5, line: 1 }));
    }

    #[test]
    fn a_foreign_mark_is_refused() {
        for (encoding, head) in [
            (Encoding::Utf8, &[0xff, 0xfe, b'a', 0][..]),
            (Encoding::Gb18030, &[0xfe, 0xff, 0, b'a']),
            (Encoding::Gb18030, &[0xef, 0xbb, 0xbf]),
            (Encoding::Utf8, &[0x84, 0x31, 0x95, 0x33]),
        ] {
            let error = whole(encoding, &[head]).unwrap_err();
            assert!(
                matches!(
                    error,
                    Unreadable::WrongCharset {
                        by: "byte order mark",
                        ..
                    }
                ),
                "{error:?}"
            );
        }
    }

    /// All that is said of bytes of GB18030, as `encoding_rs` says it alone: text, and before how many bytes of text something is wrong where.
    fn by_encoding_rs(bytes: &[u8]) -> (String, Vec<(usize, u64)>) {
        let mut decoder = encoding_rs::GB18030.new_decoder_without_bom_handling();
        let (mut text, mut wrong, mut read) = (String::with_capacity(bytes.len() * 4 + 16), Vec::new(), 0);
        loop {
            let (result, more) = decoder.decode_to_string_without_replacement(&bytes[read..], &mut text, true);
            read += more;
            match result {
                super::DecoderResult::Malformed(bad, after) => {
                    let behind = u64::from(bad) + u64::from(after);
                    wrong.push((text.len(), read as u64 - behind));
                }
                super::DecoderResult::InputEmpty => return (text, wrong),
                super::DecoderResult::OutputFull => text.reserve(64),
            }
        }
    }

    fn by_transcoder(bytes: &[u8], frame: usize) -> (String, Vec<(usize, u64)>) {
        let (mut text, mut wrong) = (String::new(), Vec::new());
        let mut sink = |piece: Piece<'_>| {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Undecodable(at) => wrong.push((text.len(), at.offset)),
            }
            Ok(())
        };
        let mut transcoder = Transcoder::new(Encoding::Gb18030, false);
        for frame in bytes.chunks(frame) {
            transcoder.push(frame, false, &mut sink).unwrap();
        }
        transcoder.push(&[], true, &mut sink).unwrap();
        (text, wrong)
    }

    /// Pieces of GB18030: ASCII, pairs, characters of four bytes, and what is none.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => "[a-z,]{1,9}".prop_map(String::into_bytes),
            4 => "[姓名户籍]{1,5}".prop_map(|text| encoding_rs::GB18030.encode(&text).0.into_owned()),
            2 => Just(b"\n".to_vec()),
            1 => "[𬱖é]".prop_map(|text| encoding_rs::GB18030.encode(&text).0.into_owned()),
            1 => proptest::collection::vec(any::<u8>(), 1..4),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn gb18030_however_dirty_and_cut_is_what_encoding_rs_says(bytes in pieces(), frame in 1usize..90) {
            // A line before it, so that its first bytes decide nothing.
            let bytes = [b"abcd\n".repeat(1000), bytes].concat();
            let expected = by_encoding_rs(&bytes);
            prop_assert_eq!(&by_transcoder(&bytes, frame), &expected);
            prop_assert_eq!(&by_transcoder(&bytes, bytes.len()), &expected);
        }

        #[test]
        fn arbitrary_bytes_agree_with_the_plain_check(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
            let cut = cut.min(bytes.len());
            let found = whole(Encoding::Utf8, &[&bytes[..cut], &bytes[cut..]]);
            if let Ok(text) = &found {
                let plain = std::str::from_utf8(&bytes).unwrap();
                prop_assert_eq!(text.as_str(), plain.strip_prefix('\u{feff}').unwrap_or(plain));
            } else {
                let marked = bytes.starts_with(&[0xfe, 0xff]) || bytes.starts_with(&[0xff, 0xfe]);
                prop_assert!(marked || std::str::from_utf8(&bytes).is_err());
            }
            let _ = whole(Encoding::Gb18030, &[&bytes[..cut], &bytes[cut..]]);
        }

        #[test]
        fn long_text_passes_in_pieces(len in TEXT_BYTES - 8..TEXT_BYTES + 8) {
            let text = format!("{}姓名\n", "a".repeat(len));
            let bytes = encoding_rs::GB18030.encode(&text).0.into_owned();
            prop_assert_eq!(&whole(Encoding::Gb18030, &[&bytes]).unwrap(), &text);
            prop_assert_eq!(&whole(Encoding::Utf8, &[text.as_bytes()]).unwrap(), &text);
        }
    }
}

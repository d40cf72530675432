//! The fields of one record of delimited text.

/// A text and where each field ends in it, with `gap` bytes between two of them.
pub(super) struct Fields<'a> {
    text: &'a str,
    ends: &'a [usize],
    gap: usize,
    marks: &'a [Mark],
}

/// A place in the text at which the file had no character.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Byte of the text.
    pub(super) at: usize,
    /// Byte of the file.
    pub(super) offset: u64,
}

impl<'a> Fields<'a> {
    pub(super) fn new(text: &'a str, ends: &'a [usize], gap: usize) -> Self {
        Self {
            text,
            ends,
            gap,
            marks: &[],
        }
    }

    /// The same with places that could not be decoded.
    pub(super) fn marked(self, marks: &'a [Mark]) -> Self {
        Self { marks, ..self }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a str> + Clone {
        let (text, ends, gap) = (self.text, self.ends, self.gap);
        (0..ends.len()).map(move |column| text.get(bounds(ends, gap, column)).unwrap_or_default())
    }

    /// The text of a field; empty beyond the last.
    #[inline]
    pub(super) fn field(&self, column: usize) -> &'a str {
        self.text.get(bounds(self.ends, self.gap, column)).unwrap_or_default()
    }

    /// Whether the file has no character somewhere.
    pub(super) fn has_marks(&self) -> bool {
        !self.marks.is_empty()
    }

    /// The byte of the file at which this field has no character.
    pub(super) fn undecodable(&self, column: usize) -> Option<u64> {
        let bounds = bounds(self.ends, self.gap, column);
        let mark = self.marks.iter().find(|mark| bounds.contains(&mark.at));
        mark.map(|mark| mark.offset)
    }
}

#[inline]
fn bounds(ends: &[usize], gap: usize, column: usize) -> std::ops::Range<usize> {
    match (column.checked_sub(1), ends.get(column)) {
        (_, None) => 0..0,
        (None, Some(end)) => 0..*end,
        (Some(before), Some(end)) => ends.get(before).map_or(0, |end| end.wrapping_add(gap))..*end,
    }
}

/// The ends of the fields of a line without quotes.
pub(super) fn split(line: &str, delimiter: &str, ends: &mut Vec<usize>) {
    ends.clear();
    match delimiter.as_bytes() {
        [byte] => places(*byte, line.as_bytes(), ends),
        longer => ends.extend(memchr::memmem::find_iter(line.as_bytes(), longer)),
    }
    ends.push(line.len());
}

/// Where that byte stands, 64 bytes at a time: fields are too short for a search that starts anew behind each.
fn places(byte: u8, bytes: &[u8], ends: &mut Vec<usize>) {
    let (blocks, tail) = bytes.as_chunks::<BLOCK>();
    let mut start = 0_usize;
    for block in blocks {
        push_places(equal(block, byte), start, ends);
        start = start.wrapping_add(BLOCK);
    }
    let mut last = [!byte; BLOCK];
    for (place, other) in last.iter_mut().zip(tail) {
        *place = *other;
    }
    push_places(equal(&last, byte), start, ends);
}

fn push_places(mut found: u64, start: usize, ends: &mut Vec<usize>) {
    while found != 0 {
        ends.push(start.wrapping_add(found.trailing_zeros() as usize));
        found &= found.wrapping_sub(1);
    }
}

/// Which bytes of a block are `byte`, the first one in the lowest bit.
fn equal(block: &[u8; BLOCK], byte: u8) -> u64 {
    let mut ones = [0_u8; BLOCK];
    for (one, other) in ones.iter_mut().zip(block) {
        *one = u8::from(*other == byte);
    }
    let (words, _) = ones.as_chunks();
    words.iter().rev().fold(0, |found, word| {
        // The product brings the eight bits together in its highest byte.
        found << 8 | u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

/// Bytes of a block.
const BLOCK: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::split;

    proptest! {
        #[test]
        fn a_line_is_split_where_its_delimiters_stand(line in "[a,姓]{0,90}") {
            let mut ends = vec![7];
            split(&line, ",", &mut ends);
            let fields: Vec<&str> = line.split(',').collect();
            prop_assert_eq!(ends.len(), fields.len());
            let mut start = 0;
            for (end, field) in ends.into_iter().zip(fields) {
                prop_assert_eq!(line.get(start..end), Some(field));
                start = end + 1;
            }
        }
    }
}

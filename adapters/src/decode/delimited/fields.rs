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
    pub(super) fn field(&self, column: usize) -> &'a str {
        self.text.get(bounds(self.ends, self.gap, column)).unwrap_or_default()
    }

    /// The byte of the file at which this field has no character.
    pub(super) fn undecodable(&self, column: usize) -> Option<u64> {
        if self.marks.is_empty() {
            return None;
        }
        let bounds = bounds(self.ends, self.gap, column);
        let mark = self.marks.iter().find(|mark| bounds.contains(&mark.at));
        mark.map(|mark| mark.offset)
    }
}

fn bounds(ends: &[usize], gap: usize, column: usize) -> std::ops::Range<usize> {
    let start = match column.checked_sub(1) {
        None => 0,
        Some(before) => ends.get(before).map_or(0, |end| end + gap),
    };
    start..ends.get(column).copied().unwrap_or(start)
}

/// The ends of the fields of a line without quotes.
pub(super) fn split(line: &str, delimiter: &str, ends: &mut Vec<usize>) {
    ends.clear();
    match delimiter.as_bytes() {
        [byte] => ends.extend(memchr::memchr_iter(*byte, line.as_bytes())),
        longer => ends.extend(memchr::memmem::find_iter(line.as_bytes(), longer)),
    }
    ends.push(line.len());
}

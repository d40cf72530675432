//! What the quotes of a text say, where what they say cannot be true.
//!
//! Takes the text of a record as it was sent; tells whether its quotes are closed where fields end. Takes a line; gives its fields, where a quote
//! that is not closed in the line is a character like any other.

use super::fields::Mark;

/// How the quoted fields of a record end.
pub(super) fn of(sent: &str, delimiter: &str) -> Scan {
    let mut scan = Scan::default();
    for line in sent.split_inclusive('\n') {
        scan.line(line, delimiter);
    }
    scan
}

/// The lines of one record, read one after another.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The last field is quoted and goes on.
    open: bool,
    /// One goes on behind its closing quote: the quote before it belongs to another field.
    torn: bool,
    /// The last line does so with the field that it began in: its quote more likely opens a field of its own.
    joint: bool,
    delimiters: usize,
}

impl Scan {
    /// Takes one more line; a delimiter is of one byte where anything is quoted.
    pub(super) fn line(&mut self, line: &str, delimiter: &str) {
        let mut rest = line;
        let mut begun = self.open;
        self.joint = false;
        loop {
            let inner = if self.open { Some(rest) } else { rest.strip_prefix('"') };
            if let Some(inner) = inner {
                let end = closing(inner);
                self.open = end.is_none();
                let Some(behind) = end.and_then(|end| inner.get(end + 1..)) else {
                    return;
                };
                let after = behind.trim_start_matches(' ');
                let ends = after.is_empty() || after.starts_with(delimiter) || after.starts_with(['\r', '\n']);
                self.torn |= !ends;
                self.joint |= begun && !ends;
                begun = false;
                rest = behind;
            }
            let Some((_, next)) = rest.split_once(delimiter) else {
                return;
            };
            self.delimiters += 1;
            rest = next;
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn is_torn(&self) -> bool {
        self.torn
    }

    pub(super) fn is_joint(&self) -> bool {
        self.joint
    }

    pub(super) fn fields(&self) -> usize {
        self.delimiters + 1
    }
}

/// The quote that closes a field, from behind the one that opens it.
fn closing(inner: &str) -> Option<usize> {
    let mut quotes = memchr::memchr_iter(b'"', inner.as_bytes()).peekable();
    while let Some(at) = quotes.next() {
        // Two of them are one character.
        if quotes.next_if_eq(&(at + 1)).is_none() {
            return Some(at);
        }
    }
    None
}

/// Where the last line of a text begins that says anything.
pub(super) fn last_line(sent: &str) -> usize {
    let text = sent.trim_end_matches(['\r', '\n']);
    text.rfind(['\r', '\n']).map_or(0, |at| at + 1)
}

/// The fields of a line, behind one another.
#[derive(Default)]
pub(super) struct Unquoted {
    pub(super) text: String,
    pub(super) ends: Vec<usize>,
    pub(super) marks: Vec<Mark>,
}

/// The fields of a line; marks are places in it.
pub(super) fn unquoted(line: &str, marks: &[Mark], delimiter: &str) -> Unquoted {
    let mut fields = Unquoted::default();
    let mut marks = marks.iter().peekable();
    let mut at = 0;
    loop {
        let rest = line.get(at..).unwrap_or_default();
        let end = rest.strip_prefix('"').and_then(closing).map(|end| end + 1);
        // Up to the delimiter that is not quoted; what stands behind a closing quote belongs to the field.
        let behind = end.map_or(0, |end| end + 1);
        let length = rest.get(behind..).and_then(|rest| rest.find(delimiter));
        let length = length.map_or(rest.len(), |length| behind + length);
        let mut quote = false;
        for (place, letter) in rest.get(..length).unwrap_or_default().char_indices() {
            if let Some(end) = end
                && letter == '"'
                && place <= end
            {
                // The quotes around the field, and the second of two inside.
                quote = place != 0 && !quote;
                if place == 0 || place == end || quote {
                    continue;
                }
            }
            while let Some(mark) = marks.next_if(|mark| mark.at <= at + place) {
                fields.marks.push(Mark {
                    at: fields.text.len(),
                    offset: mark.offset,
                });
            }
            fields.text.push(letter);
        }
        fields.ends.push(fields.text.len());
        at += length;
        if at >= line.len() {
            return fields;
        }
        at += delimiter.len();
    }
}

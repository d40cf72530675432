//! Which lines of delimited text are one record.
//!
//! Takes the lines of a file one after another, with their ends; gives how many of them each record takes, as the decoder reads it: a quoted
//! record may take several, and one that is torn is its lines, see [`super`]. Holds a number, and of text the first line of the header.

use super::quoting::{self, Scan};
use crate::decode::DecodeLimits;
use crate::layout;

/// Tells records apart.
#[derive(Debug)]
pub struct RecordLines {
    delimiter: &'static str,
    quotes: bool,
    titles: u32,
    /// How many columns there are, once that is known.
    width: Option<usize>,
    bytes_max: usize,
    scan: Scan,
    /// Lines and bytes of the record at hand.
    lines: usize,
    bytes: usize,
    /// Its first line, while it may be the header.
    first: String,
}

/// The next lines of a file that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// One line of a title, or a blank one.
    Beside,
    /// So many lines of the header row.
    Header(usize),
    /// So many lines of a record.
    Record(usize),
}

impl RecordLines {
    /// For a file of that form.
    pub fn new(form: &layout::Delimited, limits: DecodeLimits) -> Self {
        let delimiter = form.delimiter.text();
        Self {
            delimiter,
            quotes: form.quotes && delimiter.len() == 1,
            titles: form.title_rows,
            width: form.columns.as_deref().map(<[_]>::len),
            bytes_max: limits.record_bytes_max,
            scan: Scan::default(),
            lines: 0,
            bytes: 0,
            first: String::new(),
        }
    }

    /// Takes the next line with its end; adds what it completes.
    pub fn push(&mut self, line: &str, out: &mut Vec<Together>) {
        if self.titles > 0 {
            self.titles -= 1;
            return out.push(Together::Beside);
        }
        let text = line.trim_end_matches(['\r', '\n']);
        if self.lines == 0 && text.is_empty() {
            return out.push(Together::Beside);
        }
        self.lines += 1;
        self.bytes += line.len();
        if self.lines == 1 && self.width.is_none() {
            text.clone_into(&mut self.first);
        }
        if self.quotes {
            self.scan.line(line, self.delimiter);
        }
        let too_long = self.bytes - (line.len() - text.len()) > self.bytes_max;
        let open = self.scan.is_open();
        if open && !too_long {
            return;
        }
        let other = self.width.is_some_and(|width| width != self.scan.fields());
        if self.lines > 1 && (open || too_long || other || self.scan.is_torn()) {
            // Each line by itself; but this one may begin a record of several lines.
            let begins = open || too_long || self.scan.is_joint();
            let lines = self.lines - usize::from(begins);
            self.by_line(lines, out);
            if begins {
                self.push(line, out);
            }
            return;
        }
        let lines = self.lines;
        let fields = if open || !self.quotes {
            None
        } else {
            Some(self.scan.fields())
        };
        self.give(lines, fields, out);
        self.begin();
    }

    /// No line follows.
    pub fn finish(&mut self, out: &mut Vec<Together>) {
        let left = self.lines;
        self.by_line(left, out);
    }

    fn by_line(&mut self, lines: usize, out: &mut Vec<Together>) {
        for _ in 0..lines {
            self.give(1, None, out);
        }
        self.begin();
    }

    /// A record, or the header row, which says how many columns there are.
    fn give(&mut self, lines: usize, fields: Option<usize>, out: &mut Vec<Together>) {
        if self.width.is_some() {
            return out.push(Together::Record(lines));
        }
        let by_itself = || quoting::unquoted(&self.first, &[], self.delimiter).ends.len();
        self.width = Some(fields.unwrap_or_else(by_itself));
        out.push(Together::Header(lines));
    }

    fn begin(&mut self) {
        self.scan = Scan::default();
        self.lines = 0;
        self.bytes = 0;
        self.first.clear();
    }
}

//! Which lines of delimited text are one record.
//!
//! Takes the lines of a file one after another, with their ends; gives how many of them each record takes, as the decoder reads it: a quoted
//! record may take several, and one that is torn is its lines, see [`super`]. What stands above the header row is no record, where the names are known
//! that it may have. Holds numbers, and no text but that of the row at hand up to the header.

use std::sync::Arc;

use super::quoting::{self, Scan};
use super::titles::names_a_field;
use crate::catalogue::RecordType;
use crate::decode::DecodeLimits;
use crate::decode::header::Names;
use crate::layout::{self, Mapping};

/// Tells records apart.
#[expect(missing_debug_implementations, reason = "it holds a row of the file")]
pub struct RecordLines {
    delimiter: &'static str,
    quotes: bool,
    titles: u32,
    /// By which the header row is known; none: the first row is it.
    names: Option<Names>,
    /// How many columns there are, once that is known.
    width: Option<usize>,
    bytes_max: usize,
    scan: Scan,
    /// Lines and bytes of the record at hand.
    lines: usize,
    bytes: usize,
    /// Its text, while it may be the header.
    text: String,
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
            names: None,
            width: form.columns.as_deref().map(<[_]>::len),
            bytes_max: limits.record_bytes_max,
            scan: Scan::default(),
            lines: 0,
            bytes: 0,
            text: String::new(),
        }
    }

    /// The same with the header row where the decoder finds it: the first that names a field of `record`, or what the sender calls one.
    #[must_use]
    pub fn of(mut self, record: &'static RecordType, mapping: Option<Arc<Mapping>>) -> Self {
        self.names = Some(Names::new(record, &[], mapping, true));
        self
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
        if self.width.is_none() {
            self.text.push_str(line);
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
        let text = std::mem::take(&mut self.text);
        self.give(lines, text.trim_end_matches(['\r', '\n']), fields, out);
        self.begin();
    }

    /// No line follows.
    pub fn finish(&mut self, out: &mut Vec<Together>) {
        let left = self.lines;
        self.by_line(left, out);
    }

    fn by_line(&mut self, lines: usize, out: &mut Vec<Together>) {
        let text = std::mem::take(&mut self.text);
        let mut texts = text.lines();
        for _ in 0..lines {
            self.give(1, texts.next().unwrap_or_default(), None, out);
        }
        self.begin();
    }

    /// A record, a title, or the header row, which says how many columns there are.
    fn give(&mut self, lines: usize, text: &str, fields: Option<usize>, out: &mut Vec<Together>) {
        if self.width.is_some() {
            return out.push(Together::Record(lines));
        }
        let row = self.fields_of(text);
        if let Some(names) = &self.names
            && !names_a_field(row.iter().map(String::as_str), names)
        {
            return out.extend(std::iter::repeat_n(Together::Beside, lines));
        }
        self.width = Some(fields.unwrap_or(row.len()));
        out.push(Together::Header(lines));
    }

    fn fields_of(&self, text: &str) -> Vec<String> {
        if !self.quotes {
            return text.split(self.delimiter).map(str::to_owned).collect();
        }
        let unquoted = quoting::unquoted(text, &[], self.delimiter);
        let starts = std::iter::once(0).chain(unquoted.ends.iter().copied());
        let fields = starts.zip(&unquoted.ends);
        fields
            .map(|(start, end)| unquoted.text.get(start..*end).unwrap_or_default().to_owned())
            .collect()
    }

    fn begin(&mut self) {
        self.scan = Scan::default();
        self.lines = 0;
        self.bytes = 0;
        self.text.clear();
    }
}

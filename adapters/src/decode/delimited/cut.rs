//! A record that lies in several pieces or holds quotes.
//!
//! Takes text up to the end of the record; gives its text and the ends of its fields. Quoted records go through csv-core, which keeps its
//! state between calls, and are kept as they were sent while they go on, so that they can be read again otherwise; lines without quotes, and
//! those that are read by themselves, are only gathered. Drops a line that is longer than a record may be and says so.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::fields::{Mark, split};
use crate::decode::DecodeLimits;

/// The record at hand.
#[derive(Default)]
pub(super) struct Cut {
    /// Made when the first quoted record needs it: its tables cost more than a small batch.
    reader: Option<Box<Reader>>,
    /// Some bytes of the record were taken.
    pub(super) started: bool,
    /// Line on which it starts.
    pub(super) line: u64,
    output: Vec<u8>,
    output_len: usize,
    ends_len: usize,
    taken: usize,
    /// Longer than a record may be: what follows is dropped up to its end.
    too_long: bool,
    marks: Vec<Mark>,
    /// Whether only its first line is taken, whatever its quotes say.
    by_line: bool,
    /// A quoted record as it was sent, as far as it was taken in earlier pieces.
    raw: String,
    /// The places of `marks` in it.
    raw_marks: Vec<Mark>,
}

impl Cut {
    pub(super) fn start(&mut self, line: u64) {
        self.started = true;
        self.line = line;
    }

    /// The same for one line, whatever its quotes say.
    pub(super) fn start_line(&mut self, line: u64) {
        self.start(line);
        self.by_line = true;
    }

    pub(super) fn is_by_line(&self) -> bool {
        self.by_line
    }

    /// How much of this text the record may take before it is longer than any.
    pub(super) fn room<'a>(&self, text: &'a str, limits: DecodeLimits) -> &'a str {
        let room = limits.record_bytes_max.saturating_add(1).saturating_sub(self.raw.len());
        text.get(..text.floor_char_boundary(room)).unwrap_or_default()
    }

    /// Keeps text that was taken and did not end the record.
    pub(super) fn keep(&mut self, text: &str) {
        self.raw.push_str(text);
    }

    /// The record as it was sent; `last` is the text that was taken and not kept.
    pub(super) fn sent<'a>(&'a mut self, last: &'a str) -> &'a str {
        if self.raw.is_empty() {
            return last;
        }
        self.raw.push_str(last);
        &self.raw
    }

    /// Keeps the record whole; `last` is the text that [`Cut::sent`] was told.
    pub(super) fn keep_whole(&mut self, last: &str) {
        if self.raw.is_empty() {
            self.raw.push_str(last);
        }
    }

    /// Takes the record away as it was sent, with what in it is no character. Nothing is at hand then.
    pub(super) fn take_sent(&mut self) -> (String, Vec<Mark>) {
        let sent = (std::mem::take(&mut self.raw), std::mem::take(&mut self.raw_marks));
        if let Some(reader) = &mut self.reader {
            reader.reset();
        }
        self.clear();
        sent
    }

    /// Bytes taken.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// What comes next stands for bytes that are no character.
    pub(super) fn mark(&mut self, offset: u64) {
        // As many as the text can hold; once it is dropped, none.
        if !self.too_long {
            self.marks.push(Mark {
                at: self.output_len,
                offset,
            });
        }
        if !self.by_line {
            self.raw_marks.push(Mark {
                at: self.raw.len(),
                offset,
            });
        }
    }

    pub(super) fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Takes text; gives bytes taken, and whether the record has ended.
    pub(super) fn take(
        &mut self,
        text: &str,
        ends: &mut Vec<usize>,
        delimiter: &str,
        quotes: bool,
        limits: DecodeLimits,
    ) -> (usize, bool) {
        if !quotes || self.by_line {
            return self.gather(text, ends, delimiter, limits);
        }
        let mut rest = text.as_bytes();
        loop {
            let (taken, ended) = self.read(rest, ends, delimiter);
            rest = rest.get(taken..).unwrap_or_default();
            if ended || rest.is_empty() {
                return (text.len() - rest.len(), ended);
            }
        }
    }

    /// Nothing follows: whether a record was at hand.
    pub(super) fn finish(&mut self, ends: &mut Vec<usize>, delimiter: &str, quotes: bool) -> bool {
        if !quotes || self.by_line {
            self.end(ends, delimiter);
            return self.taken > 0;
        }
        // An empty input tells csv-core that nothing follows; it then gives the record that it holds, if any.
        while self.started {
            if self.read(&[], ends, delimiter).1 {
                return true;
            }
        }
        false
    }

    /// Gathers a line.
    fn gather(&mut self, text: &str, ends: &mut Vec<usize>, delimiter: &str, limits: DecodeLimits) -> (usize, bool) {
        let end = memchr::memchr2(b'\n', b'\r', text.as_bytes());
        let line = text.as_bytes().get(..end.unwrap_or(text.len())).unwrap_or_default();
        self.taken += line.len();
        if self.taken > limits.record_bytes_max {
            self.too_long = true;
            self.marks.clear();
            self.output = Vec::new();
            self.output_len = 0;
        } else {
            self.output.truncate(self.output_len);
            self.output.extend_from_slice(line);
            self.output_len = self.output.len();
        }
        if end.is_some() {
            self.end(ends, delimiter);
        }
        // The line end stays: skipping blank lines takes it and counts it.
        (line.len(), end.is_some())
    }

    fn end(&mut self, ends: &mut Vec<usize>, delimiter: &str) {
        split(self.text(), delimiter, ends);
        self.ends_len = ends.len();
    }

    /// One step of csv-core.
    fn read(&mut self, input: &[u8], ends: &mut Vec<usize>, delimiter: &str) -> (usize, bool) {
        if ends.len() < self.ends_len + ENDS_SPARE {
            ends.resize(self.ends_len + ENDS_SPARE, 0);
        }
        // No more than a record may have comes here.
        if self.output.len() == self.output_len {
            self.output.resize((self.output_len * 2).max(OUTPUT_BYTES_START), 0);
        }
        let output = self.output.get_mut(self.output_len..).unwrap_or_default();
        let free = ends.get_mut(self.ends_len..).unwrap_or_default();
        let byte = delimiter.as_bytes().first().copied().unwrap_or(b',');
        let reader = self
            .reader
            .get_or_insert_with(|| Box::new(ReaderBuilder::new().delimiter(byte).build()));
        let (result, taken, written, ended) = reader.read_record(input, output, free);
        self.output_len += written;
        self.ends_len += ended;
        self.taken += taken;
        match result {
            ReadRecordResult::InputEmpty | ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                (taken, false)
            }
            ReadRecordResult::Record => {
                ends.truncate(self.ends_len);
                (taken, true)
            }
            ReadRecordResult::End => {
                self.started = false;
                (taken, false)
            }
        }
    }

    /// The text of the record that has ended; `None` when it is too long.
    pub(super) fn record(&self, limits: DecodeLimits) -> Option<&str> {
        (!self.too_long && self.output_len <= limits.record_bytes_max).then(|| self.text())
    }

    fn text(&self) -> &str {
        // INVARIANT: csv-core only leaves out ASCII characters of what was UTF-8.
        self.output
            .get(..self.output_len)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    /// Ready for the next record.
    pub(super) fn clear(&mut self) {
        if self.output.len() > OUTPUT_BYTES_KEPT {
            self.output = Vec::new();
        }
        if self.raw.capacity() > OUTPUT_BYTES_KEPT {
            self.raw = String::new();
        }
        self.raw.clear();
        self.raw_marks.clear();
        self.by_line = false;
        self.started = false;
        self.output_len = 0;
        self.ends_len = 0;
        self.taken = 0;
        self.too_long = false;
        self.marks.clear();
    }
}

/// A typical record fits.
const OUTPUT_BYTES_START: usize = 4096;

/// A buffer that one long record has made larger than this is given back.
const OUTPUT_BYTES_KEPT: usize = 64 * 1024;

/// Room for ends before each step of csv-core.
const ENDS_SPARE: usize = 256;

//! Lines of JSON → records, one after another.
//!
//! Takes UTF-8 text cut between any two characters; gives each line's object to the reader of objects. Blank lines are skipped. Refuses a line
//! without end, and a first line that does not start an object.

use super::form::{TextForm, Undecodable};
use super::header::Names;
use super::json::{Mark, Objects};
use super::judge::Judge;
use super::{DecodeLimits, SEARCH_FACTOR, Unreadable, envelope};
use crate::reject::RejectCode;

/// The splitter and what it carries from frame to frame.
pub(crate) struct Ndjson {
    objects: Objects,
    limits: DecodeLimits,
    /// Line of the next character, 1-based.
    line: u64,
    /// The start of a line that the last piece cut off.
    cut: String,
    /// Places of that line that could not be decoded.
    marks: Vec<Mark>,
    /// Bytes of that line that were dropped, because it is longer than a record may be.
    dropped: usize,
    /// A line that is not blank was seen.
    begun: bool,
}

impl Ndjson {
    pub(crate) fn new(names: Names, limits: DecodeLimits) -> Self {
        Self {
            objects: Objects::new(names),
            limits,
            line: 1,
            cut: String::new(),
            marks: Vec::new(),
            dropped: 0,
            begun: false,
        }
    }
}

impl TextForm for Ndjson {
    fn text(&mut self, text: &str, judge: &mut Judge) -> Result<(), Unreadable> {
        let mut rest = text;
        while let Some(end) = memchr::memchr(b'\n', rest.as_bytes()) {
            let (line, after) = (
                rest.get(..end).unwrap_or_default(),
                rest.get(end + 1..).unwrap_or_default(),
            );
            if self.cut.is_empty() && self.dropped == 0 {
                self.record(line, &[], judge)?;
            } else {
                self.keep(line)?;
                self.cut_line(judge)?;
            }
            self.line += 1;
            rest = after;
        }
        self.keep(rest)
    }

    fn undecodable(&mut self, at: Undecodable, _: &mut Judge) -> Result<(), Unreadable> {
        if !self.begun && self.cut.trim_ascii().is_empty() {
            return Err(at.into());
        }
        // As many as the text can hold; once it is dropped, none.
        if self.dropped == 0 {
            self.marks.push(Mark {
                at: self.cut.len(),
                offset: at.offset,
            });
        }
        self.keep(char::REPLACEMENT_CHARACTER.encode_utf8(&mut [0; 4]))
    }

    /// Ends the last line, which may lack its line end.
    fn finish(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        self.cut_line(judge)
    }

    fn unknown_headers(&self) -> &[String] {
        self.objects.unknown_headers()
    }

    fn names(&self) -> Option<&Names> {
        Some(self.objects.names())
    }
}

impl Ndjson {
    /// Adds to the line that is cut off, or drops what is too much.
    fn keep(&mut self, text: &str) -> Result<(), Unreadable> {
        if self.dropped == 0 && self.cut.len() + text.len() <= self.limits.record_bytes_max.saturating_add(1) {
            // One byte more than a record: a carriage return is no part of it.
            self.cut.push_str(text);
            return Ok(());
        }
        self.dropped += self.cut.len() + text.len();
        self.cut = String::new();
        self.marks.clear();
        if self.dropped > self.limits.record_bytes_max.saturating_mul(SEARCH_FACTOR) {
            return Err(Unreadable::RecordTooLong { line: self.line });
        }
        Ok(())
    }

    fn cut_line(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        if self.dropped > 0 {
            self.dropped = 0;
            self.begun = true;
            judge.reject(self.line, None, RejectCode::RecordTooLong);
            return Ok(());
        }
        let (mut line, mut marks) = (std::mem::take(&mut self.cut), std::mem::take(&mut self.marks));
        let done = self.record(&line, &marks, judge);
        line.clear();
        marks.clear();
        (self.cut, self.marks) = (line, marks);
        done
    }

    /// One whole line.
    fn record(&mut self, line: &str, marks: &[Mark], judge: &mut Judge) -> Result<(), Unreadable> {
        let text = line.trim_ascii();
        if text.is_empty() {
            return Ok(());
        }
        if !self.begun && envelope::says_nothing_found(text) {
            return Ok(());
        }
        if !self.begun && !text.starts_with('{') {
            return Err(Unreadable::NotThisFormat {
                line: self.line,
                expected: "a JSON object",
            });
        }
        self.begun = true;
        if text.len() > self.limits.record_bytes_max {
            judge.reject(self.line, None, RejectCode::RecordTooLong);
            return Ok(());
        }
        if marks.is_empty() {
            self.objects.record(text, self.line, &[], judge);
            return Ok(());
        }
        let blanks = line.len() - line.trim_ascii_start().len();
        let marks: Vec<Mark> = marks
            .iter()
            .map(|mark| Mark {
                at: mark.at.saturating_sub(blanks),
                ..*mark
            })
            .collect();
        self.objects.record(text, self.line, &marks, judge);
        Ok(())
    }
}

//! Lines of JSON → records, one after another.
//!
//! Takes UTF-8 text cut between any two characters; gives the members of each line's object to the judge. Strings are read where they lie;
//! members that are not wanted are skipped unread. A record is a reject when its line is no JSON object, nests deeper than 32, names a
//! wanted field twice (in whatever spelling or escape), or holds in a wanted field a NUL, half a surrogate pair, a nested value, a
//! boolean or a number that does not survive as a double. Refuses a line without end, and a first line that does not start an object.

mod member;

use serde::de::DeserializeSeed;

use self::member::{Member, Record};
use super::header::{Meaning, Names};
use super::judge::{Judge, Sent};
use super::{DecodeLimits, SEARCH_FACTOR, Unreadable};
use crate::catalogue::{Field, RecordType};
use crate::reject::RejectCode;

/// The splitter and what it carries from frame to frame.
pub(crate) struct Ndjson {
    names: Names,
    limits: DecodeLimits,
    /// Line of the next character, 1-based.
    line: u64,
    /// The start of a line that the last piece cut off.
    cut: String,
    /// Bytes of that line that were dropped, because it is longer than a record may be.
    dropped: usize,
    /// A line that is not blank was seen.
    begun: bool,
    members: Members,
}

/// The members of the line at hand.
pub(crate) struct Members {
    /// By place.
    slots: Vec<Member>,
    /// Text that does not lie in the line as it is: unescaped strings, numbers.
    text: String,
    /// Names met so far, in the order of the first line that had them, and what they stand for.
    known: Vec<(String, Meaning)>,
    /// Which of them is likely to come next: most lines have the same members in the same order.
    likely: usize,
}

impl Ndjson {
    pub(crate) fn new(record: &'static RecordType, wanted: &[&'static Field], limits: DecodeLimits) -> Self {
        let names = Names::new(record, wanted);
        Self {
            limits,
            line: 1,
            cut: String::new(),
            dropped: 0,
            begun: false,
            members: Members {
                slots: vec![Member::Missing; names.places()],
                text: String::new(),
                known: Vec::new(),
                likely: 0,
            },
            names,
        }
    }

    pub(crate) fn unknown_headers(&self) -> &[String] {
        self.names.unknown()
    }

    /// Takes one more piece of text.
    pub(crate) fn text(&mut self, text: &str, judge: &mut Judge) -> Result<(), Unreadable> {
        let mut rest = text;
        while let Some(end) = memchr::memchr(b'\n', rest.as_bytes()) {
            let (line, after) = (
                rest.get(..end).unwrap_or_default(),
                rest.get(end + 1..).unwrap_or_default(),
            );
            if self.cut.is_empty() && self.dropped == 0 {
                self.record(line, judge)?;
            } else {
                self.keep(line)?;
                self.cut_line(judge)?;
            }
            self.line += 1;
            rest = after;
        }
        self.keep(rest)
    }

    /// Ends the last line, which may lack its line end.
    pub(crate) fn finish(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        self.cut_line(judge)
    }

    /// Adds to the line that is cut off, or drops what is too much.
    fn keep(&mut self, text: &str) -> Result<(), Unreadable> {
        if self.dropped == 0 && self.cut.len() + text.len() <= self.limits.record_bytes_max.saturating_add(1) {
            // One byte more than a record: a carriage return is no part of it.
            self.cut.push_str(text);
            return Ok(());
        }
        self.dropped += self.cut.len() + text.len();
        self.cut = String::new();
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
        let mut line = std::mem::take(&mut self.cut);
        let done = self.record(&line, judge);
        line.clear();
        self.cut = line;
        done
    }

    /// One whole line.
    fn record(&mut self, line: &str, judge: &mut Judge) -> Result<(), Unreadable> {
        let text = line.trim_ascii();
        if text.is_empty() {
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
        if let Err(code) = self.read(text) {
            judge.reject(self.line, None, code);
            return Ok(());
        }
        let Members { slots, text: own, .. } = &self.members;
        judge.record(self.line, |slot| match slots.get(slot).copied() {
            None | Some(Member::Missing | Member::Null) => Sent::Missing,
            Some(Member::Line(start, end)) => Sent::Text(text.get(start..end).unwrap_or_default()),
            Some(Member::Own(start, end)) => Sent::Text(own.get(start..end).unwrap_or_default()),
            Some(Member::Fraction(number)) => member::exact_fraction(text, number),
            Some(Member::Bad(code)) => Sent::Bad(code),
        });
        Ok(())
    }

    /// Reads the members of one object.
    fn read(&mut self, line: &str) -> Result<(), RejectCode> {
        if member::nests_too_deep(line) {
            return Err(RejectCode::TooDeep);
        }
        self.members.slots.fill(Member::Missing);
        self.members.text.clear();
        self.members.likely = 0;
        let mut reader = serde_json::Deserializer::from_str(line);
        let record = Record {
            line,
            names: &mut self.names,
            members: &mut self.members,
        };
        record
            .deserialize(&mut reader)
            .and_then(|()| reader.end())
            .map_err(|error| member::code_of(&error))
    }
}

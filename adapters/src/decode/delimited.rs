//! Delimited text → records, one after another.
//!
//! Takes UTF-8 text cut between any two characters; gives each record's fields to the judge. The first record is the header row. A line that
//! holds no quote is split where it lies; everything else (a quoted field, a record cut by the end of a frame) goes through
//! csv-core, which keeps its state between calls. Both read RFC 4180 with `\n`, `\r\n` or `\r` as line end and skip blank lines.
//! Refuses a bad header row and a record without end; a record with another number of fields than the header is a reject.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::header::Names;
use super::judge::{Judge, Sent};
use super::{DecodeLimits, SEARCH_FACTOR, Unreadable};
use crate::catalogue::{Field, RecordType};
use crate::reject::RejectCode;

/// The splitter and what it carries from frame to frame.
pub(crate) struct Delimited {
    delimiter: u8,
    names: Names,
    /// The column of each wanted field and the number of columns; none before the header row.
    header: Option<(Vec<Option<usize>>, usize)>,
    limits: DecodeLimits,
    /// Line of the next character, 1-based.
    line: u64,
    /// Ends of the fields of the record at hand.
    ends: Vec<usize>,
    cut: Cut,
}

/// The record that csv-core is in the middle of.
struct Cut {
    /// Made when the first record needs it: its tables cost more than a small batch.
    reader: Option<Box<Reader>>,
    /// Some bytes of the record were taken.
    started: bool,
    /// Line on which it starts.
    line: u64,
    output: Vec<u8>,
    output_len: usize,
    ends_len: usize,
    /// Bytes taken.
    taken: usize,
    /// Longer than a record may be: what follows is dropped up to its end.
    too_long: bool,
}

impl Delimited {
    pub(crate) fn new(
        record: &'static RecordType,
        wanted: &[&'static Field],
        delimiter: u8,
        limits: DecodeLimits,
    ) -> Self {
        Self {
            delimiter,
            names: Names::new(record, wanted),
            header: None,
            limits,
            line: 1,
            ends: vec![0; 64],
            cut: Cut {
                reader: None,
                started: false,
                line: 1,
                output: Vec::new(),
                output_len: 0,
                ends_len: 0,
                taken: 0,
                too_long: false,
            },
        }
    }

    pub(crate) fn unknown_headers(&self) -> &[String] {
        self.names.unknown()
    }

    /// Takes one more piece of text.
    pub(crate) fn text(&mut self, text: &str, judge: &mut Judge) -> Result<(), Unreadable> {
        let may_hold_nul = memchr::memchr(0, text.as_bytes()).is_some();
        let mut rest = text;
        while !rest.is_empty() {
            if self.cut.started {
                rest = self.through_reader(rest, judge)?;
                continue;
            }
            rest = self.skip_blank_lines(rest);
            match plain_line(rest) {
                Some((line, after)) => {
                    self.plain(line, may_hold_nul, judge)?;
                    rest = after;
                }
                None if rest.is_empty() => {}
                None => {
                    self.cut.started = true;
                    self.cut.line = self.line;
                }
            }
        }
        Ok(())
    }

    /// Ends the last record, which may lack its line end.
    pub(crate) fn finish(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        // An empty input tells csv-core that nothing follows; it then gives the record that it holds, if any.
        while self.cut.started {
            if self.read(&[]).1 {
                self.cut_record(judge)?;
            }
        }
        Ok(())
    }

    fn skip_blank_lines<'a>(&mut self, text: &'a str) -> &'a str {
        let rest = text.trim_start_matches(['\r', '\n']);
        let skipped = text.len() - rest.len();
        if skipped > 0 {
            let bytes = text.as_bytes().get(..skipped).unwrap_or_default();
            self.line += memchr::memchr_iter(b'\n', bytes).count() as u64;
        }
        rest
    }

    /// A record that lies in one piece and holds no quote.
    fn plain(&mut self, line: &str, may_hold_nul: bool, judge: &mut Judge) -> Result<(), Unreadable> {
        let start = self.line;
        if line.len() > self.limits.record_bytes_max {
            return self.too_long(start, judge);
        }
        self.ends.clear();
        self.ends.extend(memchr::memchr_iter(self.delimiter, line.as_bytes()));
        self.ends.push(line.len());
        let Some((columns, width)) = &self.header else {
            return self.header_row(line, 1);
        };
        let fields = Fields {
            text: line,
            ends: &self.ends,
            gap: 1,
        };
        judge_record(&fields, columns, *width, start, may_hold_nul, judge);
        Ok(())
    }

    /// Takes text through csv-core up to the end of the record at hand; gives what is left.
    fn through_reader<'a>(&mut self, text: &'a str, judge: &mut Judge) -> Result<&'a str, Unreadable> {
        let mut rest = text.as_bytes();
        loop {
            let (taken, ended) = self.read(rest);
            let (read, after) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
            self.line += memchr::memchr_iter(b'\n', read).count() as u64;
            rest = after;
            if self.cut.taken > self.limits.record_bytes_max.saturating_mul(SEARCH_FACTOR) {
                return Err(Unreadable::RecordTooLong { line: self.cut.line });
            }
            if ended {
                self.cut_record(judge)?;
                break;
            }
            if rest.is_empty() {
                break;
            }
        }
        Ok(text.get(text.len() - rest.len()..).unwrap_or_default())
    }

    /// One step of csv-core: bytes taken, and whether the record has ended.
    fn read(&mut self, input: &[u8]) -> (usize, bool) {
        let Self {
            delimiter,
            cut,
            ends,
            limits,
            ..
        } = self;
        if ends.len() < cut.ends_len + ENDS_SPARE {
            ends.resize(cut.ends_len + ENDS_SPARE, 0);
        }
        if cut.output.len() == cut.output_len {
            if cut.output_len > limits.record_bytes_max {
                cut.too_long = true;
            } else {
                cut.output.resize((cut.output_len * 2).max(OUTPUT_BYTES_START), 0);
            }
        }
        if cut.too_long || cut.ends_len > limits.record_bytes_max {
            // What is written from here on is not looked at.
            cut.too_long = true;
            cut.output_len = 0;
            cut.ends_len = 0;
        }
        let output = cut.output.get_mut(cut.output_len..).unwrap_or_default();
        let ends = ends.get_mut(cut.ends_len..).unwrap_or_default();
        let reader = cut
            .reader
            .get_or_insert_with(|| Box::new(ReaderBuilder::new().delimiter(*delimiter).build()));
        let (result, taken, written, ended) = reader.read_record(input, output, ends);
        cut.output_len += written;
        cut.ends_len += ended;
        cut.taken += taken;
        match result {
            ReadRecordResult::InputEmpty | ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                (taken, false)
            }
            ReadRecordResult::Record => (taken, true),
            ReadRecordResult::End => {
                cut.started = false;
                (taken, false)
            }
        }
    }

    /// The record that csv-core has completed.
    fn cut_record(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        let start = self.cut.line;
        let output = std::mem::take(&mut self.cut.output);
        let done = if self.cut.too_long || self.cut.output_len > self.limits.record_bytes_max {
            self.too_long(start, judge)
        } else {
            self.ends.truncate(self.cut.ends_len);
            // INVARIANT: csv-core only leaves out ASCII characters of what was UTF-8.
            let text = output
                .get(..self.cut.output_len)
                .and_then(|bytes| std::str::from_utf8(bytes).ok())
                .unwrap_or_default();
            match &self.header {
                None => self.header_row(text, 0),
                Some((columns, width)) => {
                    let fields = Fields {
                        text,
                        ends: &self.ends,
                        gap: 0,
                    };
                    judge_record(&fields, columns, *width, start, true, judge);
                    Ok(())
                }
            }
        };
        self.cut.output = output;
        if self.cut.output.len() > OUTPUT_BYTES_KEPT {
            self.cut.output = vec![0; OUTPUT_BYTES_START];
        }
        self.cut.started = false;
        self.cut.output_len = 0;
        self.cut.ends_len = 0;
        self.cut.taken = 0;
        self.cut.too_long = false;
        done
    }

    fn too_long(&self, line: u64, judge: &mut Judge) -> Result<(), Unreadable> {
        if self.header.is_none() {
            return Err(Unreadable::RecordTooLong { line });
        }
        judge.reject(line, None, RejectCode::RecordTooLong);
        Ok(())
    }

    fn header_row(&mut self, text: &str, gap: usize) -> Result<(), Unreadable> {
        let fields = Fields {
            text,
            ends: &self.ends,
            gap,
        };
        let headers = (0..fields.ends.len()).map(|column| fields.field(column));
        let columns = self.names.columns(headers)?;
        self.header = Some((columns, fields.ends.len()));
        Ok(())
    }
}

/// The fields of one record: a text and where each field ends in it, with `gap` bytes between two of them.
struct Fields<'a> {
    text: &'a str,
    ends: &'a [usize],
    gap: usize,
}

impl<'a> Fields<'a> {
    fn field(&self, column: usize) -> &'a str {
        let start = match column.checked_sub(1) {
            None => 0,
            Some(before) => self.ends.get(before).map_or(0, |end| end + self.gap),
        };
        let end = self.ends.get(column).copied().unwrap_or(start);
        self.text.get(start..end).unwrap_or_default()
    }
}

fn judge_record(
    fields: &Fields<'_>,
    columns: &[Option<usize>],
    width: usize,
    line: u64,
    may_hold_nul: bool,
    judge: &mut Judge,
) {
    if fields.ends.len() != width {
        judge.reject(line, None, RejectCode::ColumnCount);
        return;
    }
    judge.record(line, |slot| match columns.get(slot) {
        Some(Some(column)) => {
            let text = fields.field(*column);
            if may_hold_nul && text.contains('\0') {
                Sent::Bad(RejectCode::NulCharacter)
            } else {
                Sent::Text(text)
            }
        }
        _ => Sent::Missing,
    });
}

/// The first line and what follows its line end, when it ends in this text and holds no quote.
fn plain_line(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let end = memchr::memchr3(b'\n', b'\r', b'"', bytes)?;
    if bytes.get(end) == Some(&b'"') {
        return None;
    }
    // The line end stays: skipping blank lines takes it and counts it.
    Some((text.get(..end)?, text.get(end..)?))
}

/// A typical record fits.
const OUTPUT_BYTES_START: usize = 4096;

/// A buffer that one long record has made larger than this is given back.
const OUTPUT_BYTES_KEPT: usize = 64 * 1024;

/// Room for ends before each step of csv-core.
const ENDS_SPARE: usize = 256;

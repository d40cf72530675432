//! Lines of fields at byte positions → records.
//!
//! Takes the bytes of the file as they are, cut anywhere; gives each line's fields to the judge. Positions count bytes of the encoded line, so
//! lines are split and cut before they are decoded: no byte of a GB18030 character is a line feed. A record is a reject when its line is
//! shorter or longer than the columns, when a column would cut a character in two, and when a wanted field cannot be decoded. Refuses a
//! line without end, a file whose first bytes are in another charset, columns that lack a required field, and a trailer that does not hold.

use std::ops::Range;
use std::sync::Arc;

use encoding_rs::{DecoderResult, GB18030};

use super::form::ByteForm;
use super::header::{Names, Placed};
use super::judge::Judge;
use super::sent::Sent;
use super::trailer::Tally;
use super::{DecodeLimits, SEARCH_FACTOR, Unreadable, secrecy};
use crate::layout::{Encoding, Fixed, Span};
use crate::reject::RejectCode;
use crate::transcode::{Doubt, HEAD_BYTES, check_head, not_gb18030};
use crate::value;

/// The splitter and what it carries from frame to frame.
pub(crate) struct Positions {
    form: Arc<Fixed>,
    encoding: Encoding,
    /// Of what is called GB18030: whether it is.
    doubt: Doubt,
    names: Names,
    /// The column of each wanted field.
    columns: Result<Placed, Unreadable>,
    tally: Option<Tally>,
    limits: DecodeLimits,
    /// The first bytes, until there are enough to see what the file is.
    head: Option<Vec<u8>>,
    /// Line at hand, 1-based, and bytes of the file before it.
    line: u64,
    offset: u64,
    /// The start of a line that the last frame cut off.
    cut: Vec<u8>,
    /// Bytes of that line that were dropped, because it is longer than a record may be.
    dropped: usize,
    texts: Texts,
}

/// The columns of the line at hand, decoded.
#[derive(Default)]
struct Texts {
    text: String,
    /// By column: where its text lies, or the byte of the line that is no character.
    columns: Vec<Result<Range<usize>, usize>>,
}

impl Positions {
    pub(crate) fn new(mut names: Names, form: &Arc<Fixed>, encoding: Encoding, limits: DecodeLimits) -> Self {
        let headers = || form.columns().iter().map(|column| column.name.as_str());
        Self {
            columns: names.columns(headers()),
            tally: form.trailer().map(|trailer| Tally::over(trailer, headers())),
            form: Arc::clone(form),
            encoding,
            doubt: Doubt::default(),
            names,
            limits,
            head: Some(Vec::new()),
            line: 1,
            offset: 0,
            cut: Vec::new(),
            dropped: 0,
            texts: Texts::default(),
        }
    }
}

impl ByteForm for Positions {
    fn bytes(&mut self, bytes: &[u8], judge: &mut Judge) -> Result<(), Unreadable> {
        if let Err(fault) = &self.columns {
            return Err(fault.clone());
        }
        let Some(head) = &mut self.head else {
            return self.lines(bytes, judge);
        };
        head.extend_from_slice(bytes);
        if head.len() < HEAD_BYTES {
            return Ok(());
        }
        self.begin(false, judge)
    }

    fn finish(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        if let Err(fault) = &self.columns {
            return Err(fault.clone());
        }
        self.begin(true, judge)?;
        if !self.cut.is_empty() || self.dropped > 0 {
            self.cut_line(0, judge)?;
        }
        if self.encoding == Encoding::Gb18030 && self.doubt.remains() {
            return Err(not_gb18030());
        }
        match &self.tally {
            Some(tally) => tally.finish(self.line),
            None => Ok(()),
        }
    }

    fn unknown_headers(&self) -> &[String] {
        self.names.unknown()
    }

    fn names(&self) -> Option<&Names> {
        Some(&self.names)
    }
}

impl Positions {
    /// Leaves the head behind, if it was not before. `whole`: it is all of the file.
    fn begin(&mut self, whole: bool, judge: &mut Judge) -> Result<(), Unreadable> {
        let Some(head) = self.head.take() else {
            return Ok(());
        };
        let mark = check_head(head.get(..HEAD_BYTES).unwrap_or(&head), self.encoding, whole)?;
        self.offset = mark as u64;
        self.lines(head.get(mark..).unwrap_or_default(), judge)
    }

    fn lines(&mut self, bytes: &[u8], judge: &mut Judge) -> Result<(), Unreadable> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            if self.cut.is_empty() && self.dropped == 0 {
                self.whole_line(line, line.len() + 1, judge)?;
            } else {
                self.keep(line)?;
                self.cut_line(1, judge)?;
            }
            rest = after.get(1..).unwrap_or_default();
        }
        self.keep(rest)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        if self.dropped == 0 && self.cut.len() + bytes.len() <= self.limits.record_bytes_max.saturating_add(1) {
            // One byte more than a record: a carriage return is no part of it.
            self.cut.extend_from_slice(bytes);
            return Ok(());
        }
        self.dropped += self.cut.len() + bytes.len();
        self.cut = Vec::new();
        if self.dropped > self.limits.record_bytes_max.saturating_mul(SEARCH_FACTOR) {
            return Err(Unreadable::RecordTooLong { line: self.line });
        }
        Ok(())
    }

    fn cut_line(&mut self, line_end: usize, judge: &mut Judge) -> Result<(), Unreadable> {
        if self.dropped > 0 {
            judge.reject(self.line, None, RejectCode::RecordTooLong);
            self.offset += (self.dropped + line_end) as u64;
            self.dropped = 0;
            self.line += 1;
            return Ok(());
        }
        let mut line = std::mem::take(&mut self.cut);
        let done = self.whole_line(&line, line.len() + line_end, judge);
        line.clear();
        self.cut = line;
        done
    }

    /// One line without its line feed; `taken` are its bytes in the file.
    fn whole_line(&mut self, line: &[u8], taken: usize, judge: &mut Judge) -> Result<(), Unreadable> {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if self.encoding == Encoding::Gb18030 && self.doubt.take(line).is_some() {
            return Err(not_gb18030());
        }
        let is_title = self.line <= u64::from(self.form.title_rows);
        if is_title && self.is_marked(text) {
            judge.mark(self.line);
        }
        if text.len() > self.limits.record_bytes_max {
            judge.reject(self.line, None, RejectCode::RecordTooLong);
        } else if !is_title && !text.trim_ascii().is_empty() {
            self.record(text, judge)?;
        }
        self.offset += taken as u64;
        self.line += 1;
        Ok(())
    }

    /// Whether a title bears a secrecy mark.
    fn is_marked(&self, title: &[u8]) -> bool {
        let text = match self.encoding {
            Encoding::Utf8 => String::from_utf8_lossy(title),
            Encoding::Gb18030 => GB18030.decode_without_bom_handling(title).0,
        };
        secrecy::is_mark(&text)
    }

    fn record(&mut self, line: &[u8], judge: &mut Judge) -> Result<(), Unreadable> {
        if self.trailer(line)? {
            return Ok(());
        }
        if let Err(code) = self.fits(line) {
            self.count(|_| "");
            judge.reject(self.line, None, code);
            return Ok(());
        }
        let spans = self.form.columns().iter().map(|column| column.span);
        self.texts.read(line, spans, self.encoding);
        let texts = std::mem::take(&mut self.texts);
        self.count(|column| texts.get(column).unwrap_or_default());
        let none = Placed::default();
        let columns = self.columns.as_ref().unwrap_or(&none);
        let offset = self.offset;
        let says = |column| !matches!(texts.get(column), Ok(text) if value::says_nothing(text));
        judge.record(self.line, |slot| match columns.of(slot, says) {
            Some(column) => match texts.get(column) {
                Ok(text) if text.contains('\0') => Sent::Bad(RejectCode::NulCharacter),
                Ok(text) => Sent::Text(text),
                Err(at) => Sent::Undecodable(offset + at as u64),
            },
            None => Sent::Missing,
        });
        self.texts = texts;
        Ok(())
    }

    fn count<'a>(&mut self, text: impl Fn(usize) -> &'a str) {
        if let Some(tally) = &mut self.tally {
            tally.add(text);
        }
    }

    /// Whether the line is the trailer, which then holds.
    fn trailer(&mut self, line: &[u8]) -> Result<bool, Unreadable> {
        let (Some(trailer), Some(tally)) = (self.form.trailer(), &mut self.tally) else {
            return Ok(false);
        };
        // The mark is compared as bytes of the file.
        let mark = match self.encoding {
            Encoding::Utf8 => trailer.mark.as_bytes().into(),
            Encoding::Gb18030 => GB18030.encode(&trailer.mark).0,
        };
        let first = if line.starts_with(&mark) {
            trailer.mark.as_str()
        } else {
            ""
        };
        if !tally.is_trailer(&trailer.mark, first, self.line)? {
            return Ok(false);
        }
        let stated = |span: &Span| {
            let bytes = line.get(span.start..span.end().min(line.len())).unwrap_or_default();
            std::str::from_utf8(bytes).unwrap_or_default()
        };
        tally.check(trailer, stated, self.line).map(|()| true)
    }

    /// Whether the line is as long as the columns and no column cuts a character.
    fn fits(&self, line: &[u8]) -> Result<(), RejectCode> {
        let width = self.form.width();
        let beyond = line.get(width..).unwrap_or_default();
        if (line.len() < width && !self.form.cut_blanks) || !beyond.trim_ascii().is_empty() {
            return Err(RejectCode::WrongWidth);
        }
        if line.is_ascii() {
            return Ok(());
        }
        let cuts = self
            .form
            .columns()
            .iter()
            .flat_map(|column| [column.span.start, column.span.end()]);
        let mut at = 0;
        for cut in cuts {
            while at < cut && at < line.len() {
                at += letter_len(line.get(at..).unwrap_or_default(), self.encoding);
            }
            if at > cut {
                return Err(RejectCode::CutCharacter);
            }
        }
        Ok(())
    }
}

/// Bytes of the character at the start; 1 where there is none.
fn letter_len(bytes: &[u8], encoding: Encoding) -> usize {
    match encoding {
        Encoding::Gb18030 => match bytes {
            [0x81..=0xfe, b'0'..=b'9', 0x81..=0xfe, b'0'..=b'9', ..] => 4,
            [0x81..=0xfe, 0x40..=0x7e | 0x80..=0xfe, ..] => 2,
            _ => 1,
        },
        Encoding::Utf8 => {
            let first = bytes.get(..4).unwrap_or(bytes).utf8_chunks().next();
            first
                .and_then(|chunk| chunk.valid().chars().next())
                .map_or(1, char::len_utf8)
        }
    }
}

impl Texts {
    fn read(&mut self, line: &[u8], spans: impl Iterator<Item = Span>, encoding: Encoding) {
        self.text.clear();
        self.columns.clear();
        for span in spans {
            let end = span.end().min(line.len());
            let bytes = line.get(span.start..end).unwrap_or_default();
            let start = self.text.len();
            let read = match encoding {
                Encoding::Utf8 => std::str::from_utf8(bytes)
                    .map(|text| self.text.push_str(text))
                    .map_err(|error| span.start + error.valid_up_to()),
                Encoding::Gb18030 => gb18030(bytes, &mut self.text).map_err(|at| span.start + at),
            };
            self.columns.push(read.map(|()| start..self.text.len()));
        }
    }

    /// The text of a column without the blanks that fill it, or the byte of the line that is no character.
    fn get(&self, column: usize) -> Result<&str, usize> {
        match self.columns.get(column) {
            Some(Ok(range)) => Ok(self.text.get(range.clone()).unwrap_or_default()),
            Some(Err(at)) => Err(*at),
            None => Ok(""),
        }
    }
}

/// Adds the text of the bytes; the first byte that is no character on failure.
fn gb18030(bytes: &[u8], text: &mut String) -> Result<(), usize> {
    if let Ok(ascii) = std::str::from_utf8(bytes)
        && ascii.is_ascii()
    {
        text.push_str(ascii);
        return Ok(());
    }
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    text.reserve(
        decoder
            .max_utf8_buffer_length_without_replacement(bytes.len())
            .unwrap_or(0),
    );
    let (result, read) = decoder.decode_to_string_without_replacement(bytes, text, true);
    match result {
        DecoderResult::Malformed(bad, after) => Err(read.saturating_sub(usize::from(bad) + usize::from(after))),
        DecoderResult::InputEmpty | DecoderResult::OutputFull => Ok(()),
    }
}

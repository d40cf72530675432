//! Delimited text → records, one after another.
//!
//! Takes UTF-8 text cut between any two characters; gives each record's fields to the judge. The first record that names a field is the header
//! row, unless the columns are stated; what stands above is titles (`titles`), and rows of sums below are no records. A line that holds no quote is split where it lies; everything else (a quoted field, a record cut by the end of a
//! frame) is put together first. Line ends are `\n`, `\r\n` or `\r`; blank lines are skipped, and so are lines of nothing but delimiters. A record with another number of fields than
//! there are columns is a reject, and so is an undecodable byte in a wanted field. A quoted record of several lines that does not end, is too
//! long, has another number of fields or goes on behind a closing quote is none: a quote in it was never closed. It is read again line by line
//! (`quoting`), so that one stray quote never costs another row. Refuses a bad header row, a line without end and a trailer that does not hold.

mod cut;
mod fields;
mod lines;
mod quoting;
mod titles;

use std::sync::Arc;

use self::cut::Cut;
use self::fields::{Fields, Mark, split};
use self::titles::Titles;
use super::form::{PassedOver, TextForm, Undecodable};
use super::header::{Names, Placed, Source};
use super::judge::Judge;
use super::sent::{Sends, Sent};
use super::sheet::{is_figure, is_label, telling};
use super::trailer::Tally;
use super::{DecodeLimits, SEARCH_FACTOR, Unreadable, secrecy};
use crate::layout;
use crate::reject::RejectCode;
use crate::value;

pub use self::lines::{RecordLines, Together};

/// The splitter and what it carries from frame to frame.
pub(crate) struct Delimited {
    delimiter: &'static str,
    /// Whether `"` quotes.
    quotes: bool,
    names: Names,
    /// The column of each wanted field and the number of columns; none before the header row.
    header: Option<(Placed, usize)>,
    /// What is wrong with the stated columns.
    fault: Option<Unreadable>,
    trailer: Option<(Arc<layout::Trailer<usize>>, Tally)>,
    /// Lines of a title still to come as stated, and the text of the one at hand.
    stated_titles: (u32, String),
    /// Rows above the header row.
    titles: Titles,
    /// Columns of required fields, or all that are read where none is required: what stands in one is no footer.
    telling: Vec<usize>,
    footers: u64,
    limits: DecodeLimits,
    /// Line of the next character, 1-based.
    line: u64,
    /// Ends of the fields of the record at hand.
    ends: Vec<usize>,
    cut: Cut,
}

impl Delimited {
    pub(crate) fn new(mut names: Names, form: &layout::Delimited, limits: DecodeLimits) -> Self {
        let delimiter = form.delimiter.text();
        let stated = form.columns.as_deref().map(|columns| {
            let placed = names.columns(columns.iter().map(String::as_str));
            placed.map(|placed| (placed, columns.len()))
        });
        let (header, fault) = match stated.transpose() {
            Ok(header) => (header, None),
            Err(fault) => (None, Some(fault)),
        };
        let trailer = form.trailer.clone().map(|trailer| (trailer, Tally::default()));
        let mut splitter = Self {
            delimiter,
            // The reader behind quoted fields knows delimiters of one byte.
            quotes: form.quotes && delimiter.len() == 1,
            names,
            header: None,
            fault,
            trailer,
            stated_titles: (form.title_rows, String::new()),
            titles: Titles::default(),
            telling: Vec::new(),
            footers: 0,
            limits,
            line: 1,
            ends: vec![0; 64],
            cut: Cut::default(),
        };
        if let (Some(header), Some(columns)) = (header, form.columns.as_deref()) {
            splitter.begin(header, columns.iter().map(String::as_str));
        }
        splitter
    }

    /// The columns are known: records follow.
    fn begin<'a>(&mut self, header: (Placed, usize), columns: impl Iterator<Item = &'a str> + Clone) {
        if let Some((trailer, tally)) = &mut self.trailer {
            *tally = Tally::over(trailer, columns);
        }
        let tells = telling(&self.names.fields());
        let first = tells.iter().zip(header.0.first());
        let first = first.filter_map(|(tells, column)| column.filter(|_| *tells));
        let further = header.0.further().iter();
        let further = further.filter(|(place, _)| tells.get(*place) == Some(&true));
        self.telling = first
            .chain(further.flat_map(|(_, columns)| columns.iter().copied()))
            .collect();
        self.header = Some(header);
    }
}

impl TextForm for Delimited {
    fn text(&mut self, text: &str, judge: &mut Judge) -> Result<(), Unreadable> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let rest = self.skip_titles(text, judge)?;
        self.records(rest, judge)
    }

    fn undecodable(&mut self, at: Undecodable, judge: &mut Judge) -> Result<(), Unreadable> {
        if self.header.is_none() || self.stated_titles.0 > 0 {
            return Err(at.into());
        }
        self.no_character(at.offset, judge)
    }

    /// Ends the last record, which may lack its line end.
    fn finish(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        // What is read again line by line may leave its last line at hand.
        while self.cut.started {
            self.end(judge)?;
        }
        if self.header.is_none() {
            self.titles.end(&mut self.names)?;
        }
        match &self.trailer {
            Some((_, tally)) => tally.finish(self.line),
            None => Ok(()),
        }
    }

    fn passed_over(&self) -> PassedOver {
        PassedOver {
            footers: self.footers,
            ..PassedOver::default()
        }
    }

    fn unknown_headers(&self) -> &[String] {
        self.names.unknown()
    }

    fn names(&self) -> Option<&Names> {
        Some(&self.names)
    }
}

impl Delimited {
    /// Takes text below the titles.
    fn records(&mut self, text: &str, judge: &mut Judge) -> Result<(), Unreadable> {
        let may_hold_nul = memchr::memchr(0, text.as_bytes()).is_some();
        let mut rest = text;
        while !rest.is_empty() {
            if self.cut.started {
                rest = self.cut(rest, judge)?;
                continue;
            }
            rest = self.skip_blank_lines(rest);
            match plain_line(rest, self.quotes) {
                Some((line, after)) => {
                    self.plain(line, may_hold_nul, judge)?;
                    rest = after;
                }
                None if rest.is_empty() => {}
                None => self.cut.start(self.line),
            }
        }
        Ok(())
    }

    /// Takes bytes of the file that are no character.
    fn no_character(&mut self, offset: u64, judge: &mut Judge) -> Result<(), Unreadable> {
        if !self.cut.started {
            self.cut.start(self.line);
        }
        // No quote, delimiter or line end, so the record goes on as if a character stood there; it never reaches a column.
        let mut room = [0; 4];
        let stand_in = char::REPLACEMENT_CHARACTER.encode_utf8(&mut room);
        if self.quotes && !self.cut.is_by_line() && self.cut.room(stand_in, self.limits).is_empty() {
            self.again_from_the_end(judge)?;
            return self.no_character(offset, judge);
        }
        self.cut.mark(offset);
        self.cut(stand_in, judge)?;
        Ok(())
    }

    fn skip_titles<'a>(&mut self, text: &'a str, judge: &mut Judge) -> Result<&'a str, Unreadable> {
        let mut rest = text;
        while self.stated_titles.0 > 0 {
            let (line, after) = match rest.split_once('\n') {
                Some(split) => split,
                None => (rest, ""),
            };
            let title = &mut self.stated_titles.1;
            if title.len() + line.len() > self.limits.record_bytes_max {
                return Err(Unreadable::RecordTooLong { line: self.line });
            }
            title.push_str(line);
            if line.len() == rest.len() {
                return Ok("");
            }
            if secrecy::in_row(title.split(self.delimiter).map(|cell| cell.trim_matches(['"', '\r']))) {
                judge.mark(self.line);
            }
            title.clear();
            self.stated_titles.0 -= 1;
            self.line += 1;
            rest = after;
        }
        Ok(rest)
    }

    fn skip_blank_lines<'a>(&mut self, text: &'a str) -> &'a str {
        let mut skipped = 0;
        for byte in text.bytes().take_while(|byte| matches!(byte, b'\r' | b'\n')) {
            self.line += u64::from(byte == b'\n');
            skipped += 1;
        }
        text.get(skipped..).unwrap_or_default()
    }

    /// A record that lies in one piece and holds no quote.
    fn plain(&mut self, line: &str, may_hold_nul: bool, judge: &mut Judge) -> Result<(), Unreadable> {
        let start = self.line;
        if line.len() > self.limits.record_bytes_max {
            return self.too_long(start, judge);
        }
        split(line, self.delimiter, &mut self.ends);
        let ends = std::mem::take(&mut self.ends);
        let fields = Fields::new(line, &ends, self.delimiter.len());
        let done = self.record(&fields, start, may_hold_nul, judge);
        self.ends = ends;
        done
    }

    /// Takes text up to the end of the record at hand; gives what is left.
    fn cut<'a>(&mut self, text: &'a str, judge: &mut Judge) -> Result<&'a str, Unreadable> {
        let quoted = self.quotes && !self.cut.is_by_line();
        let piece = if quoted { self.cut.room(text, self.limits) } else { text };
        if piece.is_empty() {
            self.again_from_the_end(judge)?;
            return Ok(text);
        }
        let (taken, ended) = self
            .cut
            .take(piece, &mut self.ends, self.delimiter, self.quotes, self.limits);
        let (read, rest) = text.split_at_checked(taken).unwrap_or((text, ""));
        self.line += line_ends(read);
        if ended {
            self.cut_record(read, judge)?;
        } else if quoted {
            self.cut.keep(read);
        } else if self.cut.taken() > self.limits.record_bytes_max.saturating_mul(SEARCH_FACTOR) {
            return Err(Unreadable::RecordTooLong { line: self.cut.line });
        }
        Ok(rest)
    }

    /// Nothing follows: ends the record at hand.
    fn end(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        let quoted = self.quotes && !self.cut.is_by_line();
        let open = quoted && quoting::of(self.cut.sent(""), self.delimiter).is_open();
        if open || self.cut.sent("").len() > self.limits.record_bytes_max {
            return self.again_to_the_end(judge);
        }
        if self.cut.finish(&mut self.ends, self.delimiter, self.quotes) {
            self.cut_record("", judge)
        } else {
            self.cut.clear();
            Ok(())
        }
    }

    /// The record that was put together; `last` is its text that was not kept.
    fn cut_record(&mut self, last: &str, judge: &mut Judge) -> Result<(), Unreadable> {
        let mut cut = std::mem::take(&mut self.cut);
        let ends = std::mem::take(&mut self.ends);
        let by_line = cut.is_by_line();
        let done = if !self.quotes || by_line {
            match cut.record(self.limits) {
                None => self.too_long(cut.line, judge),
                Some(text) if by_line => self.line_of_its_own(text, cut.marks(), cut.line, judge),
                Some(text) => {
                    let fields = Fields::new(text, &ends, self.delimiter.len()).marked(cut.marks());
                    self.record(&fields, cut.line, true, judge)
                }
            }
        } else if let Some(scan) = self.torn(cut.sent(last), ends.len()) {
            cut.keep_whole(last);
            self.ends = ends;
            self.cut = cut;
            // Where the quotes are paired, the last line only ends what the first began.
            return if scan.is_joint() {
                self.again(judge)
            } else {
                self.again_to_the_end(judge)
            };
        } else {
            match cut.record(self.limits) {
                None => self.too_long(cut.line, judge),
                Some(text) => {
                    let fields = Fields::new(text, &ends, 0).marked(cut.marks());
                    self.record(&fields, cut.line, true, judge)
                }
            }
        };
        self.ends = ends;
        cut.clear();
        self.cut = cut;
        done
    }

    /// How the fields of a quoted record end that is none: it has several lines, and another number of fields or a quote that closes inside of a
    /// field.
    fn torn(&self, sent: &str, fields: usize) -> Option<quoting::Scan> {
        let inner = sent.trim_end_matches(['\r', '\n']);
        memchr::memchr2(b'\n', b'\r', inner.as_bytes())?;
        let width = self.header.as_ref().map(|(_, width)| *width);
        let scan = quoting::of(sent, self.delimiter);
        (scan.is_torn() || scan.is_open() || width.is_some_and(|width| width != fields)).then_some(scan)
    }

    /// Reads the record at hand again, each line by itself but the last, in which what follows may go on.
    fn again(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        let first = self.cut.line;
        let (sent, marks) = self.cut.take_sent();
        let last = quoting::last_line(&sent);
        self.lines(&sent, &marks, 0..last, first, judge)?;
        self.line = first + line_ends(sent.get(..last).unwrap_or_default());
        if last == 0 {
            self.cut.start_line(first);
        }
        let mut from = last;
        for mark in marks.iter().filter(|mark| mark.at >= last) {
            self.records(sent.get(from..mark.at).unwrap_or_default(), judge)?;
            self.no_character(mark.offset, judge)?;
            from = mark.at + char::REPLACEMENT_CHARACTER.len_utf8();
        }
        self.records(sent.get(from..).unwrap_or_default(), judge)
    }

    /// The same of a record that is longer than any: where it has come to the end of a line, that line is whole too.
    fn again_from_the_end(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        if self.cut.sent("").ends_with(['\r', '\n']) {
            self.again_to_the_end(judge)
        } else {
            self.again(judge)
        }
    }

    /// The same with nothing to follow.
    fn again_to_the_end(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        let first = self.cut.line;
        let (sent, marks) = self.cut.take_sent();
        self.lines(&sent, &marks, 0..sent.len(), first, judge)
    }

    /// Reads these bytes of what was sent, each line by itself.
    fn lines(
        &mut self,
        sent: &str,
        marks: &[Mark],
        within: std::ops::Range<usize>,
        first: u64,
        judge: &mut Judge,
    ) -> Result<(), Unreadable> {
        let mut line = first;
        let mut marks = marks.iter().peekable();
        let mut start = 0;
        for piece in sent.get(within).unwrap_or_default().split_inclusive(['\r', '\n']) {
            let text = piece.trim_end_matches(['\r', '\n']);
            let mut of_line = Vec::new();
            while let Some(mark) = marks.next_if(|mark| mark.at < start + piece.len()) {
                of_line.push(Mark {
                    at: mark.at - start,
                    offset: mark.offset,
                });
            }
            if !text.is_empty() {
                self.line_of_its_own(text, &of_line, line, judge)?;
            }
            line += line_ends(piece);
            start += piece.len();
        }
        Ok(())
    }

    /// A line in which a quote quotes only when it is closed in it.
    fn line_of_its_own(&mut self, text: &str, marks: &[Mark], line: u64, judge: &mut Judge) -> Result<(), Unreadable> {
        if text.len() > self.limits.record_bytes_max {
            return self.too_long(line, judge);
        }
        let unquoted = quoting::unquoted(text, marks, self.delimiter);
        let fields = Fields::new(&unquoted.text, &unquoted.ends, 0).marked(&unquoted.marks);
        self.record(&fields, line, true, judge)
    }

    fn too_long(&self, line: u64, judge: &mut Judge) -> Result<(), Unreadable> {
        if self.header.is_none() {
            return Err(Unreadable::RecordTooLong { line });
        }
        judge.reject(line, None, RejectCode::RecordTooLong);
        Ok(())
    }

    /// Whether no column that tells a record holds anything but such a label or a figure.
    fn is_footer(&self, fields: &Fields<'_>) -> bool {
        let says_nothing = |text: &str| text.trim().is_empty() || is_label(text) || is_figure(text);
        self.telling.iter().all(|column| says_nothing(fields.field(*column)))
    }

    /// One whole record: the header row or a title above it, the trailer, a footer, or one for the judge.
    fn record(
        &mut self,
        fields: &Fields<'_>,
        line: u64,
        may_hold_nul: bool,
        judge: &mut Judge,
    ) -> Result<(), Unreadable> {
        if self.header.is_none() {
            if self.titles.take(fields, line, &mut self.names, judge)? {
                return Ok(());
            }
            let placed = self.names.columns(fields.iter())?;
            self.begin((placed, fields.len()), fields.iter());
            return Ok(());
        }
        if let Some((trailer, tally)) = &mut self.trailer
            && tally.is_trailer(&trailer.mark, fields.field(0), line)?
        {
            let stated = |at: &usize| fields.field(*at);
            return tally.check(trailer, stated, line);
        }
        // Nothing that is no record begins with a digit, and nearly every record does.
        if !begins_with_digit(fields) && self.is_none(fields, line, judge) {
            return Ok(());
        }
        if let Some((_, tally)) = &mut self.trailer {
            tally.add(|column| plain(fields.field(column)));
        }
        if let Some((columns, width)) = &self.header {
            judge_record(fields, columns, *width, line, may_hold_nul, judge);
        }
        Ok(())
    }

    /// Whether a row is blank or a footer, or notes the mark that it bears.
    fn is_none(&mut self, fields: &Fields<'_>, line: u64, judge: &mut Judge) -> bool {
        // Spreadsheets write a blank row as its delimiters: it is a blank line.
        let Some(first) = fields.iter().find(|field| !field.trim().is_empty()) else {
            return true;
        };
        if secrecy::is_bare_mark(first) {
            judge.mark(line);
        }
        let is_footer = is_label(first) && self.is_footer(fields);
        if is_footer {
            if secrecy::in_row(fields.iter()) {
                judge.mark(line);
            }
            self.footers += 1;
        }
        is_footer
    }
}

fn begins_with_digit(fields: &Fields<'_>) -> bool {
    matches!(fields.field(0).as_bytes(), [b'0'..=b'9', ..])
}

/// A text as spreadsheets keep it from becoming a number: `="3207"`.
#[inline]
fn plain(field: &str) -> &str {
    if field.as_bytes().first() == Some(&b'=') {
        unmarked(field)
    } else {
        field
    }
}

/// By itself: hardly a field begins so, and it is asked of every one.
#[cold]
fn unmarked(field: &str) -> &str {
    let inner = || field.strip_prefix("=\"")?.trim_end().strip_suffix('"');
    inner().unwrap_or(field)
}

fn judge_record(fields: &Fields<'_>, columns: &Placed, width: usize, line: u64, may_hold_nul: bool, judge: &mut Judge) {
    if fields.len() != width {
        judge.reject(line, None, RejectCode::ColumnCount);
        return;
    }
    let clean = !may_hold_nul && !fields.has_marks();
    judge.record_of(line, &Read { fields, columns, clean });
}

/// A record with what its columns are read into.
struct Read<'f, 'a> {
    fields: &'f Fields<'a>,
    columns: &'f Placed,
    /// No character of it stands for something else.
    clean: bool,
}

impl<'a> Sends<'a> for Read<'_, 'a> {
    #[expect(clippy::inline_always, reason = "one call a value is what this saves")]
    #[inline(always)]
    fn sent(&self, place: usize) -> Sent<'a> {
        match self.columns.source(place) {
            Source::Column(column) if self.clean => Sent::Text(plain(self.fields.field(column))),
            Source::Nothing => Sent::Missing,
            Source::Column(_) | Source::Several => doubtful(self.fields, self.columns, place),
        }
    }
}

/// What a place says that is read from several columns, or in which something may be no character of a value.
#[inline(never)]
fn doubtful<'a>(fields: &Fields<'a>, columns: &Placed, place: usize) -> Sent<'a> {
    let says = |column| fields.undecodable(column).is_some() || !value::says_nothing(fields.field(column));
    let Some(column) = columns.of(place, says) else {
        return Sent::Missing;
    };
    let text = fields.field(column);
    if let Some(offset) = fields.undecodable(column) {
        Sent::Undecodable(offset)
    } else if text.contains('\0') {
        Sent::Bad(RejectCode::NulCharacter)
    } else {
        Sent::Text(plain(text))
    }
}

fn line_ends(text: &str) -> u64 {
    memchr::memchr_iter(b'\n', text.as_bytes()).count() as u64
}

/// The first line and what follows its line end, when it ends in this text and holds no quote that quotes.
fn plain_line(text: &str, quotes: bool) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let end = if quotes {
        memchr::memchr3(b'\n', b'\r', b'"', bytes)?
    } else {
        memchr::memchr2(b'\n', b'\r', bytes)?
    };
    if quotes && bytes.get(end) == Some(&b'"') {
        return None;
    }
    // The line end stays: skipping blank lines takes it and counts it.
    Some((text.get(..end)?, text.get(end..)?))
}

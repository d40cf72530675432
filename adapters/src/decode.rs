//! A feed's bytes → columns and rejects: a push parser with memory bounded by one part and one record.
//!
//! Takes frames of any size, cut anywhere; gives parts of exactly `part_rows` valid records, the rest at the end, and for each bad
//! record one reject with row, line, field and code, never a value. Refuses, as [`Unreadable`], only what cannot be read as a whole:
//! a wrong charset, a header row that lacks what is needed, a record without end. The order is transcode → split into records → judge
//! each wanted field → append; fields that are not wanted are never parsed and cannot reject.

mod card;
mod dbf;
mod delimited;
mod envelope;
mod fault;
mod fixed;
mod form;
mod header;
mod json;
mod judge;
mod markup;
mod ndjson;
mod page;
mod place;
pub(crate) mod row_id;
mod secrecy;
mod sent;
mod sheet;
mod spread;
mod stated;
mod trailer;
mod whose;
mod workbook;
mod xls;
mod xlsx;
mod xml;

use std::collections::BTreeMap;

use arrow_array::RecordBatch;

pub use self::delimited::{RecordLines, Together};
pub use self::fault::FileFault;
use self::form::Form;
pub(crate) use self::form::Undecodable;
pub use self::form::{Ended, PassedOver};
use self::header::Names;
pub use self::header::UnreadName;
pub(crate) use self::header::fold as fold_header;
#[cfg(test)]
pub(crate) use self::header::own_headers;
use self::judge::Judge;
pub use self::page::{Page, PageFault, Shown, ShownRow};
#[cfg(test)]
pub(crate) use self::secrecy::HEADERS as SECRECY_HEADERS;
pub use self::sheet::cell_name;
pub use self::trailer::TrailerFault;
use crate::catalogue::RecordType;
use crate::inflate::InflateFault;
use crate::layout::{Encoding, Layout};
use crate::operation::Intent;
use crate::reject::{Reject, RejectCode};

/// What one record and one part may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Rows in a part; at least 1.
    pub part_rows: usize,
    /// UTF-8 bytes of a record; a longer one is a reject while its end is found within sixteen times as many.
    pub record_bytes_max: usize,
    /// UTF-8 bytes of a wanted field; a longer one rejects its record.
    pub field_bytes_max: usize,
    /// Bytes of a document that comes compressed inside another.
    pub unpacked_bytes_max: u64,
    /// Rejects kept for [`Decoder::take_rejects`]; further ones are counted only.
    pub rejects_kept_max: usize,
    /// Bytes of a workbook, which is held in memory.
    pub workbook_bytes_max: usize,
    /// Parts of a workbook of XLSX.
    pub workbook_parts_max: usize,
    /// Sheets of a workbook of either form: those that are not read are looked into as well.
    pub workbook_sheets_max: usize,
    /// Rows of one sheet, below its stated titles, in which a header is looked for.
    pub header_search_rows_max: usize,
    /// Bytes to which all its parts together may unpack.
    pub workbook_unpacked_bytes_max: u64,
    /// How many times its packed size a part above 1 MiB may unpack to.
    pub workbook_ratio_max: u64,
    /// Bytes of the texts that a workbook keeps beside its cells, which are held in memory.
    pub workbook_text_bytes_max: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            part_rows: 8192,
            record_bytes_max: 1 << 20,
            field_bytes_max: 64 << 10,
            unpacked_bytes_max: 4 << 30,
            rejects_kept_max: 10_000,
            workbook_bytes_max: 64 << 20,
            workbook_parts_max: 1000,
            workbook_sheets_max: 256,
            header_search_rows_max: 10_000,
            workbook_unpacked_bytes_max: 1 << 30,
            workbook_ratio_max: 100,
            workbook_text_bytes_max: 64 << 20,
        }
    }
}

/// How many records there were, and what became of them; `received = accepted + rejected + repeated + history`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Data rows found, blank lines and the header row not counted: what a sender counts.
    pub rows: u64,
    /// Those of them that say nothing but a sum, which are no records: a sender may count them or not.
    pub sums: u64,
    /// Records in them: as many, but a row that is unfolded counts once for each record in it, one at least
    /// ([`crate::catalogue::Unfold`]).
    pub received: u64,
    /// Records in parts.
    pub accepted: u64,
    /// Records with a reject.
    pub rejected: u64,
    /// Records equal to an earlier one of the same part in every wanted field, dropped.
    pub repeated: u64,
    /// Valid records that say of themselves that they are history ([`RecordType::history`]), dropped: later in the file, one would take the place of the
    /// record as it is now.
    pub history: u64,
    /// Rejects by code.
    pub by_code: BTreeMap<RejectCode, u64>,
    /// Rejects by code and field; no field when the record as a whole is at fault.
    pub by_field: BTreeMap<(RejectCode, Option<&'static str>), u64>,
}

impl Counts {
    /// Whether a sender who states so many rows means those that were found.
    pub fn fits(&self, stated: u64) -> bool {
        stated == self.rows || stated == self.rows - self.sums
    }
}

/// Why a batch as a whole cannot be read. Positions and names of our own fields only, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A workbook or table that is damaged, too large, protected, or of another form.
    #[error(transparent)]
    File(#[from] FileFault),
    /// A byte sequence that the charset does not have which is declared, or which the first bytes show, where it is not sure to which record it belongs.
    #[error("byte {offset} (line {line}) is no character of the charset that it is read in")]
    BadEncoding {
        /// Bytes before it.
        offset: u64,
        /// 1-based.
        line: u64,
    },
    /// The file shows another charset than the declared one, or one that is not read.
    #[error("{}by its {by} it is {found}", declared_as(*declared))]
    WrongCharset {
        /// `utf-8` or `gb18030`; none where nobody declared any.
        declared: Option<&'static str>,
        /// `utf-8`, `utf-16`, `gb18030` or `another charset`.
        found: &'static str,
        /// What shows it: `byte order mark`, `first bytes`, `bytes so far` or `XML declaration`.
        by: &'static str,
    },
    /// Nobody stated the charset, and the bytes are a text in either.
    #[error("no charset is stated, and its bytes could be utf-8 and gb18030 alike")]
    CharsetUnclear,
    /// The last line does not say what the file holds.
    #[error("the trailer (line {line}): {why}")]
    WrongTrailer {
        /// 1-based.
        line: u64,
        /// What does not hold.
        why: TrailerFault,
    },
    /// The header row lacks required wanted fields, or has one name twice.
    #[error("header row: {}", lacking(missing, twice))]
    BadHeaderRow {
        /// Required wanted fields without a header.
        missing: Vec<&'static str>,
        /// Known fields of which one name stands twice.
        twice: Vec<&'static str>,
    },
    /// A header may stand for something else than it would be taken for.
    #[error("header row: {0}")]
    DoubtfulHeader(#[from] HeaderDoubt),
    /// A record whose end does not come within sixteen times the size that a record may have, or a header row that is too long.
    #[error("the record that starts on line {line} does not end")]
    RecordTooLong {
        /// 1-based.
        line: u64,
    },
    /// Outside of records, things are nested deeper than anybody's envelope.
    #[error("line {line} is nested too deeply")]
    TooDeep {
        /// 1-based.
        line: u64,
    },
    /// Compressed content does not unpack, or unpacks too far.
    #[error("compressed content: {0}")]
    Compressed(InflateFault),
    /// A delta of which no row says what it is about.
    #[error("no row says insert, update or delete")]
    NoOperation,
    /// A row of a batch that is no delta says that its record is gone.
    #[error("the row that starts on line {line} deletes its record, and the batch is no delta")]
    DeleteOutsideDelta {
        /// 1-based.
        line: u64,
    },
    /// A row says something else than its sender stated of the whole file.
    #[error("the row that starts on line {line} says another `{field}` than was stated of the file")]
    Contradicted {
        /// The field of ours.
        field: &'static str,
        /// 1-based.
        line: u64,
    },
    /// A row, or something around the rows, bears a secrecy mark: nothing of such a file may be taken.
    #[error("what starts on line {line} bears a secrecy mark")]
    SecrecyMark {
        /// 1-based.
        line: u64,
    },
    /// The answer of a platform that says of itself that it failed.
    #[error("line {line} says that the request to the platform failed")]
    FailedAnswer {
        /// 1-based.
        line: u64,
    },
    /// The first line is no record of this format.
    #[error("line {line} is not {expected}")]
    NotThisFormat {
        /// 1-based.
        line: u64,
        /// What was expected there, e.g. `a JSON object`.
        expected: &'static str,
    },
}

/// What a header leaves open. Fields of ours only: the header itself is among the unknown ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderDoubt {
    /// A person's number stands under a name that says no more, and another under an unknown one.
    #[error("two columns hold numbers of persons, and neither says which is `{field}`")]
    OtherNumber {
        /// The field that the bare name would be.
        field: &'static str,
    },
    /// The same behind a name of somebody else.
    #[error("the column of `{field}` stands behind one about another person, and does not say whose it is")]
    BehindAnother {
        /// The field that the bare name would be.
        field: &'static str,
    },
    /// A column is of a member whom no row may have, so that nobody would read it.
    #[error("a column is of a member of the household beyond the {most} that a row may have")]
    MemberBeyond {
        /// Members that a row may have.
        most: usize,
    },
}

impl HeaderDoubt {
    /// The field that is in doubt, where it is one.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::MemberBeyond { .. } => None,
            Self::OtherNumber { field } | Self::BehindAnother { field } => Some(field),
        }
    }
}

fn declared_as(declared: Option<&str>) -> String {
    declared.map_or_else(String::new, |declared| format!("declared as {declared}, but "))
}

fn lacking(missing: &[&str], twice: &[&str]) -> String {
    let told = [("missing", missing), ("named twice", twice)];
    let told = told.iter().filter(|(_, fields)| !fields.is_empty());
    let told: Vec<String> = told
        .map(|(what, fields)| format!("{what} {}", fields.join(", ")))
        .collect();
    if told.is_empty() {
        return "it names no field".to_owned();
    }
    told.join("; ")
}

impl Unreadable {
    /// Where nobody declared a charset, the same of the bytes alone.
    pub(crate) fn undeclared(self) -> Self {
        match self {
            Self::WrongCharset { found, by, .. } => Self::WrongCharset {
                declared: None,
                found,
                by,
            },
            other => other,
        }
    }

    /// The 1-based line that it concerns, where it concerns one.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::BadEncoding { line, .. }
            | Self::RecordTooLong { line }
            | Self::WrongTrailer { line, .. }
            | Self::TooDeep { line }
            | Self::DeleteOutsideDelta { line }
            | Self::Contradicted { line, .. }
            | Self::SecrecyMark { line }
            | Self::FailedAnswer { line }
            | Self::NotThisFormat { line, .. } => Some(*line),
            Self::BadHeaderRow { .. } | Self::DoubtfulHeader(_) | Self::NoOperation => Some(1),
            Self::WrongCharset { .. } | Self::CharsetUnclear | Self::Compressed(_) | Self::File(_) => None,
        }
    }
}

/// The decoder of one batch. After an [`Unreadable`] it takes nothing more and repeats the error.
pub struct Decoder {
    form: Form,
    judge: Judge,
    failed: Option<Unreadable>,
}

impl Decoder {
    /// A decoder for one batch of `record` that builds the columns `wanted`, in that order; names that the record type does not have
    /// are left out. `today` is the day in Shanghai, in days since 1970-01-01.
    pub fn new(
        record: &'static RecordType,
        wanted: &[&'static str],
        layout: &Layout,
        limits: DecodeLimits,
        today: i32,
    ) -> Self {
        Self::meant(record, wanted, layout, limits, today, Intent::Upsert)
    }

    /// The same for a batch that is meant as a delta or a snapshot: its parts have one more column, [`crate::operation::COLUMN`], the last.
    pub fn meant(
        record: &'static RecordType,
        wanted: &[&'static str],
        layout: &Layout,
        limits: DecodeLimits,
        today: i32,
        intent: Intent,
    ) -> Self {
        let mapping = layout.mapping.as_ref();
        let operation = matches!(intent, Intent::Delta(_));
        let judge = Judge::new(record, wanted, mapping, limits, today, intent);
        let names = Names::new(record, judge.fields(), mapping.cloned(), operation);
        Self {
            form: Form::new(layout, names, limits),
            judge,
            failed: None,
        }
    }

    /// Takes one more frame.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        self.unless_failed(|form, judge| form.feed(bytes, judge))
    }

    /// Says that no frame follows; the last record may lack its line end. A workbook can be read only now: while the answer is
    /// [`Ended::More`], take the part that is ready and call again, so that no more than one is held.
    pub fn finish(&mut self) -> Result<Ended, Unreadable> {
        self.unless_failed(|form, judge| {
            let ended = form.finish(judge);
            if !matches!(ended, Ok(Ended::More)) {
                judge.finish();
                judge.operated()?;
                form.names().map_or(Ok(()), Names::undoubted)?;
            }
            ended
        })
    }

    /// Bytes of memory in which a workbook is held, and the texts of one that is open; 0 of a form that is read as it comes. While it is not 0,
    /// [`Decoder::finish`] can take seconds.
    pub fn held_bytes(&self) -> usize {
        self.form.held_bytes()
    }

    /// The cell of a workbook that a reject is about, as spreadsheets name it: `C12`. `None` in other forms, and for a record as a whole.
    pub fn cell(&self, reject: &Reject) -> Option<String> {
        Some(cell_name(self.form.column(reject.place?)?, reject.line))
    }

    /// The header or member under which the field of a reject stands, as sent, at most 64 characters: that of the member of a household, where it
    /// is about one.
    pub fn header(&self, reject: &Reject) -> Option<&str> {
        self.form.names()?.sent_at(reject.place?)
    }

    /// The charset of a text, as stated or, where that was left open, as its first bytes have it; `None` in a form that is no text.
    pub fn encoding(&self) -> Option<Encoding> {
        self.form.encoding()
    }

    /// What was recognised as no record, or as less than a value, and left out, so far.
    pub fn passed_over(&self) -> PassedOver {
        let (form, judge) = (self.form.passed_over(), self.judge.passed_over());
        PassedOver {
            footers: form.footers + judge.footers,
            partial: judge.partial,
            ..form
        }
    }

    /// The next part that is complete: of exactly `part_rows` rows until [`Decoder::finish`], the rest after it.
    pub fn next_part(&mut self) -> Option<RecordBatch> {
        self.judge.next_part()
    }

    /// The rejects found since the last call, in file order, as far as they are kept.
    pub fn take_rejects(&mut self) -> Vec<Reject> {
        self.judge.take_rejects()
    }

    /// The counts so far.
    pub fn counts(&self) -> &Counts {
        self.judge.counts()
    }

    /// Headers or members that are no field of the record type, as sent, at most 64 of at most 64 characters. They may be shown to the sender;
    /// they are never logged.
    pub fn unknown_headers(&self) -> &[String] {
        self.form.unknown_headers()
    }

    /// Headers or members that are further names of fields which are read under another, bounded as above.
    pub fn unread_headers(&self) -> Vec<UnreadName<'_>> {
        let names = self.form.names();
        names.map(|names| names.unread().collect()).unwrap_or_default()
    }

    /// The fields that a header or member stood for so far, each with the name under which it is read as sent, at most 64 characters.
    pub fn recognised(&self) -> Vec<(&'static str, &str)> {
        self.form
            .names()
            .map(|names| names.recognised().collect())
            .unwrap_or_default()
    }

    /// What the file was found to be, a short word like that of its layout ([`Layout::label`]): the charset that nobody stated is known at the end, and which
    /// of the forms one is that is called XLS: `html+gb18030`, `spreadsheetml+utf8`.
    pub fn label(&self, layout: &Layout) -> &'static str {
        match (self.form.found(), self.form.encoding()) {
            (Some(found), _) => found,
            (None, Some(encoding)) => layout.clone().in_charset(encoding).label(),
            (None, None) => layout.label(),
        }
    }

    /// The fields for which something came so far: by a name, or, where any name did, from the constants of the sender's layout.
    pub fn named(&self) -> Vec<&'static str> {
        let Some(names) = self.form.names() else {
            return Vec::new();
        };
        let mut named: Vec<_> = names.recognised().map(|(field, _)| field).collect();
        if !named.is_empty() {
            named.extend(names.constant_fields());
        }
        named
    }

    fn unless_failed<T>(
        &mut self,
        step: impl FnOnce(&mut Form, &mut Judge) -> Result<T, Unreadable>,
    ) -> Result<T, Unreadable> {
        if let Some(unreadable) = &self.failed {
            return Err(unreadable.clone());
        }
        let done = step(&mut self.form, &mut self.judge).and_then(|done| {
            self.judge.unmarked()?;
            self.judge.uncontradicted()?;
            self.judge.undeleting().map(|()| done)
        });
        done.inspect_err(|unreadable| self.failed = Some(unreadable.clone()))
    }
}

impl std::fmt::Debug for Decoder {
    // Buffers hold values of fields: counts only.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Decoder")
            .field("counts", self.counts())
            .finish_non_exhaustive()
    }
}

/// How far beyond `record_bytes_max` the end of a record is searched before the batch is given up.
const SEARCH_FACTOR: usize = 16;

#[cfg(test)]
mod tests;

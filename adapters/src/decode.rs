//! A feed's bytes → columns and rejects: a push parser with memory bounded by one part and one record.
//!
//! Takes frames of any size, cut anywhere; gives parts of exactly `part_rows` valid records, the rest at the end, and for each bad
//! record one reject with row, line, field and code, never a value. Refuses, as [`Unreadable`], only what cannot be read as a whole:
//! a wrong charset, a header row that lacks what is needed, a record without end. The order is transcode → split into records → judge
//! each wanted field → append; fields that are not wanted are never parsed and cannot reject.

mod delimited;
mod header;
mod judge;
mod ndjson;
mod place;
mod secrecy;

use std::collections::BTreeMap;

use arrow_array::RecordBatch;

use self::delimited::Delimited;
use self::judge::Judge;
use self::ndjson::Ndjson;
#[cfg(test)]
pub(crate) use self::secrecy::HEADERS as SECRECY_HEADERS;
use crate::catalogue::RecordType;
use crate::layout::{Format, Layout};
use crate::reject::{Reject, RejectCode};
use crate::transcode::Transcoder;

/// What one record and one part may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Rows in a part; at least 1.
    pub part_rows: usize,
    /// UTF-8 bytes of a record; a longer one is a reject while its end is found within sixteen times as many.
    pub record_bytes_max: usize,
    /// UTF-8 bytes of a wanted field; a longer one rejects its record.
    pub field_bytes_max: usize,
    /// Rejects kept for [`Decoder::take_rejects`]; further ones are counted only.
    pub rejects_kept_max: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            part_rows: 8192,
            record_bytes_max: 1 << 20,
            field_bytes_max: 64 << 10,
            rejects_kept_max: 10_000,
        }
    }
}

/// How many records there were, and what became of them; `received = accepted + rejected + repeated`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Data rows found, blank lines and the header row not counted: what a sender counts.
    pub rows: u64,
    /// Records in them: as many, but a row that is unfolded counts once for each record in it, one at least
    /// ([`crate::catalogue::Unfold`]).
    pub received: u64,
    /// Records in parts.
    pub accepted: u64,
    /// Records with a reject.
    pub rejected: u64,
    /// Records equal to an earlier one of the same part in every wanted field, dropped.
    pub repeated: u64,
    /// Rejects by code.
    pub by_code: BTreeMap<RejectCode, u64>,
    /// Rejects by code and field; no field when the record as a whole is at fault.
    pub by_field: BTreeMap<(RejectCode, Option<&'static str>), u64>,
}

/// Why a batch as a whole cannot be read. Positions and names of our own fields only, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A byte sequence that the declared charset does not have.
    #[error("byte {offset} (line {line}) is not in the declared charset")]
    BadEncoding {
        /// Bytes before it.
        offset: u64,
        /// 1-based.
        line: u64,
    },
    /// A byte order mark of another charset than the declared one.
    #[error("declared as {declared}, but the byte order mark says {found}")]
    ForeignMark {
        /// `utf-8` or `gb18030`.
        declared: &'static str,
        /// `utf-8`, `utf-16` or `gb18030`.
        found: &'static str,
    },
    /// The header row lacks required wanted fields, or names a field twice.
    #[error("header row: missing {missing:?}, named twice {twice:?}")]
    BadHeaderRow {
        /// Required wanted fields without a header.
        missing: Vec<&'static str>,
        /// Known fields with two headers.
        twice: Vec<&'static str>,
    },
    /// A record whose end does not come within sixteen times the size that a record may have, or a header row that is too long.
    #[error("the record that starts on line {line} does not end")]
    RecordTooLong {
        /// 1-based.
        line: u64,
    },
    /// A row bears a secrecy mark: nothing of such a file may be taken.
    #[error("the row that starts on line {line} bears a secrecy mark")]
    SecrecyMark {
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

impl Unreadable {
    /// The 1-based line that it concerns, where it concerns one.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::BadEncoding { line, .. }
            | Self::RecordTooLong { line }
            | Self::SecrecyMark { line }
            | Self::NotThisFormat { line, .. } => Some(*line),
            Self::BadHeaderRow { .. } => Some(1),
            Self::ForeignMark { .. } => None,
        }
    }
}

/// The decoder of one batch. After an [`Unreadable`] it takes nothing more and repeats the error.
pub struct Decoder {
    transcoder: Transcoder,
    splitter: Splitter,
    judge: Judge,
    failed: Option<Unreadable>,
}

enum Splitter {
    Delimited(Box<Delimited>),
    Ndjson(Box<Ndjson>),
}

impl Decoder {
    /// A decoder for one batch of `record` that builds the columns `wanted`, in that order; names that the record type does not have
    /// are left out. `today` is the day in Shanghai, in days since 1970-01-01.
    pub fn new(
        record: &'static RecordType,
        wanted: &[&'static str],
        layout: Layout,
        limits: DecodeLimits,
        today: i32,
    ) -> Self {
        let judge = Judge::new(record, wanted, limits, today);
        let splitter = match layout.format {
            Format::Delimited { delimiter } => {
                Splitter::Delimited(Box::new(Delimited::new(record, judge.fields(), delimiter, limits)))
            }
            Format::Ndjson => Splitter::Ndjson(Box::new(Ndjson::new(record, judge.fields(), limits))),
        };
        Self {
            transcoder: Transcoder::new(layout.encoding),
            splitter,
            judge,
            failed: None,
        }
    }

    /// Takes one more frame.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        self.push(bytes, false)
    }

    /// Says that no frame follows; the last record may lack its line end.
    pub fn finish(&mut self) -> Result<(), Unreadable> {
        self.push(&[], true)?;
        let ended = match &mut self.splitter {
            Splitter::Delimited(splitter) => splitter.finish(&mut self.judge),
            Splitter::Ndjson(splitter) => splitter.finish(&mut self.judge),
        };
        self.judge.finish();
        let ended = ended.and_then(|()| self.judge.unmarked());
        ended.inspect_err(|unreadable| self.failed = Some(unreadable.clone()))
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
        match &self.splitter {
            Splitter::Delimited(splitter) => splitter.unknown_headers(),
            Splitter::Ndjson(splitter) => splitter.unknown_headers(),
        }
    }

    fn push(&mut self, bytes: &[u8], last: bool) -> Result<(), Unreadable> {
        if let Some(unreadable) = &self.failed {
            return Err(unreadable.clone());
        }
        let Self {
            transcoder,
            splitter,
            judge,
            ..
        } = self;
        let pushed = match splitter {
            Splitter::Delimited(splitter) => transcoder.push(bytes, last, &mut |text| splitter.text(text, judge)),
            Splitter::Ndjson(splitter) => transcoder.push(bytes, last, &mut |text| splitter.text(text, judge)),
        };
        let pushed = pushed.and_then(|()| judge.unmarked());
        pushed.inspect_err(|unreadable| self.failed = Some(unreadable.clone()))
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

//! The seam between a decoder and the form of a file.
//!
//! Takes frames of any size, cut anywhere; gives records to the judge. A form of text is given UTF-8 and never sees the charset; a form of
//! bytes is given the file as it is. A new form is a module with one of the two traits and a line in [`Form::new`].

use super::dbf::Dbf;
use super::delimited::Delimited;
use super::fixed::Positions;
use super::header::Names;
use super::json::document::Document;
use super::judge::Judge;
use super::ndjson::Ndjson;
use super::workbook::{Kind, Workbook};
use super::xml::Xml;
use super::{DecodeLimits, Unreadable};
use crate::layout::{Encoding, Format, Layout};
use crate::transcode::{Piece, Transcoder};

/// A form whose characters are read.
pub(crate) trait TextForm: Send {
    /// Takes one more piece of text, cut between any two characters.
    fn text(&mut self, text: &str, judge: &mut Judge) -> Result<(), Unreadable>;

    /// Bytes that are no character. Where the ends of records stay sure, the record at hand is at fault; elsewhere the batch is.
    fn undecodable(&mut self, at: Undecodable, _judge: &mut Judge) -> Result<(), Unreadable> {
        Err(at.into())
    }

    /// Nothing follows.
    fn finish(&mut self, judge: &mut Judge) -> Result<(), Unreadable>;

    /// Names that are no field of the record type, as far as they are kept.
    fn unknown_headers(&self) -> &[String];

    /// The names of the batch, where the form keeps them.
    fn names(&self) -> Option<&Names> {
        None
    }

    /// What was recognised as no record.
    fn passed_over(&self) -> PassedOver {
        PassedOver::default()
    }
}

/// Where bytes are that the charset does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undecodable {
    /// Bytes of the file before them.
    pub(crate) offset: u64,
    /// Line of the file, from 1.
    pub(crate) line: u64,
}

impl From<Undecodable> for Unreadable {
    fn from(at: Undecodable) -> Self {
        Self::BadEncoding {
            offset: at.offset,
            line: at.line,
        }
    }
}

/// A form whose bytes are read.
pub(crate) trait ByteForm: Send {
    /// Takes one more frame, cut anywhere.
    fn bytes(&mut self, bytes: &[u8], judge: &mut Judge) -> Result<(), Unreadable>;

    /// Nothing follows.
    fn finish(&mut self, judge: &mut Judge) -> Result<(), Unreadable>;

    /// After [`ByteForm::finish`]: what could not be read before, a part a call.
    fn more(&mut self, _judge: &mut Judge) -> Result<Ended, Unreadable> {
        Ok(Ended::Whole)
    }

    /// Bytes of the file that are held, of a form that is read only at its end.
    fn held_bytes(&self) -> usize {
        0
    }

    /// What the file turned out to be, where it may be one of several forms.
    fn found(&self) -> Option<&'static str> {
        None
    }

    /// Names that are no field of the record type, as far as they are kept.
    fn unknown_headers(&self) -> &[String];

    /// The names of the batch, where the form keeps them.
    fn names(&self) -> Option<&Names> {
        None
    }

    /// The column of a wanted field in a sheet, from 0.
    fn column(&self, _slot: usize) -> Option<usize> {
        None
    }

    /// What was recognised as no record.
    fn passed_over(&self) -> PassedOver {
        PassedOver::default()
    }
}

/// Whether a file was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what is left of the file would be lost"]
pub enum Ended {
    /// All of it.
    Whole,
    /// A part is ready; call again when it was taken.
    More,
}

/// What was recognised as no record, or as less than a value, and left out. It is for the sender to see; the counts do not hold it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Rows of sums, and of who made the table.
    pub footers: u64,
    /// Records marked as deleted.
    pub deleted: u64,
    /// Hidden sheets with records of the record type.
    pub sheets: u64,
    /// Records that are taken without a field of which only a part stood there: a room without its street, the day of the other direction.
    pub partial: u64,
}

/// The form of the file at hand.
pub(crate) enum Form {
    Text(Transcoder, Box<dyn TextForm>),
    Bytes(Box<dyn ByteForm>),
}

impl Form {
    pub(crate) fn new(layout: &Layout, names: Names, limits: DecodeLimits) -> Self {
        let charset = (layout.encoding, layout.open);
        let text = |form| Self::Text(Transcoder::new(layout.encoding, layout.open), form);
        match &layout.format {
            Format::Delimited(form) => text(Box::new(Delimited::new(names, form, limits))),
            Format::Ndjson => text(Box::new(Ndjson::new(names, limits))),
            Format::Json(envelope) => text(Box::new(Document::new(names, envelope, limits))),
            Format::Fixed(form) => Self::Bytes(Box::new(Positions::new(names, form, layout.encoding, limits))),
            Format::Xlsx(sheet) => Self::Bytes(Box::new(Workbook::new(Kind::Xlsx, charset, names, sheet, limits))),
            Format::Xls(sheet) => Self::Bytes(Box::new(Workbook::new(Kind::Xls, charset, names, sheet, limits))),
            Format::Dbf => Self::Bytes(Box::new(Dbf::new(names, layout.encoding))),
            Format::Xml(shape) => text(Box::new(Xml::new(names, shape, layout.encoding, limits))),
        }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8], judge: &mut Judge) -> Result<(), Unreadable> {
        match self {
            Self::Text(transcoder, form) => {
                transcoder.push(bytes, false, &mut |piece| take(form.as_mut(), piece, judge))
            }
            Self::Bytes(form) => form.bytes(bytes, judge),
        }
    }

    pub(crate) fn finish(&mut self, judge: &mut Judge) -> Result<Ended, Unreadable> {
        match self {
            Self::Text(transcoder, form) => {
                transcoder.push(&[], true, &mut |piece| take(form.as_mut(), piece, judge))?;
                form.finish(judge).map(|()| Ended::Whole)
            }
            Self::Bytes(form) => {
                form.finish(judge)?;
                form.more(judge)
            }
        }
    }

    /// The charset that was found where none was stated.
    pub(crate) fn encoding(&self) -> Option<Encoding> {
        match self {
            Self::Text(transcoder, _) => Some(transcoder.encoding()),
            Self::Bytes(_) => None,
        }
    }

    /// What the file turned out to be, where it may be one of several forms.
    pub(crate) fn found(&self) -> Option<&'static str> {
        match self {
            Self::Text(..) => None,
            Self::Bytes(form) => form.found(),
        }
    }

    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Self::Text(..) => 0,
            Self::Bytes(form) => form.held_bytes(),
        }
    }

    pub(crate) fn column(&self, slot: usize) -> Option<usize> {
        match self {
            Self::Text(..) => None,
            Self::Bytes(form) => form.column(slot),
        }
    }

    pub(crate) fn passed_over(&self) -> PassedOver {
        match self {
            Self::Text(_, form) => form.passed_over(),
            Self::Bytes(form) => form.passed_over(),
        }
    }

    pub(crate) fn unknown_headers(&self) -> &[String] {
        match self {
            Self::Text(_, form) => form.unknown_headers(),
            Self::Bytes(form) => form.unknown_headers(),
        }
    }

    pub(crate) fn names(&self) -> Option<&Names> {
        match self {
            Self::Text(_, form) => form.names(),
            Self::Bytes(form) => form.names(),
        }
    }
}

fn take(form: &mut dyn TextForm, piece: Piece<'_>, judge: &mut Judge) -> Result<(), Unreadable> {
    match piece {
        Piece::Text(text) => form.text(text, judge),
        Piece::Undecodable(at) => form.undecodable(at, judge),
    }
}

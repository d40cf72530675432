//! A workbook of XLSX or XLS, or what is called XLS and is a page of HTML or `SpreadsheetML` 2003 → records.
//!
//! Takes frames and holds them (`intake`), up to a limit: the binary forms keep at their end what is needed to read their beginning. With the last frame it
//! opens the workbook, chooses the sheet (`choice`) and reads its rows, a part at a time. Refuses a file of another form, and what [`FileFault`] names.

mod choice;
mod intake;

use self::choice::Opened;
pub(super) use self::choice::{Chosen, choose};
pub(super) use self::intake::{Intake, Whole};
use super::form::{ByteForm, Ended};
use super::header::Names;
use super::judge::Judge;
use super::sheet::{Merge, Shared, SheetRow, Table};
use super::{DecodeLimits, FileFault, PassedOver, Unreadable, markup, secrecy, xls, xlsx};
use crate::layout::{Encoding, Sheet};

/// Which of the two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Xlsx,
    Xls,
}

/// A workbook from its first byte to its last row.
pub(crate) struct Workbook {
    layout: Sheet,
    names: Names,
    limits: DecodeLimits,
    intake: Intake,
    /// Whether the workbook was opened.
    opened: bool,
    /// Until its last row.
    reading: Option<Box<Reading>>,
    passed_over: PassedOver,
    /// The column of each wanted field, once the header is known.
    columns: Vec<Option<usize>>,
}

/// The sheet that is read.
struct Reading {
    book: Book,
    rows: Rows,
    table: Table,
    row: SheetRow,
}

/// An open workbook.
pub(super) enum Book {
    Xlsx(Box<xlsx::Package>),
    Xls(Box<xls::Book>),
    Markup(Box<markup::Document>),
}

/// The rows of one of its sheets.
pub(super) enum Rows {
    Xlsx(Box<xlsx::Rows>),
    Xls(Box<xls::Rows>),
    Markup(markup::Rows),
}

impl Workbook {
    /// `charset` is that of one that is text, and whether nobody stated it.
    pub(crate) fn new(
        kind: Kind,
        charset: (Encoding, bool),
        names: Names,
        layout: &Sheet,
        limits: DecodeLimits,
    ) -> Self {
        Self {
            layout: layout.clone(),
            names,
            intake: Intake::new(kind, charset, &limits),
            limits,
            opened: false,
            reading: None,
            passed_over: PassedOver::default(),
            columns: Vec::new(),
        }
    }

    /// Opens the workbook and its sheet, and takes the rows that were read in search of the header.
    fn open(&mut self, judge: &mut Judge) -> Result<Reading, Unreadable> {
        let whole = self.intake.finish()?;
        let Chosen { book, opened, hidden } = choose(whole, &self.layout, &self.names, &self.limits)?;
        self.passed_over.sheets = hidden;
        if book.sheets().iter().any(|(name, _)| secrecy::is_mark(name)) {
            return Err(Unreadable::SecrecyMark { line: 1 });
        }
        let Some(Opened { at, rows, head, header }) = opened else {
            // No name is known: says which are missing.
            self.names.columns(std::iter::empty())?;
            return Err(FileFault::NoHeader.into());
        };
        if let Some(line) = head.marked(header.rows, book.shared()) {
            return Err(Unreadable::SecrecyMark { line: line.into() });
        }
        if book.is_marked_beside(at)? {
            return Err(Unreadable::SecrecyMark { line: 1 });
        }
        let mut table = Table::open(
            self.limits,
            &mut self.names,
            &header,
            &self.layout,
            book.merges_below(at, header.line)?,
        )?;
        self.columns = table.columns().to_vec();
        table.rest_of_head(&head, header.rows, book.shared(), judge);
        Ok(Reading {
            book,
            rows,
            table,
            row: SheetRow::default(),
        })
    }
}

impl ByteForm for Workbook {
    fn bytes(&mut self, bytes: &[u8], _: &mut Judge) -> Result<(), Unreadable> {
        self.intake.push(bytes)
    }

    fn finish(&mut self, judge: &mut Judge) -> Result<(), Unreadable> {
        if !self.opened {
            self.opened = true;
            self.reading = Some(Box::new(self.open(judge)?));
        }
        Ok(())
    }

    fn more(&mut self, judge: &mut Judge) -> Result<Ended, Unreadable> {
        let Some(mut reading) = self.reading.take() else {
            return Ok(Ended::Whole);
        };
        let Reading { book, rows, table, row } = &mut *reading;
        while !judge.has_part() {
            let Some(line) = rows.next(book, row)? else {
                self.passed_over.footers = table.footers();
                return Ok(Ended::Whole);
            };
            table.row(line, row, book.shared(), judge);
        }
        self.reading = Some(reading);
        Ok(Ended::More)
    }

    fn held_bytes(&self) -> usize {
        let book = self.reading.as_ref().map(|reading| &reading.book);
        self.intake.held_bytes() + book.map_or(0, Book::held_bytes)
    }

    fn found(&self) -> Option<&'static str> {
        self.intake.found()
    }

    fn unknown_headers(&self) -> &[String] {
        self.names.unknown()
    }

    fn names(&self) -> Option<&Names> {
        Some(&self.names)
    }

    fn passed_over(&self) -> PassedOver {
        self.passed_over
    }

    fn column(&self, slot: usize) -> Option<usize> {
        self.columns.get(slot).copied().flatten()
    }
}

impl Book {
    fn open(whole: Whole, limits: &DecodeLimits) -> Result<Self, FileFault> {
        Ok(match whole {
            Whole::Bytes(Kind::Xlsx, bytes) => Self::Xlsx(Box::new(xlsx::Package::open(bytes, limits)?)),
            Whole::Bytes(Kind::Xls, bytes) => Self::Xls(Box::new(xls::Book::open(bytes, limits)?)),
            Whole::Text(markup, text, came_in) => Self::Markup(Box::new(markup.read(&text, came_in, limits)?)),
        })
    }

    pub(super) fn shared(&self) -> &Shared {
        match self {
            Self::Xlsx(package) => &package.shared,
            Self::Xls(book) => &book.shared,
            Self::Markup(document) => &document.shared,
        }
    }

    /// Bytes of memory that the file and its texts take.
    fn held_bytes(&self) -> usize {
        let file = match self {
            Self::Xlsx(package) => package.archive.held_bytes(),
            Self::Xls(book) => book.stream.capacity(),
            Self::Markup(document) => document.held_bytes(),
        };
        file + self.shared().strings.held_bytes()
    }

    /// Name of each sheet, and whether it is hidden.
    pub(super) fn sheets(&self) -> Vec<(&str, bool)> {
        match self {
            Self::Xlsx(package) => {
                let sheets = package.sheets.iter();
                sheets.map(|sheet| (sheet.name.as_str(), sheet.hidden)).collect()
            }
            Self::Xls(book) => {
                let sheets = book.sheets.iter();
                sheets.map(|sheet| (sheet.name.as_str(), sheet.hidden)).collect()
            }
            Self::Markup(document) => {
                let sheets = document.sheets.iter();
                sheets.map(|sheet| (sheet.name.as_str(), sheet.hidden)).collect()
            }
        }
    }

    /// Whether its sheets are tables that stand on one page.
    fn is_page(&self) -> bool {
        matches!(self, Self::Markup(document) if document.is_page())
    }

    /// Columns of a table of a page.
    fn width(&self, at: usize) -> Option<u32> {
        match self {
            Self::Markup(document) => document.sheets.get(at).map(|sheet| sheet.width),
            Self::Xlsx(_) | Self::Xls(_) => None,
        }
    }

    /// Whether a page bears a secrecy mark around that table.
    fn is_marked_beside(&self, at: usize) -> Result<bool, FileFault> {
        match self {
            Self::Markup(document) => document.is_marked_beside(at),
            Self::Xlsx(_) | Self::Xls(_) => Ok(false),
        }
    }

    pub(super) fn rows(&self, at: usize) -> Result<Rows, FileFault> {
        match self {
            Self::Xlsx(package) => {
                let sheet = package.sheets.get(at).ok_or(FileFault::NoSuchSheet)?;
                Ok(Rows::Xlsx(Box::new(xlsx::Rows::open(package, sheet)?)))
            }
            Self::Xls(book) => {
                let sheet = book.sheets.get(at).ok_or(FileFault::NoSuchSheet)?;
                Ok(Rows::Xls(Box::new(xls::Rows::open(book, sheet)?)))
            }
            Self::Markup(_) => Ok(Rows::Markup(markup::Rows::of(at))),
        }
    }

    pub(super) fn merges(&self, at: usize) -> Result<Vec<Merge>, FileFault> {
        match self {
            Self::Xlsx(package) => xlsx::merges(package, package.sheets.get(at).ok_or(FileFault::NoSuchSheet)?),
            Self::Xls(book) => xls::merges(book, book.sheets.get(at).ok_or(FileFault::NoSuchSheet)?),
            Self::Markup(document) => Ok(document.merges(at)),
        }
    }
}

impl Book {
    /// The merged cells of several rows below that line.
    fn merges_below(&self, at: usize, line: u32) -> Result<Vec<Merge>, FileFault> {
        match self {
            Self::Xlsx(package) => {
                xlsx::merges_below(package, package.sheets.get(at).ok_or(FileFault::NoSuchSheet)?, line)
            }
            Self::Xls(book) => xls::merges_below(book, book.sheets.get(at).ok_or(FileFault::NoSuchSheet)?, line),
            Self::Markup(document) => Ok(document.merges_below(at, line)),
        }
    }
}

impl Rows {
    pub(super) fn next(&mut self, book: &Book, row: &mut SheetRow) -> Result<Option<u32>, FileFault> {
        match (self, book) {
            (Self::Xlsx(rows), Book::Xlsx(package)) => rows.next(package, row),
            (Self::Xls(rows), Book::Xls(book)) => rows.next(book, row),
            (Self::Markup(rows), Book::Markup(document)) => rows.next(document, row),
            // Rows are made from their own book.
            (Self::Xlsx(_) | Self::Xls(_) | Self::Markup(_), _) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;

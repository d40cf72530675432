//! A workbook or a table of dBASE as its sender sees it, row by row: for a copy that shows what is wrong in it.
//!
//! Takes the file and its layout; gives every row with all of its cells, also those that no field has. The sheet and its header are those that
//! the decoder finds. Refuses a file that the decoder could not read; a header row that lacks fields is the decoder's concern. Of a table
//! one record is held, of a workbook what the decoder holds. A row holds values: it has no `Debug`.

use std::io::{self, Read};

use super::dbf::{END_OF_FILE, header as table, value};
use super::header::Names;
use super::sheet::{Cell, SheetRow, UNTYPED, shown_number};
use super::workbook::{Book, Chosen, Intake, Kind, Rows, choose};
use super::{DecodeLimits, FileFault, Unreadable};
use crate::catalogue::{Field, FieldType, RecordType};
use crate::layout::{Encoding, Format, Layout};

/// A sheet or table, open at its first row.
#[expect(missing_debug_implementations, reason = "it holds a record of a person")]
pub struct Page<'r> {
    source: Source<'r>,
    name: Option<String>,
    /// The last row of the header, and of what stands above the records.
    header: u64,
    heading: u64,
    columns: Vec<Option<(&'static Field, bool)>>,
    merged: Vec<[(u32, usize); 2]>,
}

enum Source<'r> {
    Sheet(Box<Sheet>),
    Table(Box<Table<'r>>),
}

struct Sheet {
    book: Book,
    rows: Rows,
    row: SheetRow,
}

struct Table<'r> {
    source: &'r mut dyn Read,
    header: table::Header,
    encoding: Encoding,
    /// The names of the columns, until they are given as the row before the first record.
    names: Option<Vec<String>>,
    record: Vec<u8>,
    number: u32,
}

/// One row.
#[expect(missing_debug_implementations, reason = "it holds a record of a person")]
#[derive(Clone, PartialEq)]
pub struct ShownRow {
    /// The sheet's number of it; of a table the number of the record, and 0 for the names of its columns.
    pub line: u64,
    /// Columns from 0, each with what it shows; those that show nothing are left out.
    pub cells: Vec<(usize, Shown)>,
}

/// What a cell shows.
#[expect(missing_debug_implementations, reason = "it holds a value of a person")]
#[derive(Clone, PartialEq)]
pub enum Shown {
    /// A text. Days, and numbers with leading zeros, as they are shown: `2009-02-01`, `000123`.
    Text(String),
    /// A number.
    Number(f64),
    /// A truth value.
    Truth(bool),
    /// An error, a formula that was not computed, bytes that are no text.
    Error,
}

/// Why a file cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum PageFault {
    /// It cannot be read from the disk.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// It is no such file, or damaged.
    #[error(transparent)]
    File(#[from] Unreadable),
    /// It is neither a workbook nor a table of dBASE.
    #[error("it is neither a workbook nor a table of dBASE")]
    NoPage,
}

impl From<FileFault> for PageFault {
    fn from(fault: FileFault) -> Self {
        Self::File(fault.into())
    }
}

impl<'r> Page<'r> {
    /// Opens the sheet or table with the records of `record`.
    ///
    /// # Errors
    /// Why it cannot be shown.
    pub fn open(
        record: &'static RecordType,
        layout: &Layout,
        limits: DecodeLimits,
        source: &'r mut dyn Read,
    ) -> Result<Self, PageFault> {
        let fields: Vec<&'static Field> = record.fields.iter().collect();
        let names = Names::new(record, &fields, layout.mapping.clone(), true);
        match &layout.format {
            Format::Xlsx(sheet) => {
                let intake = Intake::new(Kind::Xlsx, (layout.encoding, layout.open), &limits);
                Self::of_sheet(intake, sheet, names, &limits, source)
            }
            Format::Xls(sheet) => {
                let intake = Intake::new(Kind::Xls, (layout.encoding, layout.open), &limits);
                Self::of_sheet(intake, sheet, names, &limits, source)
            }
            Format::Dbf => Self::of_table(names, layout.encoding, source),
            _ => Err(PageFault::NoPage),
        }
    }

    fn of_sheet(
        mut intake: Intake,
        layout: &crate::layout::Sheet,
        mut names: Names,
        limits: &DecodeLimits,
        source: &mut dyn Read,
    ) -> Result<Self, PageFault> {
        let mut frame = vec![0; FRAME_BYTES];
        loop {
            let read = source.read(&mut frame)?;
            if read == 0 {
                break;
            }
            intake.push(frame.get(..read).unwrap_or_default())?;
        }
        let Chosen { book, opened, .. } = choose(intake.finish()?, layout, &names, limits)?;
        let opened = opened.ok_or(FileFault::NoHeader)?;
        let (at, header) = (opened.at, opened.header);
        let merges = book.merges(at)?;
        let merged = merges
            .iter()
            .filter(|merge| merge.rows.0 >= 1 && merge.rows.1 <= header.line)
            .map(|merge| {
                [
                    (merge.rows.0, merge.columns.0 as usize),
                    (merge.rows.1, merge.columns.1 as usize),
                ]
            });
        Ok(Self {
            name: book.sheets().get(at).map(|(name, _)| (*name).to_owned()),
            header: header.line.into(),
            heading: header.line.saturating_add(layout.skip_rows).into(),
            columns: header.names.iter().map(|name| names.field(name)).collect(),
            merged: merged.collect(),
            source: Source::Sheet(Box::new(Sheet {
                rows: book.rows(at)?,
                book,
                row: SheetRow::default(),
            })),
        })
    }

    fn of_table(mut names: Names, encoding: Encoding, source: &'r mut dyn Read) -> Result<Self, PageFault> {
        let mut head = Vec::new();
        source.take(table::FIXED_BYTES as u64).read_to_end(&mut head)?;
        let length = table::length(&head)?;
        source.take((length - head.len()) as u64).read_to_end(&mut head)?;
        if head.len() < length {
            return Err(FileFault::Truncated { part: "its header" }.into());
        }
        let header = table::read(&head, encoding)?;
        let sent: Vec<String> = header
            .columns
            .iter()
            .map(|column| table::full_name(column, &names, encoding))
            .collect();
        Ok(Self {
            name: None,
            header: 0,
            heading: 0,
            columns: sent.iter().map(|name| names.field(name)).collect(),
            merged: Vec::new(),
            source: Source::Table(Box::new(Table {
                source,
                header,
                encoding,
                names: Some(sent),
                record: Vec::new(),
                number: 0,
            })),
        })
    }

    /// The name of the sheet; none of a table.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The line of the last row of the header.
    pub fn header(&self) -> u64 {
        self.header
    }

    /// The line of the last row above the records: rows up to it are titles, header and what a layout passes over.
    pub fn heading(&self) -> u64 {
        self.heading
    }

    /// The column of the record's own field, from 0.
    pub fn column(&self, field: &str) -> Option<usize> {
        let is_own = |of: &Option<(&Field, bool)>| of.is_some_and(|(known, own)| own && known.name == field);
        self.columns.iter().position(is_own)
    }

    /// The merged cells of the heading: first and last cell of each, rows as the sheet numbers them, columns from 0.
    pub fn merged(&self) -> &[[(u32, usize); 2]] {
        &self.merged
    }

    /// The next row that shows anything; deleted records of a table are passed over.
    ///
    /// # Errors
    /// Why it cannot be read on.
    pub fn next_row(&mut self) -> Result<Option<ShownRow>, PageFault> {
        let kind = |column: usize| match self.columns.get(column) {
            Some(Some((field, _))) => &field.kind,
            _ => &UNTYPED,
        };
        match &mut self.source {
            Source::Sheet(sheet) => sheet.next(kind).map_err(PageFault::from),
            Source::Table(table) => table.next(kind),
        }
    }
}

impl Sheet {
    fn next<'k>(&mut self, kind: impl Fn(usize) -> &'k FieldType) -> Result<Option<ShownRow>, FileFault> {
        while let Some(line) = self.rows.next(&self.book, &mut self.row)? {
            let cells: Vec<(usize, Shown)> = self
                .row
                .cells()
                .iter()
                .filter_map(|(column, cell)| {
                    let column = *column as usize;
                    Some((column, self.shown(*cell, kind(column))?))
                })
                .collect();
            if !cells.is_empty() {
                let line = line.into();
                return Ok(Some(ShownRow { line, cells }));
            }
        }
        Ok(None)
    }

    fn shown(&self, cell: Cell, kind: &FieldType) -> Option<Shown> {
        let shared = self.book.shared();
        let number = |value: f64, form| match shown_number(value, form, kind, shared.epoch) {
            Some(text) => Shown::Text(text),
            None if value.is_finite() => Shown::Number(value),
            None => Shown::Error,
        };
        let text = |text: &str| (!text.is_empty()).then(|| Shown::Text(text.to_owned()));
        match cell {
            Cell::Text(start, end) => text(self.row.own(start, end)),
            Cell::Shared(place) => shared.strings.get(place).map_or(Some(Shown::Error), text),
            Cell::Number(value, form) => Some(number(value, form)),
            Cell::Written(start, end, form) => {
                let value = self.row.own(start, end).trim_ascii().parse();
                Some(value.map_or(Shown::Error, |value| number(value, form)))
            }
            Cell::Truth(truth) => Some(Shown::Truth(truth)),
            Cell::Bad(_) | Cell::Spoiled(..) => Some(Shown::Error),
        }
    }
}

impl Table<'_> {
    fn next<'k>(&mut self, kind: impl Fn(usize) -> &'k FieldType) -> Result<Option<ShownRow>, PageFault> {
        if let Some(names) = self.names.take() {
            let cells = names.into_iter().map(Shown::Text).enumerate().collect();
            return Ok(Some(ShownRow { line: 0, cells }));
        }
        while self.number < self.header.records {
            self.record.clear();
            let wanted = self.header.record_bytes as u64;
            (&mut *self.source).take(wanted).read_to_end(&mut self.record)?;
            if self.record.len() < self.header.record_bytes || self.record.first() == Some(&END_OF_FILE) {
                let part = "its records: the header states more";
                return Err(FileFault::Truncated { part }.into());
            }
            self.number += 1;
            if self.record.first() == Some(&b' ') {
                let line = self.number.into();
                let cells = self.header.columns.iter().enumerate();
                let cells = cells.filter_map(|(at, column)| Some((at, self.shown(column, kind(at))?)));
                return Ok(Some(ShownRow {
                    line,
                    cells: cells.collect(),
                }));
            }
        }
        Ok(None)
    }

    /// Nothing for what lies in another file.
    fn shown(&self, column: &table::Column, kind: &FieldType) -> Option<Shown> {
        let bytes = self.record.get(column.start..column.start + column.width)?;
        let mut text = String::new();
        if !value::is_read(column.kind) {
            return None;
        }
        match value::write(bytes, column, kind, self.encoding, &mut text) {
            Ok(()) if text.is_empty() => None,
            Ok(()) => Some(Shown::Text(text)),
            Err(_) => Some(Shown::Error),
        }
    }
}

/// Read at once.
const FRAME_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests;

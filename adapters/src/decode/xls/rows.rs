//! The cells of one sheet of XLS, row by row.
//!
//! Takes the stream of the workbook and where the sheet begins; gives rows with the number that the sender sees. Refuses rows that go
//! backwards. A formula counts by the value that was stored with it; one that never was computed cannot be told from an empty text here.

use super::book::{Book, SheetPlace};
use super::records::{Record, f64_at, kind, record_at, u16_at, u32_at};
use super::text::append_string;
use crate::decode::FileFault;
use crate::decode::sheet::{Cell, Form, Merge, SheetRow};
use crate::reject::RejectCode;

/// A sheet while it is read.
pub(crate) struct Rows {
    at: usize,
    /// Where the sheet ends at the latest.
    end: usize,
    /// The last row, 0 before the first.
    line: u32,
    /// A formula whose text comes in the next record: row and column.
    awaits_text: Option<(u16, u16)>,
    ended: bool,
}

impl Rows {
    pub(crate) fn open(book: &Book, sheet: &SheetPlace) -> Result<Self, FileFault> {
        let first = record_at(within(book, sheet.end), sheet.at)?.ok_or(DAMAGED)?;
        if first.kind != kind::BOF {
            return Err(DAMAGED);
        }
        Ok(Self {
            at: first.next,
            end: sheet.end,
            line: 0,
            awaits_text: None,
            ended: false,
        })
    }

    /// The next row that has a cell; `None` at the end of the sheet.
    pub(crate) fn next(&mut self, book: &Book, row: &mut SheetRow) -> Result<Option<u32>, FileFault> {
        row.clear();
        let mut current = None;
        while !self.ended {
            let Some(record) = record_at(within(book, self.end), self.at)? else {
                return Err(FileFault::Truncated { part: PART });
            };
            if let Some(number) = self.row_of(record) {
                match current {
                    None if u32::from(number) < self.line => return Err(DAMAGED),
                    None => current = Some(number),
                    Some(current) if current != number => break,
                    Some(_) => {}
                }
            }
            self.at = record.next;
            match record.kind {
                kind::EOF => self.ended = true,
                // A chart that lies in the sheet has a stream of its own in it.
                kind::BOF => self.at = after_nested(within(book, self.end), self.at)?,
                _ => self.cell(record, book, row).ok_or(DAMAGED)?,
            }
            if row.is_overfull() {
                return Err(DAMAGED);
            }
        }
        Ok(current.map(|number| {
            self.line = u32::from(number) + 1;
            self.line
        }))
    }

    /// The row that a record of a cell belongs to.
    fn row_of(&self, record: Record<'_>) -> Option<u16> {
        match record.kind {
            kind::FORMULA
            | kind::MUL_RK
            | kind::RICH_STRING
            | kind::LABEL_SST
            | kind::NUMBER
            | kind::LABEL
            | kind::BOOL_ERR
            | kind::RK => u16_at(record.data, 0),
            kind::STRING => self.awaits_text.map(|(row, _)| row),
            _ => None,
        }
    }

    /// Takes a record; `None` when it is too short.
    fn cell(&mut self, record: Record<'_>, book: &Book, row: &mut SheetRow) -> Option<()> {
        let data = record.data;
        let form = |at| {
            Some(
                book.forms
                    .get(usize::from(u16_at(data, at)?))
                    .copied()
                    .unwrap_or(Form::Plain),
            )
        };
        let column = || u16_at(data, 2).map(u32::from);
        match record.kind {
            kind::NUMBER => row.push(column()?, Cell::Number(f64_at(data, 6)?, form(4)?)),
            kind::RK => row.push(column()?, Cell::Number(rk(u32_at(data, 6)?), form(4)?)),
            kind::MUL_RK => {
                let first = column()?;
                let cells = data.get(4..data.len().checked_sub(2)?)?;
                for (column, cell) in (first..).zip(cells.chunks_exact(6)) {
                    let form = book.forms.get(usize::from(u16_at(cell, 0)?)).copied();
                    row.push(column, Cell::Number(rk(u32_at(cell, 2)?), form.unwrap_or(Form::Plain)));
                }
            }
            kind::LABEL_SST => row.push(column()?, Cell::Shared(u32_at(data, 6)?)),
            kind::LABEL | kind::RICH_STRING => {
                let cell = own_text(data.get(6..)?, row)?;
                row.push(column()?, cell);
            }
            kind::BOOL_ERR => {
                let (value, is_error) = (*data.get(6)?, *data.get(7)?);
                let cell = if is_error == 0 {
                    Cell::Truth(value != 0)
                } else {
                    Cell::Bad(RejectCode::ErrorCell)
                };
                row.push(column()?, cell);
            }
            kind::FORMULA => self.formula(data, column()?, form(4)?, row)?,
            kind::STRING => {
                if let Some((_, column)) = self.awaits_text.take() {
                    let cell = own_text(data, row)?;
                    row.push(u32::from(column), cell);
                }
            }
            _ => {}
        }
        Some(())
    }

    /// The stored value of a formula ([MS-XLS] 2.5.133).
    fn formula(&mut self, data: &[u8], column: u32, form: Form, row: &mut SheetRow) -> Option<()> {
        let number = f64_at(data, 6)?;
        if u16_at(data, 12)? != 0xFFFF {
            row.push(column, Cell::Number(number, form));
            return Some(());
        }
        match *data.get(6)? {
            0 => self.awaits_text = Some((u16_at(data, 0)?, u16_at(data, 2)?)),
            1 => row.push(column, Cell::Truth(*data.get(8)? != 0)),
            2 => row.push(column, Cell::Bad(RejectCode::ErrorCell)),
            // An empty text.
            _ => {}
        }
        Some(())
    }
}

/// The stream up to the end of a sheet.
fn within(book: &Book, end: usize) -> &[u8] {
    book.stream.get(..end).unwrap_or(&book.stream)
}

fn own_text(data: &[u8], row: &mut SheetRow) -> Option<Cell> {
    let start = row.text_len();
    let broken = append_string(data, 2, row.text_mut())?;
    Some(if broken {
        Cell::Bad(RejectCode::BadEncoding)
    } else {
        Cell::Text(start, row.text_len())
    })
}

/// A number in 30 bits: whole or the upper half of a float, as it is or in hundredths ([MS-XLS] 2.5.217).
fn rk(bits: u32) -> f64 {
    let value = if bits & 2 == 0 {
        f64::from_bits(u64::from(bits & !3) << 32)
    } else {
        f64::from(bits.cast_signed() >> 2)
    };
    if bits & 1 == 0 { value } else { value / 100.0 }
}

/// The place after a stream within the sheet.
fn after_nested(stream: &[u8], mut at: usize) -> Result<usize, FileFault> {
    let mut depth = 1;
    while depth > 0 {
        let record = record_at(stream, at)?.ok_or(FileFault::Truncated { part: PART })?;
        match record.kind {
            kind::BOF => depth += 1,
            kind::EOF => depth -= 1,
            _ => {}
        }
        at = record.next;
    }
    Ok(at)
}

/// The merged cells of a sheet, which stand behind its cells.
pub(crate) fn merges(book: &Book, sheet: &SheetPlace) -> Result<Vec<Merge>, FileFault> {
    let mut merges = Vec::new();
    each_merge(book, sheet, |merge| {
        // Those of the data say nothing about a header.
        if merge.rows.0 <= MERGE_ROWS && merges.len() < MERGES_MAX {
            merges.push(merge);
        }
    })?;
    Ok(merges)
}

/// The merged cells of several rows below that line: the stream bounds them.
pub(crate) fn merges_below(book: &Book, sheet: &SheetPlace, line: u32) -> Result<Vec<Merge>, FileFault> {
    let mut merges = Vec::new();
    each_merge(book, sheet, |merge| {
        if merge.rows.0 > line && merge.rows.1 > merge.rows.0 {
            merges.push(merge);
        }
    })?;
    Ok(merges)
}

fn each_merge(book: &Book, sheet: &SheetPlace, mut take: impl FnMut(Merge)) -> Result<(), FileFault> {
    let mut at = Rows::open(book, sheet)?.at;
    let stream = within(book, sheet.end);
    while let Some(record) = record_at(stream, at)? {
        at = record.next;
        match record.kind {
            kind::EOF => break,
            kind::BOF => at = after_nested(stream, at)?,
            kind::MERGE_CELLS => {
                for range in record.data.get(2..).unwrap_or_default().chunks_exact(8) {
                    let number = |at| u32::from(u16_at(range, at).unwrap_or_default());
                    take(Merge {
                        rows: (number(0) + 1, number(2) + 1),
                        columns: (number(4), number(6)),
                    });
                }
            }
            _ => {}
        }
    }
    Ok(())
}

const PART: &str = "one of its sheets";

const DAMAGED: FileFault = FileFault::Damaged { part: PART };

/// A header stands above this row.
const MERGE_ROWS: u32 = 1000;

const MERGES_MAX: usize = 10_000;

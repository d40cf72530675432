//! The cells of a sheet, packed: rows that were read once, to be gone through more than once.
//!
//! Takes rows top to bottom; gives them back the same. A cell takes three or four bytes beside its text, fewer than its tags did. Holds values:
//! it has no `Debug`.

use super::Document;
use crate::decode::FileFault;
use crate::decode::sheet::{Cell, Form, SheetRow};
use crate::reject::RejectCode;

/// The rows of one sheet.
#[derive(Default)]
pub(crate) struct Store {
    text: String,
    /// Of each row its line and how many cells it has, of each cell its column, what it holds and how long its text is.
    packed: Vec<u8>,
}

/// Goes through the rows of one sheet.
pub(crate) struct Rows {
    sheet: usize,
    packed: usize,
    text: usize,
}

impl Store {
    /// Adds a row; gives the bytes that it takes.
    pub(super) fn push(&mut self, line: u32, row: &SheetRow) -> usize {
        let before = self.text.len() + self.packed.len();
        self.number(line);
        self.number(u32::try_from(row.cells().len()).unwrap_or(u32::MAX));
        for (column, cell) in row.cells() {
            self.number(*column);
            self.cell(*cell, row);
        }
        self.text.len() + self.packed.len() - before
    }

    fn cell(&mut self, cell: Cell, row: &SheetRow) {
        let kind = match cell {
            Cell::Text(start, end) => return self.text(TEXT, row.own(start, end)),
            Cell::Written(start, end, form) => {
                let (kind, digits) = packed_form(form);
                self.text(kind, row.own(start, end));
                return self.packed.push(digits);
            }
            Cell::Truth(false) => FALSE,
            Cell::Truth(true) => TRUE,
            Cell::Spoiled(start, end, RejectCode::BadEncoding) => return self.text(GARBLED, row.own(start, end)),
            Cell::Spoiled(start, end, _) => return self.text(SPOILED, row.own(start, end)),
            Cell::Bad(RejectCode::ErrorCell) => ERROR,
            Cell::Bad(RejectCode::UncomputedFormula) => UNCOMPUTED,
            Cell::Bad(RejectCode::BadDate) => BAD_DATE,
            // What else a cell may be no reader of such a file makes.
            Cell::Bad(_) | Cell::Shared(_) | Cell::Number(..) => BROKEN,
        };
        self.packed.push(kind);
    }

    fn text(&mut self, kind: u8, text: &str) {
        self.packed.push(kind);
        self.number(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.text.push_str(text);
    }

    /// Seven bits a byte, the lowest first; all but the last have the highest bit set.
    fn number(&mut self, mut number: u32) {
        while let Some(rest) = Some(number >> 7).filter(|rest| *rest > 0) {
            self.packed.push(0x80 | low_bits(number));
            number = rest;
        }
        self.packed.push(low_bits(number));
    }

    /// None follows: gives back what was taken for more.
    pub(super) fn close(&mut self) {
        self.text.shrink_to_fit();
        self.packed.shrink_to_fit();
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.text.capacity() + self.packed.capacity()
    }
}

impl Rows {
    /// Those of that sheet, from the first.
    pub(crate) fn of(sheet: usize) -> Self {
        Self {
            sheet,
            packed: 0,
            text: 0,
        }
    }

    /// The next row that has a cell; `None` at the end.
    pub(crate) fn next(&mut self, document: &Document, row: &mut SheetRow) -> Result<Option<u32>, FileFault> {
        let sheet = document.sheets.get(self.sheet).ok_or(FileFault::NoSuchSheet)?;
        row.clear();
        if self.packed >= sheet.rows.packed.len() {
            return Ok(None);
        }
        let line = self.row(&sheet.rows, row).ok_or(FileFault::Damaged {
            part: "one of its sheets",
        })?;
        Ok(Some(line))
    }

    /// `None` where the packed bytes are none: they are our own.
    fn row(&mut self, store: &Store, row: &mut SheetRow) -> Option<u32> {
        let line = self.number(store)?;
        for _ in 0..self.number(store)? {
            let column = self.number(store)?;
            let cell = self.cell(store, row)?;
            row.push(column, cell);
        }
        Some(line)
    }

    fn cell(&mut self, store: &Store, row: &mut SheetRow) -> Option<Cell> {
        Some(match self.byte(store)? {
            FALSE => Cell::Truth(false),
            TRUE => Cell::Truth(true),
            ERROR => Cell::Bad(RejectCode::ErrorCell),
            UNCOMPUTED => Cell::Bad(RejectCode::UncomputedFormula),
            BAD_DATE => Cell::Bad(RejectCode::BadDate),
            BROKEN => Cell::Bad(RejectCode::BadEncoding),
            kind => {
                let length = self.number(store)? as usize;
                let text = store.text.get(self.text..)?.get(..length)?;
                self.text += length;
                let start = row.text_len();
                row.text_mut().push_str(text);
                let end = row.text_len();
                match kind {
                    TEXT => Cell::Text(start, end),
                    SPOILED => Cell::Spoiled(start, end, RejectCode::ErrorCell),
                    GARBLED => Cell::Spoiled(start, end, RejectCode::BadEncoding),
                    kind => Cell::Written(start, end, form_of(kind, self.byte(store)?)?),
                }
            }
        })
    }

    fn byte(&mut self, store: &Store) -> Option<u8> {
        let byte = *store.packed.get(self.packed)?;
        self.packed += 1;
        Some(byte)
    }

    fn number(&mut self, store: &Store) -> Option<u32> {
        let (mut number, mut shift) = (0_u32, 0);
        loop {
            let byte = self.byte(store)?;
            number |= u32::from(byte & 0x7F).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }
}

fn low_bits(number: u32) -> u8 {
    u8::try_from(number & 0x7F).unwrap_or_default()
}

fn packed_form(form: Form) -> (u8, u8) {
    match form {
        Form::Plain => (PLAIN, 0),
        Form::Zeros(digits) => (ZEROS, digits),
        Form::Decimals(places) => (DECIMALS, places),
        Form::Day => (DAY, 0),
        Form::Month => (MONTH, 0),
    }
}

fn form_of(kind: u8, digits: u8) -> Option<Form> {
    Some(match kind {
        PLAIN => Form::Plain,
        ZEROS => Form::Zeros(digits),
        DECIMALS => Form::Decimals(digits),
        DAY => Form::Day,
        MONTH => Form::Month,
        _ => return None,
    })
}

const TEXT: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const ERROR: u8 = 3;
const UNCOMPUTED: u8 = 4;
const BAD_DATE: u8 = 5;
const BROKEN: u8 = 6;
const PLAIN: u8 = 7;
const ZEROS: u8 = 8;
const DECIMALS: u8 = 9;
const DAY: u8 = 10;
const MONTH: u8 = 11;
const SPOILED: u8 = 12;
const GARBLED: u8 = 13;

//! One row of a sheet as its reader found it.
//!
//! Takes cells in file order; gives them by column, their text in one string. Holds values: it has no `Debug`.

use super::number::Form;
use super::strings::Strings;
use crate::reject::RejectCode;

/// What a cell holds.
#[derive(Clone, Copy)]
pub(crate) enum Cell {
    /// Text, from and to this byte of the row's text.
    Text(usize, usize),
    /// Text of the workbook, by its number.
    Shared(u32),
    /// A number as the file writes it, from and to this byte of the row's text.
    Written(usize, usize, Form),
    /// A number.
    Number(f64, Form),
    Truth(bool),
    /// An error, or a formula that was never computed.
    Bad(RejectCode),
    /// No value, for that reason, although it shows text, from and to this byte of the row's: what it is called by in a header, and what may be a mark.
    Spoiled(usize, usize, RejectCode),
}

/// One row; reused from row to row.
#[derive(Clone, Default)]
pub(crate) struct SheetRow {
    cells: Vec<(u32, Cell)>,
    text: String,
}

impl SheetRow {
    pub(crate) fn clear(&mut self) {
        self.cells.clear();
        self.text.clear();
    }

    /// Adds a cell; columns count from 0.
    pub(crate) fn push(&mut self, column: u32, cell: Cell) {
        self.cells.push((column, cell));
    }

    /// Whether it holds more than a row can.
    pub(crate) fn is_overfull(&self) -> bool {
        self.cells.len() > CELLS_MAX || self.text.len() > TEXT_BYTES_MAX
    }

    /// Where text of its own is written.
    pub(crate) fn text_mut(&mut self) -> &mut String {
        &mut self.text
    }

    pub(crate) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// Its own text, from and to a byte.
    pub(crate) fn own(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or_default()
    }

    pub(crate) fn cells(&self) -> &[(u32, Cell)] {
        &self.cells
    }

    /// The text of a cell that holds text; `None` for any other, and for text that has no valid form.
    pub(crate) fn text_of<'a>(&'a self, cell: Cell, strings: &'a Strings) -> Option<&'a str> {
        match cell {
            Cell::Text(start, end) => Some(self.own(start, end)),
            Cell::Shared(number) => strings.get(number).ok(),
            Cell::Written(..) | Cell::Number(..) | Cell::Truth(_) | Cell::Bad(_) | Cell::Spoiled(..) => None,
        }
    }

    /// The text that a cell shows, be it a value or not.
    pub(crate) fn shown_of<'a>(&'a self, cell: Cell, strings: &'a Strings) -> Option<&'a str> {
        match cell {
            Cell::Spoiled(start, end, _) => Some(self.own(start, end)),
            _ => self.text_of(cell, strings),
        }
    }

    /// The cells that show text.
    pub(crate) fn texts<'a>(&'a self, strings: &'a Strings) -> impl Iterator<Item = (u32, &'a str)> {
        self.cells
            .iter()
            .filter_map(|(column, cell)| Some((*column, self.shown_of(*cell, strings)?)))
    }
}

/// Columns of a sheet of XLSX.
const CELLS_MAX: usize = 1 << 14;

/// Well above what a record may have.
const TEXT_BYTES_MAX: usize = 16 << 20;

//! One table of a page while it is read.
//!
//! Takes tags and text; gives rows to its sheet. Cells stand where those of the rows above leave room. Refuses more rows, columns and text than a
//! sheet has.

use super::super::{ROWS_MAX, Room, Sheet};
use super::DAMAGED;
use super::cell::{Manner, OpenCell};
use super::spans::{self, Spans, Steps};
use super::tag::Tag;
use crate::decode::sheet::{Merge, SheetRow};
use crate::decode::{FileFault, secrecy};

/// An open table.
pub(super) struct Table {
    /// Its place among the sheets.
    pub(super) sheet: usize,
    row: SheetRow,
    /// The row at hand, 0 before the first.
    line: u32,
    in_row: bool,
    /// Where the next cell stands, if nothing reaches into it.
    column: u32,
    cell: AtHand,
    spans: Spans,
    /// Merged cells of the sections that are over.
    merges_before: usize,
    /// Cells that say anything, of the row that has most of them.
    most_cells: usize,
    marked: bool,
    marked_alone: bool,
}

/// The cell at hand.
enum AtHand {
    None,
    /// One that is hidden: it takes no place among those that are shown.
    Hidden,
    Shown(OpenCell),
}

impl Table {
    /// An empty one.
    pub(super) fn of(sheet: usize) -> Self {
        Self {
            sheet,
            row: SheetRow::default(),
            line: 0,
            in_row: false,
            column: 0,
            cell: AtHand::None,
            spans: Spans::default(),
            merges_before: 0,
            most_cells: 0,
            marked: false,
            marked_alone: false,
        }
    }

    pub(super) fn open_row(&mut self, sheet: &mut Sheet, room: &mut Room) -> Result<(), FileFault> {
        self.close_row(sheet, room)?;
        self.line += 1;
        if self.line > ROWS_MAX {
            return Err(DAMAGED);
        }
        self.in_row = true;
        self.column = 0;
        Ok(())
    }

    pub(super) fn close_row(&mut self, sheet: &mut Sheet, room: &mut Room) -> Result<(), FileFault> {
        self.close_cell();
        if !self.in_row {
            return Ok(());
        }
        self.in_row = false;
        self.most_cells = self.most_cells.max(self.row.cells().len());
        if self.row.cells().len() == 1 {
            self.marked_alone |= secrecy::is_mark(self.row.own(0, self.row.text_len()));
        }
        room.row(sheet, self.line, &self.row)?;
        self.row.clear();
        Ok(())
    }

    pub(super) fn open_cell(
        &mut self,
        tag: &Tag,
        sheet: &mut Sheet,
        room: &mut Room,
        steps: &mut Steps,
    ) -> Result<(), FileFault> {
        if !self.in_row {
            self.open_row(sheet, room)?;
        }
        self.close_cell();
        if tag.hidden {
            self.cell = AtHand::Hidden;
            return Ok(());
        }
        let column = self.spans.free(self.column, self.line, steps)?;
        self.column = spans::behind(column, tag.columns)?;
        sheet.width = sheet.width.max(self.column);
        let last = spans::last_row(self.line, tag.rows);
        if last > self.line {
            self.spans.cover(column, tag.columns, last, steps)?;
        }
        if last > self.line || tag.columns > 1 {
            let merge = Merge {
                rows: (self.line, last),
                columns: (column, self.column - 1),
            };
            room.merge(sheet, merge)?;
        }
        self.cell = AtHand::Shown(OpenCell::new(column, tag.told.clone(), &self.row));
        Ok(())
    }

    pub(super) fn close_cell(&mut self) {
        if let AtHand::Shown(cell) = std::mem::replace(&mut self.cell, AtHand::None) {
            self.marked |= cell.close(&mut self.row);
        }
    }

    /// A section of the table, or all of it, is over.
    pub(super) fn end_section(
        &mut self,
        sheet: &mut Sheet,
        room: &mut Room,
        steps: &mut Steps,
    ) -> Result<(), FileFault> {
        self.close_row(sheet, room)?;
        self.spans.end(self.line, steps)?;
        let merges = sheet.merges.get_mut(self.merges_before..).unwrap_or_default();
        for merge in merges {
            merge.rows.1 = merge.rows.1.min(self.line);
        }
        self.merges_before = sheet.merges.len();
        Ok(())
    }

    pub(super) fn is_in_cell(&self) -> bool {
        matches!(self.cell, AtHand::Shown(_))
    }

    /// Whether the cell at hand is hidden.
    pub(super) fn is_in_hidden(&self) -> bool {
        matches!(self.cell, AtHand::Hidden)
    }

    /// The cell at hand, of one that is shown.
    pub(super) fn cell(&mut self) -> Option<&mut OpenCell> {
        match &mut self.cell {
            AtHand::Shown(cell) => Some(cell),
            AtHand::Hidden | AtHand::None => None,
        }
    }

    /// Whether the break is one in a cell.
    pub(super) fn line_break(&mut self) -> bool {
        self.cell().map(OpenCell::line_break).is_some()
    }

    /// Text of the cell at hand.
    pub(super) fn text(&mut self, text: &str, manner: Manner) -> Result<(), FileFault> {
        if let AtHand::Shown(cell) = &mut self.cell {
            cell.text(text, manner, &mut self.row);
        }
        if self.row.is_overfull() {
            return Err(DAMAGED);
        }
        Ok(())
    }

    /// Whether no row of it has two cells that say anything: neither records nor a header of them.
    pub(super) fn is_narrow(&self) -> bool {
        self.most_cells < 2
    }

    /// Whether a spoiled cell bears a secrecy mark.
    pub(super) fn is_marked(&self) -> bool {
        self.marked
    }

    /// Whether a row of one cell bears a secrecy mark.
    pub(super) fn is_marked_alone(&self) -> bool {
        self.marked_alone
    }
}

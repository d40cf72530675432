//! One table of a page while it is read.
//!
//! Takes tags and text; gives rows to its sheet. Cells stand where those of the rows above leave room. Refuses more rows, columns and text than a
//! sheet has.

use super::super::{ROWS_MAX, Room, Sheet};
use super::DAMAGED;
use super::spans::{self, Spans, Steps};
use super::tag::{Tag, Told};
use crate::decode::FileFault;
use crate::decode::sheet::{Cell, Form, Merge, SheetRow};
use crate::reject::RejectCode;

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
    cell: Option<OpenCell>,
    spans: Spans,
    /// Merged cells of the sections that are over.
    merges_before: usize,
}

struct OpenCell {
    column: u32,
    /// Where its text begins in that of the row.
    start: usize,
    told: Told,
    /// A blank or line break that counts when a word follows.
    pending: Option<char>,
    /// Something in it is not shown, or is a table: what it says cannot be told.
    is_spoiled: bool,
}

impl Table {
    pub(super) fn of(sheet: usize) -> Self {
        Self {
            sheet,
            row: SheetRow::default(),
            line: 0,
            in_row: false,
            column: 0,
            cell: None,
            spans: Spans::default(),
            merges_before: 0,
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
            // It takes no place among those that are shown.
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
        self.cell = Some(OpenCell {
            column,
            start: self.row.text_len(),
            told: tag.told.clone(),
            pending: None,
            is_spoiled: false,
        });
        Ok(())
    }

    pub(super) fn close_cell(&mut self) {
        let Some(cell) = self.cell.take() else {
            return;
        };
        let shown = self.row.own(cell.start, self.row.text_len());
        if shown.is_empty() && !cell.is_spoiled {
            return;
        }
        let held = match cell.told {
            _ if cell.is_spoiled => Cell::Bad(RejectCode::ErrorCell),
            Told::Error => Cell::Bad(RejectCode::ErrorCell),
            // What a reference to no character becomes.
            _ if shown.contains(char::REPLACEMENT_CHARACTER) => Cell::Bad(RejectCode::BadEncoding),
            Told::Truth => Cell::Truth(shown.eq_ignore_ascii_case("true")),
            // A number keeps 15 digits, however many are shown.
            Told::Number(_) if shown.len() > 15 && shown.bytes().all(|byte| byte.is_ascii_digit()) => {
                Cell::Written(cell.start, self.row.text_len(), Form::Plain)
            }
            Told::Number(number) if !number.is_empty() && hides_digits(shown) => {
                self.row.text_mut().truncate(cell.start);
                self.row.text_mut().push_str(&number);
                Cell::Written(cell.start, self.row.text_len(), Form::Plain)
            }
            Told::Number(_) | Told::Nothing => Cell::Text(cell.start, self.row.text_len()),
        };
        self.row.push(cell.column, held);
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
        self.cell.is_some()
    }

    /// What the cell at hand says cannot be told.
    pub(super) fn spoil(&mut self) {
        if let Some(cell) = &mut self.cell {
            cell.is_spoiled = true;
        }
    }

    /// Whether the break is one in a cell.
    pub(super) fn line_break(&mut self) -> bool {
        let Some(cell) = &mut self.cell else {
            return false;
        };
        cell.pending = Some('\n');
        true
    }

    /// Text of the cell at hand.
    pub(super) fn text(&mut self, text: &str) -> Result<(), FileFault> {
        let Some(cell) = &mut self.cell else {
            return Ok(());
        };
        let mut rest = text;
        while !rest.is_empty() {
            let words = rest.trim_start_matches(is_blank);
            if words.len() < rest.len() {
                cell.pending.get_or_insert(' ');
            }
            let (word, after) = words.split_at(words.find(is_blank).unwrap_or(words.len()));
            if !word.is_empty() {
                let begun = self.row.text_len() > cell.start;
                self.row.text_mut().extend(cell.pending.take().filter(|_| begun));
                self.row.text_mut().push_str(word);
            }
            rest = after;
        }
        if self.row.is_overfull() {
            return Err(DAMAGED);
        }
        Ok(())
    }
}

/// What HTML takes for a blank between words.
fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

/// Whether a number is shown as `3.2E+17`, or as the `###` of a narrow column.
fn hides_digits(shown: &str) -> bool {
    shown.bytes().all(|byte| byte == b'#') || shown.contains(['E', 'e']) && shown.parse::<f64>().is_ok()
}

//! Cells that are merged over several rows of records.
//!
//! Takes the merged ranges below the header, then the rows as they come; gives each row with what stands in the first row of a range in the
//! rows below it that have nothing of their own there: whoever reads the sheet sees it beside each of them. A row that says nothing by itself
//! stays blank. Of the ranges the first column counts. Holds one value a column, and of texts no more than a field may have.

use super::head::Merge;
use super::row::{Cell, SheetRow};
use super::{Shared, says_something};
use crate::reject::RejectCode;

/// What is carried down the sheet.
pub(super) struct Carry {
    /// The ranges to come, the last row first.
    merges: Vec<Merge>,
    open: Vec<Open>,
    filled: SheetRow,
    text_bytes_max: usize,
}

/// A value that stands in the rows up to `last` too.
struct Open {
    column: u32,
    last: u32,
    text: String,
    /// Its text, if it has one of its own, is `text`.
    cell: Cell,
}

impl Carry {
    /// None where nothing is merged.
    pub(super) fn new(mut merges: Vec<Merge>, text_bytes_max: usize) -> Option<Self> {
        if merges.is_empty() {
            return None;
        }
        merges.sort_unstable_by_key(|merge| std::cmp::Reverse(merge.rows.0));
        Some(Self {
            merges,
            open: Vec::new(),
            filled: SheetRow::default(),
            text_bytes_max,
        })
    }

    /// The next row, with what is carried into it.
    pub(super) fn filled<'a>(
        &'a mut self,
        line: u32,
        row: &'a SheetRow,
        shared: &Shared,
        is_read: impl Fn(u32) -> bool,
    ) -> &'a SheetRow {
        self.open.retain(|open| open.last >= line);
        let is_blank = |open: &&Open| !says(row, open.column, shared);
        let speaks = || row.cells().iter().any(|(_, cell)| says_something(row, *cell, shared));
        let carried = self.open.iter().any(|open| is_blank(&open)) && speaks();
        if carried {
            self.filled.clone_from(row);
            for open in self.open.iter().filter(is_blank) {
                let text = self.filled.text_mut();
                let start = text.len();
                text.push_str(&open.text);
                let end = text.len();
                self.filled.push(
                    open.column,
                    match open.cell {
                        Cell::Text(..) => Cell::Text(start, end),
                        Cell::Written(_, _, form) => Cell::Written(start, end, form),
                        Cell::Spoiled(_, _, code) => Cell::Spoiled(start, end, code),
                        other => other,
                    },
                );
            }
        }
        while let Some(merge) = self.merges.pop_if(|merge| merge.rows.0 <= line) {
            let column = merge.columns.0;
            if merge.rows.0 == line && is_read(column) && says(row, column, shared) {
                self.begin(&merge, row);
            }
        }
        if carried { &self.filled } else { row }
    }

    fn begin(&mut self, merge: &Merge, row: &SheetRow) {
        let column = merge.columns.0;
        let Some((_, cell)) = row.cells().iter().find(|(other, _)| *other == column) else {
            return;
        };
        let text = match *cell {
            Cell::Text(start, end) | Cell::Written(start, end, _) | Cell::Spoiled(start, end, _) => row.own(start, end),
            Cell::Shared(_) | Cell::Number(..) | Cell::Truth(_) | Cell::Bad(_) => "",
        };
        let fits = text.len() <= self.text_bytes_max;
        self.open.retain(|open| open.column != column);
        self.open.push(Open {
            column,
            last: merge.rows.1,
            text: if fits { text.to_owned() } else { String::new() },
            cell: if fits {
                *cell
            } else {
                Cell::Bad(RejectCode::FieldTooLong)
            },
        });
    }
}

/// Whether the row has something in that column.
fn says(row: &SheetRow, column: u32, shared: &Shared) -> bool {
    row.cells()
        .iter()
        .any(|(other, cell)| *other == column && says_something(row, *cell, shared))
}

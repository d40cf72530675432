//! Whether a list goes on in another table of its page: programs that write a table a page, or the header as a table by itself, go on without one.
//!
//! Takes the header of the list and the other table; says whether a row at its top may be one of the list. A table of other fields that is as wide is taken for
//! one, too: then the number of the list is to be stated. Who signed, sums, and the form by which the list was asked for are none of it.

use super::super::{Book, Names};
use crate::decode::FileFault;
use crate::decode::sheet::{Cell, Header, SheetRow, Strings, is_label, is_sum};

/// The list that may go on.
pub(super) struct List<'a> {
    /// Its place on the page.
    pub(super) at: usize,
    pub(super) header: &'a Header,
    pub(super) names: &'a Names,
}

impl List<'_> {
    /// Whether it goes on in that table.
    pub(super) fn goes_on(&self, book: &Book, at: usize) -> Result<bool, FileFault> {
        if !book.is_page() {
            return Ok(false);
        }
        let is_as_wide = book.width(at) == book.width(self.at);
        let mut rows = book.rows(at)?;
        let mut row = SheetRow::default();
        for _ in 0..TOP_ROWS {
            if rows.next(book, &mut row)?.is_none() {
                break;
            }
            let strings = &book.shared().strings;
            if self.may_hold(&row, is_as_wide, strings) && !self.is_beside(&row, strings) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the row says something in two cells and may stand under the header: in a table as wide, in as many cells as there are names, or in half of
    /// them, since what is left out at its end is often empty.
    fn may_hold(&self, row: &SheetRow, is_as_wide: bool, strings: &Strings) -> bool {
        let said = || row.cells().iter().filter(|(_, cell)| says(row, *cell, strings));
        let filled = said().count();
        let width = said().next_back().map_or(0, |(column, _)| *column as usize + 1);
        let names = self.header.names.iter().filter(|name| !name.is_empty()).count();
        let is_half = width <= self.header.names.len() && filled * 2 >= names;
        filled >= 2 && (is_as_wide || filled == names || is_half)
    }

    /// Whether the row is one that stands beside lists: a sum, labels with what they are of, or names of fields.
    fn is_beside(&self, row: &SheetRow, strings: &Strings) -> bool {
        let texts: Vec<&str> = row.texts(strings).map(|(_, text)| text.trim()).collect();
        let labels = texts
            .iter()
            .filter(|text| is_label(text) || text.ends_with([':', '：']));
        let known = texts.iter().filter(|text| self.names.knows(text));
        texts.first().is_some_and(|first| is_sum(first)) || labels.count() * 2 >= texts.len() || known.count() >= 2
    }
}

fn says(row: &SheetRow, cell: Cell, strings: &Strings) -> bool {
    row.shown_of(cell, strings).is_none_or(|text| !text.trim().is_empty())
}

/// Rows of the other table that are looked at: a repeated title may stand above.
const TOP_ROWS: usize = 3;

//! Rows of a sheet → records.
//!
//! Takes the rows of one sheet, top to bottom; finds the header below titles, leaves out blank rows and footers, hands every other row to the
//! judge. What is merged over several rows stands in each of them. A record's line is its row as the sender sees it. Hidden rows and columns are read like any other: what a filter hides was not
//! taken back.

mod carry;
mod footer;
mod head;
mod number;
mod row;
mod strings;

use std::sync::Arc;

use self::carry::Carry;
use self::head::{HEAD_ROWS, HeadRow};
use super::header::{Names, Placed};
use super::judge::Judge;
use super::sent::Sent;
use super::{DecodeLimits, FileFault, Unreadable, secrecy};
use crate::catalogue::{Field, FieldType};
use crate::layout::{HeaderRows, Sheet};
use crate::reject::RejectCode;
use crate::value;

pub(crate) use self::footer::{is_figure, is_label, is_sum, telling};
pub(crate) use self::head::{Header, Merge};
pub(crate) use self::number::{Epoch, Form, shown as shown_number, write as write_number};
pub(crate) use self::row::{Cell, SheetRow};
pub(crate) use self::strings::Strings;

/// What the cells of a workbook refer to.
pub(crate) struct Shared {
    pub(crate) strings: Strings,
    pub(crate) epoch: Epoch,
}

/// The table in a sheet, once its header is known.
pub(crate) struct Table {
    /// The field at each place that a row is read into; none at that of a mark.
    fields: Vec<Option<&'static Field>>,
    /// Of each of those places whether what stands there is no footer.
    telling: Vec<bool>,
    /// The place of the secrecy mark.
    mark: Option<usize>,
    /// The columns of each place.
    columns: Placed,
    /// Column → place among the wanted.
    slots: Vec<Option<usize>>,
    limits: DecodeLimits,
    /// The wanted fields of the record at hand.
    record: Vec<Place>,
    /// Numbers of the record at hand, as text.
    made: String,
    /// Rows that were recognised as no records.
    footers: u64,
    /// The last row that stands above the records.
    above: u32,
    /// How the row begins with which the records end.
    footer: Option<Arc<str>>,
    /// Whether it was met.
    ended: bool,
    /// Cells that are merged over several rows.
    carry: Option<Carry>,
}

/// Where a wanted field of the record at hand lies.
#[derive(Clone, Copy)]
enum Place {
    Missing,
    Cell(Cell),
    /// In [`Table::made`], from and to this byte.
    Made(usize, usize),
}

/// The top of a sheet, kept until its header is found.
#[derive(Default)]
pub(crate) struct Head {
    rows: Vec<(u32, SheetRow)>,
    /// The first row above those that bears a secrecy mark.
    marked: Option<u32>,
}

impl Head {
    /// Keeps a row when it says anything.
    pub(crate) fn push(&mut self, line: u32, row: &SheetRow, shared: &Shared) {
        if row.cells().iter().any(|(_, cell)| says_something(row, *cell, shared)) {
            self.rows.push((line, row.clone()));
        }
    }

    /// Passes over a row in which no header is looked for.
    pub(crate) fn pass(&mut self, line: u32, row: &SheetRow, shared: &Shared) {
        if is_marked(row, shared) {
            self.marked.get_or_insert(line);
        }
    }

    /// The first row that bears a secrecy mark, above the last row of the header.
    pub(crate) fn marked(&self, header_rows: usize, shared: &Shared) -> Option<u32> {
        let titles = self.rows.iter().take(header_rows.saturating_sub(1));
        let mut marked = titles.filter(|(_, row)| is_marked(row, shared)).map(|(line, _)| *line);
        self.marked.or_else(|| marked.next())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows.len() >= HEAD_ROWS
    }

    /// Whether a row follows the first so many.
    pub(crate) fn has_rows_below(&self, rows: usize) -> bool {
        self.rows.len() > rows
    }

    /// The header in the rows that are stated to hold it; none when they name no field.
    pub(crate) fn header_of(
        &self,
        title_rows: u32,
        header_rows: HeaderRows,
        names: &Names,
        shared: &Shared,
        merges: impl FnOnce() -> Result<Vec<Merge>, FileFault>,
    ) -> Result<Option<Header>, FileFault> {
        let last = title_rows.saturating_add(header_rows.count());
        let rows = self.rows.iter().take_while(|(line, _)| *line <= last);
        let rows: Vec<_> = rows
            .map(|(line, row)| HeadRow::new(*line, row, &shared.strings))
            .collect();
        head::stated_rows(&rows, last, &known(names), merges)
    }

    /// The header in these rows, if there is one.
    pub(crate) fn header(
        &self,
        names: &Names,
        shared: &Shared,
        merges: impl FnOnce() -> Result<Vec<Merge>, FileFault>,
    ) -> Result<Option<Header>, FileFault> {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|(line, row)| HeadRow::new(*line, row, &shared.strings))
            .collect();
        head::find(&rows, &known(names), merges)
    }
}

/// What of the names in a sheet is known.
fn known(names: &Names) -> head::Known<'_, impl Fn(&str) -> bool> {
    head::Known {
        name: |name: &str| names.knows(name),
        own: names.record().own,
    }
}

impl Table {
    /// The table below `header`; the rows of `head` that follow it are its first.
    pub(crate) fn open(
        limits: DecodeLimits,
        names: &mut Names,
        header: &Header,
        layout: &Sheet,
        merges: Vec<Merge>,
    ) -> Result<Self, Unreadable> {
        let columns = names.columns(header.names.iter().map(String::as_str))?;
        let mut slots = vec![None; header.names.len()];
        let first = columns.first().iter().enumerate();
        let first = first.filter_map(|(slot, column)| Some((slot, (*column)?)));
        let further = columns.further().iter();
        let further = further.flat_map(|(slot, columns)| columns.iter().map(|column| (*slot, *column)));
        for (slot, column) in first.chain(further) {
            if let Some(place) = slots.get_mut(column) {
                *place = Some(slot);
            }
        }
        let fields = names.fields();
        Ok(Self {
            telling: telling(&fields),
            mark: names.place_of_mark(),
            fields,
            record: vec![Place::Missing; columns.first().len()],
            columns,
            slots,
            limits,
            made: String::new(),
            footers: 0,
            above: header.line.saturating_add(layout.skip_rows),
            footer: layout.footer.clone(),
            ended: false,
            carry: Carry::new(merges, limits.field_bytes_max),
        })
    }

    /// Rows recognised as sums or as who made the table.
    pub(crate) fn footers(&self) -> u64 {
        self.footers
    }

    /// The column of each wanted field, by its place.
    pub(crate) fn columns(&self) -> &[Option<usize>] {
        self.columns.first()
    }

    /// Takes the rows that stood in the head below the header.
    pub(crate) fn rest_of_head(&mut self, head: &Head, header_rows: usize, shared: &Shared, judge: &mut Judge) {
        for (line, row) in head.rows.iter().skip(header_rows) {
            self.row(*line, row, shared, judge);
        }
    }

    /// One row below the header.
    pub(crate) fn row(&mut self, line: u32, row: &SheetRow, shared: &Shared, judge: &mut Judge) {
        if line <= self.above {
            return;
        }
        let Some(mut carry) = self.carry.take() else {
            return self.whole_row(line, row, shared, judge);
        };
        let slots = &self.slots;
        let is_read = |column: u32| matches!(slots.get(column as usize), Some(Some(_)));
        let filled = carry.filled(line, row, shared, is_read);
        self.whole_row(line, filled, shared, judge);
        self.carry = Some(carry);
    }

    /// The same with all that stands in it.
    fn whole_row(&mut self, line: u32, row: &SheetRow, shared: &Shared, judge: &mut Judge) {
        self.record.fill(Place::Missing);
        let mut first = None;
        for (column, cell) in row.cells() {
            if first.is_none() && says_something(row, *cell, shared) {
                first = Some(*cell);
            }
            let column = *column as usize;
            let slot = self.slots.get(column).copied().flatten();
            let is_first = |slot: &usize| self.columns.first().get(*slot) == Some(&Some(column));
            if let Some(place) = slot.filter(is_first).and_then(|slot| self.record.get_mut(slot)) {
                *place = Place::Cell(*cell);
            }
        }
        self.fill_in(row, shared);
        let Some(first) = first else {
            return;
        };
        let line = u64::from(line);
        if row.shown_of(first, &shared.strings).is_some_and(secrecy::is_bare_mark) {
            judge.mark(line);
        }
        self.ended |= self.ends(row, first, shared);
        if self.ended || self.is_footer(row, first, shared) {
            if is_marked(row, shared) {
                judge.mark(line);
            }
            self.footers += 1;
            return;
        }
        if self.bytes(row, shared) > self.limits.record_bytes_max {
            judge.reject(line, None, RejectCode::RecordTooLong);
            return;
        }
        self.make_texts(row, shared.epoch);
        let Self { record, made, mark, .. } = self;
        let mark = *mark;
        judge.record(line, |slot| match record.get(slot).copied().unwrap_or(Place::Missing) {
            Place::Missing => Sent::Missing,
            Place::Made(start, end) => Sent::Text(made.get(start..end).unwrap_or_default()),
            Place::Cell(Cell::Text(start, end)) => Sent::Text(row.own(start, end)),
            Place::Cell(Cell::Shared(number)) => match shared.strings.get(number) {
                Ok(text) => Sent::Text(text),
                Err(code) => Sent::Bad(code),
            },
            Place::Cell(Cell::Truth(truth)) => Sent::Text(if truth { "true" } else { "false" }),
            // What a column of marks shows decides, whatever is hidden beside it.
            Place::Cell(Cell::Spoiled(start, end, _)) if Some(slot) == mark && start < end => {
                Sent::Text(row.own(start, end))
            }
            Place::Cell(Cell::Bad(code) | Cell::Spoiled(_, _, code)) => Sent::Bad(code),
            // Made into text above.
            Place::Cell(Cell::Written(..) | Cell::Number(..)) => Sent::Bad(RejectCode::BadNumber),
        });
    }

    /// Reads places whose column says nothing from the next one with a name of them.
    fn fill_in(&mut self, row: &SheetRow, shared: &Shared) {
        let says = |cell: Cell| {
            let text = row.text_of(cell, &shared.strings);
            text.is_none_or(|text| !value::says_nothing(text))
        };
        for (slot, columns) in self.columns.further() {
            let Some(place) = self.record.get_mut(*slot) else {
                continue;
            };
            if matches!(*place, Place::Cell(cell) if says(cell)) {
                continue;
            }
            let cell = |column: &usize| row.cells().iter().find(|(other, _)| *other as usize == *column);
            let cells = columns.iter().filter_map(cell).map(|(_, cell)| *cell);
            if let Some(filled) = cells.into_iter().find(|cell| says(*cell)) {
                *place = Place::Cell(filled);
            }
        }
    }

    /// Whether the row is the one with which the records end, as stated.
    fn ends(&self, row: &SheetRow, first: Cell, shared: &Shared) -> bool {
        let Some(footer) = &self.footer else {
            return false;
        };
        row.text_of(first, &shared.strings)
            .is_some_and(|text| text.trim_start().starts_with(footer.trim()))
    }

    /// A row is a footer when its first filled cell is a label and no place that tells a record holds anything but a figure.
    fn is_footer(&self, row: &SheetRow, first: Cell, shared: &Shared) -> bool {
        if !row.text_of(first, &shared.strings).is_some_and(is_label) {
            return false;
        }
        self.telling.iter().zip(&self.record).all(|(tells, place)| match place {
            Place::Cell(cell) if *tells => {
                let passes = |text: &str| is_label(text) || is_figure(text);
                match *cell {
                    Cell::Number(value, _) => value.abs() < FIGURE_MAX,
                    Cell::Written(from, to, _) => is_figure(row.own(from, to)),
                    cell => {
                        !says_something(row, cell, shared) || row.text_of(cell, &shared.strings).is_some_and(passes)
                    }
                }
            }
            _ => true,
        })
    }

    /// Bytes of the wanted texts.
    fn bytes(&self, row: &SheetRow, shared: &Shared) -> usize {
        let text = |place: &Place| match place {
            Place::Cell(cell) => row.text_of(*cell, &shared.strings).map_or(0, str::len),
            Place::Missing | Place::Made(..) => 0,
        };
        self.record.iter().map(text).sum()
    }

    /// Brings the wanted numbers into text.
    fn make_texts(&mut self, row: &SheetRow, epoch: Epoch) {
        self.made.clear();
        for (field, place) in self.fields.iter().zip(&mut self.record) {
            let kind = field.map_or(&UNTYPED, |field| &field.kind);
            let start = self.made.len();
            let made = match *place {
                Place::Cell(Cell::Written(from, to, form)) => {
                    number::write_text(row.own(from, to), form, kind, epoch, &mut self.made)
                }
                Place::Cell(Cell::Number(value, form)) => number::write(value, form, kind, epoch, &mut self.made),
                _ => continue,
            };
            *place = match made {
                Ok(()) => Place::Made(start, self.made.len()),
                Err(code) => Place::Cell(Cell::Bad(code)),
            };
        }
    }
}

/// A sum beside its label; identity numbers are larger.
const FIGURE_MAX: f64 = 1e12;

/// What a mark is read as, and a column that no field has.
pub(crate) const UNTYPED: FieldType = FieldType::Text(100);

/// Whether a row that is no record bears a secrecy mark.
pub(crate) fn is_marked(row: &SheetRow, shared: &Shared) -> bool {
    secrecy::in_row(row.texts(&shared.strings).map(|(_, text)| text))
}

/// Whether a cell holds more than blanks.
fn says_something(row: &SheetRow, cell: Cell, shared: &Shared) -> bool {
    row.text_of(cell, &shared.strings)
        .is_none_or(|text| !text.trim().is_empty())
}

/// The name of a cell as spreadsheets show it: column 2 (from 0) of row 12 is `C12`.
pub fn cell_name(column: usize, line: u64) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        letters.push(u8::try_from((rest - 1) % 26).map_or('?', |letter| char::from(b'A' + letter)));
        rest = (rest - 1) / 26;
    }
    let letters: String = letters.into_iter().rev().collect();
    format!("{letters}{line}")
}

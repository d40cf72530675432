//! Valid records → Arrow columns, in parts.
//!
//! Takes one finished [`Row`] after another; gives `RecordBatch`es with exactly the wanted columns in their order, all nullable.
//! Refuses nothing: a row that is not wholly valid never gets here, so nothing has to be taken back from a column.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, Date32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field as ArrowField, Schema, SchemaRef};

use crate::catalogue::Field;

/// One record under construction: its cells in the order of the wanted fields, their text in one string.
#[derive(Default)]
pub(crate) struct Row {
    text: String,
    cells: Vec<Cell>,
}

/// One value of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    Null,
    /// Where it starts and ends in the row's text.
    Text(usize, usize),
    /// Days since 1970-01-01.
    Date(i32),
    /// A whole number, or µs UTC.
    Number(i64),
}

impl Row {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
    }

    pub(crate) fn null(&mut self) {
        self.cells.push(Cell::Null);
    }

    pub(crate) fn text(&mut self, value: &str) {
        let start = self.text.len();
        self.text.push_str(value);
        self.cells.push(Cell::Text(start, self.text.len()));
    }

    /// The text of a cell, when it has one.
    pub(crate) fn text_at(&self, slot: usize) -> Option<&str> {
        match self.cells.get(slot) {
            Some(Cell::Text(start, end)) => self.text.get(*start..*end),
            _ => None,
        }
    }

    pub(crate) fn date(&mut self, days: i32) {
        self.cells.push(Cell::Date(days));
    }

    pub(crate) fn number(&mut self, number: i64) {
        self.cells.push(Cell::Number(number));
    }
}

/// The columns of the part under construction.
pub(crate) struct Columns {
    schema: SchemaRef,
    builders: Vec<Column>,
    rows: usize,
    /// Fingerprint of a row → its number in this part, to find repeats.
    seen: HashMap<u64, usize, BuildHasherDefault<Fingerprint>>,
    keys: [u64; 2],
    part_rows: usize,
}

enum Column {
    Text(StringBuilder),
    Date(Date32Builder),
    Instant(TimestampMicrosecondBuilder),
    Integer(Int64Builder),
}

impl Columns {
    pub(crate) fn new(fields: &[&'static Field], part_rows: usize) -> Self {
        let schema = fields
            .iter()
            .map(|field| ArrowField::new(field.name, field.kind.data_type(), true))
            .collect::<Vec<_>>();
        // Keyed so that a sender cannot make rows collide; the key never shows in a result.
        let random = RandomState::new();
        Self {
            // A batch of one row is common, and room for a whole part would cost more than the row.
            builders: fields
                .iter()
                .map(|field| Column::new(field, part_rows.min(ROWS_START)))
                .collect(),
            schema: Arc::new(Schema::new(schema)),
            rows: 0,
            seen: HashMap::default(),
            keys: [random.hash_one(0_u8), random.hash_one(1_u8) | 1],
            part_rows,
        }
    }

    /// Appends the row; `false` when an equal row is in this part already, and nothing was appended.
    pub(crate) fn append(&mut self, row: &Row) -> bool {
        let fingerprint = fingerprint(row, self.keys);
        match self.seen.get(&fingerprint) {
            Some(earlier) if self.equals(*earlier, row) => return false,
            // Two different rows with one fingerprint: the earlier stays findable. Missing a repeat of the later one does no harm.
            Some(_) => {}
            None => {
                self.seen.insert(fingerprint, self.rows);
            }
        }
        for (column, cell) in self.builders.iter_mut().zip(&row.cells) {
            column.append(*cell, &row.text);
        }
        self.rows += 1;
        true
    }

    /// Whether the part has as many rows as it may.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= self.part_rows
    }

    /// The part, when it has rows; the columns are empty after it.
    pub(crate) fn take(&mut self) -> Option<RecordBatch> {
        if self.rows == 0 {
            return None;
        }
        // Only behind a whole part is another likely: most batches are one part, and room for a second would be made in vain.
        let again = self.is_full();
        self.rows = 0;
        self.seen.clear();
        let arrays = self.builders.iter_mut().map(|column| column.finish(again)).collect();
        // INVARIANT: columns and schema are made from the same fields, and every append fills every column.
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).ok()
    }

    fn equals(&self, earlier: usize, row: &Row) -> bool {
        self.builders
            .iter()
            .zip(&row.cells)
            .all(|(column, cell)| column.holds(earlier, *cell, &row.text))
    }
}

impl Column {
    fn new(field: &Field, rows: usize) -> Self {
        match field.kind.data_type() {
            DataType::Date32 => Self::Date(Date32Builder::with_capacity(rows)),
            DataType::Int64 => Self::Integer(Int64Builder::with_capacity(rows)),
            DataType::Timestamp(..) => Self::Instant(instants(rows)),
            _ => Self::Text(StringBuilder::with_capacity(rows, rows * 16)),
        }
    }

    fn append(&mut self, cell: Cell, text: &str) {
        match (self, cell) {
            (Self::Text(column), Cell::Text(start, end)) => {
                column.append_value(text.get(start..end).unwrap_or_default());
            }
            (Self::Date(column), Cell::Date(days)) => column.append_value(days),
            (Self::Instant(column), Cell::Number(number)) => column.append_value(number),
            (Self::Integer(column), Cell::Number(number)) => column.append_value(number),
            (Self::Text(column), _) => column.append_null(),
            (Self::Date(column), _) => column.append_null(),
            (Self::Instant(column), _) => column.append_null(),
            (Self::Integer(column), _) => column.append_null(),
        }
    }

    /// Whether this row of the column has that value.
    fn holds(&self, row: usize, cell: Cell, text: &str) -> bool {
        match self {
            Self::Text(column) => {
                let stored = is_set(column.validity_slice(), row).then(|| {
                    let offset = |at: usize| column.offsets_slice().get(at).and_then(|at| usize::try_from(*at).ok());
                    offset(row)
                        .zip(offset(row + 1))
                        .and_then(|(start, end)| column.values_slice().get(start..end))
                        .unwrap_or_default()
                });
                let sent = match cell {
                    Cell::Text(start, end) => text.as_bytes().get(start..end),
                    _ => None,
                };
                stored == sent
            }
            Self::Date(column) => {
                let stored = column
                    .values_slice()
                    .get(row)
                    .filter(|_| is_set(column.validity_slice(), row));
                stored.map_or(Cell::Null, |days| Cell::Date(*days)) == cell
            }
            Self::Instant(column) => {
                let stored = column
                    .values_slice()
                    .get(row)
                    .filter(|_| is_set(column.validity_slice(), row));
                stored.map_or(Cell::Null, |number| Cell::Number(*number)) == cell
            }
            Self::Integer(column) => {
                let stored = column
                    .values_slice()
                    .get(row)
                    .filter(|_| is_set(column.validity_slice(), row));
                stored.map_or(Cell::Null, |number| Cell::Number(*number)) == cell
            }
        }
    }

    /// The column so far; with room for another as large, and an eighth to spare, when one follows.
    fn finish(&mut self, again: bool) -> ArrayRef {
        match self {
            Self::Text(column) => {
                let (rows, bytes) = if again {
                    (column.len(), column.values_slice().len())
                } else {
                    (0, 0)
                };
                let next = StringBuilder::with_capacity(rows, bytes + bytes / 8);
                Arc::new(std::mem::replace(column, next).finish())
            }
            Self::Date(column) => Arc::new(column.finish()),
            Self::Instant(column) => Arc::new(column.finish()),
            Self::Integer(column) => Arc::new(column.finish()),
        }
    }
}

fn instants(rows: usize) -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC")
}

/// Whether that bit is set; a builder without a null has no bitmap yet.
fn is_set(bitmap: Option<&[u8]>, row: usize) -> bool {
    bitmap.is_none_or(|bits| bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1))
}

/// A keyed 64-bit hash over the text and the shape of a row (wyhash's folded multiplication).
fn fingerprint(row: &Row, [first, second]: [u64; 2]) -> u64 {
    let mut state = second ^ row.text.len() as u64;
    let (blocks, rest) = row.text.as_bytes().as_chunks::<16>();
    for block in blocks {
        state = fold_block(*block, first, state);
    }
    let mut block = [0; 16];
    for (to, from) in block.iter_mut().zip(rest) {
        *to = *from;
    }
    state = fold_block(block, first, state);
    for cell in &row.cells {
        let word = match cell {
            Cell::Null => NULL_WORD,
            Cell::Text(start, end) => (end - start) as u64,
            Cell::Date(days) => i64::from(*days).cast_unsigned(),
            Cell::Number(number) => number.cast_unsigned(),
        };
        state = fold(state ^ word, first);
    }
    fold(state ^ first, second)
}

fn fold_block(block: [u8; 16], key: u64, state: u64) -> u64 {
    let both = u128::from_le_bytes(block);
    let [low, high] = halves(both);
    fold(low ^ key, high ^ state)
}

fn fold(left: u64, right: u64) -> u64 {
    let [low, high] = halves(u128::from(left).wrapping_mul(u128::from(right)));
    low ^ high
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves are what is wanted")]
fn halves(both: u128) -> [u64; 2] {
    [both as u64, (both >> 64) as u64]
}

/// Rows that the first part has room for before it grows.
const ROWS_START: usize = 64;

/// A word that no length of a text in a row can be.
const NULL_WORD: u64 = u64::MAX;

/// Passes a fingerprint through: it is a hash already.
#[derive(Default)]
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use arrow_array::cast::AsArray;

    use super::{Columns, Row};
    use crate::catalogue::{Class, Field, FieldType};

    static FIELDS: [Field; 4] = [
        field("name", FieldType::Name),
        field("born", FieldType::Date),
        field("updated", FieldType::Instant),
        field("count", FieldType::Integer(9)),
    ];

    const fn field(name: &'static str, kind: FieldType) -> Field {
        Field::new(name, name, kind, Class::C0)
    }

    fn row(name: Option<&str>, born: Option<i32>, updated: Option<i64>, count: Option<i64>) -> Row {
        let mut row = Row::default();
        match name {
            Some(text) => row.text(text),
            None => row.null(),
        }
        match born {
            Some(days) => row.date(days),
            None => row.null(),
        }
        for number in [updated, count] {
            match number {
                Some(number) => row.number(number),
                None => row.null(),
            }
        }
        row
    }

    #[test]
    fn a_repeat_is_dropped_and_near_repeats_are_kept() {
        let mut columns = Columns::new(&FIELDS.each_ref(), 100);
        let rows = [
            row(Some("a"), Some(1), Some(2), Some(3)),
            row(None, Some(1), Some(2), Some(3)),
            row(Some(""), Some(1), Some(2), Some(3)),
            row(Some("a"), None, Some(2), Some(3)),
            row(Some("a"), Some(0), Some(2), Some(3)),
            row(Some("a"), Some(1), None, Some(3)),
            row(Some("a"), Some(1), Some(2), None),
            row(None, None, None, None),
        ];
        for row in &rows {
            assert!(columns.append(row));
        }
        for row in &rows {
            assert!(!columns.append(row));
        }
        assert_eq!(columns.take().unwrap().num_rows(), rows.len());
    }

    #[test]
    fn the_next_part_starts_afresh_with_the_same_schema() {
        let mut columns = Columns::new(&FIELDS.each_ref(), 1);
        let only = row(Some("姓名"), Some(1), Some(2), Some(3));
        assert!(columns.append(&only));
        assert!(columns.is_full());
        let first = columns.take().unwrap();
        assert!(columns.take().is_none());
        assert!(columns.append(&only));
        let second = columns.take().unwrap();
        assert_eq!(first, second);
        assert_eq!(first.column(0).as_string::<i32>().value(0), "姓名");
        for (column, field) in first.columns().iter().zip(&FIELDS) {
            assert_eq!(column.data_type(), &field.kind.data_type());
        }
    }
}

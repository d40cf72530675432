//! Valid records → Arrow columns, in parts.
//!
//! Takes one value after another of one row after another; gives `RecordBatch`es with exactly the wanted columns in their order, all
//! nullable. A row counts only once it is ended, and what was put of it before is taken back when another one begins. Refuses nothing but
//! a repeat: a row that is not wholly valid is never ended.

mod column;
mod repeats;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Field as ArrowField, Schema, SchemaRef};

use self::column::Column;
use self::repeats::{Print, Repeats};
use crate::catalogue::Field;
use crate::value::Value;

/// The columns of the part under construction, and at their ends the row at hand.
pub(crate) struct Columns {
    schema: SchemaRef,
    under_way: Vec<Column>,
    /// Rows that have ended.
    rows: usize,
    /// Something of the row at hand was put.
    begun: bool,
    print: Print,
    repeats: Repeats,
    part_rows: usize,
}

impl Columns {
    pub(crate) fn new(fields: &[&'static Field], part_rows: usize) -> Self {
        let schema = fields
            .iter()
            .map(|field| ArrowField::new(field.name, field.kind.data_type(), true))
            .collect::<Vec<_>>();
        Self {
            // A batch of one row is common, and room for a whole part would cost more than the row.
            under_way: fields
                .iter()
                .map(|field| Column::new(field, part_rows.min(ROWS_START)))
                .collect(),
            schema: Arc::new(Schema::new(schema)),
            rows: 0,
            begun: false,
            print: Print::default(),
            repeats: Repeats::new(),
            part_rows,
        }
    }

    /// Begins a row; one that was begun and not ended is taken back.
    pub(crate) fn begin(&mut self) {
        self.print = Print::default();
        if self.begun {
            self.take_back();
        }
        self.begun = true;
    }

    #[cold]
    fn take_back(&mut self) {
        for column in &mut self.under_way {
            column.truncate(self.rows);
        }
    }

    /// Puts the next value of the row at hand, which is that of the column `slot`.
    #[expect(clippy::inline_always, reason = "one call a value is what this saves")]
    #[inline(always)]
    pub(crate) fn put(&mut self, slot: usize, value: &Value<'_>) {
        self.repeats.add(&mut self.print, value);
        if let Some(column) = self.under_way.get_mut(slot) {
            column.push(value);
        }
    }

    /// The text of the row at hand in that column, when it has one.
    pub(crate) fn text_at(&self, slot: usize) -> Option<&str> {
        self.under_way.get(slot)?.text(self.rows)
    }

    /// Ends the row at hand, of which every value was put; `false` when an equal row is in this part already, and the row was taken back.
    pub(crate) fn end(&mut self) -> bool {
        if let Some(earlier) = self.repeats.find_or_keep(self.print) {
            let here = self.rows;
            if self.under_way.iter().all(|column| column.equal(earlier, here)) {
                // Taken back when the next row begins.
                return false;
            }
            // Two different rows with one fingerprint: the earlier stays findable. Missing a repeat of the later one does no harm.
            self.repeats.pass(self.print);
        }
        self.rows += 1;
        self.begun = false;
        true
    }

    /// Whether the part has as many rows as it may.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= self.part_rows
    }

    /// The part, when it has rows; the columns are empty after it.
    pub(crate) fn take(&mut self) -> Option<RecordBatch> {
        self.begin();
        self.begun = false;
        if self.rows == 0 {
            return None;
        }
        // Only behind a whole part is another likely: most batches are one part, and room for a second would be made in vain.
        let again = self.is_full();
        self.rows = 0;
        self.repeats.clear();
        let finished = self.under_way.iter_mut().map(|column| column.finish(again));
        let finished: Result<Vec<_>, ArrowError> = finished.collect();
        // INVARIANT: columns and schema are made from the same fields, and every row that has ended fills every column.
        RecordBatch::try_new(Arc::clone(&self.schema), finished.ok()?).ok()
    }
}

/// Rows that the first part has room for before it grows.
const ROWS_START: usize = 64;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use arrow_array::cast::AsArray;

    use super::Columns;
    use crate::catalogue::{Class, Field, FieldType};
    use crate::value::Value;

    static FIELDS: [Field; 4] = [
        field("name", FieldType::Name),
        field("born", FieldType::Date),
        field("updated", FieldType::Instant),
        field("count", FieldType::Integer(9)),
    ];

    const fn field(name: &'static str, kind: FieldType) -> Field {
        Field::new(name, name, kind, Class::C0)
    }

    type Row<'a> = (Option<&'a str>, Option<i32>, Option<i64>, Option<i64>);

    fn append(columns: &mut Columns, (name, born, updated, count): &Row<'_>) -> bool {
        columns.begin();
        columns.put(0, &name.map_or(Value::Missing, Value::Text));
        columns.put(1, &born.map_or(Value::Missing, Value::Date));
        columns.put(2, &updated.map_or(Value::Missing, Value::Instant));
        columns.put(3, &count.map_or(Value::Missing, Value::Integer));
        columns.end()
    }

    #[test]
    fn a_repeat_is_dropped_and_near_repeats_are_kept() {
        let mut columns = Columns::new(&FIELDS.each_ref(), 100);
        let rows = [
            (Some("a"), Some(1), Some(2), Some(3)),
            (None, Some(1), Some(2), Some(3)),
            (Some(""), Some(1), Some(2), Some(3)),
            (Some("a"), None, Some(2), Some(3)),
            (Some("a"), Some(0), Some(2), Some(3)),
            (Some("a"), Some(1), None, Some(3)),
            (Some("a"), Some(1), Some(2), None),
            (None, None, None, None),
        ];
        for row in &rows {
            assert!(append(&mut columns, row));
        }
        for row in &rows {
            assert!(!append(&mut columns, row));
        }
        assert_eq!(columns.take().unwrap().num_rows(), rows.len());
    }

    #[test]
    fn a_row_that_was_begun_and_not_ended_leaves_nothing() {
        let mut columns = Columns::new(&FIELDS.each_ref(), 100);
        let mut expected = Columns::new(&FIELDS.each_ref(), 100);
        let rows = [
            (Some("甲"), Some(1), None, Some(3)),
            (None, None, Some(2), None),
            (Some("乙丙"), Some(5), Some(2), Some(3)),
        ];
        for (count, row) in rows.iter().enumerate() {
            columns.begin();
            // As many values as there are rows so far, a missing one among them.
            let lost = [Value::Text("丢"), Value::Missing, Value::Instant(7)];
            for (slot, value) in lost.iter().enumerate().take(count + 1) {
                columns.put(slot, value);
            }
            assert!(append(&mut columns, row));
            assert!(append(&mut expected, row));
            assert!(!append(&mut columns, row));
        }
        columns.begin();
        columns.put(0, &Value::Missing);
        let (part, expected) = (columns.take().unwrap(), expected.take().unwrap());
        assert_eq!(part, expected);
        for (column, expected) in part.columns().iter().zip(expected.columns()) {
            assert_eq!(column.nulls(), expected.nulls());
        }
    }

    #[test]
    fn the_next_part_starts_afresh_with_the_same_schema() {
        let mut columns = Columns::new(&FIELDS.each_ref(), 1);
        let only = (Some("姓名"), Some(1), Some(2), Some(3));
        assert!(append(&mut columns, &only));
        assert!(columns.is_full());
        let first = columns.take().unwrap();
        assert!(columns.take().is_none());
        assert!(append(&mut columns, &only));
        let second = columns.take().unwrap();
        assert_eq!(first, second);
        assert_eq!(first.column(0).as_string::<i32>().value(0), "姓名");
        for (column, field) in first.columns().iter().zip(&FIELDS) {
            assert_eq!(column.data_type(), &field.kind.data_type());
        }
    }
}

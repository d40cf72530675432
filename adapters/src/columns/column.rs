//! One column under construction.
//!
//! Takes one value after another; gives an Arrow array. The last rows can be taken back: of numbers for nothing, of texts by way of an array,
//! since only Arrow's own builder of texts ends without another look at every byte. Which rows have no value is kept beside the values, and put
//! upon the array when it is whole: few have none, and the builder would note of each value that there is one.

use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, StringBuilder};
use arrow_array::{Array, ArrayRef, BooleanArray, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_schema::{ArrowError, DataType};
use arrow_select::nullif::nullif;

use crate::catalogue::Field;
use crate::value::Value;

/// One column.
pub(super) struct Column {
    values: Values,
    /// Rows without a value, in ascending order; there stands nothing, or 0.
    missing: Vec<usize>,
}

/// The values of one column.
enum Values {
    Text(StringBuilder),
    Date(Vec<i32>),
    Instant(Vec<i64>),
    Integer(Vec<i64>),
}

impl Column {
    pub(super) fn new(field: &Field, rows: usize) -> Self {
        Self {
            values: match field.kind.data_type() {
                DataType::Date32 => Values::Date(Vec::with_capacity(rows)),
                DataType::Int64 => Values::Integer(Vec::with_capacity(rows)),
                DataType::Timestamp(..) => Values::Instant(Vec::with_capacity(rows)),
                _ => Values::Text(StringBuilder::with_capacity(rows, rows * 16)),
            },
            missing: Vec::new(),
        }
    }

    /// Appends the value of one more row.
    #[expect(clippy::inline_always, reason = "one call a value is what this saves")]
    #[inline(always)]
    pub(super) fn push(&mut self, value: &Value<'_>) {
        match (&mut self.values, value) {
            (Values::Text(texts), Value::Text(text)) => texts.append_value(text),
            (_, value) => self.push_other(value),
        }
    }

    /// By itself, so that a text, as most values are, is told by two comparisons.
    #[inline(never)]
    fn push_other(&mut self, value: &Value<'_>) {
        match (&mut self.values, value) {
            (Values::Date(days), Value::Date(day)) => days.push(*day),
            (Values::Instant(numbers) | Values::Integer(numbers), Value::Instant(number) | Value::Integer(number)) => {
                numbers.push(*number);
            }
            _ => self.push_nothing(),
        }
    }

    fn push_nothing(&mut self) {
        self.missing.push(self.values.len());
        match &mut self.values {
            Values::Text(texts) => texts.append_value(""),
            Values::Date(days) => days.push(0),
            Values::Instant(numbers) | Values::Integer(numbers) => numbers.push(0),
        }
    }

    /// Takes back what stands behind that many rows.
    pub(super) fn truncate(&mut self, rows: usize) {
        while self.missing.pop_if(|row| *row >= rows).is_some() {}
        match &mut self.values {
            Values::Text(texts) if texts.len() > rows => truncate(texts, rows),
            Values::Text(_) => {}
            Values::Date(days) => days.truncate(rows),
            Values::Instant(numbers) | Values::Integer(numbers) => numbers.truncate(rows),
        }
    }

    /// The text of a row, when it has one.
    pub(super) fn text(&self, row: usize) -> Option<&str> {
        let bytes = match &self.values {
            Values::Text(texts) => text_bytes(texts, row)?,
            Values::Date(_) | Values::Instant(_) | Values::Integer(_) => return None,
        };
        let text = std::str::from_utf8(bytes).ok();
        text.filter(|_| self.has_value(row))
    }

    /// Whether two rows have the same value.
    pub(super) fn equal(&self, one: usize, other: usize) -> bool {
        let same = match &self.values {
            Values::Text(texts) => text_bytes(texts, one) == text_bytes(texts, other),
            Values::Date(days) => days.get(one) == days.get(other),
            Values::Instant(numbers) | Values::Integer(numbers) => numbers.get(one) == numbers.get(other),
        };
        same && self.has_value(one) == self.has_value(other)
    }

    fn has_value(&self, row: usize) -> bool {
        self.missing.binary_search(&row).is_err()
    }

    /// The column so far; with room for another as large, and an eighth to spare, when one follows.
    pub(super) fn finish(&mut self, again: bool) -> Result<ArrayRef, ArrowError> {
        let whole = self.values.finish(again);
        let missing = std::mem::take(&mut self.missing);
        if missing.is_empty() {
            return Ok(whole);
        }
        let rows = whole.len();
        let marked = nullif(&whole, &marked(&missing, rows))?;
        // Of what has rows without a value, the bits behind the last row become 0, as Arrow's builders leave them; the first time they are 1.
        nullif(&marked, &BooleanArray::new(BooleanBuffer::new_unset(rows), None))
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Text(texts) => texts.len(),
            Self::Date(days) => days.len(),
            Self::Instant(numbers) | Self::Integer(numbers) => numbers.len(),
        }
    }

    fn finish(&mut self, again: bool) -> ArrayRef {
        match self {
            Self::Text(texts) => Arc::new(taken(texts, again)),
            Self::Date(days) => Arc::new(Date32Array::from(taken_numbers(days, again))),
            Self::Instant(numbers) => {
                let numbers = TimestampMicrosecondArray::from(taken_numbers(numbers, again));
                Arc::new(numbers.with_timezone("UTC"))
            }
            Self::Integer(numbers) => Arc::new(Int64Array::from(taken_numbers(numbers, again))),
        }
    }
}

fn taken(texts: &mut StringBuilder, again: bool) -> StringArray {
    let (rows, bytes) = if again {
        (texts.len(), texts.values_slice().len())
    } else {
        (0, 0)
    };
    let next = StringBuilder::with_capacity(rows, bytes + bytes / 8);
    std::mem::replace(texts, next).finish()
}

fn taken_numbers<T>(numbers: &mut Vec<T>, again: bool) -> Vec<T> {
    let next = Vec::with_capacity(if again { numbers.len() } else { 0 });
    std::mem::replace(numbers, next)
}

/// Takes back the texts behind that many rows.
fn truncate(texts: &mut StringBuilder, rows: usize) {
    let whole = texts.finish();
    let kept = whole.slice(0, rows);
    drop(whole);
    // The array is nobody else's, so that its buffers become those of the builder again.
    *texts = kept.into_builder().unwrap_or_else(|kept| {
        let mut again = StringBuilder::with_capacity(kept.len(), kept.value_data().len());
        again.extend(&kept);
        again
    });
}

/// `true` at each of those rows.
fn marked(rows: &[usize], count: usize) -> BooleanArray {
    let mut bits = BooleanBufferBuilder::new(count);
    let mut done = 0;
    for row in rows {
        bits.append_n(row.saturating_sub(done), false);
        bits.append(true);
        done = row + 1;
    }
    bits.append_n(count.saturating_sub(done), false);
    BooleanArray::new(bits.finish(), None)
}

/// The text of a row.
fn text_bytes(texts: &StringBuilder, row: usize) -> Option<&[u8]> {
    let offset = |at: usize| texts.offsets_slice().get(at).and_then(|at| usize::try_from(*at).ok());
    texts.values_slice().get(offset(row)?..offset(row + 1)?)
}

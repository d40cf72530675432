//! One column under construction.
//!
//! Takes one value after another; gives an Arrow array. The last rows can be taken back: of numbers for nothing, of texts by way of an array,
//! since only Arrow's own builder of texts ends without another look at every byte.

use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, StringBuilder};
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, NullBuffer, NullBufferBuilder};
use arrow_schema::{ArrowError, DataType};

use crate::catalogue::Field;
use crate::value::Value;

/// The values of one column.
pub(super) enum Column {
    Text(StringBuilder),
    Date(Numbers<i32>),
    Instant(Numbers<i64>),
    Integer(Numbers<i64>),
}

/// The values of a column of numbers.
pub(super) struct Numbers<T> {
    /// 0 where there is none.
    values: Vec<T>,
    /// Rows without a value, in ascending order: few, so that a value costs nothing here.
    nulls: Vec<usize>,
}

impl Column {
    pub(super) fn new(field: &Field, rows: usize) -> Self {
        match field.kind.data_type() {
            DataType::Date32 => Self::Date(Numbers::new(rows)),
            DataType::Int64 => Self::Integer(Numbers::new(rows)),
            DataType::Timestamp(..) => Self::Instant(Numbers::new(rows)),
            _ => Self::Text(StringBuilder::with_capacity(rows, rows * 16)),
        }
    }

    /// Appends the value of one more row.
    #[inline]
    pub(super) fn push(&mut self, value: &Value<'_>) {
        match (self, value) {
            (Self::Text(texts), Value::Text(text)) => texts.append_value(text),
            (other, value) => other.push_other(value),
        }
    }

    /// By itself, so that a text, as most values are, is told by two comparisons.
    #[inline(never)]
    fn push_other(&mut self, value: &Value<'_>) {
        match (self, value) {
            (Self::Date(days), Value::Date(day)) => days.values.push(*day),
            (Self::Instant(numbers) | Self::Integer(numbers), Value::Instant(number) | Value::Integer(number)) => {
                numbers.values.push(*number);
            }
            (Self::Text(texts), _) => texts.append_null(),
            (Self::Date(days), _) => days.push_null(),
            (Self::Instant(numbers) | Self::Integer(numbers), _) => numbers.push_null(),
        }
    }

    /// Takes back what stands behind that many rows.
    pub(super) fn truncate(&mut self, rows: usize) {
        match self {
            Self::Text(texts) if texts.len() > rows => {
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
            Self::Text(_) => {}
            Self::Date(days) => days.truncate(rows),
            Self::Instant(numbers) | Self::Integer(numbers) => numbers.truncate(rows),
        }
    }

    /// The text of a row, when it has one.
    pub(super) fn text(&self, row: usize) -> Option<&str> {
        match self {
            Self::Text(texts) => std::str::from_utf8(text_bytes(texts, row)?).ok(),
            _ => None,
        }
    }

    /// Whether two rows have the same value.
    pub(super) fn equal(&self, one: usize, other: usize) -> bool {
        match self {
            Self::Text(texts) => text_bytes(texts, one) == text_bytes(texts, other),
            Self::Date(days) => days.get(one) == days.get(other),
            Self::Instant(numbers) | Self::Integer(numbers) => numbers.get(one) == numbers.get(other),
        }
    }

    /// The column so far; with room for another as large, and an eighth to spare, when one follows.
    pub(super) fn finish(&mut self, again: bool) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(texts) => {
                let (rows, bytes) = if again {
                    (texts.len(), texts.values_slice().len())
                } else {
                    (0, 0)
                };
                let next = StringBuilder::with_capacity(rows, bytes + bytes / 8);
                Arc::new(std::mem::replace(texts, next).finish())
            }
            Self::Date(days) => Arc::new(days.finish::<Date32Type>(again)?),
            Self::Instant(numbers) => Arc::new(numbers.finish::<TimestampMicrosecondType>(again)?.with_timezone("UTC")),
            Self::Integer(numbers) => Arc::new(numbers.finish::<Int64Type>(again)?),
        })
    }
}

impl<T: ArrowNativeType> Numbers<T> {
    fn new(rows: usize) -> Self {
        Self {
            values: Vec::with_capacity(rows),
            nulls: Vec::new(),
        }
    }

    fn push_null(&mut self) {
        self.nulls.push(self.values.len());
        self.values.push(T::default());
    }

    fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        while self.nulls.pop_if(|row| *row >= rows).is_some() {}
    }

    fn get(&self, row: usize) -> Option<T> {
        let has_value = self.nulls.binary_search(&row).is_err();
        self.values.get(row).copied().filter(|_| has_value)
    }

    fn finish<A: ArrowPrimitiveType<Native = T>>(&mut self, again: bool) -> Result<PrimitiveArray<A>, ArrowError> {
        let next = Self::new(if again { self.values.len() } else { 0 });
        let Self { values, nulls } = std::mem::replace(self, next);
        let nulls = bitmap(&nulls, values.len());
        PrimitiveArray::try_new(values.into(), nulls)
    }
}

/// Which rows have a value; nothing when all have.
fn bitmap(nulls: &[usize], rows: usize) -> Option<NullBuffer> {
    let mut bits = NullBufferBuilder::new(rows);
    let mut done = 0;
    for row in nulls {
        bits.append_n_non_nulls(row.saturating_sub(done));
        bits.append_null();
        done = row + 1;
    }
    bits.append_n_non_nulls(rows.saturating_sub(done));
    bits.finish()
}

/// The text of a row; nothing when it has none.
fn text_bytes(texts: &StringBuilder, row: usize) -> Option<&[u8]> {
    // A builder without a null has no bitmap yet.
    let has_value = texts
        .validity_slice()
        .is_none_or(|bits| bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1));
    let offset = |at: usize| texts.offsets_slice().get(at).and_then(|at| usize::try_from(*at).ok());
    texts
        .values_slice()
        .get(offset(row)?..offset(row + 1)?)
        .filter(|_| has_value)
}

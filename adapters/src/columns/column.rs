//! One column under construction.
//!
//! Takes one value after another; gives an Arrow array. The last rows can be taken back: of numbers for nothing, of texts by way of an array,
//! since only Arrow's own builder of texts ends without another look at every byte.

use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, StringBuilder};
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, BooleanBufferBuilder, NullBuffer};
use arrow_schema::{ArrowError, DataType};
use arrow_select::nullif::nullif;

use crate::catalogue::Field;
use crate::value::Value;

/// The values of one column.
pub(super) enum Column {
    Text(Texts),
    Date(Numbers<i32>),
    Instant(Numbers<i64>),
    Integer(Numbers<i64>),
}

/// The values of a column of texts.
pub(super) struct Texts {
    /// Empty where there is none.
    values: StringBuilder,
    nulls: Nulls,
}

/// The values of a column of numbers.
pub(super) struct Numbers<T> {
    /// 0 where there is none.
    values: Vec<T>,
    nulls: Nulls,
}

/// Rows without a value, in ascending order: few, so that a value costs nothing here.
#[derive(Default)]
struct Nulls(Vec<usize>);

impl Column {
    pub(super) fn new(field: &Field, rows: usize) -> Self {
        match field.kind.data_type() {
            DataType::Date32 => Self::Date(Numbers::new(rows)),
            DataType::Int64 => Self::Integer(Numbers::new(rows)),
            DataType::Timestamp(..) => Self::Instant(Numbers::new(rows)),
            _ => Self::Text(Texts::new(rows, rows * 16)),
        }
    }

    /// Appends the value of one more row.
    #[inline]
    pub(super) fn push(&mut self, value: &Value<'_>) {
        match (self, value) {
            (Self::Text(texts), Value::Text(text)) => texts.values.append_value(text),
            (Self::Date(days), Value::Date(day)) => days.values.push(*day),
            (Self::Instant(numbers) | Self::Integer(numbers), Value::Instant(number) | Value::Integer(number)) => {
                numbers.values.push(*number);
            }
            (Self::Text(texts), _) => texts.push_null(),
            (Self::Date(days), _) => days.push_null(),
            (Self::Instant(numbers) | Self::Integer(numbers), _) => numbers.push_null(),
        }
    }

    /// Takes back what stands behind that many rows.
    pub(super) fn truncate(&mut self, rows: usize) {
        match self {
            Self::Text(texts) => texts.truncate(rows),
            Self::Date(days) => days.truncate(rows),
            Self::Instant(numbers) | Self::Integer(numbers) => numbers.truncate(rows),
        }
    }

    /// The text of a row, when it has one.
    pub(super) fn text(&self, row: usize) -> Option<&str> {
        match self {
            Self::Text(texts) => std::str::from_utf8(texts.get(row)?).ok(),
            _ => None,
        }
    }

    /// Whether two rows have the same value.
    pub(super) fn equal(&self, one: usize, other: usize) -> bool {
        match self {
            Self::Text(texts) => texts.get(one) == texts.get(other),
            Self::Date(days) => days.get(one) == days.get(other),
            Self::Instant(numbers) | Self::Integer(numbers) => numbers.get(one) == numbers.get(other),
        }
    }

    /// The column so far; with room for another as large, and an eighth to spare, when one follows.
    pub(super) fn finish(&mut self, again: bool) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(texts) => texts.finish(again)?,
            Self::Date(days) => Arc::new(days.finish::<Date32Type>(again)?),
            Self::Instant(numbers) => Arc::new(numbers.finish::<TimestampMicrosecondType>(again)?.with_timezone("UTC")),
            Self::Integer(numbers) => Arc::new(numbers.finish::<Int64Type>(again)?),
        })
    }
}

impl Texts {
    fn new(rows: usize, bytes: usize) -> Self {
        Self {
            values: StringBuilder::with_capacity(rows, bytes),
            nulls: Nulls::default(),
        }
    }

    fn push_null(&mut self) {
        self.nulls.0.push(self.values.len());
        self.values.append_value("");
    }

    fn truncate(&mut self, rows: usize) {
        self.nulls.truncate(rows);
        if self.values.len() <= rows {
            return;
        }
        let whole = self.values.finish();
        let kept = whole.slice(0, rows);
        drop(whole);
        // The array is nobody else's, so that its buffers become those of the builder again.
        self.values = kept.into_builder().unwrap_or_else(|kept| {
            let mut again = StringBuilder::with_capacity(kept.len(), kept.value_data().len());
            again.extend(&kept);
            again
        });
    }

    fn get(&self, row: usize) -> Option<&[u8]> {
        let offsets = self.values.offsets_slice();
        let offset = |at: usize| offsets.get(at).and_then(|at| usize::try_from(*at).ok());
        let bytes = self.values.values_slice().get(offset(row)?..offset(row + 1)?)?;
        self.nulls.has_value(row).then_some(bytes)
    }

    fn finish(&mut self, again: bool) -> Result<ArrayRef, ArrowError> {
        let (rows, bytes) = if again {
            (self.values.len(), self.values.values_slice().len())
        } else {
            (0, 0)
        };
        let Self { mut values, nulls } = std::mem::replace(self, Self::new(rows, bytes + bytes / 8));
        let values = values.finish();
        // Only the bitmap is new: the texts were looked at when they were decoded.
        match nulls.among(values.len()) {
            Some(mut missing) => nullif(&values, &BooleanArray::new(missing.finish(), None)),
            None => Ok(Arc::new(values)),
        }
    }
}

impl<T: ArrowNativeType> Numbers<T> {
    fn new(rows: usize) -> Self {
        Self {
            values: Vec::with_capacity(rows),
            nulls: Nulls::default(),
        }
    }

    fn push_null(&mut self) {
        self.nulls.0.push(self.values.len());
        self.values.push(T::default());
    }

    fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.nulls.truncate(rows);
    }

    fn get(&self, row: usize) -> Option<T> {
        self.values.get(row).copied().filter(|_| self.nulls.has_value(row))
    }

    fn finish<A: ArrowPrimitiveType<Native = T>>(&mut self, again: bool) -> Result<PrimitiveArray<A>, ArrowError> {
        let next = Self::new(if again { self.values.len() } else { 0 });
        let Self { values, nulls } = std::mem::replace(self, next);
        let missing = nulls.among(values.len());
        let nulls = missing.map(|mut missing| NullBuffer::new(!&missing.finish()));
        PrimitiveArray::try_new(values.into(), nulls)
    }
}

impl Nulls {
    fn truncate(&mut self, rows: usize) {
        while self.0.pop_if(|row| *row >= rows).is_some() {}
    }

    fn has_value(&self, row: usize) -> bool {
        // The row at hand is asked for most.
        match self.0.last() {
            Some(last) if *last >= row => self.0.binary_search(&row).is_err(),
            _ => true,
        }
    }

    /// Those among so many rows, as bits; nothing when all have a value.
    fn among(&self, rows: usize) -> Option<BooleanBufferBuilder> {
        if self.0.is_empty() {
            return None;
        }
        let mut bits = BooleanBufferBuilder::new(rows);
        bits.append_n(rows, false);
        for row in &self.0 {
            bits.set_bit(*row, true);
        }
        Some(bits)
    }
}

//! Compact columns: buffers that hold the rows' bytes and nothing else.
//!
//! A slice, a truncated builder and a null slot can carry values that no row shows, and IPC would write them. Takes a column; gives
//! the same column when it is compact already (a pointer copy), else one built anew. Refuses types that no field has.

use std::sync::Arc;

use arrow_array::builder::{PrimitiveBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, StringArray};
use arrow_buffer::{Buffer, NullBuffer};
use arrow_schema::DataType;

/// The column without hidden bytes, or `None` for a type that fields do not have.
pub(crate) fn compact(column: &ArrayRef) -> Option<ArrayRef> {
    match column.data_type() {
        DataType::Utf8 => {
            let text = column.as_string_opt::<i32>()?;
            Some(if is_compact_text(text) {
                Arc::clone(column)
            } else {
                rebuild_text(text)
            })
        }
        DataType::Date32 => compact_primitive::<Date32Type>(column),
        DataType::Int64 => compact_primitive::<Int64Type>(column),
        DataType::Timestamp(..) => compact_primitive::<TimestampMicrosecondType>(column),
        _ => None,
    }
}

fn is_compact_text(text: &StringArray) -> bool {
    let offsets = text.value_offsets();
    let ends = (offsets.first().copied(), offsets.last().copied());
    let whole = ends == (Some(0), i32::try_from(text.values().len()).ok());
    // A null slot must have length 0: its bytes would travel though no row shows them.
    let quiet = |row: usize| !text.is_null(row) || text.value_length(row) == 0;
    whole
        && is_whole(text.values())
        && is_whole(text.offsets().inner().inner())
        && has_compact_nulls(text.nulls())
        && (text.null_count() == 0 || (0..text.len()).all(quiet))
}

fn rebuild_text(text: &StringArray) -> ArrayRef {
    let bytes = text.iter().flatten().map(str::len).sum();
    let mut out = StringBuilder::with_capacity(text.len(), bytes);
    for value in text {
        out.append_option(value);
    }
    Arc::new(out.finish())
}

fn compact_primitive<T: ArrowPrimitiveType>(column: &ArrayRef) -> Option<ArrayRef> {
    let numbers = column.as_primitive_opt::<T>()?;
    if is_compact_primitive(numbers) {
        return Some(Arc::clone(column));
    }
    let mut out = PrimitiveBuilder::<T>::with_capacity(numbers.len());
    for value in numbers {
        out.append_option(value);
    }
    let rebuilt = out.finish().with_data_type(column.data_type().clone());
    Some(Arc::new(rebuilt))
}

fn is_compact_primitive<T: ArrowPrimitiveType>(numbers: &PrimitiveArray<T>) -> bool {
    let quiet = |(value, row): (&T::Native, usize)| !numbers.is_null(row) || *value == T::Native::default();
    is_whole(numbers.values().inner())
        && has_compact_nulls(numbers.nulls())
        && (numbers.null_count() == 0 || numbers.values().iter().zip(0..).all(quiet))
}

/// Whether a buffer begins where its allocation begins.
fn is_whole(buffer: &Buffer) -> bool {
    buffer.ptr_offset() == 0
}

/// Whether a validity bitmap covers exactly its rows.
fn has_compact_nulls(nulls: Option<&NullBuffer>) -> bool {
    let Some(nulls) = nulls else { return true };
    let bits = nulls.inner();
    let spare = bits.len() % 8;
    let tail_is_clear = spare == 0 || bits.inner().last().is_none_or(|last| last >> spare == 0);
    nulls.null_count() > 0
        && bits.offset() == 0
        && is_whole(bits.inner())
        && bits.inner().len() == bits.len().div_ceil(8)
        && tail_is_clear
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use arrow_array::{Date32Array, Int64Array, TimestampMicrosecondArray};
    use arrow_buffer::{BooleanBuffer, OffsetBuffer, ScalarBuffer};

    use super::*;

    fn same_rows(a: &ArrayRef, b: &ArrayRef) -> bool {
        a.to_data() == b.to_data()
    }

    #[test]
    fn a_compact_column_is_copied_by_pointer() {
        let columns: [ArrayRef; 4] = [
            Arc::new(StringArray::from(vec![Some("甲"), None, Some("")])),
            Arc::new(Date32Array::from(vec![Some(1), None])),
            Arc::new(Int64Array::from(vec![1, 2])),
            Arc::new(TimestampMicrosecondArray::from(vec![1, 2]).with_timezone("UTC")),
        ];
        for column in columns {
            assert!(
                Arc::ptr_eq(&compact(&column).unwrap(), &column),
                "{:?}",
                column.data_type()
            );
        }
    }

    #[test]
    fn a_slice_and_a_filled_null_slot_are_built_anew() {
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("hidden"), Some("a"), None, Some("hidden")]));
        let slice = text.slice(1, 2);
        let tight = compact(&slice).unwrap();
        assert!(same_rows(&tight, &slice));
        assert_eq!(tight.as_string::<i32>().values().as_slice(), b"a");

        let filled: ArrayRef = Arc::new(StringArray::new(
            OffsetBuffer::new(ScalarBuffer::from(vec![0, 1, 7])),
            Buffer::from(b"ahidden".as_slice()),
            Some(NullBuffer::from(vec![true, false])),
        ));
        let tight = compact(&filled).unwrap();
        assert_eq!(tight.as_string::<i32>().values().as_slice(), b"a");
        assert!(
            Arc::ptr_eq(&compact(&tight).unwrap(), &tight),
            "what was built anew is compact"
        );

        let secret = Date32Array::new(
            ScalarBuffer::from(vec![1, 77]),
            Some(NullBuffer::from(vec![true, false])),
        );
        let tight = compact(&(Arc::new(secret) as ArrayRef)).unwrap();
        assert_eq!(tight.as_primitive::<Date32Type>().values().as_ref(), &[1, 0]);
    }

    /// Each column shows what the first one does and is not compact for one reason alone.
    #[test]
    fn each_place_where_a_byte_can_hide_is_enough_to_build_a_text_anew() {
        let nulls = |bits: &[u8], from: usize| {
            let bits = BooleanBuffer::new(Buffer::from(bits), from, 2);
            Some(NullBuffer::new(bits))
        };
        let text = |offsets: &[i32], bytes: Buffer, nulls: Option<NullBuffer>| {
            let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets.to_vec()));
            Arc::new(StringArray::new(offsets, bytes, nulls)) as ArrayRef
        };
        let bytes = |text: &str| Buffer::from(text.as_bytes());
        let tight = text(&[0, 1, 1], bytes("a"), nulls(&[0b01], 0));
        assert!(Arc::ptr_eq(&compact(&tight).unwrap(), &tight));
        let late_offsets = ScalarBuffer::from(vec![7, 0, 1, 1]).slice(1, 3);
        let late_offsets = OffsetBuffer::new(late_offsets);
        let late_offsets = StringArray::new(late_offsets, bytes("a"), nulls(&[0b01], 0));
        for (why, loose) in [
            (
                "bytes before the first row",
                text(&[1, 2, 2], bytes("xa"), nulls(&[0b01], 0)),
            ),
            (
                "bytes behind the last row",
                text(&[0, 1, 1], bytes("ax"), nulls(&[0b01], 0)),
            ),
            (
                "a buffer that begins late",
                text(&[0, 1, 1], bytes("xa").slice(1), nulls(&[0b01], 0)),
            ),
            ("offsets that begin late", Arc::new(late_offsets) as ArrayRef),
            ("bytes in a null slot", text(&[0, 1, 2], bytes("ax"), nulls(&[0b01], 0))),
            (
                "validity that begins late",
                text(&[0, 1, 1], bytes("a"), nulls(&[0b10], 1)),
            ),
            (
                "validity that is too long",
                text(&[0, 1, 1], bytes("a"), nulls(&[0b01, 0], 0)),
            ),
            (
                "validity behind the last row",
                text(&[0, 1, 1], bytes("a"), nulls(&[0b101], 0)),
            ),
            (
                "validity whose buffer begins late",
                text(
                    &[0, 1, 1],
                    bytes("a"),
                    Some(NullBuffer::new(BooleanBuffer::new(Buffer::from([0, 1]).slice(1), 0, 2))),
                ),
            ),
        ] {
            let built = compact(&loose).unwrap();
            assert!(!Arc::ptr_eq(&built, &loose), "{why}");
            assert!(same_rows(&built, &tight), "{why}");
            assert!(Arc::ptr_eq(&compact(&built).unwrap(), &built), "{why}");
        }
        let full = text(&[0, 1, 2], bytes("ab"), nulls(&[0b11], 0));
        let built = compact(&full).unwrap();
        assert!(built.nulls().is_none(), "validity that says nothing");
        let eight = NullBuffer::from(vec![true, true, true, true, true, true, true, false]);
        let eight: ArrayRef = Arc::new(Date32Array::new(
            ScalarBuffer::from(vec![1, 1, 1, 1, 1, 1, 1, 0]),
            Some(eight),
        ));
        assert!(Arc::ptr_eq(&compact(&eight).unwrap(), &eight), "a whole byte of rows");
    }

    #[test]
    fn each_place_where_a_number_can_hide_is_enough_to_build_a_column_anew() {
        let days = |values: Vec<i32>, nulls: Option<NullBuffer>| {
            Arc::new(Date32Array::new(ScalarBuffer::from(values), nulls)) as ArrayRef
        };
        let null = || Some(NullBuffer::from(vec![true, false]));
        let tight = days(vec![1, 0], null());
        let late = ScalarBuffer::from(vec![7, 1, 0]).slice(1, 2);
        let late_nulls = NullBuffer::new(BooleanBuffer::new(Buffer::from([0b10]), 1, 2));
        for (why, loose) in [
            (
                "values that begin late",
                Arc::new(Date32Array::new(late, null())) as ArrayRef,
            ),
            ("a value in a null slot", days(vec![1, 7], null())),
            ("validity that begins late", days(vec![1, 0], Some(late_nulls))),
        ] {
            let built = compact(&loose).unwrap();
            assert!(!Arc::ptr_eq(&built, &loose), "{why}");
            assert!(same_rows(&built, &tight), "{why}");
            assert_eq!(built.as_primitive::<Date32Type>().values().as_ref(), &[1, 0], "{why}");
        }
    }

    #[test]
    fn a_type_that_no_field_has_is_refused() {
        let floats: ArrayRef = Arc::new(arrow_array::Float64Array::from(vec![1.0]));
        assert!(compact(&floats).is_none());
    }
}

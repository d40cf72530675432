//! `exists`: whether there is a value, and nothing about it.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

/// Takes any column; gives booleans without nulls: the validity bitmap, O(n/8). Source: policy operator 3.
pub(super) fn apply(column: &dyn Array) -> ArrayRef {
    let bits = match column.nulls() {
        None => BooleanBuffer::new_set(column.len()),
        Some(nulls) => {
            let mut bits = BooleanBufferBuilder::new(nulls.len());
            bits.append_buffer(nulls.inner());
            bits.finish()
        }
    };
    Arc::new(BooleanArray::new(bits, None))
}

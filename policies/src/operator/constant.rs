//! `constant`: one text for every row, so that a column exists and says nothing.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, StringArray};

/// Takes a number of rows; gives that many times the value, in rows that were null too. Source: policy operator 2.
pub(crate) fn apply(rows: usize, value: &str) -> ArrayRef {
    let mut out = StringBuilder::with_capacity(rows, rows.saturating_mul(value.len()));
    for _ in 0..rows {
        out.append_value(value);
    }
    let out: StringArray = out.finish();
    Arc::new(out)
}

//! `sex_of`: the sex that a resident id gives away, and nothing else of it.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;
use shuguan_adapters::value::citizen_id;

/// Resident ids become codes of GB/T 2261.1.
pub(super) fn fits(kind: &FieldType) -> Result<DataType, String> {
    match kind {
        FieldType::CitizenId => Ok(DataType::Utf8),
        _ => Err("only a resident id tells a sex".into()),
    }
}

/// Takes resident ids in canonical form, gives `1` (male) or `2` (female) by digit 17. Null in, null out; a shorter text becomes null.
/// Source: policy operator 11, GB 11643.
pub(super) fn apply(column: &StringArray) -> ArrayRef {
    let mut out = StringBuilder::with_capacity(column.len(), column.len());
    for id in column {
        out.append_option(id.and_then(citizen_id::sex));
    }
    Arc::new(out.finish())
}

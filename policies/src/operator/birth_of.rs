//! `birth_of`: the birth date that a resident id gives away, cut like any date, and nothing else of it.

use arrow_array::builder::Date32Builder;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;
use shuguan_adapters::value::citizen_id;

use super::date::DateTo;

/// Resident ids become what the date would.
pub(super) fn fits(to: DateTo, kind: &FieldType) -> Result<DataType, String> {
    match kind {
        FieldType::CitizenId => to.fits(&FieldType::Date),
        _ => Err("only a resident id tells a birth date".into()),
    }
}

/// Takes resident ids in canonical form, gives digits 7 to 14 as a day, cut to `to`. Null in, null out; no such day becomes null.
/// Source: policy operator 11, GB 11643.
pub(super) fn apply(to: DateTo, column: &StringArray) -> ArrayRef {
    let mut days = Date32Builder::with_capacity(column.len());
    for id in column {
        days.append_option(id.and_then(citizen_id::birth_day));
    }
    to.apply_days(&days.finish())
}

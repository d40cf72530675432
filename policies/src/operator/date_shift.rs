//! `date_shift`: every date of one subject moved by the same unknown number of days, so that spans stay and days do not.

use std::sync::Arc;

use arrow_array::builder::Date32Builder;
use arrow_array::{ArrayRef, Date32Array, StringArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;

use crate::key::Key;
use crate::mac::Mac;

/// How far at most, under which key, and whose dates move together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateShift {
    /// Largest shift in days, either way.
    pub days: u16,
    /// The key, with its scope.
    pub key: Arc<Key>,
    /// The field that names the subject.
    pub subject: String,
}

/// Days stay days.
pub(super) fn fits(kind: &FieldType) -> Result<DataType, String> {
    match kind {
        FieldType::Date => Ok(DataType::Date32),
        _ => Err("only dates can be shifted".into()),
    }
}

impl DateShift {
    /// Takes days since 1970-01-01 and the subject of each row; gives the days moved by an offset of −`days` to +`days`, the same for
    /// all rows and fields of one subject: the first eight bytes of HMAC-SHA-256 over `shuguan.date-shift.v1`, the domain and the
    /// subject, one a line, modulo 2·`days` + 1. Null in, null out; without a subject there is no offset, so null. Source: policy
    /// operator 14.
    pub(super) fn apply(&self, column: &Date32Array, subjects: &StringArray, key: &Mac) -> ArrayRef {
        let mut message = format!("shuguan.date-shift.v1\n{}\n", self.key.domain.name()).into_bytes();
        let head = message.len();
        let mut out = Date32Builder::with_capacity(column.len());
        for (day, subject) in column.iter().zip(subjects) {
            let (Some(day), Some(subject)) = (day, subject) else {
                out.append_null();
                continue;
            };
            message.truncate(head);
            message.extend_from_slice(subject.as_bytes());
            out.append_value(day.saturating_add(self.offset(key.sign(&message))));
        }
        Arc::new(out.finish())
    }

    fn offset(&self, tag: [u8; 32]) -> i32 {
        let first = tag.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let range = u64::from(self.days) * 2 + 1;
        i32::try_from(first % range).unwrap_or(0) - i32::from(self.days)
    }
}

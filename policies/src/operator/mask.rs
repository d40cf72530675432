//! `mask`: some characters of a text covered, the length kept.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;

/// What stays visible and what covers the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Characters visible at the start.
    pub first: u16,
    /// Characters visible at the end.
    pub last: u16,
    /// What stands for each covered character.
    pub cover: char,
}

/// Names, free text and phone numbers become text. Never an identifier: with region and last four digits visible, about 3,300 birth
/// dates of a century are left, and none once the birth date is known.
pub(super) fn fits(kind: &FieldType) -> Result<DataType, String> {
    match kind {
        FieldType::Name | FieldType::Text(_) | FieldType::Phone => Ok(DataType::Utf8),
        FieldType::CitizenId
        | FieldType::Uscc
        | FieldType::OrgCode
        | FieldType::RegNo
        | FieldType::TaxpayerId
        | FieldType::DocumentNo(_) => {
            Err("a masked number can be completed from what else is known; use `pseudonym`".into())
        }
        FieldType::Code(_)
        | FieldType::Region
        | FieldType::Division(_)
        | FieldType::Date
        | FieldType::Month
        | FieldType::Instant
        | FieldType::Integer(_)
        | FieldType::Decimal(_) => Err("only names, texts and phone numbers can be masked".into()),
    }
}

impl Mask {
    /// The operator with its arguments.
    pub(super) fn describe(&self) -> String {
        format!("mask first={} last={} char={}", self.first, self.last, self.cover)
    }

    /// Takes text, gives text of as many characters (not bytes); null in, null out.
    ///
    /// At least one character is always covered: of a text that `first` and `last` would show whole, `last` shows less first, so a
    /// name of one character is covered whole. Source: policy operator 12.
    pub(super) fn apply(&self, column: &StringArray) -> ArrayRef {
        let mut out = StringBuilder::with_capacity(column.len(), column.values().len());
        for value in column {
            match value {
                Some(value) => self.append(&mut out, value),
                None => out.append_null(),
            }
        }
        Arc::new(out.finish())
    }

    fn append(&self, out: &mut StringBuilder, value: &str) {
        let length = value.chars().count();
        let most = length.saturating_sub(1);
        let first = usize::from(self.first).min(most);
        let last = usize::from(self.last).min(most - first);
        for (at, seen) in value.chars().enumerate() {
            let visible = at < first || at >= length - last;
            // Writing to a builder in memory cannot fail.
            let _ = out.write_char(if visible { seen } else { self.cover });
        }
        out.append_value("");
    }
}

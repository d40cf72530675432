//! `mask`: some characters of a text covered, the length kept or not.

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
    /// As many covers as characters; otherwise always two.
    pub keep_length: bool,
}

/// Covers of a mask that does not keep the length.
const COVERS: usize = 2;

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
        let length = if self.keep_length { "" } else { " keep_length=false" };
        format!(
            "mask first={} last={} char={}{length}",
            self.first, self.last, self.cover
        )
    }

    /// Takes text, gives text of as many characters (not bytes), or with two covers for however many; null in, null out.
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
        let covered = length - first - last;
        let (shown, rest) = value.split_at(byte_of(value, first));
        let tail = rest.get(byte_of(rest, covered)..).unwrap_or_default();
        let covers = if self.keep_length || covered == 0 {
            covered
        } else {
            COVERS
        };
        let mut cover = [0; 4];
        let cover: &str = self.cover.encode_utf8(&mut cover);
        // Writing to a builder in memory cannot fail.
        let _ = out.write_str(shown);
        for _ in 0..covers {
            let _ = out.write_str(cover);
        }
        out.append_value(tail);
    }
}

/// Where the character of that number begins.
fn byte_of(text: &str, at: usize) -> usize {
    text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte)
}

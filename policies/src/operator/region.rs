//! `region`: a division code cut to the town, the county, the city or the province.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;

/// What is left of a division code (GB/T 2260).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionTo {
    /// 2 digits.
    Province,
    /// 4 digits.
    City,
    /// 6 digits.
    County,
    /// 9 digits.
    Town,
}

/// Regions, divisions and resident ids (whose first six digits are the county of first issue) become text.
pub(super) fn fits(to: RegionTo, kind: &FieldType) -> Result<DataType, String> {
    match kind {
        FieldType::Region | FieldType::CitizenId if to == RegionTo::Town => Err("six digits name no town".into()),
        FieldType::Region | FieldType::Division(_) | FieldType::CitizenId => Ok(DataType::Utf8),
        _ => Err("only division codes and resident ids can be cut to a region".into()),
    }
}

impl RegionTo {
    /// Every level, coarsest first.
    pub const ALL: [Self; 4] = [Self::Province, Self::City, Self::County, Self::Town];

    /// `province`, `city`, `county` or `town`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Province => "province",
            Self::City => "city",
            Self::County => "county",
            Self::Town => "town",
        }
    }

    /// Digits that are left.
    pub(crate) fn digits(self) -> usize {
        match self {
            Self::Province => 2,
            Self::City => 4,
            Self::County => 6,
            Self::Town => 9,
        }
    }

    /// Takes codes of at least six ASCII digits; gives the first 2, 4, 6 or 9. Null in, null out; a shorter code becomes null.
    /// Source: policy operator 9.
    pub(super) fn apply(self, column: &StringArray) -> ArrayRef {
        let digits = self.digits();
        let mut out = StringBuilder::with_capacity(column.len(), column.len() * digits);
        for code in column {
            out.append_option(code.and_then(|code| code.get(..digits)));
        }
        Arc::new(out.finish())
    }
}

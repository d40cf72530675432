//! Operators: how a granted field is reduced. Column in, column out, one file an operator.
//!
//! Nulls stay nulls, except under `constant` (always the value) and `exists` (always a yes or no). Outputs are built anew, so they
//! hold no byte of the input that no row shows. Not every operator fits every type: [`Operator::fits`] says so when a bundle loads.

pub mod bucket;
pub mod constant;
pub mod date;
pub mod exists;
pub mod mask;
pub mod pseudonym;
mod read;
pub mod region;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, StringArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;

use crate::canonical::Canonical;
use crate::compact::compact;
use crate::key::KeyRing;
use crate::plan::ReleaseError;
use bucket::Bucket;
use date::DateTo;
use mask::Mask;
use pseudonym::Pseudonym;
use region::RegionTo;

/// How one granted field is released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// As it is.
    Keep,
    /// Not at all; written down to show intent.
    Drop,
    /// One text for every row.
    Constant(String),
    /// Whether there is a value.
    Exists,
    /// Some characters covered.
    Mask(Mask),
    /// Cut to the day, month or year.
    Date(DateTo),
    /// Cut to the county, city or province.
    Region(RegionTo),
    /// The interval that a number lies in.
    Bucket(Bucket),
    /// A keyed pseudonym: only equality is left.
    Pseudonym(Pseudonym),
}

impl Operator {
    /// Names of all operators, as agreements write them.
    pub const NAMES: [&'static str; 9] = [
        "keep",
        "drop",
        "constant",
        "exists",
        "mask",
        "date",
        "region",
        "bucket",
        "pseudonym",
    ];

    /// The word that agreements use.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::Constant(_) => "constant",
            Self::Exists => "exists",
            Self::Mask(_) => "mask",
            Self::Date(_) => "date",
            Self::Region(_) => "region",
            Self::Bucket(_) => "bucket",
            Self::Pseudonym(_) => "pseudonym",
        }
    }

    /// The operator with its arguments, for people, e.g. `mask first=1 last=0 char=＊`.
    pub fn describe(&self) -> String {
        match self {
            Self::Keep | Self::Drop | Self::Exists => self.name().to_owned(),
            Self::Constant(value) => format!("constant {value:?}"),
            Self::Mask(mask) => mask.describe(),
            Self::Date(to) => format!("date to {}", to.name()),
            Self::Region(to) => format!("region to {}", to.name()),
            Self::Bucket(bucket) => bucket.describe(),
            Self::Pseudonym(pseudonym) => format!("pseudonym key {}", pseudonym.key.id),
        }
    }

    /// The column type it makes of a field of this type.
    ///
    /// # Errors
    /// Says why the operator does not fit the type; the bundle does not load.
    pub fn fits(&self, kind: &FieldType) -> Result<DataType, String> {
        match self {
            Self::Keep => Ok(kind.data_type()),
            Self::Drop | Self::Constant(_) => Ok(DataType::Utf8),
            Self::Exists => Ok(DataType::Boolean),
            Self::Mask(_) => mask::fits(kind),
            Self::Date(to) => to.fits(kind),
            Self::Region(_) => region::fits(kind),
            Self::Bucket(_) => bucket::fits(kind),
            Self::Pseudonym(_) => pseudonym::fits(kind),
        }
    }

    /// Whether it needs the column at all; `constant` and `drop` do not, so the field is not even decoded.
    pub fn reads_source(&self) -> bool {
        !matches!(self, Self::Drop | Self::Constant(_))
    }

    /// Applies it to one column. The result is compact (see `compact`), as long as the input.
    ///
    /// # Errors
    /// [`ReleaseError::IllTyped`] when the column is not of the type that the plan was compiled for; no value is named.
    pub(crate) fn apply(
        &self,
        column: &ArrayRef,
        field: &'static str,
        keys: &KeyRing,
    ) -> Result<ArrayRef, ReleaseError> {
        let ill_typed = || ReleaseError::IllTyped { field };
        let text = || text_of(column).ok_or_else(ill_typed);
        Ok(match self {
            Self::Keep => compact(column).ok_or_else(ill_typed)?,
            Self::Drop => return Err(ill_typed()),
            Self::Constant(value) => constant::apply(column.len(), value),
            Self::Exists => exists::apply(column.as_ref()),
            Self::Mask(mask) => mask.apply(text()?),
            Self::Region(to) => to.apply(text()?),
            Self::Pseudonym(pseudonym) => {
                let key = keys.hmac(&pseudonym.key).ok_or(ReleaseError::Key)?;
                pseudonym.apply(text()?, &key)
            }
            Self::Date(to) => match column.data_type() {
                DataType::Date32 => to.apply_days(column.as_primitive_opt::<Date32Type>().ok_or_else(ill_typed)?),
                DataType::Timestamp(..) => to.apply_instants(
                    column
                        .as_primitive_opt::<TimestampMicrosecondType>()
                        .ok_or_else(ill_typed)?,
                ),
                _ => to.apply_months(text()?),
            },
            Self::Bucket(bucket) => match column.as_primitive_opt::<Int64Type>() {
                Some(integers) => bucket.apply_integers(integers),
                None => bucket.apply_decimals(text()?).ok_or_else(ill_typed)?,
            },
        })
    }

    pub(crate) fn encode(&self, out: &mut Canonical) {
        out.text(self.name());
        match self {
            Self::Keep | Self::Drop | Self::Exists => {}
            Self::Constant(value) => {
                out.text(value);
            }
            Self::Mask(mask) => {
                out.integer(mask.first.into()).integer(mask.last.into());
                out.text(mask.cover.encode_utf8(&mut [0; 4]));
            }
            Self::Date(to) => {
                out.text(to.name());
            }
            Self::Region(to) => {
                out.text(to.name());
            }
            Self::Bucket(bucket) => {
                out.count(bucket.edges().len());
                for edge in bucket.edges() {
                    out.instant(*edge);
                }
            }
            Self::Pseudonym(pseudonym) => pseudonym.key.encode(out),
        }
    }
}

fn text_of(column: &ArrayRef) -> Option<&StringArray> {
    column.as_string_opt::<i32>()
}

#[cfg(test)]
mod tests;

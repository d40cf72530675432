//! `round`: a number taken down to a multiple of a step.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, StringBuilder};
use arrow_array::{Array, ArrayRef, Int64Array, StringArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;

use super::bucket::floor;

/// The step, in whole units; at least 2 for whole numbers, at least 1 for decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Results are multiples of it.
    pub step: i64,
}

impl Round {
    /// Whole numbers stay whole numbers, decimals decimals. A step that changes nothing is no reduction.
    pub(super) fn fits(self, kind: &FieldType) -> Result<DataType, String> {
        match kind {
            FieldType::Integer(_) if self.step < 2 => Err("a step of 1 rounds no whole number".into()),
            FieldType::Decimal(0) if self.step < 2 => Err("a step of 1 rounds no number without decimals".into()),
            FieldType::Integer(_) | FieldType::Decimal(_) => Ok(kind.data_type()),
            _ => Err("only numbers can be rounded".into()),
        }
    }

    /// Takes whole numbers; gives the largest multiple of the step that is not above. Null in, null out. Down and never to the
    /// nearest, so that a coarser step is a function of a finer one that divides it. Source: policy operator 6.
    pub(super) fn apply_integers(self, column: &Int64Array) -> ArrayRef {
        let mut out = Int64Builder::with_capacity(column.len());
        for value in column {
            out.append_option(value.map(|value| self.down(value)));
        }
        Arc::new(out.finish())
    }

    /// The same for decimals in text form, written with as many decimals (all zero); `None` when a value is no decimal number.
    pub(super) fn apply_decimals(self, column: &StringArray) -> Option<ArrayRef> {
        let mut out = StringBuilder::with_capacity(column.len(), column.values().len());
        for value in column {
            let Some(value) = value else {
                out.append_null();
                continue;
            };
            let decimals = value.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            // Writing to a builder in memory cannot fail.
            let _ = write!(out, "{}", self.down(floor(value)?));
            if decimals > 0 {
                let _ = write!(out, ".{:0<decimals$}", "");
            }
            out.append_value("");
        }
        Some(Arc::new(out.finish()))
    }

    fn down(self, value: i64) -> i64 {
        value.saturating_sub(value.rem_euclid(self.step.max(1)))
    }
}

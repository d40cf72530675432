//! `age_band`: the band of completed years that a birth date falls in on the day of the exchange.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Date32Array};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;
use shuguan_adapters::value::date::civil_from_days;

/// Bands of `width` years up to `cap`, and one for everybody from `cap` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgeBand {
    width: u16,
    cap: u16,
}

/// Oldest cap; nobody is older.
const CAP_MAX: u16 = 150;

/// Days become text.
pub(super) fn fits(kind: &FieldType) -> Result<DataType, String> {
    match kind {
        FieldType::Date => Ok(DataType::Utf8),
        _ => Err("only a date gives an age".into()),
    }
}

impl AgeBand {
    /// The cap is a multiple of the width, from one width to 150; `None` otherwise.
    pub fn new(width: u16, cap: u16) -> Option<Self> {
        (width >= 2 && cap >= width && cap <= CAP_MAX && cap.is_multiple_of(width)).then_some(Self { width, cap })
    }

    /// Ages at which one band ends and the next begins, ascending: what decides which of two is coarser.
    pub(crate) fn edges(self) -> impl Iterator<Item = u16> {
        (self.width..=self.cap).step_by(self.width.into())
    }

    /// Completed years in a band, and the age from which all are one.
    pub(crate) fn arguments(self) -> (u16, u16) {
        (self.width, self.cap)
    }

    /// The operator with its arguments.
    pub(super) fn describe(self) -> String {
        format!("age_band width={} cap={}", self.width, self.cap)
    }

    /// Takes birth days since 1970-01-01 and the day of the exchange in Asia/Shanghai; gives `0-9`, `10-19`, … `80+`. Null in, null
    /// out. Who is born on 29 February completes a year on 1 March; a birth after the day of the exchange counts as age 0.
    /// Source: policy operator 7.
    pub(super) fn apply(self, column: &Date32Array, today: i32) -> ArrayRef {
        let labels: Vec<String> = (0..=self.cap)
            .step_by(self.width.into())
            .map(|from| {
                if from == self.cap {
                    format!("{from}+")
                } else {
                    format!("{from}-{}", from + self.width - 1)
                }
            })
            .collect();
        let mut out = StringBuilder::with_capacity(column.len(), column.len() * 5);
        for born in column {
            let label = born.map(|born| {
                let age = age(born, today).clamp(0, self.cap.into());
                let band = usize::try_from(age).unwrap_or(0) / usize::from(self.width);
                labels.get(band).map_or("", String::as_str)
            });
            out.append_option(label);
        }
        Arc::new(out.finish())
    }
}

/// Completed years between two days since 1970-01-01.
fn age(born: i32, today: i32) -> i32 {
    let (year, month, day) = civil_from_days(born);
    let (now, this_month, this_day) = civil_from_days(today);
    now - year - i32::from((this_month, this_day) < (month, day))
}

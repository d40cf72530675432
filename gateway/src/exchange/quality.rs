//! How good a batch was: a report of counts, made while it is read and sealed with it.
//!
//! Takes parts as they are decoded and the decoder's counts; gives a [`Quality`]. Dimensions as in GB/T 36344: completeness, validity,
//! consistency, uniqueness, timeliness. It holds field names, codes and counts, never a value, and has a bound: one line a wanted field, one
//! line a pair of code and field.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, RecordBatch};
use serde::{Deserialize, Serialize};
use shuguan_adapters::decode::Counts;
use shuguan_adapters::reject::RejectCode;

/// When the source last changed the record; the field that timeliness goes by.
const UPDATED_AT: &str = "source_updated_at";
/// Most pairs of code and field that a report lists; the rest is summed.
const REJECT_LINES_MAX: usize = 256;
/// Upper ends of the ages that are counted, days.
const AGES_DAYS: [i64; 4] = [1, 7, 31, 366];

/// The quality report of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    /// Records received.
    pub received: u64,
    /// Records without a fault, repeats and history included.
    pub valid: u64,
    /// Records that say of themselves that they are history, and were passed over.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub history: u64,
    /// Rejects by code and field.
    pub rejects: Vec<RejectCount>,
    /// How many of the rejects above the list does not show.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub rejects_unlisted: u64,
    /// Of the records in parts, how many have each wanted field.
    pub completeness: Completeness,
    /// Records with a value that its field does not allow.
    pub validity: Share,
    /// Records whose fields contradict each other.
    pub consistency: Share,
    /// Records that repeat an earlier one.
    pub uniqueness: Share,
    /// Records by the age of their last change at the source; none when no field says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeliness: Option<Ages>,
}

/// Rejects of one code in one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectCount {
    /// Stable code.
    pub code: Cow<'static, str>,
    /// English field name; none when the record as a whole is at fault.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<Cow<'static, str>>,
    /// Records.
    pub rows: u64,
}

/// How many records have each field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    /// Records looked at.
    pub rows: u64,
    /// By English field name: records with a value.
    pub present: BTreeMap<Cow<'static, str>, u64>,
}

/// Records at fault out of those looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Records at fault.
    pub failed: u64,
    /// Records looked at.
    pub rows: u64,
}

/// Records by age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ages {
    /// Changed within a day before the push.
    pub day: u64,
    /// Within seven days.
    pub week: u64,
    /// Within 31 days.
    pub month: u64,
    /// Within 366 days.
    pub year: u64,
    /// Earlier.
    pub older: u64,
    /// Not said, or later than the push.
    pub unknown: u64,
}

/// Counts over parts, as they pass.
#[derive(Debug)]
pub struct Gauge {
    now_us: i64,
    rows: u64,
    filled: Vec<(&'static str, u64)>,
    ages: Option<Ages>,
}

impl Gauge {
    /// A gauge for parts with these columns, read at that moment.
    pub fn new(wanted: &[&'static str], now_us: i64) -> Self {
        Self {
            now_us,
            rows: 0,
            filled: wanted.iter().map(|name| (*name, 0)).collect(),
            ages: wanted.contains(&UPDATED_AT).then(Ages::default),
        }
    }

    /// Counts one part. Arrow knows the number of nulls, so this costs nothing a row but for the ages.
    pub fn part(&mut self, part: &RecordBatch) {
        self.rows += part.num_rows() as u64;
        for (name, present) in &mut self.filled {
            if let Some(column) = part.column_by_name(name) {
                *present += (column.len() - column.null_count()) as u64;
            }
        }
        let updated = part
            .column_by_name(UPDATED_AT)
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        if let (Some(ages), Some(updated)) = (&mut self.ages, updated) {
            // A row at a time on purpose: it is one comparison of integers each.
            for moment in updated {
                ages.count(moment.map(|moment| self.now_us.saturating_sub(moment)));
            }
        }
    }

    /// The report.
    pub fn report(self, counts: &Counts) -> Quality {
        let mut quality = Quality {
            received: counts.received,
            valid: counts.received.saturating_sub(counts.rejected),
            completeness: Completeness {
                rows: self.rows,
                present: self
                    .filled
                    .into_iter()
                    .map(|(name, count)| (name.into(), count))
                    .collect(),
            },
            timeliness: self.ages,
            ..Quality::default()
        };
        for (number, ((code, field), rows)) in counts.by_field.iter().enumerate() {
            if contradicts(*code) {
                quality.consistency.failed += rows;
            } else {
                quality.validity.failed += rows;
            }
            if number < REJECT_LINES_MAX {
                quality.rejects.push(RejectCount {
                    code: code.code().into(),
                    field: field.map(Cow::Borrowed),
                    rows: *rows,
                });
            } else {
                quality.rejects_unlisted += rows;
            }
        }
        quality.history = counts.history;
        quality.validity.rows = counts.received;
        // Fields are compared only in records that are valid field by field.
        quality.consistency.rows = counts.received.saturating_sub(quality.validity.failed);
        quality.uniqueness = Share {
            failed: counts.repeated,
            // A row of history is compared with none.
            rows: quality.valid.saturating_sub(counts.history),
        };
        quality
    }
}

impl Ages {
    fn count(&mut self, age_us: Option<i64>) {
        let [day, week, month, year] = AGES_DAYS.map(|days| days * 86_400_000_000);
        let counter = match age_us {
            Some(age) if (0..=day).contains(&age) => &mut self.day,
            Some(age) if (0..=week).contains(&age) => &mut self.week,
            Some(age) if (0..=month).contains(&age) => &mut self.month,
            Some(age) if (0..=year).contains(&age) => &mut self.year,
            Some(age) if age > year => &mut self.older,
            _ => &mut self.unknown,
        };
        *counter += 1;
    }
}

/// Whether the code says that two fields of a record contradict each other.
fn contradicts(code: RejectCode) -> bool {
    matches!(
        code,
        RejectCode::SexContradictsId | RejectCode::BirthContradictsId | RejectCode::OutOfOrderDates
    )
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::Arc;

    use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
    use shuguan_adapters::decode::Counts;
    use shuguan_adapters::reject::RejectCode;

    use super::{Ages, Gauge, Share};
    use crate::clock::DAY_US;

    const NOW_US: i64 = 20_000 * DAY_US;

    fn part(names: &[Option<&str>], ages_days: &[Option<i64>]) -> RecordBatch {
        let names: StringArray = names.iter().copied().collect();
        let moments: TimestampMicrosecondArray = ages_days
            .iter()
            .map(|age| age.map(|days| NOW_US - days * DAY_US))
            .collect();
        let moments = moments.with_timezone("UTC");
        let columns: [(&str, ArrayRef); 2] = [("name", Arc::new(names)), ("source_updated_at", Arc::new(moments))];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    #[test]
    fn a_report_adds_up_over_parts() {
        let mut gauge = Gauge::new(&["name", "source_updated_at"], NOW_US);
        gauge.part(&part(&[Some("甲"), None, Some("乙")], &[Some(0), Some(3), None]));
        gauge.part(&part(
            &[None, Some("丙"), Some("丁")],
            &[Some(30), Some(4000), Some(-2)],
        ));
        let counts = Counts {
            received: 11,
            accepted: 6,
            rejected: 4,
            repeated: 1,
            by_field: [
                ((RejectCode::BadChecksum, Some("citizen_id")), 3),
                ((RejectCode::SexContradictsId, Some("sex")), 1),
            ]
            .into(),
            ..Counts::default()
        };
        let quality = gauge.report(&counts);
        let present = [("name".into(), 4), ("source_updated_at".into(), 5)];
        assert_eq!(quality.completeness.rows, 6);
        assert_eq!(quality.completeness.present, present.into());
        let ages = Ages {
            day: 1,
            week: 1,
            month: 1,
            year: 0,
            older: 1,
            unknown: 2,
        };
        assert_eq!(quality.timeliness, Some(ages));
        assert_eq!((quality.received, quality.valid), (11, 7));
        assert_eq!(quality.validity, Share { failed: 3, rows: 11 });
        assert_eq!(quality.consistency, Share { failed: 1, rows: 8 });
        assert_eq!(quality.uniqueness, Share { failed: 1, rows: 7 });
        let text = serde_json::to_string(&quality).unwrap();
        assert!(!text.contains('甲') && text.contains("SG3204"));
        assert_eq!(serde_json::from_str::<super::Quality>(&text).unwrap(), quality);
    }

    #[test]
    fn a_report_without_a_time_of_change_has_no_timeliness() {
        let quality = Gauge::new(&["name"], NOW_US).report(&Counts::default());
        assert_eq!(quality.timeliness, None);
        assert!(!serde_json::to_string(&quality).unwrap().contains("timeliness"));
    }
}

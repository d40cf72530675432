//! `date`: a day or moment cut to the day, the month, the quarter or the year.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::{Date32Builder, StringBuilder};
use arrow_array::{Array, ArrayRef, Date32Array, StringArray, TimestampMicrosecondArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;

/// What is left of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DateTo {
    /// `yyyy`.
    Year,
    /// `yyyyQn`.
    Quarter,
    /// `yyyyMM`, as the catalogue writes months.
    Month,
    /// The calendar day.
    Day,
}

const US_PER_DAY: i64 = 86_400_000_000;
/// Asia/Shanghai is eight hours ahead of UTC; the adapters read local times with the same fixed offset.
const SHANGHAI_US: i64 = 8 * 3_600_000_000;

impl DateTo {
    /// Every level, coarsest first.
    pub const ALL: [Self; 4] = [Self::Year, Self::Quarter, Self::Month, Self::Day];

    /// `year`, `quarter`, `month` or `day`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Day => "day",
        }
    }

    /// Days and moments become text, or a day at `day`; months can be cut to the year.
    pub(super) fn fits(self, kind: &FieldType) -> Result<DataType, String> {
        match (kind, self) {
            (FieldType::Date | FieldType::Instant, Self::Day) => Ok(DataType::Date32),
            (FieldType::Date | FieldType::Instant, _)
            | (FieldType::Month, Self::Year | Self::Quarter | Self::Month) => Ok(DataType::Utf8),
            (FieldType::Month, Self::Day) => Err("a month has no day".into()),
            _ => Err("only dates, months and moments can be cut".into()),
        }
    }

    /// Takes days since 1970-01-01; null in, null out. Source: policy operator 8.
    pub(super) fn apply_days(self, column: &Date32Array) -> ArrayRef {
        self.cut(column.iter(), column.len())
    }

    /// Takes microseconds UTC; the day is the one in Asia/Shanghai. Null in, null out.
    pub(super) fn apply_instants(self, column: &TimestampMicrosecondArray) -> ArrayRef {
        self.cut(column.iter().map(|us| us.map(shanghai_day)), column.len())
    }

    /// Takes months as `yyyyMM`; null in, null out.
    pub(super) fn apply_months(self, column: &StringArray) -> ArrayRef {
        let mut out = StringBuilder::with_capacity(column.len(), column.len() * 6);
        for month in column {
            let Some(text) = month else {
                out.append_null();
                continue;
            };
            match self {
                Self::Year => out.append_value(text.get(..4).unwrap_or_default()),
                Self::Quarter => {
                    let number = text.get(4..).and_then(|month| month.parse().ok()).unwrap_or(1);
                    // Writing to a builder in memory cannot fail.
                    let _ = write!(out, "{}Q{}", text.get(..4).unwrap_or_default(), quarter(number));
                    out.append_value("");
                }
                Self::Month | Self::Day => out.append_value(text),
            }
        }
        Arc::new(out.finish())
    }

    fn cut(self, days: impl Iterator<Item = Option<i32>>, rows: usize) -> ArrayRef {
        if self == Self::Day {
            let mut out = Date32Builder::with_capacity(rows);
            days.for_each(|day| out.append_option(day));
            return Arc::new(out.finish());
        }
        let mut out = StringBuilder::with_capacity(rows, rows * 6);
        for day in days {
            let Some(day) = day else {
                out.append_null();
                continue;
            };
            let (year, month) = year_and_month(day);
            // Writing to a builder in memory cannot fail.
            let _ = match self {
                Self::Year => write!(out, "{year:04}"),
                Self::Quarter => write!(out, "{year:04}Q{}", quarter(month)),
                Self::Month | Self::Day => write!(out, "{year:04}{month:02}"),
            };
            out.append_value("");
        }
        Arc::new(out.finish())
    }
}

fn quarter(month: i64) -> i64 {
    (month + 2) / 3
}

fn shanghai_day(us: i64) -> i32 {
    let day = us.saturating_add(SHANGHAI_US).div_euclid(US_PER_DAY);
    i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX })
}

/// Year and month of a day since 1970-01-01 in the proleptic Gregorian calendar, by counting from 1 March so that the leap day
/// comes last (H. Hinnant, "chrono-compatible low-level date algorithms").
fn year_and_month(day: i32) -> (i64, i64) {
    let from_march = i64::from(day) + 719_468;
    let era = from_march.div_euclid(146_097);
    let day_of_era = from_march.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month)
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;

    #[test]
    fn the_month_of_every_day_from_1800_to_2200_is_the_calendars() {
        let epoch = Date::constant(1970, 1, 1);
        let mut date = Date::constant(1800, 1, 1);
        while date.year() < 2200 {
            let day = (date - epoch).get_days();
            assert_eq!(super::year_and_month(day), (date.year().into(), date.month().into()));
            date = date.saturating_add(jiff::Span::new().days(1));
        }
    }

    #[test]
    fn a_moment_is_cut_at_midnight_in_shanghai() {
        let at = |text: &str| {
            text.parse::<jiff::Timestamp>()
                .map_or(0, jiff::Timestamp::as_microsecond)
        };
        assert_eq!(super::shanghai_day(at("1969-12-31T15:59:59.999999Z")), -1);
        assert_eq!(super::shanghai_day(at("1969-12-31T16:00:00Z")), 0);
    }
}

//! `date`: a day or moment cut to the day, the month, the quarter or the year.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::{Date32Builder, StringBuilder};
use arrow_array::{Array, ArrayRef, Date32Array, StringArray, TimestampMicrosecondArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;
use shuguan_adapters::value::date::shanghai_day;

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

    /// Takes microseconds UTC; the day is the one in Asia/Shanghai, by the rule with which the adapters read local times, summer time
    /// included: otherwise a birth at midnight of a summer day would be released as the day before. Null in, null out.
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
            let (year, month) = text.split_at_checked(4).unwrap_or_default();
            self.append(&mut out, text, year, month.parse().unwrap_or(1));
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
            let digits = six_digits(year, month);
            let text = digits.as_ref().and_then(|digits| std::str::from_utf8(digits).ok());
            let text = text.map_or_else(|| format!("{year:04}{month:02}").into(), Cow::Borrowed);
            let year = text.get(..text.len().saturating_sub(2)).unwrap_or_default();
            self.append(&mut out, &text, year, month);
        }
        Arc::new(out.finish())
    }

    /// What is left of a month: `yyyyMM`, with its year and its number.
    fn append(self, out: &mut StringBuilder, text: &str, year: &str, month: i64) {
        match self {
            Self::Year => out.append_value(year),
            Self::Quarter => {
                // Writing to a builder in memory cannot fail.
                let _ = out.write_str(year);
                out.append_value(quarter(month));
            }
            Self::Month | Self::Day => out.append_value(text),
        }
    }
}

/// `Q1` to `Q4`.
fn quarter(month: i64) -> &'static str {
    match month {
        ..=3 => "Q1",
        4..=6 => "Q2",
        7..=9 => "Q3",
        _ => "Q4",
    }
}

/// `yyyyMM` of a year with four digits. The formatter costs more than finding year and month.
fn six_digits(year: i64, month: i64) -> Option<[u8; 6]> {
    let mut rest = u32::try_from(year * 100 + month).ok()?;
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    (rest == 0).then_some(digits)
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
    use arrow_array::cast::AsArray;
    use jiff::civil::Date;

    use super::*;

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
    fn only_years_of_four_digits_are_written_without_the_formatter() {
        assert_eq!(six_digits(0, 1), Some(*b"000001"));
        assert_eq!(six_digits(9_999, 12), Some(*b"999912"));
        assert_eq!(six_digits(10_000, 1), None);
        assert_eq!(six_digits(-1, 12), None);
    }

    #[test]
    fn every_month_and_year_is_written_as_the_formatter_would() {
        let days: Vec<i32> = (-800_000..3_000_000).step_by(97).chain([i32::MIN, i32::MAX]).collect();
        let column = Date32Array::from(days.clone());
        let written = [DateTo::Year, DateTo::Quarter, DateTo::Month].map(|to| to.apply_days(&column));
        let [years, quarters, months] = written.each_ref().map(AsArray::as_string::<i32>);
        for (row, day) in days.into_iter().enumerate() {
            let (year, month) = super::year_and_month(day);
            assert_eq!(years.value(row), format!("{year:04}"));
            assert_eq!(quarters.value(row), format!("{year:04}Q{}", (month + 2) / 3));
            assert_eq!(months.value(row), format!("{year:04}{month:02}"));
        }
        let months = StringArray::from_iter_values((1..=12).map(|month| format!("1899{month:02}")));
        let quarters = DateTo::Quarter.apply_months(&months);
        let expected = (1..=12).map(|month| format!("1899Q{}", (month + 2) / 3));
        assert!(quarters.as_string::<i32>().iter().flatten().eq(expected));
        assert_eq!(DateTo::Month.apply_months(&months).to_data(), months.to_data());
    }

    #[test]
    fn a_moment_is_cut_at_midnight_in_shanghai() {
        let moments = [
            ("1969-12-31T15:59:59.999999Z", "1969-12-31"),
            ("1969-12-31T16:00:00Z", "1970-01-01"),
            // Midnight of 1 July 1988, in summer time.
            ("1988-06-30T15:00:00Z", "1988-07-01"),
            ("1988-06-30T14:59:59Z", "1988-06-30"),
            // Local mean time, 8:05:43 ahead.
            ("1899-12-31T15:54:17Z", "1900-01-01"),
        ];
        let at = moments.map(|(at, _)| at.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_microsecond).ok());
        let cut = DateTo::Day.apply_instants(&TimestampMicrosecondArray::from(at.to_vec()));
        let epoch = Date::constant(1970, 1, 1);
        let days = moments.map(|(_, day)| day.parse::<Date>().map(|day| (day - epoch).get_days()).ok());
        assert_eq!(cut.to_data(), Date32Array::from(days.to_vec()).to_data());
    }
}

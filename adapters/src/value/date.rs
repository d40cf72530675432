//! Days, months and moments in the forms in which agencies write them.
//!
//! Takes text; gives days since 1970-01-01, months as `yyyyMM`, microseconds since 1970-01-01T00:00:00Z, or nothing for an open end.
//! Times without an offset are Asia/Shanghai, summer time of 1986–1991 and of the 1940s included: a birth date that a Java system
//! wrote as milliseconds would otherwise move by a day. Refuses days that do not exist, and never invents one that was not named.
//!
//! Precision reaches the column as the column's type: `Date32` is a day, `yyyyMM` a month, a timestamp a moment. What was written more
//! precisely is cut to it; what was written less precisely is refused as [`RejectCode::ImpreciseDate`], since every way of keeping it
//! (the first of the month, a second column, text) would be taken for a day by somebody further on. The one exception is a moment: a day
//! without a time is its midnight, because nobody takes the second in which a row was changed for more than an order.

mod form;
mod shanghai;

use super::{RejectCode, Scratch};
use form::{Form, Stamp};

pub use shanghai::shanghai_day;

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Years that a date may lie in. Earlier and later ones are slips of the pen.
pub(super) const YEARS: std::ops::RangeInclusive<u32> = 1800..=2199;

/// Days since 1970-01-01 of a day of the Gregorian calendar; `None` when there is no such day (arithmetic: Hinnant, `days_from_civil`).
pub const fn days_from_civil(year: u32, month: u32, day: u32) -> Option<i32> {
    if year > 9999 || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    // Years begin in March, so that the leap day is the last of its year.
    let (year, month) = if month <= 2 {
        (year + 400 - 1, month + 9)
    } else {
        (year + 400, month - 3)
    };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let days = year * 1461 / 4 - year / 100 + year / 400 + day_of_year;
    Some(days.cast_signed() - 719_468 - 146_097)
}

/// Year, month and day of a day since 1970-01-01.
pub const fn civil_from_days(days: i32) -> (i32, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097).cast_unsigned();
    let of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = of_era.cast_signed() + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// Days of a month; none for a month that does not exist. Without a branch: which month it is, no processor foresees.
#[expect(clippy::indexing_slicing, reason = "the place is 13 at most")]
pub(super) const fn days_in_month(year: u32, month: u32) -> u32 {
    const DAYS: [u8; 14] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0];
    let place = if month < 13 { month as usize } else { 13 };
    // Of years that 100 divides, 16 divides those that 400 does.
    let last = if year.is_multiple_of(100) { 15 } else { 3 };
    let is_leap = year & last == 0;
    DAYS[place] as u32 + (is_leap as u32 & (month == 2) as u32)
}

/// A day; `None` for an open end.
pub fn day(sent: &str) -> Result<Option<i32>, RejectCode> {
    match form::read(sent)? {
        Form::Open => Ok(None),
        Form::Epoch(micros) => in_years(micros).map(|micros| Some(shanghai::shanghai_day(micros))),
        Form::Stamp(stamp @ Stamp { day: None, .. }) => Err(imprecise(&stamp)),
        Form::Stamp(stamp) if stamp.offset.is_some() => {
            moment(&stamp).map(|micros| Some(shanghai::shanghai_day(micros)))
        }
        Form::Stamp(stamp) => local_day(&stamp).map(Some),
    }
}

/// The day in `yyyyMMdd` or `yyyy-MM-dd`; none where it takes a closer look.
#[inline]
pub(super) fn usual_day(bytes: &[u8]) -> Option<i32> {
    day_of_figures(form::usual_day(bytes)?)
}

/// The moment in `yyyyMMddHHmmss` with its day in Shanghai; none where it takes a closer look.
#[inline]
pub(super) fn usual_instant(bytes: &[u8]) -> Option<(i64, i32)> {
    let (day, second) = form::usual_moment(bytes)?;
    let day = day_of_figures(day)?;
    let seconds = shanghai::utc_from_wall(i64::from(day) * DAY + i64::from(second));
    Some((seconds * 1_000_000, day))
}

/// The day whose figures `yyyyMMdd` make that number, in the years that a date may lie in.
#[inline]
pub(super) fn day_of_figures(figures: u32) -> Option<i32> {
    let year = figures / 10_000;
    YEARS.contains(&year).then_some(())?;
    days_from_civil(year, figures / 100 % 100, figures % 100)
}

/// A month as `yyyyMM`; `None` for an open end. The day of a full date is left out.
pub(super) fn month<'a>(sent: &str, scratch: &'a mut Scratch) -> Result<Option<&'a str>, RejectCode> {
    let (year, month) = match form::read(sent)? {
        Form::Open => return Ok(None),
        Form::Epoch(micros) => month_of(shanghai::shanghai_day(micros))?,
        Form::Stamp(Stamp { cut_month: true, .. }) => return Err(RejectCode::AmbiguousMonth),
        Form::Stamp(Stamp {
            day: None,
            year,
            month: Some(month),
            ..
        }) => (year, month),
        Form::Stamp(stamp @ Stamp { day: None, .. }) => return Err(imprecise(&stamp)),
        Form::Stamp(stamp) if stamp.offset.is_some() => month_of(shanghai::shanghai_day(moment(&stamp)?))?,
        Form::Stamp(stamp) => month_of(local_day(&stamp)?)?,
    };
    if !YEARS.contains(&year) || days_in_month(year, month) == 0 {
        return Err(RejectCode::BadDate);
    }
    let Scratch { made, .. } = scratch;
    made.clear();
    let mut rest = year * 100 + month;
    for power in [100_000, 10_000, 1000, 100, 10, 1] {
        made.extend(char::from_digit(rest / power, 10));
        rest %= power;
    }
    Ok(Some(made))
}

/// A moment; `None` for an open end. A day without a time is its midnight in Shanghai.
pub fn instant(sent: &str) -> Result<Option<i64>, RejectCode> {
    match form::read(sent)? {
        Form::Open => Ok(None),
        Form::Epoch(micros) => in_years(micros).map(Some),
        Form::Stamp(stamp @ Stamp { day: None, .. }) => Err(imprecise(&stamp)),
        Form::Stamp(stamp) => moment(&stamp).map(Some),
    }
}

/// Why a reading without a day is none: less was named than is asked for, or there is no such month or year.
fn imprecise(stamp: &Stamp) -> RejectCode {
    let exists = stamp.month.is_none_or(|month| days_in_month(stamp.year, month) > 0);
    if YEARS.contains(&stamp.year) && exists {
        RejectCode::ImpreciseDate
    } else {
        RejectCode::BadDate
    }
}

fn local_day(stamp: &Stamp) -> Result<i32, RejectCode> {
    if YEARS.contains(&stamp.year) {
        calendar_day(stamp)
    } else {
        Err(RejectCode::BadDate)
    }
}

/// The moment, when its day in Shanghai lies in the years of a date.
fn in_years(micros: i64) -> Result<i64, RejectCode> {
    let (first, last) = const {
        (
            days_from_civil(*YEARS.start(), 1, 1),
            days_from_civil(*YEARS.end(), 12, 31),
        )
    };
    let day = Some(shanghai::shanghai_day(micros));
    if first <= day && day <= last {
        Ok(micros)
    } else {
        Err(RejectCode::BadDate)
    }
}

fn calendar_day(stamp: &Stamp) -> Result<i32, RejectCode> {
    let Stamp { month, day, .. } = stamp;
    month
        .zip(*day)
        .and_then(|(month, day)| days_from_civil(stamp.year, month, day))
        .ok_or(RejectCode::BadDate)
}

fn moment(stamp: &Stamp) -> Result<i64, RejectCode> {
    let wall = i64::from(calendar_day(stamp)?) * DAY + i64::from(stamp.second_of_day);
    let seconds = match stamp.offset {
        Some(offset) => wall - i64::from(offset),
        None => shanghai::utc_from_wall(wall),
    };
    in_years(seconds * 1_000_000 + i64::from(stamp.micros))
}

fn month_of(days: i32) -> Result<(u32, u32), RejectCode> {
    let (year, month, _) = civil_from_days(days);
    Ok((u32::try_from(year).map_err(|_| RejectCode::BadDate)?, month))
}

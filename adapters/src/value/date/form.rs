//! The written forms of dates.
//!
//! Takes `yyyyMMdd`, `yyyyMMddHHmmss`, `yyyyMM`, `yyyy`, `yyyy-M-d` with `-`, `/`, `.` or 年月日, each with a time after a blank, a `T` or
//! nothing, with a fraction of up to nine digits and an offset; milliseconds since 1970, those of the months around it where they are a
//! midnight; serial days of spreadsheets. Gives what was named. Refuses everything else; whether such a day exists is the caller's question.

use super::super::RejectCode;
use super::super::fold::{digits, eight_digits, is_digits, narrow};

/// What was written.
pub(super) enum Form {
    /// No end, or no date: `99991231`, `长期`, `0000-00-00`.
    Open,
    /// Microseconds since 1970-01-01T00:00:00Z.
    Epoch(i64),
    /// A reading of calendar and clock.
    Stamp(Stamp),
}

/// A reading of calendar and clock, as precise as it was written.
#[derive(Default)]
pub(super) struct Stamp {
    pub(super) year: u32,
    pub(super) month: Option<u32>,
    /// Written as `.1`, which is also what a number leaves of `.10`.
    pub(super) cut_month: bool,
    pub(super) day: Option<u32>,
    pub(super) second_of_day: u32,
    pub(super) micros: u32,
    /// Seconds ahead of UTC; `None` is Asia/Shanghai.
    pub(super) offset: Option<i32>,
}

/// Day 0 of spreadsheets, 1899-12-30, in days since 1970-01-01. Serials below 61 (the false leap day of 1900) are not read.
const SERIAL_ZERO: i64 = -25_569;

pub(super) fn read(sent: &str) -> Result<Form, RejectCode> {
    let form = if is_digits(sent.as_bytes()) {
        compact(sent.as_bytes())
    } else {
        spelt(sent)
    };
    match form.ok_or(RejectCode::BadDate)? {
        Form::Stamp(
            Stamp { year: 9999, .. }
            | Stamp {
                year: 0,
                month: Some(0),
                day: Some(0),
                ..
            },
        ) => Ok(Form::Open),
        form => Ok(form),
    }
}

/// The figures of `yyyyMMdd` or `yyyy-MM-dd` as one number, with a time behind them or none.
#[inline]
pub(super) fn usual_day(bytes: &[u8]) -> Option<u32> {
    match bytes.len() {
        8 => eight_digits(*bytes.first_chunk()?),
        10 => hyphened(bytes.first_chunk()?),
        _ => usual_moment(bytes).map(|(day, _)| day),
    }
}

/// The figures of the day in `yyyyMMddHHmmss` or `yyyy-MM-dd HH:mm:ss` as one number, and the second of that day.
#[inline]
pub(super) fn usual_moment(bytes: &[u8]) -> Option<(u32, u32)> {
    let (day, time) = match bytes.len() {
        14 => (
            eight_digits(*bytes.first_chunk()?)?,
            eight_digits(*bytes.last_chunk()?)? % 1_000_000,
        ),
        19 => (hyphened(bytes.first_chunk()?)?, clock(bytes.last_chunk()?)?),
        _ => return None,
    };
    Some((day, second_of_day(time / 10_000, time / 100 % 100, time % 100)?))
}

/// The figures of `yyyy-MM-dd`.
fn hyphened(bytes: &[u8; 10]) -> Option<u32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *bytes else {
        return None;
    };
    eight_digits([y1, y2, y3, y4, m1, m2, d1, d2])
}

/// The figures of ` HH:mm:ss`.
fn clock(bytes: &[u8; 9]) -> Option<u32> {
    let [b' ', h1, h2, b':', m1, m2, b':', s1, s2] = *bytes else {
        return None;
    };
    eight_digits([b'0', b'0', h1, h2, m1, m2, s1, s2])
}

/// `yyyyMMdd`.
fn date(bytes: [u8; 8]) -> Option<Stamp> {
    let date = eight_digits(bytes)?;
    Some(Stamp {
        year: date / 10_000,
        month: Some(date / 100 % 100),
        day: Some(date % 100),
        ..Stamp::default()
    })
}

/// Anything but digits alone.
fn spelt(sent: &str) -> Option<Form> {
    if matches!(sent, "长期" | "长期有效" | "永久" | "永久有效" | "无期限") {
        return Some(Form::Open);
    }
    match folded(sent, &mut [0; 48])? {
        [b'-', rest @ ..] => {
            let early = epoch(rest).map(|micros| -micros);
            early.or_else(|| near_epoch(rest, -1)).map(Form::Epoch)
        }
        bytes if is_digits(bytes) => compact(bytes),
        bytes => Cursor(bytes).stamp().map(Form::Stamp),
    }
}

/// The text in ASCII; 年 and 月 become `-`, 日 and 号 a blank, 时 分 秒 what stands there in a time.
fn folded<'a>(sent: &'a str, room: &'a mut [u8; 48]) -> Option<&'a [u8]> {
    if sent.is_ascii() {
        return Some(sent.as_bytes());
    }
    let mut length = 0;
    for char in sent.chars() {
        let ascii = match narrow(char) {
            '年' | '月' => '-',
            '日' | '号' | '秒' => ' ',
            '时' | '分' => ':',
            other => other,
        };
        *room.get_mut(length)? = u8::try_from(ascii).ok().filter(u8::is_ascii)?;
        length += 1;
    }
    room.get(..length)
        .map(|bytes| bytes.trim_ascii().trim_suffix_byte(b'-').trim_suffix_byte(b':'))
}

trait TrimSuffix {
    fn trim_suffix_byte(&self, byte: u8) -> &Self;
}

impl TrimSuffix for [u8] {
    fn trim_suffix_byte(&self, byte: u8) -> &Self {
        match self.split_last() {
            Some((last, rest)) if *last == byte => rest,
            _ => self,
        }
    }
}

/// A run of digits, told apart by its length.
fn compact(bytes: &[u8]) -> Option<Form> {
    match bytes.len() {
        4 => {
            let year = digits(bytes)?;
            Some(Form::Stamp(Stamp {
                year,
                ..Stamp::default()
            }))
        }
        5 => {
            let days = i64::from(digits(bytes)?) + SERIAL_ZERO;
            let (year, month, day) = super::civil_from_days(i32::try_from(days).ok()?);
            let year = u32::try_from(year).ok()?;
            Some(Form::Stamp(Stamp {
                year,
                month: Some(month),
                day: Some(day),
                ..Stamp::default()
            }))
        }
        6 => {
            let month = digits(bytes)?;
            Some(Form::Stamp(Stamp {
                year: month / 100,
                month: Some(month % 100),
                ..Stamp::default()
            }))
        }
        8 => match near_epoch(bytes, 1) {
            Some(micros) => Some(Form::Epoch(micros)),
            None => date(*bytes.first_chunk()?).map(Form::Stamp),
        },
        9 | 10 => near_epoch(bytes, 1).map(Form::Epoch),
        11..=13 => epoch(bytes).map(Form::Epoch),
        14 | 17 => {
            let (day, time) = bytes.split_first_chunk()?;
            let (time, millis) = time.split_at_checked(6)?;
            let mut stamp = date(*day)?;
            if stamp.year == 9999 {
                return Some(Form::Open);
            }
            let time = digits(time)?;
            stamp.second_of_day = second_of_day(time / 10_000, time / 100 % 100, time % 100)?;
            stamp.micros = digits(millis)? * 1000;
            Some(Form::Stamp(stamp))
        }
        _ => None,
    }
}

/// Milliseconds since 1970 in 8 to 10 digits, a day of the months around it: only where they are a midnight in Shanghai or in UTC, as those of a
/// day without a time are. As many seconds are one of the years around 2000, and of a thousand such days only one would pass for a midnight. No
/// `yyyyMMdd` of a year that dates may lie in is one.
fn near_epoch(bytes: &[u8], sign: i64) -> Option<i64> {
    if !matches!(bytes.len(), 8..=10) || bytes.first() == Some(&b'0') {
        return None;
    }
    let (high, low) = bytes.split_at_checked(bytes.len() - 6)?;
    let millis = sign * (i64::from(digits(high)?) * 1_000_000 + i64::from(digits(low)?));
    let is_midnight = |ahead: i64| (millis + ahead).rem_euclid(DAY_MS) == 0;
    (is_midnight(SHANGHAI_MS) || is_midnight(0)).then_some(millis * 1000)
}

/// Milliseconds of a day, and by how many Shanghai was ahead of UTC in 1969 and 1970.
const DAY_MS: i64 = 86_400_000;
const SHANGHAI_MS: i64 = 28_800_000;

/// Milliseconds since 1970, 11 to 13 digits: fewer could as well be seconds, see [`near_epoch`].
fn epoch(bytes: &[u8]) -> Option<i64> {
    if !matches!(bytes.len(), 11..=13) {
        return None;
    }
    let (high, low) = bytes.split_at_checked(bytes.len() - 6)?;
    Some((i64::from(digits(high)?) * 1_000_000 + i64::from(digits(low)?)) * 1000)
}

fn second_of_day(hour: u32, minute: u32, second: u32) -> Option<u32> {
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)
}

/// Reads a stamp with separators from left to right.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn stamp(mut self) -> Option<Stamp> {
        let mut stamp = Stamp {
            year: self.number(4, 4)?,
            ..Stamp::default()
        };
        let separator = self.one_of(b"-/.")?;
        let cut_month = separator == b'.' && self.0 == b"1";
        stamp.month = Some(self.number(1, 2)?);
        if self.0.is_empty() {
            return Some(Stamp { cut_month, ..stamp });
        }
        self.one_of(&[separator])?;
        // At most two digits: what follows at once is a time that lost its blank.
        stamp.day = Some(self.number(1, 2)?);
        self.one_of(b"T");
        self.blanks();
        if self.0.is_empty() {
            return Some(stamp);
        }
        if stamp.year == 9999 {
            return Some(stamp);
        }
        self.time(&mut stamp)?;
        self.blanks();
        self.offset(&mut stamp)?;
        self.0.is_empty().then_some(stamp)
    }

    fn time(&mut self, stamp: &mut Stamp) -> Option<()> {
        let hour = self.number(1, 2)?;
        let minute = if self.one_of(b":").is_some() {
            self.number(1, 2)?
        } else {
            0
        };
        let second = if self.one_of(b":").is_some() {
            self.number(1, 2)?
        } else {
            0
        };
        stamp.second_of_day = second_of_day(hour, minute, second)?;
        if self.one_of(b".,").is_some() {
            let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !matches!(length, 1..=9) {
                return None;
            }
            let (fraction, rest) = self.0.split_at_checked(length)?;
            let nanos = digits(fraction)? * 10_u32.pow(9 - u32::try_from(length).ok()?);
            stamp.micros = nanos / 1000;
            self.0 = rest;
        }
        Some(())
    }

    /// `Z`, `+08:00`, `+0800`, `+08` or nothing.
    fn offset(&mut self, stamp: &mut Stamp) -> Option<()> {
        let Some(sign) = self.one_of(b"Z+-") else {
            return Some(());
        };
        let mut seconds = 0;
        if sign != b'Z' {
            let hours = self.number(2, 2)?;
            self.one_of(b":");
            let minutes = if self.0.is_empty() { 0 } else { self.number(2, 2)? };
            seconds = second_of_day(hours, minutes, 0)?.cast_signed();
        }
        stamp.offset = Some(if sign == b'-' { -seconds } else { seconds });
        Some(())
    }

    /// A number of `least` to `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let length = self
            .0
            .iter()
            .take(most)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if length < least {
            return None;
        }
        let (number, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        digits(number)
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        let found = bytes.contains(first).then_some(*first)?;
        self.0 = rest;
        Some(found)
    }

    fn blanks(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }
}

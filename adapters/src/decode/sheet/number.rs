//! Numbers in cells → the text that their sender sees.
//!
//! Takes a number, how its cell shows it and what field it is for; gives text: whole numbers in digits, fractions in at most 15
//! significant digits, serial days as `yyyy-MM-dd`. Refuses what a cell cannot hold exactly (a spreadsheet keeps 15 digits of a number,
//! so an identity number stored as one is lost) and days that never were.

use std::fmt::Write as _;

use crate::catalogue::FieldType;
use crate::reject::RejectCode;
use crate::value::date::civil_from_days;

/// The day from which a workbook counts its serial days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Epoch {
    /// Day 1 is 1900-01-01; day 60 is 1900-02-29, which never was.
    Y1900,
    /// Day 0 is 1904-01-01, as old Macintosh versions count.
    Y1904,
}

/// How a cell shows a number, as far as it changes what its sender sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a number.
    Plain,
    /// As a whole number of at least this many digits: `000000`.
    Zeros(u8),
    /// With this many decimals: `0.00`.
    Decimals(u8),
    /// As a day, with or without a time.
    Day,
    /// As a month: a day was stored, but is not shown and was not meant.
    Month,
}

impl Form {
    /// A built-in number format by its number (ECMA-376-1, 18.8.30; 27 to 58 as Chinese versions have them).
    pub(crate) fn built_in(number: u16) -> Self {
        match number {
            17 | 27 | 36 | 50 | 52 | 57 => Self::Month,
            2 | 4 | 39 | 40 => Self::Decimals(2),
            14..=22 | 28..=35 | 51 | 53..=56 | 58 => Self::Day,
            _ => Self::Plain,
        }
    }

    /// A number format by its code, e.g. `yyyy"年"m"月"d"日"` or `000000`. Only the section for positive numbers counts.
    pub(crate) fn of_code(code: &str) -> Self {
        let Some(seen) = Seen::in_code(code) else {
            return Self::Plain;
        };
        match seen {
            Seen {
                year: true,
                month: true,
                day: false,
                time: false,
                ..
            } => Self::Month,
            Seen {
                year, month, day, time, ..
            } if year || month || day || time => Self::Day,
            Seen {
                zeros: 2..,
                other: false,
                ..
            } => Self::Zeros(seen.zeros),
            Seen {
                decimals: 1..,
                scaled: false,
                ..
            } => Self::Decimals(seen.decimals),
            _ => Self::Plain,
        }
    }
}

/// What a format code holds outside literals.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "letters that were seen, each by itself")]
struct Seen {
    year: bool,
    month: bool,
    day: bool,
    time: bool,
    zeros: u8,
    point: bool,
    decimals: u8,
    /// Shown as a share or a power.
    scaled: bool,
    other: bool,
}

impl Seen {
    /// `None` for a duration (`[h]:mm`) and for `General`, whose letters mean nothing.
    fn in_code(code: &str) -> Option<Self> {
        let code = code.to_ascii_lowercase();
        if code.contains("general") {
            return None;
        }
        let mut seen = Self::default();
        let mut rest = code.chars().peekable();
        while let Some(letter) = rest.next() {
            match letter {
                ';' => break,
                '"' => {
                    rest.by_ref().find(|letter| *letter == '"');
                    seen.other = true;
                }
                '\\' | '_' | '*' => {
                    rest.next();
                    seen.other = true;
                }
                '[' => {
                    let inner: String = rest.by_ref().take_while(|letter| *letter != ']').collect();
                    if !inner.is_empty() && inner.chars().all(|letter| matches!(letter, 'h' | 'm' | 's')) {
                        return None;
                    }
                    seen.other = true;
                }
                'e' if matches!(rest.peek(), Some('+' | '-')) => {
                    seen.other = true;
                    seen.scaled = true;
                }
                'y' | 'e' => seen.year = true,
                'm' => seen.month = true,
                'd' => seen.day = true,
                'h' | 's' => seen.time = true,
                '0' if seen.point => seen.decimals = seen.decimals.saturating_add(1),
                '0' => seen.zeros = seen.zeros.saturating_add(1),
                '.' => {
                    seen.other = true;
                    seen.point = true;
                }
                '%' => {
                    seen.other = true;
                    seen.scaled = true;
                }
                _ => seen.other = true,
            }
        }
        Some(seen)
    }
}

/// Appends the text of a number that a cell holds as `value`.
pub(crate) fn write(
    value: f64,
    form: Form,
    kind: &FieldType,
    epoch: Epoch,
    out: &mut String,
) -> Result<(), RejectCode> {
    if !value.is_finite() {
        return Err(RejectCode::BadNumber);
    }
    if let Some(month_only) = serial(value, form, kind) {
        return write_serial(value, month_only, epoch, out);
    }
    if value.abs() >= LOSSY_FROM {
        return Err(RejectCode::LostDigits);
    }
    if value.fract() == 0.0 {
        let width = match form {
            Form::Zeros(zeros) => usize::from(zeros),
            _ => 1,
        };
        #[expect(clippy::cast_possible_truncation, reason = "below 10^15 and whole")]
        let whole = value as i64;
        let _ = write!(out, "{whole:0width$}");
    } else if let Some(places) = decimals_shown(value, form, kind) {
        let _ = write!(out, "{value:.places$}");
    } else {
        write_fraction(value, out);
    }
    Ok(())
}

/// How many decimals the sender sees of a month that is a number, where they are all it has: `2025.10` is October, and 2025.1 as a value.
fn decimals_shown(value: f64, form: Form, kind: &FieldType) -> Option<usize> {
    let Form::Decimals(places) = form else {
        return None;
    };
    let places = usize::from(places);
    let shown: f64 = format!("{value:.places$}").parse().ok()?;
    let is_all = (shown - value).abs() < 1e-9;
    (takes_days(kind) && value.fract() != 0.0 && is_all).then_some(places)
}

/// Appends the text of a number that a file gives as text: as it stands when that is what a sender sees, else by its value.
pub(crate) fn write_text(
    text: &str,
    form: Form,
    kind: &FieldType,
    epoch: Epoch,
    out: &mut String,
) -> Result<(), RejectCode> {
    let text = text.trim_ascii();
    let is_plain = form == Form::Plain || (matches!(form, Form::Decimals(_)) && !takes_days(kind));
    if is_plain && is_canonical(text) && !(takes_days(kind) && text.len() == 5) {
        out.push_str(text);
        return Ok(());
    }
    // Rust also reads `inf`, `nan` and their like; `write` refuses them.
    let value: f64 = text.parse().map_err(|_| RejectCode::BadNumber)?;
    write(value, form, kind, epoch, out)
}

/// What a sender sees of a number that is more than its value: a day, a month, leading zeros. Nothing when the value says it all, or is lost.
pub(crate) fn shown(value: f64, form: Form, kind: &FieldType, epoch: Epoch) -> Option<String> {
    let more = matches!(form, Form::Zeros(_)) || decimals_shown(value, form, kind).is_some();
    if serial(value, form, kind).is_none() && !more {
        return None;
    }
    let mut text = String::new();
    write(value, form, kind, epoch, &mut text).ok().map(|()| text)
}

/// Digits with at most one point between them, at most 15, no zero that says nothing.
fn is_canonical(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "1"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= DIGITS_EXACT
        && digits(whole)
        && digits(fraction)
        && !fraction.ends_with('0')
        && (whole == "0" || !whole.starts_with('0'))
}

/// Whether the number is a serial day, and then whether only its month is meant.
fn serial(value: f64, form: Form, kind: &FieldType) -> Option<bool> {
    if value >= SERIAL_END {
        // No calendar has such a day: `20250101` that was typed into a cell for dates, shown there as `####`.
        return None;
    }
    match form {
        // An empty date of a database, not the day before the first.
        Form::Day | Form::Month if value == 0.0 => None,
        Form::Day => Some(false),
        Form::Month => Some(true),
        // A column of days that lost its format; five digits are no other form of date.
        Form::Plain | Form::Decimals(_) if takes_days(kind) && (10_000.0..100_000.0).contains(&value) => Some(false),
        Form::Plain | Form::Zeros(_) | Form::Decimals(_) => None,
    }
}

fn takes_days(kind: &FieldType) -> bool {
    matches!(kind, FieldType::Date | FieldType::Instant | FieldType::Month)
}

fn write_serial(value: f64, month_only: bool, epoch: Epoch, out: &mut String) -> Result<(), RejectCode> {
    #[expect(clippy::cast_possible_truncation, reason = "below 3 million days")]
    let millis = (value * 86_400_000.0).round() as i64;
    let (serial, millis) = (millis.div_euclid(DAY_MILLIS), millis.rem_euclid(DAY_MILLIS));
    let days = match (epoch, serial) {
        (Epoch::Y1904, 0..) => serial - 24_107,
        (Epoch::Y1900, 1..=59) => serial - 25_568,
        (Epoch::Y1900, 61..) => serial - 25_569,
        // A time without a day, the leap day of 1900 that never was, a day before the first.
        _ => return Err(RejectCode::BadDate),
    };
    let days = i32::try_from(days).map_err(|_| RejectCode::BadDate)?;
    let (year, month, day) = civil_from_days(days);
    let _ = write!(out, "{year:04}-{month:02}");
    if month_only {
        return Ok(());
    }
    let _ = write!(out, "-{day:02}");
    if millis != 0 {
        let seconds = millis / 1000;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let _ = write!(out, " {hour:02}:{minute:02}:{second:02}");
        if millis % 1000 != 0 {
            let _ = write!(out, ".{:03}", millis % 1000);
        }
    }
    Ok(())
}

/// At most 15 significant digits and no exponent: `0.30000000000000004`, which a sum left behind, is shown as `0.3`.
fn write_fraction(value: f64, out: &mut String) {
    let scientific = format!("{:.*e}", DIGITS_EXACT - 1, value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    if value < 0.0 {
        out.push('-');
    }
    let Ok(point) = usize::try_from(exponent + 1) else {
        out.push_str("0.");
        out.extend((exponent + 1..0).map(|_| '0'));
        out.push_str(digits);
        return;
    };
    if point == 0 {
        out.push_str("0.");
        out.push_str(digits);
        return;
    }
    match digits.split_at_checked(point) {
        Some((whole, fraction)) if !fraction.is_empty() => {
            let _ = write!(out, "{whole}.{fraction}");
        }
        _ => {
            out.push_str(digits);
            out.extend((digits.len()..point).map(|_| '0'));
        }
    }
}

/// What a spreadsheet keeps of a number.
const DIGITS_EXACT: usize = 15;

/// A number from here on may have lost its last digits.
const LOSSY_FROM: f64 = 1e15;

/// The day after 9999-12-31, counted from 1900.
const SERIAL_END: f64 = 2_958_466.0;

const DAY_MILLIS: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::{Epoch, Form, write, write_text};
    use crate::catalogue::FieldType;
    use crate::reject::RejectCode;

    const TEXT: FieldType = FieldType::Text(100);

    fn shown(value: f64, form: Form, kind: &FieldType, epoch: Epoch) -> Result<String, RejectCode> {
        let mut out = String::new();
        write(value, form, kind, epoch, &mut out).map(|()| out)
    }

    fn plain(value: f64) -> Result<String, RejectCode> {
        shown(value, Form::Plain, &TEXT, Epoch::Y1900)
    }

    fn read(text: &str, form: Form, kind: &FieldType) -> Result<String, RejectCode> {
        let mut out = String::new();
        write_text(text, form, kind, Epoch::Y1900, &mut out).map(|()| out)
    }

    #[test]
    fn whole_numbers_are_exact_below_ten_to_the_fifteenth() {
        assert_eq!(plain(0.0).as_deref(), Ok("0"));
        assert_eq!(plain(-0.0).as_deref(), Ok("0"));
        assert_eq!(plain(-12.0).as_deref(), Ok("-12"));
        assert_eq!(plain(320_707_180_001_060.0).as_deref(), Ok("320707180001060"));
        assert_eq!(plain(999_999_999_999_999.0).as_deref(), Ok("999999999999999"));
    }

    #[test]
    fn a_number_that_may_have_lost_digits_is_refused() {
        for text in [
            "320707180001060012",
            "3.20707E+17",
            "3.2070718000106E+17",
            "1000000000000000",
            "-1e15",
        ] {
            assert_eq!(read(text, Form::Plain, &TEXT), Err(RejectCode::LostDigits), "{text}");
        }
        assert_eq!(plain(320_707_180_001_060_012.0), Err(RejectCode::LostDigits));
    }

    #[test]
    fn fractions_have_fifteen_digits_and_no_exponent() {
        for (value, text) in [
            (0.1 + 0.2, "0.3"),
            (1234.56, "1234.56"),
            (-0.5, "-0.5"),
            (1_234.560_000_000_000_1, "1234.56"),
            (0.000_001_5, "0.0000015"),
            (99_999_999_999_999.9, "99999999999999.9"),
            (2.999_999_999_999_999_6, "3"),
            (123_456_789_012_345.6, "123456789012346"),
            (999_999_999_999_999.5, "1000000000000000"),
        ] {
            assert_eq!(plain(value).as_deref(), Ok(text));
        }
    }

    #[test]
    fn text_that_is_no_number_is_refused() {
        for text in ["", "abc", "1,5", "inf", "NaN", "1e400", "0x10"] {
            assert_eq!(read(text, Form::Plain, &TEXT), Err(RejectCode::BadNumber), "{text}");
        }
    }

    #[test]
    fn a_number_as_the_file_has_it_is_read_as_its_value() {
        for (text, shown) in [
            ("12", "12"),
            (" 12 ", "12"),
            ("012", "12"),
            ("1.50", "1.5"),
            ("1.", "1"),
            ("12E2", "1200"),
            ("0.30000000000000004", "0.3"),
        ] {
            assert_eq!(read(text, Form::Plain, &TEXT).as_deref(), Ok(shown), "{text}");
        }
        assert_eq!(read("12", Form::Zeros(6), &TEXT).as_deref(), Ok("000012"));
        assert_eq!(read("1234567", Form::Zeros(6), &TEXT).as_deref(), Ok("1234567"));
    }

    #[test]
    fn serial_days_count_from_1900_and_the_false_leap_day_is_no_day() {
        let day = |value| shown(value, Form::Day, &FieldType::Date, Epoch::Y1900);
        assert_eq!(day(1.0).as_deref(), Ok("1900-01-01"));
        assert_eq!(day(59.0).as_deref(), Ok("1900-02-28"));
        assert_eq!(day(60.0), Err(RejectCode::BadDate));
        assert_eq!(day(60.5), Err(RejectCode::BadDate));
        assert_eq!(day(61.0).as_deref(), Ok("1900-03-01"));
        assert_eq!(day(45_292.0).as_deref(), Ok("2024-01-01"));
        assert_eq!(day(2_958_465.0).as_deref(), Ok("9999-12-31"));
        assert_eq!(day(0.0).as_deref(), Ok("0"));
        assert_eq!(day(0.5), Err(RejectCode::BadDate));
        assert_eq!(day(-1.0), Err(RejectCode::BadDate));
        assert_eq!(day(20_250_101.0).as_deref(), Ok("20250101"));
    }

    #[test]
    fn serial_days_count_from_1904_where_the_workbook_says_so() {
        let day = |value| shown(value, Form::Day, &FieldType::Date, Epoch::Y1904);
        assert_eq!(day(1.0).as_deref(), Ok("1904-01-02"));
        assert_eq!(day(43_830.0).as_deref(), Ok("2024-01-01"));
        assert_eq!(day(0.25).as_deref(), Ok("1904-01-01 06:00:00"));
        assert_eq!(day(-1.0), Err(RejectCode::BadDate));
    }

    #[test]
    fn a_time_is_rounded_to_milliseconds_and_may_reach_the_next_day() {
        let at = |value| shown(value, Form::Day, &FieldType::Instant, Epoch::Y1900);
        assert_eq!(at(45_292.500_011_574_07).as_deref(), Ok("2024-01-01 12:00:01"));
        assert_eq!(at(45_292.999_999_999_99).as_deref(), Ok("2024-01-02"));
        assert_eq!(at(45_292.000_001_447).as_deref(), Ok("2024-01-01 00:00:00.125"));
    }

    #[test]
    fn a_month_that_is_shown_names_no_day() {
        assert_eq!(
            shown(39_845.0, Form::Month, &FieldType::Date, Epoch::Y1900).as_deref(),
            Ok("2009-02")
        );
    }

    #[test]
    fn a_column_of_days_without_a_format_is_read_by_the_workbooks_calendar() {
        let plain = |kind, epoch| shown(43_830.0, Form::Plain, kind, epoch);
        assert_eq!(plain(&FieldType::Date, Epoch::Y1904).as_deref(), Ok("2024-01-01"));
        assert_eq!(plain(&FieldType::Date, Epoch::Y1900).as_deref(), Ok("2019-12-31"));
        assert_eq!(plain(&TEXT, Epoch::Y1900).as_deref(), Ok("43830"));
        assert_eq!(
            read("43830", Form::Plain, &FieldType::Instant).as_deref(),
            Ok("2019-12-31")
        );
        assert_eq!(
            read("20240101", Form::Plain, &FieldType::Date).as_deref(),
            Ok("20240101")
        );
        assert_eq!(read("202401", Form::Plain, &FieldType::Month).as_deref(), Ok("202401"));
    }

    #[test]
    fn a_format_code_says_how_a_number_is_meant() {
        for (code, form) in [
            ("General", Form::Plain),
            ("0", Form::Plain),
            ("0_ ", Form::Plain),
            ("#,##0.00", Form::Decimals(2)),
            ("0.00E+00", Form::Plain),
            ("0.00%", Form::Plain),
            ("0.", Form::Plain),
            ("00.00", Form::Decimals(2)),
            ("0.00_ ", Form::Decimals(2)),
            ("0.00_);[Red]\\(0.00\\)", Form::Decimals(2)),
            ("0.0", Form::Decimals(1)),
            ("@", Form::Plain),
            ("000000", Form::Zeros(6)),
            ("yyyy-mm-dd", Form::Day),
            ("yyyy/m/d;@", Form::Day),
            ("[$-804]yyyy\"年\"m\"月\"d\"日\";@", Form::Day),
            ("yyyy\"年\"m\"月\"", Form::Month),
            ("yyyy年m月", Form::Month),
            ("yyyy\\-mm", Form::Month),
            ("yyyy-mm-dd hh:mm:ss", Form::Day),
            ("[h]:mm:ss", Form::Plain),
            ("[Red]0.00", Form::Decimals(2)),
            ("0\"day\"", Form::Plain),
            ("\"d", Form::Plain),
            ("[", Form::Plain),
            ("[$¥-804]#,##0.00;[Red]-d", Form::Decimals(2)),
        ] {
            assert_eq!(Form::of_code(code), form, "{code}");
        }
        assert_eq!(Form::built_in(0), Form::Plain);
        assert_eq!(Form::built_in(14), Form::Day);
        assert_eq!(Form::built_in(31), Form::Day);
        assert_eq!(Form::built_in(57), Form::Month);
        assert_eq!(Form::built_in(46), Form::Plain);
        assert_eq!(Form::built_in(2), Form::Decimals(2));
    }

    #[test]
    fn a_month_that_is_a_number_has_the_decimals_that_its_sender_sees() {
        let month = |text: &str, form| read(text, form, &FieldType::Month);
        for (text, form, shown) in [
            ("2025.1", Form::Decimals(2), "2025.10"),
            ("2025.1000000000001", Form::Decimals(2), "2025.10"),
            ("2025.12", Form::Decimals(2), "2025.12"),
            ("2025.01", Form::Plain, "2025.01"),
            // What the value does not say nobody can tell: refused as a month.
            ("2025.1", Form::Plain, "2025.1"),
            ("2025.1", Form::Decimals(1), "2025.1"),
            // More than is shown: no month either.
            ("2025.123", Form::Decimals(2), "2025.123"),
            ("45292", Form::Decimals(2), "2024-01-01"),
        ] {
            assert_eq!(month(text, form).as_deref(), Ok(shown), "{text} {form:?}");
        }
        assert_eq!(read("2025.1", Form::Decimals(2), &TEXT).as_deref(), Ok("2025.1"));
        assert_eq!(
            super::shown(2025.1, Form::Decimals(2), &FieldType::Month, Epoch::Y1900).as_deref(),
            Some("2025.10")
        );
    }
}

//! Calendar days between Arrow (days since 1970-01-01) and the registry's text (`YYYY-MM-DD`), without allocation.
//!
//! Howard Hinnant's proleptic Gregorian algorithms. Years outside 0 to 9999 do not pass the adapters; here they are clamped.

/// Ten ASCII bytes.
pub(super) struct DayText([u8; 10]);

impl DayText {
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Days since 1970-01-01 as `YYYY-MM-DD`.
pub(super) fn to_text(days: i32) -> DayText {
    // 0000-01-01 and 9999-12-31.
    let shifted = i64::from(days).clamp(-719_528, 2_932_896) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let digit = |value: i64, unit: i64| b'0' + u8::try_from((value / unit) % 10).unwrap_or_default();
    DayText([
        digit(year, 1_000),
        digit(year, 100),
        digit(year, 10),
        digit(year, 1),
        b'-',
        digit(month, 10),
        digit(month, 1),
        b'-',
        digit(day, 10),
        digit(day, 1),
    ])
}

/// `YYYY-MM-DD` as days since 1970-01-01; none when it is not of that form.
pub(super) fn from_text(text: &str) -> Option<i32> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let (year, month, day): (i64, i64, i64) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted_year = year - i64::from(month <= 2);
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(era * 146_097 + day_of_era - 719_468).ok()
}

#[cfg(test)]
mod tests {
    use super::{from_text, to_text};

    #[test]
    fn days_survive_the_way_through_text_and_match_the_calendar() {
        for (days, text) in [
            (0, "1970-01-01"),
            (-36_524, "1870-01-01"),
            (11_016, "2000-02-29"),
            (20_454, "2026-01-01"),
        ] {
            assert_eq!(to_text(days).as_str(), text);
        }
        for days in (-719_528..2_932_896).step_by(97) {
            assert_eq!(from_text(to_text(days).as_str()), Some(days));
        }
        assert_eq!(from_text("2000-13-01"), None);
    }
}

//! Days as numbers and as the texts that agencies send.

/// Year, month and day of a day count since 1970-01-01 (Howard Hinnant, `civil_from_days`).
pub(crate) fn civil(days: i32) -> (i32, i32, i32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i32::from(month <= 2);
    (year, month, day)
}

/// `yyyyMMdd`.
pub(crate) fn compact(days: i32) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}{month:02}{day:02}")
}

/// `yyyy-MM-dd`.
pub(crate) fn dashed(days: i32) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `yyyyMM`.
pub(crate) fn month(days: i32) -> String {
    let (year, month, _) = civil(days);
    format!("{year:04}{month:02}")
}

#[cfg(test)]
mod tests {
    use super::{compact, dashed, month};

    #[test]
    fn known_days_have_their_dates() {
        assert_eq!(compact(0), "19700101");
        assert_eq!(dashed(-62_091), "1800-01-01");
        assert_eq!(compact(-25_568), "18991231");
        assert_eq!(compact(-12_419), "19360101");
        assert_eq!(month(11_016), "200002");
        assert_eq!(dashed(11_016), "2000-02-29");
    }
}

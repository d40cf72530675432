//! Number formats of `SpreadsheetML` → how a cell shows a number.
//!
//! Takes `ss:Format`: a word for a format that every version has, or the code that all workbooks use.

use crate::decode::sheet::Form;

/// The form that a format gives.
pub(super) fn form(format: &str) -> Form {
    match format {
        "General" | "General Number" | "Percent" | "Scientific" | "Yes/No" | "True/False" | "On/Off" | "@" | "" => {
            Form::Plain
        }
        "Fixed" | "Standard" | "Currency" | "Euro Currency" => Form::Decimals(2),
        "General Date" | "Long Date" | "Medium Date" | "Short Date" | "Long Time" | "Medium Time" | "Short Time" => {
            Form::Day
        }
        code => Form::of_code(code),
    }
}

#[cfg(test)]
mod tests {
    use super::form;
    use crate::decode::sheet::Form;

    #[test]
    fn words_and_codes_say_how_a_number_is_shown() {
        for (format, expected) in [
            ("General", Form::Plain),
            ("@", Form::Plain),
            ("Short Date", Form::Day),
            ("Fixed", Form::Decimals(2)),
            ("0.00", Form::Decimals(2)),
            ("000000", Form::Zeros(6)),
            ("yyyy\\-mm\\-dd", Form::Day),
            ("yyyy\"年\"m\"月\"", Form::Month),
        ] {
            assert_eq!(form(format), expected, "{format}");
        }
    }
}

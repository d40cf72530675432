//! Rows that hold several records: a household with its members beside each other.

/// How one row becomes several records: five or six pairs of columns, one pair a member.
///
/// A row has this form when it has any of the columns in [`Unfold::own`]. Each member that says anything is a record of its own, with the
/// columns of its number for the fields in `own` and those of the row for all others. Pairs may also repeat without a number (姓名, 身份证号, 姓名,
/// 身份证号): each is a member, from left to right. A number beyond [`Unfold::most`] refuses the file, so that nobody is lost. Besides the numbered members, the plain columns
/// of the row (a first pair without a number) are a member where they say anything, and so is the head of the household, unless one of
/// the others has its number. A row without any member is one record, for its rejection to be told.
///
/// Counts are of records: a household of three is `received` three times, so that received = accepted + rejected + filtered +
/// repeated. The row and line of a reject are those of the sender's file, the same for each member of a row.
#[derive(Debug)]
pub struct Unfold {
    /// Numbered members at most.
    pub most: usize,
    /// Each field that a member has of its own, with its headers; `{}` stands for the number of the member, from 1, in
    /// digits or as 一, 二, 三.
    pub own: &'static [(&'static str, &'static [&'static str])],
    /// The head of the household as a member: a member's field, and the field of the row that holds it.
    pub head: &'static [(&'static str, &'static str)],
    /// The field, one of `own` and of `head`, by whose text the head is known among the members.
    pub told_by: &'static str,
}

impl Unfold {
    /// The headers of the field at that place of `own` for member `number`, from 1.
    pub fn headers(&self, own: usize, number: usize) -> impl Iterator<Item = String> {
        let headers = self.own.get(own).map(|(_, headers)| *headers).unwrap_or_default();
        let numbers = [number.to_string(), numeral(number)];
        headers
            .iter()
            .flat_map(move |header| numbers.clone().map(|number| header.replace("{}", &number)))
    }

    /// Whether a header, folded, is that of a member whose number is none of those that a row may have.
    pub(crate) fn is_beyond(&self, folded: &str) -> bool {
        let patterns = self.own.iter().flat_map(|(_, headers)| *headers);
        let mut numbers = patterns.filter_map(|pattern| {
            let (before, after) = pattern.split_once("{}")?;
            number_of(folded.strip_prefix(before)?.strip_suffix(after)?)
        });
        numbers.any(|number| !(1..=self.most).contains(&number))
    }
}

/// A number below 100 as 一, 十二, 二十; as digits from there on.
fn numeral(number: usize) -> String {
    let digit = |digit: usize| DIGITS.get(digit).copied().unwrap_or_default();
    match (number / 10, number % 10) {
        (0, ones) => digit(ones).to_owned(),
        (1, ones) => format!("十{}", digit(ones)),
        (tens @ 2..=9, ones) => format!("{}十{}", digit(tens), digit(ones)),
        _ => number.to_string(),
    }
}

/// The number that digits or numerals stand for, at most three of them.
fn number_of(text: &str) -> Option<usize> {
    if text.chars().count() > 3 {
        return None;
    }
    let spelt = || (1..100).find(|number| numeral(*number) == text);
    text.parse().ok().or_else(spelt)
}

const DIGITS: [&str; 10] = ["", "一", "二", "三", "四", "五", "六", "七", "八", "九"];

#[cfg(test)]
mod tests {
    use super::{Unfold, number_of, numeral};

    #[test]
    fn numbers_are_digits_or_numerals() {
        for (number, text) in [(1, "一"), (10, "十"), (12, "十二"), (20, "二十"), (99, "九十九")] {
            assert_eq!((numeral(number).as_str(), number_of(text)), (text, Some(number)));
        }
        assert_eq!((number_of("7"), number_of("012")), (Some(7), Some(12)));
        for text in ["", "一一", "零", "1a", "-1", "1234", "姓名"] {
            assert_eq!(number_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_member_that_no_row_may_have_is_beyond_whatever_its_number_is_written_in() {
        let unfold = Unfold {
            most: 6,
            own: &[("name", &["姓名{}", "成员{}"]), ("citizen_id", &["成员{}身份证号"])],
            head: &[],
            told_by: "citizen_id",
        };
        for header in ["姓名7", "成员七", "成员十二身份证号", "姓名0", "成员99"] {
            assert!(unfold.is_beyond(header), "{header}");
        }
        for header in ["姓名", "姓名6", "成员六", "成员姓名", "成员7地址", "姓名2026"] {
            assert!(!unfold.is_beyond(header), "{header}");
        }
    }
}

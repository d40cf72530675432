//! What a document of JSON or XML says around its records.
//!
//! Takes each member of an envelope by name and text; refuses the batch when it bears a secrecy mark, or when the answer says of itself that it
//! failed, in one of the ways in which platforms say so. Keeps what it says the number of records is, unless it is one page of several, and holds
//! it against what was read. What other members say is nobody's business here.

use super::{TrailerFault, Unreadable, secrecy};

/// Refuses a member that says that nothing of this may be taken.
pub(crate) fn check(name: &str, value: &str, line: u64) -> Result<(), Unreadable> {
    if secrecy::is_secret_member(name, value) {
        return Err(Unreadable::SecrecyMark { line });
    }
    if says_failed(name, value.trim()) {
        return Err(Unreadable::FailedAnswer { line });
    }
    Ok(())
}

/// Whether it says that what was asked for did not succeed.
fn says_failed(name: &str, value: &str) -> bool {
    let is = |names: &[&str]| names.iter().any(|other| name.eq_ignore_ascii_case(other));
    let says = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    if value.is_empty() || says(&["null"]) {
        false
    } else if is(&SUCCESS) {
        !says(&["true", "1", "y", "yes", "success", "ok", "是"])
    } else if is(&CODES) {
        !value.bytes().all(|byte| byte == b'0') && !says(&["200", "success", "ok", "true"])
    } else {
        is(&["status"]) && says(&["fail", "failed", "failure", "error", "false"])
    }
}

/// Numbers of records that an envelope states, each in an object.
#[derive(Default)]
pub(crate) struct Totals {
    /// The object, the text, and the line.
    stated: Vec<(u64, String, u64)>,
    /// Objects that say which page of several this is.
    pages: Vec<u64>,
}

impl Totals {
    /// One more member of that object.
    pub(crate) fn member(&mut self, object: u64, name: &str, value: &str, line: u64) {
        let is = |names: &[&str]| names.iter().any(|other| name.eq_ignore_ascii_case(other));
        let says_something = !value.trim().is_empty() && value != "null";
        if self.stated.len() + self.pages.len() >= MEMBERS_MAX || !says_something {
            return;
        }
        if is(&TOTALS) {
            self.stated.push((object, value.trim().to_owned(), line));
        } else if is(&PAGES) {
            self.pages.push(object);
        }
    }

    /// Holds what is stated in the objects around the records against their number. A page may hold fewer.
    pub(crate) fn check(&self, around: &[u64], found: u64) -> Result<(), Unreadable> {
        let is_page = self.pages.iter().any(|object| around.contains(object));
        let stated = self.stated.iter().filter(|(object, ..)| around.contains(object));
        for (_, text, line) in stated {
            let why = match text.parse::<u64>() {
                Ok(stated) if stated == found || is_page && stated > found => continue,
                Ok(stated) => TrailerFault::Rows { stated, found },
                Err(_) => TrailerFault::NoCount,
            };
            return Err(Unreadable::WrongTrailer { line: *line, why });
        }
        Ok(())
    }
}

/// Whether all of a body is the sentence with which platforms say that there is nothing.
pub(crate) fn says_nothing_found(body: &str) -> bool {
    let text = body.trim().trim_matches('"');
    text.len() <= SENTENCE_BYTES_MAX && NOTHING_FOUND.iter().any(|sentence| text.starts_with(sentence))
}

/// `IsSuccess`, and `success`: true or false.
const SUCCESS: [&str; 3] = ["isSuccess", "success", "is_success"];

/// `returnCode` of the tax offices, `resultCode` and `ErrorCode` of platforms: zeros when all is well.
const CODES: [&str; 6] = [
    "returnCode",
    "return_code",
    "resultCode",
    "result_code",
    "errorCode",
    "error_code",
];

/// How many records there are.
const TOTALS: [&str; 3] = ["totalCount", "total_count", "total"];

/// What stands beside such a number where the records are one page of them.
const PAGES: [&str; 16] = [
    "page",
    "pageNo",
    "page_no",
    "pageNum",
    "page_num",
    "pageIndex",
    "pageSize",
    "page_size",
    "pages",
    "totalPage",
    "totalPages",
    "current",
    "currentPage",
    "limit",
    "offset",
    "start",
];

/// An envelope has few members of these names.
const MEMBERS_MAX: usize = 64;

/// What platforms write instead of an empty answer.
const NOTHING_FOUND: [&str; 5] = ["没有数据", "无数据", "暂无数据", "查无数据", "未查询到"];

/// A sentence; what is longer is something else.
const SENTENCE_BYTES_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::{Totals, check, says_nothing_found};
    use crate::decode::Unreadable;

    #[test]
    fn an_answer_that_failed_is_refused() {
        for (name, value) in [
            ("IsSuccess", "false"),
            ("success", "0"),
            ("returnCode", "00000001"),
            ("resultCode", "01"),
            ("ErrorCode", "7"),
            ("status", "error"),
        ] {
            assert_eq!(
                check(name, value, 3),
                Err(Unreadable::FailedAnswer { line: 3 }),
                "{name}"
            );
        }
    }

    #[test]
    fn an_answer_that_succeeded_and_other_members_are_not() {
        for (name, value) in [
            ("IsSuccess", "true"),
            ("returnCode", "00000000"),
            ("resultCode", "00"),
            ("ErrorCode", "0"),
            ("errorCode", "null"),
            ("status", "success"),
            ("status", "停保"),
            ("message", "false"),
        ] {
            assert_eq!(check(name, value, 1), Ok(()), "{name} {value}");
        }
    }

    #[test]
    fn a_total_holds_for_the_object_around_the_records_and_a_page_may_be_smaller() {
        let mut totals = Totals::default();
        totals.member(1, "TotalCount", "5", 1);
        totals.member(2, "total", "7", 2);
        assert!(totals.check(&[1], 5).is_ok());
        assert!(totals.check(&[1], 4).is_err());
        assert!(totals.check(&[1, 2], 5).is_err());
        totals.member(1, "pageNo", "1", 3);
        assert!(totals.check(&[1], 4).is_ok());
        assert!(totals.check(&[1], 6).is_err());
    }

    #[test]
    fn a_sentence_that_nothing_was_found_is_known_and_no_other() {
        assert!(says_nothing_found(" 没有数据或者时间格式错误\n"));
        assert!(says_nothing_found("\"没有数据\""));
        assert!(!says_nothing_found("系统错误"));
        assert!(!says_nothing_found(""));
    }
}

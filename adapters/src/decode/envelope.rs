//! What a document of JSON or XML says around its records.
//!
//! Takes each member of an object or element of the envelope by name and text, and how many records were in it when it ends. Refuses the batch when
//! it bears a secrecy mark, when the answer says of itself that it failed, in one of the ways in which platforms say so, and when it states more
//! records than are there, or more than its page holds of several (`page`). What is stated in an object counts for the records in it, in a
//! head for those beside it; the page may be told around it, within it or beside it, too. What other members say is nobody's business here.

mod answer;
mod found;
mod page;

use self::answer::Answer;
pub(crate) use self::found::{Before, Found};
use self::page::Page;
use super::{TrailerFault, Unreadable, secrecy};

/// What one object or element says of the records in it.
#[derive(Default)]
pub(crate) struct Said {
    /// Numbers of records, each with its line.
    totals: Vec<(u64, u64)>,
    page: Page,
    answer: Answer,
    /// Totals of objects inside that are larger than what was there.
    unsettled: Vec<Missing>,
}

/// A total that does not hold, unless an object around it says that this is a page.
#[derive(Clone, Copy)]
struct Missing {
    stated: u64,
    found: Found,
    line: u64,
}

impl Missing {
    fn may_be_a(&self, page: &Page) -> bool {
        // Persons of households only to the last of them: fewer would pass for households that are lacking.
        page.may_hold(self.found.rows, self.stated) || self.found.records == self.stated
    }
}

impl Said {
    /// One more member; refuses one that says that nothing of this may be taken.
    pub(crate) fn member(&mut self, name: &str, value: &str, line: u64) -> Result<(), Unreadable> {
        if secrecy::is_secret_member(name, value) {
            return Err(Unreadable::SecrecyMark { line });
        }
        let value = value.trim();
        if value.is_empty() || value == "null" {
            return Ok(());
        }
        if answer::says_failed(name, value) {
            return Err(Unreadable::FailedAnswer { line });
        }
        self.answer.member(name, value, line);
        if is(name, &TOTALS) {
            let total = page::number(value).filter(|_| self.totals.len() < MEMBERS_MAX);
            self.totals.extend(total.map(|total| (total, line)));
        }
        self.page.member(name, value);
        Ok(())
    }

    /// The object of that name ends, in which so many records were `found`; none when it is not around the records. What it cannot settle by itself is
    /// for the one `around` it.
    pub(crate) fn end(self, name: &str, found: Option<Found>, around: Option<&mut Self>) -> Result<(), Unreadable> {
        if let Some(line) = self.answer.failed() {
            return Err(Unreadable::FailedAnswer { line });
        }
        let own = found.into_iter().flat_map(|found| {
            let of = move |(stated, line): &(u64, u64)| Missing {
                stated: *stated,
                found,
                line: *line,
            };
            self.totals.iter().map(of)
        });
        let missing = self.unsettled.iter().copied().chain(own);
        let missing: Vec<Missing> = missing.filter(|of| !of.may_be_a(&self.page)).collect();
        match (around, missing.first()) {
            (Some(around), _) if around.unsettled.len() + missing.len() <= MEMBERS_MAX => {
                around.unsettled.extend(missing);
                if found.is_none() && is_head(name) {
                    let room = MEMBERS_MAX.saturating_sub(around.totals.len());
                    around.totals.extend(self.totals.into_iter().take(room));
                }
                around.page.learn(name, self.page, found.is_some());
                Ok(())
            }
            (_, Some(Missing { stated, found, line })) => Err(Unreadable::WrongTrailer {
                line: *line,
                why: TrailerFault::Rows {
                    stated: *stated,
                    found: found.most(),
                },
            }),
            (_, None) => Ok(()),
        }
    }
}

fn is(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether an object of that name speaks of what is beside it.
fn is_head(name: &str) -> bool {
    is(name, &HEADS)
}

/// Whether all of a body is the sentence with which platforms say that there is nothing.
pub(crate) fn says_nothing_found(body: &str) -> bool {
    let text = body.trim().trim_matches('"');
    text.len() <= SENTENCE_BYTES_MAX && NOTHING_FOUND.iter().any(|sentence| text.starts_with(sentence))
}

/// How many records there are.
const TOTALS: [&str; 3] = ["totalCount", "total_count", "total"];

/// Under these names platforms send what they say of the records beside them.
const HEADS: [&str; 6] = ["head", "header", "page", "pageInfo", "pagination", "meta"];

/// An envelope has few members of these names.
const MEMBERS_MAX: usize = 64;

/// What platforms write instead of an empty answer.
const NOTHING_FOUND: [&str; 5] = ["没有数据", "无数据", "暂无数据", "查无数据", "未查询到"];

/// A sentence; what is longer is something else.
const SENTENCE_BYTES_MAX: usize = 300;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::{Found, Said, says_nothing_found};
    use crate::decode::Unreadable;

    fn judged(members: &[(&str, &str)]) -> Result<(), Unreadable> {
        let mut said = Said::default();
        for (name, value) in members {
            said.member(name, value, 3)?;
        }
        said.end("", None, None)
    }

    fn rows(rows: u64) -> Found {
        Found { rows, records: rows }
    }

    #[test]
    fn an_answer_that_failed_is_refused() {
        for member in [
            ("IsSuccess", "false"),
            ("success", "0"),
            ("success", "失败"),
            ("returnCode", "00000001"),
            ("resultCode", "01"),
            ("resultCode", "500"),
            ("returnCode", "查询不成功"),
            ("ErrorCode", "7"),
            ("errorCode", "-1"),
            ("status", "error"),
        ] {
            assert_eq!(
                judged(&[member]),
                Err(Unreadable::FailedAnswer { line: 3 }),
                "{member:?}"
            );
        }
        let contradictory = [("IsSuccess", "true"), ("ErrorCode", "7")];
        assert_eq!(judged(&contradictory), Err(Unreadable::FailedAnswer { line: 3 }));
        let told = [("resultCode", "1001"), ("msg", "查询失败")];
        assert_eq!(judged(&told), Err(Unreadable::FailedAnswer { line: 3 }));
    }

    #[test]
    fn an_answer_that_succeeded_and_other_members_are_not() {
        for member in [
            ("IsSuccess", "true"),
            ("success", "成功"),
            ("success", "操作成功"),
            ("success", "200"),
            ("returnCode", "00000000"),
            ("resultCode", "00"),
            ("resultCode", "0000"),
            ("resultCode", "200"),
            ("resultCode", "1"),
            ("resultCode", "成功"),
            ("return_code", "SUCCESS"),
            ("resultCode", "查询成功"),
            ("ErrorCode", "0"),
            ("errorCode", "null"),
            ("errorCode", "无"),
            ("errorCode", "false"),
            ("error_code", "200"),
            ("status", "success"),
            ("status", "停保"),
            ("message", "false"),
            ("code", "0"),
            ("code", "0000"),
            ("code", "操作成功"),
        ] {
            assert_eq!(judged(&[member]), Ok(()), "{member:?}");
        }
    }

    #[test]
    fn a_platforms_own_code_is_taken_beside_a_word_of_success() {
        for other in [
            ("msg", "查询成功"),
            ("success", "true"),
            ("status", "ok"),
            ("resultMsg", "操作成功！"),
        ] {
            assert_eq!(judged(&[("resultCode", "1001"), other]), Ok(()), "{other:?}");
            assert_eq!(judged(&[other, ("resultCode", "1001")]), Ok(()), "{other:?}");
        }
    }

    #[test]
    fn an_answer_that_speaks_of_trouble_or_of_some_success_is_refused() {
        for members in [
            &[("returnCode", "1"), ("returnMsg", "查询失败")] as &[_],
            &[("resultCode", "206"), ("resultMsg", "部分成功")],
            &[("resultCode", "1001"), ("resultMsg", "接口调用成功，但数据查询超时")],
            &[("resultCode", "999"), ("desc", "上次成功时间2025-01-01")],
            &[
                ("resultCode", "2"),
                ("status", "1"),
                ("resultMsg", "数据查询超时，结果不完整"),
            ],
            &[("resultCode", "2"), ("status", "是")],
            &[("resultCode", "1"), ("success", "true"), ("msg", "数据不完整")],
        ] {
            assert_eq!(
                judged(members),
                Err(Unreadable::FailedAnswer { line: 3 }),
                "{members:?}"
            );
            let turned: Vec<_> = members.iter().rev().copied().collect();
            assert_eq!(
                judged(&turned),
                Err(Unreadable::FailedAnswer { line: 3 }),
                "{members:?}"
            );
        }
        // Zeros say that all is well, whatever the message is about; a 1 beside a message of nothing wrong may.
        assert_eq!(judged(&[("resultCode", "00"), ("desc", "异常名单")]), Ok(()));
        assert_eq!(judged(&[("resultCode", "1"), ("msg", "请求已受理")]), Ok(()));
    }

    #[test]
    fn a_total_holds_for_the_object_around_the_records() {
        let of = |stated: &str, found| {
            let mut said = Said::default();
            said.member("TotalCount", stated, 1).unwrap();
            said.end("", found, None)
        };
        assert!(of("5", Some(rows(5))).is_ok());
        assert!(of("5", Some(rows(4))).is_err());
        assert!(of("5条", Some(rows(4))).is_err());
        // Nothing is missing; platforms that do not count write 0.
        assert!(of("0", Some(rows(4))).is_ok());
        assert!(of("12.50", Some(rows(4))).is_ok());
        // Of households some count the rows and some the persons; a row that is a sum is no record.
        assert!(of("5", Some(Found { rows: 2, records: 5 })).is_ok());
        assert!(of("6", Some(Found { rows: 2, records: 5 })).is_err());
        assert!(of("5", Some(Found { rows: 5, records: 4 })).is_ok());
        assert!(of("5", None).is_ok());
    }

    #[test]
    fn that_the_records_are_a_page_may_be_said_around_the_total_or_beside_it() {
        let paged = |around: &[(&str, &str)], beside: Option<(&str, &str)>| {
            let (mut outer, mut inner) = (Said::default(), Said::default());
            inner.member("total", "9", 2).unwrap();
            if let Some((name, value)) = beside {
                let mut sibling = Said::default();
                sibling.member(name, value, 2).unwrap();
                sibling.end("page", None, Some(&mut inner)).unwrap();
            }
            inner.end("data", Some(rows(4)), Some(&mut outer)).unwrap();
            for (name, value) in around {
                outer.member(name, value, 3).unwrap();
            }
            outer.end("", Some(rows(4)), None)
        };
        assert!(paged(&[], None).is_err());
        assert!(paged(&[("pageNum", "1"), ("pageSize", "4")], None).is_ok());
        assert!(paged(&[("current", "1"), ("pageSize", "5")], None).is_err());
        assert!(paged(&[("size", "4")], None).is_err());
        assert!(paged(&[], Some(("size", "4"))).is_ok());
    }

    #[test]
    fn a_total_in_a_head_holds_for_what_is_beside_it_and_elsewhere_for_nothing() {
        let told = |name: &str| {
            let (mut outer, mut head) = (Said::default(), Said::default());
            head.member("totalCount", "5", 2).unwrap();
            head.end(name, None, Some(&mut outer)).unwrap();
            outer.end("", Some(rows(2)), None)
        };
        for name in ["head", "HEADER", "page", "pageInfo", "Pagination", "meta"] {
            assert!(told(name).is_err(), "{name}");
        }
        for name in ["sum", "headcount", ""] {
            assert!(told(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_sentence_that_nothing_was_found_is_known_and_no_other() {
        assert!(says_nothing_found(" 没有数据或者时间格式错误\n"));
        assert!(says_nothing_found("\"没有数据\""));
        assert!(!says_nothing_found("系统错误"));
        assert!(!says_nothing_found(""));
    }
}

//! Whether an answer says of itself that it failed.
//!
//! Takes members by name and text, says of each whether it speaks of failure by itself, and of all of them together whether a code is in doubt. A code that
//! only its platform knows is believed beside a word of success; a word of something that went wrong puts even a likely code in doubt.

use super::is;

/// What the members of one object say of the answer.
#[derive(Default)]
pub(super) struct Answer {
    /// Line of a code that is none of success, as far as is known.
    doubtful: Option<u64>,
    /// Line of a 1: success here, failure there.
    either: Option<u64>,
    /// Some other member says that it succeeded.
    succeeded: bool,
    /// A message says that something went wrong, or that some of it is lacking.
    went_wrong: bool,
}

impl Answer {
    /// One more member.
    pub(super) fn member(&mut self, name: &str, value: &str, line: u64) {
        if is(name, &CODES) {
            if value == "1" {
                self.either.get_or_insert(line);
            } else if !is_code_of_success(value) {
                self.doubtful.get_or_insert(line);
            }
        }
        self.succeeded |= says_succeeded(name, value);
        self.went_wrong |= is(name, &MESSAGES) && speaks_of_trouble(value);
    }

    /// Line of a code that no member makes a success.
    pub(super) fn failed(&self) -> Option<u64> {
        if self.went_wrong {
            // A message is written for this answer; `success` may only say that the service was reached.
            self.doubtful.or(self.either)
        } else {
            self.doubtful.filter(|_| !self.succeeded)
        }
    }
}

/// Whether it says by itself that what was asked for did not succeed.
pub(super) fn says_failed(name: &str, value: &str) -> bool {
    if is(name, &SUCCESS) {
        is(value, &FAILED) || is(value, &["false", "0", "n", "no", "否"])
    } else if is(name, &ERRORS) {
        // A code that is no number may say anything, also that there is no error.
        let is_number = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        is(value, &FAILED) || is_number && !is_zero(value) && !is(value, &NUMBERS_OF_SUCCESS)
    } else {
        is(name, &["status"]) && (is(value, &FAILED) || is(value, &["false"]))
    }
}

/// Whether it says that it did succeed. A 1 as `status` is as often a state of something else.
fn says_succeeded(name: &str, value: &str) -> bool {
    let flag = is(name, &SUCCESS);
    flag && is(value, &["1", "y", "yes", "是"])
        || (flag || is(name, &["status"]) || is(name, &MESSAGES)) && speaks_of_success(value)
}

/// Zeros, whatever their number, and what else stands for success where several answers are numbered.
fn is_code_of_success(code: &str) -> bool {
    is_zero(code) || is(code, &NUMBERS_OF_SUCCESS) || speaks_of_success(code)
}

fn is_zero(code: &str) -> bool {
    code.bytes().all(|byte| byte == b'0')
}

/// `操作成功`, `查询成功！`, and nothing else: who has a condition or a time to add speaks of more than success.
fn speaks_of_success(text: &str) -> bool {
    if text.len() > SUCCESS_BYTES_MAX {
        return false;
    }
    let mut words: String = text.chars().filter(|letter| letter.is_alphanumeric()).collect();
    for of in SUCCEEDS {
        words = words.replace(of, "");
    }
    is(&words, &WORDS_OF_SUCCESS) || says_how_many(&words)
}

/// `成功共12条`, of which what succeeded is taken out: 查询成功，共查询到12条记录.
fn says_how_many(words: &str) -> bool {
    let rest = words.strip_prefix("成功").unwrap_or_default();
    let rest = rest.trim_start_matches(['共', '有', '到', '总', '计']);
    let unit = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    unit.len() < rest.len() && ["条", "人", "户", "笔", "个"].contains(&unit)
}

/// Whether something went wrong, or only some of it is here.
fn speaks_of_trouble(message: &str) -> bool {
    let mut message = message.to_lowercase();
    for none in NO_TROUBLE {
        message = message.replace(none, "");
    }
    TROUBLE.iter().any(|word| message.contains(word))
}

/// `IsSuccess`, and `success`: true or false.
const SUCCESS: [&str; 3] = ["isSuccess", "success", "is_success"];

/// `returnCode` of the tax offices, `resultCode` of platforms: zeros when all is well, or the platform's own number beside a message.
const CODES: [&str; 4] = ["returnCode", "return_code", "resultCode", "result_code"];

/// `ErrorCode` of platforms: what is in it is an error, unless it is zero.
const ERRORS: [&str; 2] = ["errorCode", "error_code"];

/// What stands beside a code.
const MESSAGES: [&str; 13] = [
    "msg",
    "message",
    "returnMsg",
    "return_msg",
    "returnMessage",
    "return_message",
    "resultMsg",
    "result_msg",
    "resultMessage",
    "result_message",
    "resultDesc",
    "returnDesc",
    "desc",
];

const FAILED: [&str; 5] = ["fail", "failed", "failure", "error", "失败"];

const WORDS_OF_SUCCESS: [&str; 6] = ["true", "success", "successful", "succeeded", "ok", "成功"];

const NUMBERS_OF_SUCCESS: [&str; 4] = ["200", "2000", "20000", "10000"];

/// What may be said to succeed.
const SUCCEEDS: [&str; 22] = [
    "查询", "操作", "请求", "调用", "接口", "获取", "返回", "处理", "执行", "数据", "服务", "访问", "提交", "交易",
    "读取", "检索", "响应", "下载", "导出", "共享", "交换", "记录",
];

const TROUBLE: [&str; 20] = [
    "失败",
    "错误",
    "出错",
    "异常",
    "超时",
    "不完整",
    "部分成功",
    "部分数据",
    "部分记录",
    "部分查询",
    "仅部分",
    "只有部分",
    "不成功",
    "未成功",
    "没有成功",
    "fail",
    "error",
    "exception",
    "timeout",
    "timed out",
];

/// Words of trouble that say that there is none.
const NO_TROUBLE: [&str; 12] = [
    "无异常",
    "未发现异常",
    "异常名录",
    "无错误",
    "没有错误",
    "没有异常",
    "失败0",
    "失败：0",
    "0条失败",
    "无失败",
    "no error",
    "without error",
];

/// More text than a word of success and what succeeded have.
const SUCCESS_BYTES_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::{speaks_of_success, speaks_of_trouble};

    #[test]
    fn success_is_a_word_with_what_succeeded_and_nothing_more() {
        for text in [
            "成功",
            "查询成功",
            "操作成功！",
            "接口调用成功。",
            "【数据查询】成功",
            "成功返回数据",
            "查询成功，共 12 条记录",
            "查询成功，共查询到1条数据",
            "查询成功，返回12条数据",
            "查询成功，共有12人",
            "Successful",
            "Success",
            "OK.",
        ] {
            assert!(speaks_of_success(text), "{text}");
        }
        for text in [
            "",
            "查询",
            "部分成功",
            "查询不成功",
            "未成功",
            "接口调用成功，但数据查询超时",
            "成功（数据不完整）",
            "上次成功时间2025-01-01",
            "成功率",
            "成功2条，失败3条",
            "2条成功",
            "成功共条",
            "not ok",
        ] {
            assert!(!speaks_of_success(text), "{text}");
        }
    }

    #[test]
    fn trouble_is_known_by_its_words_and_not_where_there_is_none() {
        for text in [
            "查询失败",
            "部分成功",
            "数据查询超时，结果不完整",
            "Read timed out",
            "查询不成功",
        ] {
            assert!(speaks_of_trouble(text), "{text}");
        }
        for text in ["查询成功", "查询成功，无异常", "No error", "没有数据", "ok"] {
            assert!(!speaks_of_trouble(text), "{text}");
        }
    }
}

//! Secrecy marks: a batch with a row that bears one is refused as a whole (保守国家秘密法; 政务数据共享条例 3).
//!
//! Takes what stands in a column that holds marks, in whatever record type; says whether it lets the row pass. Only words that say "no
//! secret" pass: 绝密, 机密, 秘密 and 工作秘密 in every form refuse the batch, and so does a mark that nobody here can read.

use super::judge::Sent;
use crate::value;

/// What such a column is called where two are refused: a second one would be read by nobody.
pub(crate) const COLUMN: &str = "secrecy_mark";

/// Headers of columns that hold marks. Two-letter abbreviations are too short to be sure of.
pub(crate) const HEADERS: &[&str] = &[
    "密级",
    "密级标志",
    "密级标识",
    "保密级别",
    "保密等级",
    "涉密级别",
    "涉密等级",
    "秘密等级",
    "定密级别",
    "国家秘密等级",
    "mjbz",
    "mjbs",
    "secret_level",
    "secrecy",
    "secrecy_level",
    "secrecy_mark",
    "security_classification",
];

/// What says that there is no secret.
const OPEN: &[&str] = &[
    "公开",
    "公开级",
    "非密",
    "非涉密",
    "不涉密",
    "未涉密",
    "无密级",
    "不定密",
    "否",
    "普通",
    "一般",
    "0",
    "false",
    "n",
];

/// Whether what stands in such a column refuses the batch.
pub(crate) fn is_secret(sent: Sent<'_>) -> bool {
    match sent {
        Sent::Missing => false,
        Sent::Text(text) => {
            let text = value::trimmed(text);
            !value::says_nothing(text) && !OPEN.iter().any(|open| open.eq_ignore_ascii_case(text))
        }
        Sent::Bad(_) | Sent::Undecodable(_) => true,
    }
}

//! Secrecy marks: a batch with a row that bears one is refused as a whole (保守国家秘密法; 政务数据共享条例 3).
//!
//! Takes what stands in a column or a member that holds marks, in whatever record type; says whether it lets the row pass. Only words that say "no
//! secret" pass: 绝密, 机密, 秘密 and 工作秘密 in every form refuse the batch, and so does a mark that nobody here can read. Takes besides what stands
//! around the records (titles, footers, names of sheets, members of an envelope): there a mark is known by its words, or by a label before it.

use super::sent::Sent;
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
    "涉密",
    "是否涉密",
    "涉密标志",
    "涉密标识",
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
    "可公开",
    "主动公开",
    "社会公开",
    "非密",
    "非密级",
    "非密件",
    "非涉密",
    "非涉密件",
    "非秘密",
    "非国家秘密",
    "不涉密",
    "不涉及",
    "不涉及国家秘密",
    "未涉密",
    "无密",
    "无密级",
    "无涉密",
    "无秘密",
    "没有",
    "不定密",
    "未定密",
    "否",
    "不是",
    "非",
    "普通",
    "普通级",
    "一般",
    "一般级",
    "false",
    "f",
    "no",
    "n",
    "none",
    "public",
    "open",
    "unclassified",
];

/// Whether what stands in such a column refuses the batch.
pub(crate) fn is_secret(sent: Sent<'_>) -> bool {
    match sent {
        Sent::Missing => false,
        Sent::Text(text) => {
            let text = value::trimmed(text);
            let is_zero = text.bytes().all(|byte| byte == b'0');
            !value::says_nothing(text) && !is_zero && !OPEN.iter().any(|open| open.eq_ignore_ascii_case(text))
        }
        Sent::Bad(_) | Sent::Undecodable(_) => true,
    }
}

/// Whether a member of an envelope refuses the batch: by its name, as a column would, or by what it says.
pub(crate) fn is_secret_member(name: &str, value: &str) -> bool {
    is_mark(value) || HEADERS.contains(&super::fold_header(name).as_str()) && is_secret(Sent::Text(value))
}

/// Whether a text around the records is a mark: `机密★10年`, `秘密级`, `密级：机密`, or a title that begins with one: 机密级死亡人员名单.
pub(crate) fn is_mark(text: &str) -> bool {
    may_begin(text) && (ends_at_a_blank(text) || is_level_of_a_title(&bare(text)) || is_bare_mark(text))
}

/// Whether a text that may be a record's own is a mark and nothing else.
pub(crate) fn is_bare_mark(text: &str) -> bool {
    may_begin(text) && {
        let text = bare(text);
        is_level(&text)
            || labelled(&text).is_some_and(|(value, colon)| is_level(value) || colon && is_secret(Sent::Text(value)))
    }
}

/// Whether a row around the records bears a mark, which may stand in the cell behind its label.
pub(crate) fn in_row<'a>(cells: impl Iterator<Item = &'a str>) -> bool {
    let mut behind_label = false;
    for cell in cells.filter(|cell| !cell.trim().is_empty()) {
        // `密级：` may be left blank, and the next label follows.
        let is_label = cell.contains([':', '：']) && !begins_with_level(&bare(cell));
        let is_value = behind_label && !is_label;
        if is_mark(cell) || is_value && is_secret(Sent::Text(cell)) {
            return true;
        }
        behind_label = may_begin(cell) && labelled(&bare(cell)).is_some_and(|(value, colon)| colon && value.is_empty());
    }
    false
}

/// A level, perhaps with how long it holds, what bears it or a warning. What goes on in another way may be a name: 绝密级剧本娱乐有限公司.
fn is_level(text: &str) -> bool {
    let behind = LEVELS.iter().find_map(|level| text.strip_prefix(level));
    let behind = behind.map(|rest| rest.strip_prefix('级').unwrap_or(rest));
    behind.is_some_and(|rest| {
        let bearer = BEARERS.iter().find_map(|bearer| rest.strip_prefix(bearer));
        is_end(rest) || bearer.is_some_and(is_end)
    })
}

/// A level with whatever behind it but the name of a shop.
fn is_level_of_a_title(text: &str) -> bool {
    let behind = LEVELS.iter().find_map(|level| text.strip_prefix(level));
    let behind = behind.and_then(|rest| rest.strip_prefix('级'));
    behind.is_some_and(|rest| !SHOPS.iter().any(|shop| rest.ends_with(shop)))
}

/// Whether a blank stands behind a level, or behind what bears it: 机密 户籍人口表.
fn ends_at_a_blank(text: &str) -> bool {
    let text = text.trim_start_matches(|letter: char| letter.is_whitespace() || "【[(（〔*".contains(letter));
    let behind = LEVELS.iter().find_map(|level| text.strip_prefix(level));
    behind.is_some_and(|rest| {
        let rest = rest.strip_prefix('级').unwrap_or(rest);
        let bearer = BEARERS.iter().find_map(|bearer| rest.strip_prefix(bearer));
        [Some(rest), bearer]
            .into_iter()
            .flatten()
            .any(|rest| rest.starts_with(char::is_whitespace))
    })
}

fn begins_with_level(text: &str) -> bool {
    LEVELS.iter().any(|level| text.starts_with(level))
}

/// Whether a mark ends here: with a star, a bracket, punctuation or its term.
fn is_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(ENDS) || is_term(rest)
}

/// How long a mark holds, where the star is left out: `10年`, `（6个月）`, `长期`.
fn is_term(text: &str) -> bool {
    let trimmed = text.trim_start_matches(TERM_BEFORE);
    let named = ["保密期限", "保密期", "期限"]
        .iter()
        .find_map(|name| trimmed.strip_prefix(name));
    let text = named
        .map_or(trimmed, |rest| rest.trim_start_matches(TERM_BEFORE))
        .trim_end_matches(['）', ')', '】', ']']);
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit() || ('０'..='９').contains(&letter));
    text == "长期" || unit.len() < text.len() && ["年", "个月", "月", "天", "日"].contains(&unit)
}

/// What stands between a level and its term.
const TERM_BEFORE: [char; 12] = ['（', '(', '【', '[', ':', '：', '-', '—', '·', ',', '，', '、'];

/// What stands behind the name of a column for marks, and whether a colon does between them.
fn labelled(text: &str) -> Option<(&str, bool)> {
    // The longest name first: 密级 is the beginning of 密级标志.
    let labels = HEADERS
        .iter()
        .filter_map(|label| Some((label.len(), text.strip_prefix(label)?)));
    let (_, rest) = labels.max_by_key(|(length, _)| *length)?;
    let value = rest.trim_start_matches([':', '：']);
    Some((value, value.len() < rest.len()))
}

/// Without blanks, and without brackets around it.
fn bare(text: &str) -> String {
    let text: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    text.trim_matches(['【', '】', '[', ']', '(', ')', '（', '）', '〔', '〕', '*'])
        .to_owned()
}

/// Whether it is short enough and begins with the first character of a mark or a label: nearly nothing does.
fn may_begin(text: &str) -> bool {
    let first = |text: &str| text.chars().next();
    let passed = |letter: char| letter.is_whitespace() || "【[(（〔*".contains(letter);
    text.len() <= MARK_BYTES_MAX
        && first(text.trim_start_matches(passed)).is_some_and(|letter| {
            if letter.is_ascii_digit() {
                return false;
            }
            let begins = |word: &&&str| first(word) == Some(letter);
            LEVELS.iter().any(|word| begins(&word)) || HEADERS.iter().any(|word| begins(&word))
        })
}

/// 保守国家秘密法 14, and what is kept inside of an office.
const LEVELS: [&str; 4] = ["绝密", "机密", "秘密", "工作秘密"];

/// What ends a mark at once.
const ENDS: [char; 14] = [
    '★', '☆', '】', ']', '）', ')', '〕', '，', ',', '。', '！', '!', '；', ';',
];

/// How the name of a shop ends, which may be called so.
const SHOPS: [&str; 19] = [
    "公司",
    "集团",
    "企业",
    "厂",
    "店",
    "馆",
    "铺",
    "坊",
    "吧",
    "网咖",
    "桌游",
    "密室",
    "商行",
    "工作室",
    "俱乐部",
    "合作社",
    "经营部",
    "服务部",
    "超市",
];

/// What bears a mark: 机密文件.
const BEARERS: [&str; 10] = [
    "文件", "文档", "公文", "材料", "资料", "事项", "信息", "数据", "载体", "件",
];

/// Marks and labels are short; a text that only begins like one runs on.
const MARK_BYTES_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::{in_row, is_bare_mark, is_mark, is_secret_member};

    #[test]
    fn levels_are_marks_with_and_without_their_term() {
        for text in [
            "机密",
            " 绝 密 ",
            "秘密★10年",
            "机密★",
            "秘密级",
            "机密级文件",
            "秘密级资料★5年",
            "机密级（长期）",
            "机密 10年",
            "秘密（6个月）",
            "绝密长期",
            "工作秘密",
            "【机密】",
            "【机密】户籍人口表",
            "（秘密）死亡人员名单",
            "秘密级（保密期限5年）",
            "机密级 保密期限：10年",
            "机密　保密期限10年",
            "机密级文件，严禁外传",
            "机密文件",
            "机密，注意保管",
            "机密级（仅供内部使用）",
            "秘密级内部资料",
            "绝密级会议材料",
            "机密级死亡人员名单",
            "秘密级统计表",
            "机密级　连云港市公安局",
            "机密级死亡人员名单　市公安局",
            "秘密级户籍数据（内部）　赣榆区公安局",
            "机密 户籍人口表",
            "机密文件 严禁外传",
            "密级：机密",
            "密级 秘密★长期",
            "密级: 内部",
        ] {
            assert!(is_mark(text), "{text}");
        }
    }

    #[test]
    fn what_may_be_a_records_own_is_a_mark_only_when_it_says_nothing_else() {
        for name in [
            "绝密级密室桌游",
            "绝密级网咖",
            "机密级名单",
            "秘密 花园",
            "绝密级剧本娱乐",
        ] {
            assert!(!is_bare_mark(name), "{name}");
        }
        for mark in [
            "机密",
            "秘密★10年",
            "机密级文件",
            "【绝密】",
            "密级：机密",
            "机密（5年）",
        ] {
            assert!(is_bare_mark(mark), "{mark}");
        }
    }

    #[test]
    fn what_only_speaks_of_secrets_is_none() {
        for text in [
            "",
            "密级",
            "密级：",
            "密级：公开",
            "是否涉密：否",
            "机密文件处",
            "秘密等级",
            "保密局",
            "户籍人口表",
            "非涉密",
            "绝密级剧本娱乐有限公司",
            "机密级数据安全技术有限公司",
            "秘密花园幼儿园",
            "机密年代文化有限公司",
            "秘密3号院餐饮店",
            "密级：无密",
            "密级：非密级",
            "涉密：不是",
            "密级：00",
        ] {
            assert!(!is_mark(text), "{text}");
        }
    }

    #[test]
    fn a_mark_may_stand_in_the_cell_behind_its_label() {
        for (cells, marked) in [
            (["密级：", "", "内部"], true),
            (["户籍人口表", "", "机密★"], true),
            (["密级：", "公开", "甲"], false),
            (["密级：", "机密（保密期限：10年）", "甲"], true),
            (["密级：", "秘密 期限:5年", "甲"], true),
            (["密级：", "填表日期：", "甲"], false),
            (["密级：", "填表人：甲", "机密★"], true),
            (["密级", "姓名", "性别"], false),
        ] {
            assert_eq!(in_row(cells.into_iter()), marked, "{cells:?}");
        }
    }

    #[test]
    fn a_member_is_judged_by_its_name_or_by_what_it_says() {
        for (name, value, secret) in [
            ("密级", "机密", true),
            ("Secret_Level", "2", true),
            ("是否涉密", "是", true),
            ("是否涉密", "否", false),
            ("title", "绝密★", true),
            ("title", "人口", false),
            ("密级", "公开", false),
            ("bz", "机密级（保密期限10年）", true),
            ("bz", "绝密级密室逃脱馆", false),
        ] {
            assert_eq!(is_secret_member(name, value), secret, "{name} {value}");
        }
    }
}

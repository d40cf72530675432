//! Rows below and between the records that are none: sums, and who made the table.
//!
//! Takes the text of a row's first filled cell; says whether it is such a label, and of other cells whether they are figures beside one, and in
//! which columns nothing else may stand. `合计` must stand alone or before a figure, `填表人` before its colon, so that a unit called
//! 合计贸易有限公司 stays a record.

use crate::catalogue::Field;

/// A sum, alone or before a colon, a bracket or a figure.
const SUMS: [&str; 9] = [
    "合计",
    "总计",
    "小计",
    "共计",
    "累计",
    "总合计",
    "本页合计",
    "本页小计",
    "本表合计",
];

/// Who made the table and when, alone or before a colon or a bracket.
const MAKERS: [&str; 26] = [
    "填表人",
    "填报人",
    "制表人",
    "制单人",
    "经办人",
    "审核人",
    "复核人",
    "审批人",
    "负责人",
    "单位负责人",
    "部门负责人",
    "分管领导",
    "主管领导",
    "制表",
    "填表",
    "审核",
    "复核",
    "填表日期",
    "填报日期",
    "制表日期",
    "填表时间",
    "填报时间",
    "填报单位",
    "填表单位",
    "制表单位",
    "以下空白",
];

/// A remark: only before a colon, because a field may have such a value.
const REMARKS: [&str; 9] = [
    "注",
    "备注",
    "说明",
    "填表说明",
    "填报说明",
    "联系人",
    "联系电话",
    "单位",
    "单位盖章",
];

/// Whether a cell says that its row is no record.
pub(crate) fn is_label(cell: &str) -> bool {
    let Some(text) = bare(cell, &[&SUMS, &MAKERS, &REMARKS]) else {
        return false;
    };
    is_bare_sum(&text)
        || behind(&text, &MAKERS).any(|next| matches!(next, None | Some(':' | '：' | '(' | '（')))
        || behind(&text, &REMARKS).any(|next| matches!(next, Some(':' | '：')))
        || (text.starts_with("单位（") || text.starts_with("单位(")) && text.contains('章')
}

/// Whether a cell says that its row is a sum.
pub(crate) fn is_sum(cell: &str) -> bool {
    bare(cell, &[&SUMS]).is_some_and(|text| is_bare_sum(&text))
}

fn is_bare_sum(text: &str) -> bool {
    behind(text, &SUMS).any(|next| match next {
        None | Some(':' | '：' | '(' | '（' | '共') => true,
        Some(next) => next.is_ascii_digit(),
    })
}

/// What may be one of these labels, without blanks between its characters and lines around it.
fn bare(cell: &str, labels: &[&[&str]]) -> Option<String> {
    // The longest label; nearly every cell of a record differs in its first character.
    if cell.len() > LABEL_BYTES_MAX || begins_plainly(cell) || !may_begin(cell, labels) {
        return None;
    }
    let text: String = cell.chars().filter(|letter| !letter.is_whitespace()).collect();
    Some(text.trim_matches(['-', '—', '=', '*', '_', '…']).to_owned())
}

/// The characters that follow those of the words with which a text begins.
fn behind<'a>(text: &'a str, words: &'a [&str]) -> impl Iterator<Item = Option<char>> {
    let rests = words.iter().filter_map(|word| text.strip_prefix(word));
    rests.map(|rest| rest.chars().next())
}

/// Whether a cell beside such a label is a figure: how many, or how much. What is longer may be a number of somebody.
pub(crate) fn is_figure(cell: &str) -> bool {
    if cell.len() > FIGURE_BYTES_MAX && begins_plainly(cell) && cell.ends_with(|last: char| last.is_ascii_digit()) {
        return false;
    }
    let text = cell.trim().trim_end_matches(['人', '户', '元', '条', '家', '个']);
    (1..=FIGURE_BYTES_MAX).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','))
}

/// Of each place of a row whether what stands there tells a record from a footer: those of required fields, and all where no required field is read,
/// since then nothing else says that the row is a record.
pub(crate) fn telling(fields: &[Option<&Field>]) -> Vec<bool> {
    let is_required = |field: Option<&Field>| field.is_some_and(|field| field.required);
    let some_required = fields.iter().any(|field| is_required(*field));
    let tells = fields.iter().map(|field| !some_required || is_required(*field));
    tells.collect()
}

/// Whether its first character is a letter or digit of ASCII, which no label and nothing around one is.
fn begins_plainly(cell: &str) -> bool {
    cell.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
}

/// Whether its first character is that of a label: nothing is put together of a cell that is none.
fn may_begin(cell: &str, labels: &[&[&str]]) -> bool {
    let passed = |letter: char| letter.is_whitespace() || matches!(letter, '-' | '—' | '=' | '*' | '_' | '…');
    let first = cell.trim_start_matches(passed).chars().next();
    let mut words = labels.iter().copied().flatten();
    first.is_some_and(|first| !first.is_ascii() && words.any(|word| word.starts_with(first)))
}

/// A figure; identity numbers have more digits.
const FIGURE_BYTES_MAX: usize = 12;

/// Remarks run on; a label with its names does not.
const LABEL_BYTES_MAX: usize = 600;

#[cfg(test)]
mod tests {
    use super::{is_figure, is_label};

    #[test]
    fn how_many_and_how_much_are_figures_and_a_number_of_somebody_is_none() {
        for text in ["1", "201.5", "12,345.00", "7人", " 30户 ", "100元"] {
            assert!(is_figure(text.trim()), "{text}");
        }
        for text in ["", "人", "甲", "320706199001010", "-1", "1甲", "A1"] {
            assert!(!is_figure(text), "{text}");
        }
    }

    #[test]
    fn sums_and_makers_are_labels() {
        for text in [
            "合计",
            "合 计",
            "　合　计　",
            "合计：",
            "合计(元)",
            "共计20人",
            "小计",
            "填表人：甲",
            "填表人",
            "制表人: 乙",
            "审核（盖章）",
            "填报日期：18000101",
            "单位（盖章）：",
            "备注：本表一式两份",
            "注:甲",
            "——以下空白——",
        ] {
            assert!(is_label(text), "{text}");
        }
    }

    #[test]
    fn what_only_begins_like_a_label_is_none() {
        for text in [
            "",
            "合计贸易有限公司",
            "总计划处",
            "注册",
            "备注",
            "说明",
            "单位",
            "单位名称",
            "制表人员培训中心",
            "负责人员",
            "审核员",
            "甲",
            "123",
            "计",
        ] {
            assert!(!is_label(text), "{text}");
        }
    }
}

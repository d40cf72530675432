//! What somebody wrote above a table about it: who fills it in, when, for which place, in what unit of money.
//!
//! Takes the row above the header, the header and the merged cells; gives the columns whose text is such a remark. What is none is a group, and a group lends
//! its names only when it is known to be about the record's own subject: so a text is a remark only by words that are known for that, or where nobody's
//! name or number stands below it. A word for somebody is none, whatever stands behind it: 报告人（注：须为近亲属）, 填报单位联络员, 2024年领款人.

use super::{HeadRow, Merge};
use crate::decode::whose;

/// What is done with a table, before what does it or when: 填报单位, 制表日期.
const MADE: [&str; 12] = [
    "填报", "填表", "制表", "编制", "上报", "报送", "呈报", "统计", "汇总", "主管", "金额", "打印",
];
const MAKES: [&str; 8] = ["单位", "部门", "机关", "科室", "机构", "日期", "时间", "期间"];
/// Labels that are remarks only with something behind them: alone they may be groups.
const LABELS: [&str; 27] = [
    "单位",
    "部门",
    "日期",
    "时间",
    "所属期",
    "年度",
    "月份",
    "市",
    "区",
    "县",
    "市县",
    "区县",
    "县区",
    "乡镇",
    "镇",
    "街道",
    "乡镇街道",
    "社区",
    "村",
    "村居",
    "村社区",
    "辖区",
    "地区",
    "编号",
    "文号",
    "表号",
    "说明",
];
/// Words that stand with a date.
const DATED: [&str; 27] = [
    "截至",
    "截止",
    "统计",
    "数据",
    "生成",
    "打印",
    "报表",
    "填报",
    "填表",
    "制表",
    "编制",
    "上报",
    "报送",
    "导出",
    "更新",
    "时间",
    "日期",
    "期间",
    "年度",
    "所属期",
    "所属",
    "上旬",
    "中旬",
    "下旬",
    "号",
    "制",
    "到",
];

/// Of each column whether what stands in `upper` is a remark.
pub(super) fn remarks(upper: &HeadRow, lower: &HeadRow, merges: &[Merge]) -> Vec<bool> {
    let columns = 0..upper.texts.len();
    let sure: Vec<bool> = columns.clone().map(|column| upper.is_sure(column)).collect();
    let is_sure = |column: usize| sure.get(column).copied().unwrap_or_default();
    let is_group = |column: usize| {
        merges
            .iter()
            .any(|merge| merge.is_group_in(upper.line) && merge.holds(upper.line, column))
    };
    let filled = |column: &usize| !upper.text(*column).is_empty();
    let has_group = columns
        .clone()
        .filter(filled)
        .any(|column| is_group(column) && !is_sure(column));
    // Beside 填报单位：某局 stands what is of its kind: 审核：某某.
    let is_row_of_remarks = sure.contains(&true) && !has_group;
    let is_remark = |column: usize| {
        let text = upper.text(column);
        let (names, told) = (may_be_somebody(text), upper.is_told(column) || says_something(text));
        let nobody = || !names && !upper.is_over_a_person(column, lower, merges);
        let in_row = is_row_of_remarks && (told || nobody());
        filled(&column) && (is_sure(column) || in_row || (told && nobody()))
    };
    columns.map(is_remark).collect()
}

impl HeadRow {
    /// Whether it is a date, a count, or known labels; or what stands behind such a label.
    fn is_sure(&self, column: usize) -> bool {
        let of = |column: usize| is_label(self.text(column), self.is_told(column));
        let behind = column.checked_sub(1);
        let text = self.text(column);
        let is_value = || !may_be_somebody(text) && behind.is_some_and(|label| self.is_told(label) && of(label));
        !text.is_empty() && (is_date(text) || is_count(text) || of(column) || is_value())
    }

    /// Whether its text ends in a colon and the next cell says what it is.
    fn is_told(&self, column: usize) -> bool {
        let notes = |column: usize| self.notes.get(column).copied().unwrap_or_default();
        notes(column) && !notes(column + 1) && !self.text(column + 1).is_empty()
    }

    /// Whether below the text, as far as it goes, stands somebody's name or number.
    fn is_over_a_person(&self, column: usize, lower: &Self, merges: &[Merge]) -> bool {
        let merge = merges.iter().find(|merge| merge.holds(self.line, column));
        let last = merge.map_or_else(
            || {
                let next = (column + 1..lower.texts.len()).find(|next| !self.text(*next).is_empty());
                next.unwrap_or(lower.texts.len())
            },
            |merge| merge.columns.1 as usize + 1,
        );
        let is_person = |text: &str| text.ends_with("姓名") || whose::is_number_of_a_person(text);
        (column..last).any(|column| is_person(lower.text(column)))
    }
}

/// What stands before the first colon or bracket, and the rest with it.
fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find([':', '：', '(', '（']).unwrap_or(text.len()))
}

/// Whether something stands behind a colon that is not in brackets.
fn says_something(text: &str) -> bool {
    let value = split(text).1.strip_prefix([':', '：']);
    value.is_some_and(|value| !value.is_empty())
}

fn is_label(text: &str, is_told: bool) -> bool {
    let (label, rest) = split(text);
    let is_made = MADE
        .iter()
        .any(|made| label.strip_prefix(made).is_some_and(|what| MAKES.contains(&what)));
    let in_brackets = rest.starts_with(['(', '（']);
    // 村（社区）网格长 goes on behind its brackets.
    let ends = rest.ends_with([')', '）']) && rest.matches([')', '）']).count() == 1;
    if in_brackets && (may_be_somebody(rest) || !ends) {
        return false;
    }
    is_made || (LABELS.contains(&label) && (is_told || in_brackets || says_something(text)))
}

/// Whether any word of it may mean a person. Many more do than are meant: it decides what needs more to be a remark.
fn may_be_somebody(text: &str) -> bool {
    const PERSONS: &str = "人者员属户偶夫妻父母儿兄弟姐妹亲友导";
    text.contains(|letter: char| PERSONS.contains(letter)) || whose::is_of_another(text) || text.contains("领导")
}

/// A date with such words is shorter.
const DATE_BYTES_MAX: usize = 120;

/// Whether it is a year, a month, a day or a quarter, alone or with words for when a table was made.
fn is_date(text: &str) -> bool {
    if text.len() > DATE_BYTES_MAX {
        return false;
    }
    let narrow = |letter: char| match letter {
        '０'..='９' => char::from_u32(u32::from(letter) - 0xFEE0).unwrap_or(letter),
        letter => letter,
    };
    let mut rest: String = text.chars().map(narrow).collect();
    let has_year = rest
        .as_bytes()
        .windows(4)
        .any(|year| year.iter().all(u8::is_ascii_digit));
    for word in DATED {
        rest = rest.replace(word, "");
    }
    let part = |letter: char| {
        letter.is_ascii_digit() || "年月日季度份第一二三四上下半至-~～—–－/.．()（）:：".contains(letter)
    };
    has_year && !text.is_ascii() && rest.chars().all(part)
}

/// Whether it says how many there are: 共35人, 合计：12户.
fn is_count(text: &str) -> bool {
    let rest = ["共计", "合计", "共", "总计"]
        .iter()
        .find_map(|word| text.strip_prefix(word));
    let rest = rest.map(|rest| rest.trim_start_matches([':', '：']));
    let figures = rest.map(|rest| rest.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    rest != figures
        && figures.is_some_and(|unit| ["", "人", "户", "条", "家", "笔", "页", "人次", "户次"].contains(&unit))
}

#[cfg(test)]
mod tests {
    use super::{HeadRow, Merge, remarks};

    fn row(line: u32, texts: &[&str]) -> HeadRow {
        HeadRow {
            line,
            texts: texts.iter().map(|text| super::super::cleaned(text)).collect(),
            notes: texts.iter().map(|text| text.ends_with('：')).collect(),
        }
    }

    fn are(above: &[&str], merges: &[Merge]) -> Vec<bool> {
        let below = ["姓名", "性别", "身份证号", "姓名", "身份证号"];
        remarks(&row(1, above), &row(2, &below), merges)
    }

    #[test]
    fn whoever_stands_above_a_table_is_no_remark_about_it_whatever_is_said_of_him() {
        for above in [
            "报告人（注：须为近亲属）",
            "报告人：须为近亲属",
            "申报人信息（注：必填）",
            "报告人（关系：子女）",
            "家属信息(说明:必填)",
            "填报单位联络员",
            "填报单位领导",
            "报送部门负责同志",
            "上报单位经办",
            "单位（联络员）",
            "日期确认者",
            "村（社区）网格长",
            "社区（村）医生",
            "单位（辖区）民警",
            "2024年领款人",
            "2024年6月监护",
            "领款人（2024年度）",
            "某某：甲",
            "单位",
            "村",
        ] {
            for merges in [
                &[][..],
                &[Merge {
                    rows: (1, 1),
                    columns: (3, 4),
                }],
            ] {
                assert_eq!(are(&["", "", "", above], merges), [false; 4], "{above}");
            }
        }
        assert_eq!(are(&["", "", "", "报告人：", "报告人证件："], &[]), [false; 5]);
        assert_eq!(are(&["死亡信息", "", "", "报告人：须为近亲属"], &[]), [false; 4]);
        assert_eq!(are(&["", "", "填报日期：", "报告人"], &[]), [false, false, true, false]);
    }

    #[test]
    fn known_labels_dates_and_counts_are_remarks_wherever_they_stand() {
        for above in [
            "填报单位：海州区民政局",
            "填报单位（盖章）",
            "填报机关",
            "填报科室：救助科",
            "单位：元",
            "单位（元）",
            "乡镇：某镇",
            "截至2024年6月30日",
            "统计时间2024年6月",
            "数据截止2024年6月30日",
            "2024年6月30号",
            "2024年1月~6月",
            "2024年1月—6月",
            "2024年1月到6月",
            "生成时间2024-06-30",
            "打印日期：2024-06-30",
            "报表日期2024/06/30",
            "2024年6月上旬",
            "2024年6月制",
            "２０２４年６月",
            "共35人",
            "合计：12户",
        ] {
            assert_eq!(are(&["", "", "", above], &[]), [false, false, false, true], "{above}");
        }
        assert_eq!(are(&["填报单位：", "某局"], &[]), [true, true]);
    }

    #[test]
    fn beside_a_known_label_stands_what_is_of_its_kind_and_no_group() {
        let above = ["填报单位：某局", "", "审核：某某", "填表人：某某"];
        assert_eq!(are(&above, &[]), [true, false, true, true]);
        let above = ["填报单位：某局", "", "", "领款人"];
        assert_eq!(are(&above, &[]), [true, false, false, false]);
        let group = Merge {
            rows: (1, 1),
            columns: (3, 4),
        };
        let above = ["填报单位：某局", "", "", "填表人：某某"];
        assert_eq!(are(&above, &[group]), [true, false, false, false]);
    }

    #[test]
    fn a_label_that_nobody_knows_is_a_remark_where_nobody_is_named_below() {
        assert_eq!(are(&["", "网点：某处"], &[]), [false, false]);
        assert_eq!(are(&["", "网点：某处", "某某"], &[]), [false, true, false]);
    }
}

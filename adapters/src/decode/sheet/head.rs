//! The first rows of a sheet → where its header ends and what each column is called.
//!
//! Takes at most [`HEAD_ROWS`] filled rows and the merged cells; gives a name for each column. Above the header may stand titles. A header
//! has one row or two: names over names (`gmsfhm` over 公民身份号码) or groups over names (户主 over 姓名). Only a group that is known to be
//! about the record's own subject lends its names; any other is part of the name, so that neither a head of household's number nor that of whoever
//! reported a death is ever taken for the record's own.

mod remark;

use self::remark::remarks;
use super::row::{Cell, SheetRow};
use super::strings::Strings;
use crate::decode::whose;

/// Filled rows in which a header is looked for.
pub(crate) const HEAD_ROWS: usize = 20;

/// What a cell is called whose name cannot be read, so that its column is told as one that nobody knows.
const NO_NAME: &str = "?";

/// Columns in which a header is looked for; sheets have at most 16,384.
const HEAD_COLUMNS: usize = 4096;

/// Cells that are merged, rows and columns as the file counts them: from 1 and from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Merge {
    pub(crate) rows: (u32, u32),
    pub(crate) columns: (u32, u32),
}

/// A header that was found, or stated.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// The name of each column; empty where it has none.
    pub(crate) names: Vec<String>,
    /// How many of the rows at hand it and what stands above it take.
    pub(crate) rows: usize,
    /// The sheet's number of its last row.
    pub(crate) line: u32,
}

impl Header {
    /// The columns of a sheet without a header row, in their order.
    pub(crate) fn stated(columns: &[String], line: u32) -> Self {
        Self {
            names: columns.to_vec(),
            rows: 0,
            line,
        }
    }
}

/// What of the names in a sheet is known.
pub(crate) struct Known<'a, F> {
    /// Whether a text is a name of the record type or of the sender.
    pub(crate) name: F,
    /// Words for whom the record is about.
    pub(crate) own: &'a [&'a str],
}

/// One row at the top of a sheet, as text.
pub(crate) struct HeadRow {
    line: u32,
    texts: Vec<String>,
    /// The columns whose text ends in a colon.
    notes: Vec<bool>,
}

impl HeadRow {
    pub(crate) fn new(line: u32, row: &SheetRow, strings: &Strings) -> Self {
        let (mut texts, mut notes) = (Vec::new(), Vec::new());
        let name = |cell: Cell| match cell {
            Cell::Bad(_) => Some(NO_NAME),
            Cell::Spoiled(start, end, _) if row.own(start, end).trim().is_empty() => Some(NO_NAME),
            cell => row.shown_of(cell, strings),
        };
        let named = row
            .cells()
            .iter()
            .filter_map(|(column, cell)| Some((*column, name(*cell)?)));
        for (column, text) in named {
            let column = column as usize;
            if column >= HEAD_COLUMNS {
                continue;
            }
            if texts.len() <= column {
                texts.resize(column + 1, String::new());
                notes.resize(column + 1, false);
            }
            if let Some((place, note)) = texts.get_mut(column).zip(notes.get_mut(column)) {
                *place = cleaned(text);
                *note = text.trim_end().ends_with([':', '：']);
            }
        }
        Self { line, texts, notes }
    }

    fn text(&self, column: usize) -> &str {
        self.texts.get(column).map_or("", String::as_str)
    }

    fn known(&self, is_known: &impl Fn(&str) -> bool) -> usize {
        self.texts
            .iter()
            .filter(|text| !text.is_empty() && is_known(text))
            .count()
    }

    fn is_empty(&self) -> bool {
        self.texts.iter().all(String::is_empty)
    }
}

/// Finds the header: the first row with two known names, or else the first with one. `merges` is asked only where a second header row
/// may stand.
pub(crate) fn find<E>(
    rows: &[HeadRow],
    known: &Known<impl Fn(&str) -> bool>,
    merges: impl FnOnce() -> Result<Vec<Merge>, E>,
) -> Result<Option<Header>, E> {
    let is_known = &known.name;
    let with = |least: usize| rows.iter().position(|row| row.known(is_known) >= least);
    let Some(at) = with(2).or_else(|| with(1)) else {
        return Ok(None);
    };
    let neighbour = |at: usize, below: usize| {
        let (upper, lower) = (rows.get(at)?, rows.get(below)?);
        (lower.line == upper.line + 1 && !upper.is_empty() && !lower.is_empty()).then_some((upper, lower))
    };
    let below = neighbour(at, at + 1).filter(|(_, lower)| lower.known(is_known) > 0);
    let above = at.checked_sub(1).and_then(|above| neighbour(above, at));
    let Some(row) = rows.get(at) else {
        return Ok(None);
    };
    if below.is_none() && above.is_none() {
        return Ok(Some(Header {
            names: row.texts.clone(),
            rows: at + 1,
            line: row.line,
        }));
    }
    let merges = merges()?;
    let is_second = |upper: &HeadRow, lower: &HeadRow| {
        lower.known(is_known) >= 2 || merges.iter().any(|merge| merge.is_group_in(upper.line))
    };
    let (upper, lower, taken) = match (below, above) {
        (Some((upper, lower)), _) if is_second(upper, lower) => (Some(upper), lower, at + 2),
        (_, Some((upper, lower))) => (Some(upper), lower, at + 1),
        _ => (None, row, at + 1),
    };
    let names = match upper {
        Some(upper) => joined(upper, lower, &merges, known),
        None => lower.texts.clone(),
    };
    Ok(Some(Header {
        names,
        rows: taken,
        line: lower.line,
    }))
}

/// The header in rows of which it is stated that they hold it: the last, under the one above it if there is one. `line` is the last
/// row of the header in the sheet.
pub(crate) fn stated_rows<E>(
    rows: &[HeadRow],
    line: u32,
    known: &Known<impl Fn(&str) -> bool>,
    merges: impl FnOnce() -> Result<Vec<Merge>, E>,
) -> Result<Option<Header>, E> {
    let names = match rows {
        [.., upper, lower] => joined(upper, lower, &merges()?, known),
        [only] => only.texts.clone(),
        [] => return Ok(None),
    };
    let header = Header {
        rows: rows.len(),
        line,
        names,
    };
    Ok(header
        .names
        .iter()
        .any(|name| !name.is_empty() && (known.name)(name))
        .then_some(header))
}

impl Merge {
    fn holds(&self, line: u32, column: usize) -> bool {
        (self.rows.0..=self.rows.1).contains(&line)
            && (self.columns.0 as usize..=self.columns.1 as usize).contains(&column)
    }

    fn is_group_in(&self, line: u32) -> bool {
        self.rows == (line, line) && self.columns.0 < self.columns.1
    }
}

/// The names under two header rows.
fn joined(upper: &HeadRow, lower: &HeadRow, merges: &[Merge], known: &Known<impl Fn(&str) -> bool>) -> Vec<String> {
    let width = upper.texts.len().max(lower.texts.len());
    let groups_are_merged = merges.iter().any(|merge| merge.is_group_in(upper.line));
    let titled = upper.is_title(merges, lower, known);
    let remarks = remarks(upper, lower, merges);
    let is_over_all = |merge: &Merge| {
        let text = upper.text(merge.columns.0 as usize);
        upper.is_alone() && lower.lies_within(merge) && !whose::is_somebody(text, known.own)
    };
    let mut spread = "";
    let name = |column: usize| {
        let below = lower.text(column);
        let merge = merges.iter().find(|merge| merge.holds(upper.line, column));
        let start = merge.map_or(column, |merge| merge.columns.0 as usize);
        let is_remark = remarks.get(start).copied().unwrap_or_default();
        let above = if titled || is_remark || merge.is_some_and(is_over_all) {
            ""
        } else {
            upper.text(start)
        };
        let mut is_group = merge.is_some_and(|merge| merge.is_group_in(upper.line));
        let above = if above.is_empty() && !groups_are_merged && !below.is_empty() {
            // Groups that were not merged: each goes on up to the next.
            is_group = true;
            spread
        } else {
            spread = if known.spreads(above, below) { above } else { "" };
            above
        };
        named(above, below, is_group || !spread.is_empty(), known)
    };
    (0..width).map(name).collect()
}

fn named(above: &str, below: &str, is_group: bool, known: &Known<impl Fn(&str) -> bool>) -> String {
    if below.is_empty() || above.is_empty() {
        return format!("{above}{below}");
    }
    let is_known = &known.name;
    let both = format!("{}{below}", whose::core(above));
    if is_known(&both) && !whose::core(above).is_empty() {
        both
    } else if !is_group && is_known(above) {
        above.to_owned()
    } else if whose::is_own(above, known.own) || (!is_group && above.is_ascii()) {
        // The record's own, or a code over its name.
        below.to_owned()
    } else {
        // Somebody else's, or nobody knows whose: it stays unknown instead of becoming the record's own 姓名.
        format!("{above}/{below}")
    }
}

impl<F: Fn(&str) -> bool> Known<'_, F> {
    /// Whether a text that was not merged may stand for the columns to its right as well.
    fn spreads(&self, above: &str, below: &str) -> bool {
        // Empty and code alike are ASCII.
        if above.is_ascii() {
            return false;
        }
        !below.is_empty() || (whose::is_of_another(above) && !(self.name)(above))
    }
}

impl HeadRow {
    /// Whether all that stands in the row is the title of the table below: one text over its first column, or one that is called like a table.
    fn is_title(&self, merges: &[Merge], lower: &Self, known: &Known<impl Fn(&str) -> bool>) -> bool {
        if !self.is_alone() {
            return false;
        }
        let column = self.first();
        let text = self.text(column);
        let tables = ["表", "名单", "名册", "花名册", "台账", "明细", "清单", "汇总"];
        let is_called_so = tables.iter().any(|table| text.ends_with(table)) && !text.ends_with("代表");
        let is_merged = merges.iter().any(|merge| merge.holds(self.line, column));
        let stands_first = column <= lower.first() && !is_merged && !whose::is_somebody(text, known.own);
        !(known.name)(text) && (is_called_so || stands_first)
    }

    /// Whether a merged range stands over all that the row holds.
    fn lies_within(&self, merge: &Merge) -> bool {
        merge.columns.0 as usize <= self.first() && merge.columns.1 as usize + 1 >= self.texts.len()
    }

    /// Whether one text is all that it holds.
    fn is_alone(&self) -> bool {
        self.texts.iter().filter(|text| !text.is_empty()).count() == 1
    }

    /// The first column that holds anything.
    fn first(&self) -> usize {
        self.texts.iter().position(|text| !text.is_empty()).unwrap_or(0)
    }
}

/// A header without its marks: `*姓名`, `姓名（必填）`.
fn cleaned(text: &str) -> String {
    let blank = |letter: char| letter.is_whitespace() || matches!(letter, '\u{feff}' | '\u{200b}');
    let text: String = text.chars().filter(|letter| !blank(*letter)).collect();
    let mut text = text.trim_matches(['*', '＊']);
    for mark in ["（必填）", "(必填)", "（选填）", "(选填)", "（必填项）", "(必填项)"] {
        text = text.strip_suffix(mark).unwrap_or(text);
    }
    text.trim_matches(['*', '＊', ':', '：']).to_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::convert::Infallible;

    use super::{HeadRow, Header, Known, Merge, cleaned, find};

    const KNOWN: [&str; 8] = [
        "姓名",
        "身份证号",
        "性别",
        "户主姓名",
        "户主身份证号",
        "xm",
        "gmsfhm",
        "备注",
    ];

    fn row(line: u32, texts: &[&str]) -> HeadRow {
        HeadRow {
            line,
            texts: texts.iter().map(|text| cleaned(text)).collect(),
            notes: texts.iter().map(|text| text.ends_with('：')).collect(),
        }
    }

    fn found(rows: &[HeadRow], merges: &[Merge]) -> Option<Header> {
        let known = Known {
            name: |name: &str| KNOWN.contains(&name),
            own: &["成员"],
        };
        find(rows, &known, || Ok::<_, Infallible>(merges.to_vec())).unwrap()
    }

    const fn merge(rows: (u32, u32), columns: (u32, u32)) -> Merge {
        Merge { rows, columns }
    }

    fn names(rows: &[HeadRow], merges: &[Merge]) -> Vec<String> {
        found(rows, merges).unwrap().names
    }

    #[test]
    fn a_header_stands_below_titles_and_what_surrounds_a_table() {
        let rows = [
            row(1, &["低保名单"]),
            row(2, &["单位", "甲", "", "备注"]),
            row(4, &["序号", "姓名", "身份证号"]),
            row(5, &["1", "乙", "2"]),
        ];
        let header = found(&rows, &[]).unwrap();
        assert_eq!((header.rows, header.line), (3, 4));
        assert_eq!(header.names, ["序号", "姓名", "身份证号"]);
        assert_eq!(found(rows.get(..2).unwrap(), &[]).unwrap().line, 2);
        assert_eq!(found(rows.get(..1).unwrap(), &[]), None);
    }

    #[test]
    fn names_over_names_are_one_header() {
        let rows = [
            row(1, &["xm", "gmsfhm", "qt"]),
            row(2, &["姓名", "身份证号", "其他"]),
            row(3, &["甲"]),
        ];
        let header = found(&rows, &[]).unwrap();
        assert_eq!(header.rows, 2);
        assert_eq!(header.names, ["xm", "gmsfhm", "其他"]);
        let rows = [row(1, &["F01", "F02"]), row(2, &["姓名", "身份证号"])];
        assert_eq!(names(&rows, &[]), ["姓名", "身份证号"]);
    }

    #[test]
    fn a_group_over_names_is_part_of_the_name_where_a_field_has_it() {
        let rows = [
            row(1, &["序号", "户主信息", "", "成员", "", "备注"]),
            row(2, &["", "姓名", "身份证号", "姓名", "性别", ""]),
        ];
        let merges = [
            merge((1, 1), (1, 2)),
            merge((1, 1), (3, 4)),
            merge((1, 2), (0, 0)),
            merge((1, 2), (5, 5)),
        ];
        assert_eq!(
            names(&rows, &merges),
            ["序号", "户主姓名", "户主身份证号", "姓名", "性别", "备注"]
        );
    }

    #[test]
    fn a_group_about_somebody_else_never_becomes_the_records_own_field() {
        let rows = [
            row(1, &["", "配偶", "", ""]),
            row(2, &["序号", "姓名", "身份证号", "性别"]),
        ];
        let merged = [merge((1, 1), (1, 2))];
        assert_eq!(names(&rows, &merged), ["序号", "配偶/姓名", "配偶/身份证号", "性别"]);
        assert_eq!(names(&rows, &[]), ["序号", "配偶/姓名", "配偶/身份证号", "配偶/性别"]);
    }

    #[test]
    fn a_group_that_nobody_knows_lends_no_name() {
        for group in [
            "报告人",
            "开户人信息",
            "领款人",
            "紧急联系人",
            "丧属信息",
            "某某",
            "家庭",
        ] {
            let rows = [
                row(1, &["成员信息", "", group, "", "备注"]),
                row(2, &["性别", "地址", "姓名", "身份证号", ""]),
            ];
            let (name, number) = (format!("{group}/姓名"), format!("{group}/身份证号"));
            let expected = ["性别", "地址", &name, &number, "备注"];
            assert_eq!(names(&rows, &[merge((1, 1), (0, 1)), merge((1, 1), (2, 3))]), expected);
            // The same when nobody merged the cells.
            assert_eq!(names(&rows, &[]), expected);
        }
        // A group over one column alone, and one over a column without a name.
        let rows = [row(1, &["序号", "领款人", "成员"]), row(2, &["", "姓名", "性别"])];
        assert_eq!(names(&rows, &[]), ["序号", "领款人/姓名", "性别"]);
        let rows = [row(1, &["报告人", "", "备注"]), row(2, &["", "姓名", "性别"])];
        assert_eq!(names(&rows, &[]), ["报告人", "报告人/姓名", "备注/性别"]);
    }

    #[test]
    fn a_year_or_a_word_of_making_beside_somebody_makes_no_remark_of_him() {
        for group in [
            "2024年领款人",
            "领款人（2024年度）",
            "填报领导",
            "上报人员",
            "报告人（注：须为近亲属）",
            "填报单位联络员",
        ] {
            let rows = [
                row(1, &["成员信息", "", group, ""]),
                row(2, &["性别", "地址", "姓名", "身份证号"]),
            ];
            let (name, number) = (format!("{group}/姓名"), format!("{group}/身份证号"));
            let expected = ["性别", "地址", &name, &number];
            for merges in [&[][..], &[merge((1, 1), (0, 1)), merge((1, 1), (2, 3))]] {
                assert_eq!(names(&rows, merges), expected, "{group}");
            }
        }
    }

    #[test]
    fn somebody_who_stands_alone_over_the_table_is_no_title_of_it() {
        for group in ["领取人信息", "领款人信息", "收款人"] {
            let rows = [row(1, &[group]), row(2, &["姓名", "身份证号"])];
            for merges in [&[][..], &[merge((1, 1), (0, 1))]] {
                let header = found(&rows, merges);
                assert!(
                    header.is_none_or(|header| !header.names.iter().any(|name| name == "身份证号" || name == "姓名")),
                    "{group}"
                );
            }
        }
    }

    #[test]
    fn words_that_name_nobody_and_words_of_the_record_type_lend_their_names() {
        for group in [
            "基本信息",
            "人员信息",
            "个人信息",
            "本人",
            "成员",
            "成员基本情况",
            "F01",
        ] {
            let rows = [row(1, &[group, "", "备注"]), row(2, &["姓名", "身份证号", ""])];
            assert_eq!(names(&rows, &[]), ["姓名", "身份证号", "备注"], "{group}");
        }
    }

    #[test]
    fn a_title_over_the_table_is_no_group() {
        let rows = [row(1, &["户主名单"]), row(2, &["姓名", "身份证号"])];
        for merges in [&[][..], &[merge((1, 1), (0, 1))], &[merge((1, 1), (0, 0))]] {
            assert_eq!(names(&rows, merges), ["姓名", "身份证号"]);
        }
        let rows = [row(1, &["附件"]), row(2, &["姓名", "身份证号"])];
        assert_eq!(names(&rows, &[]), ["姓名", "身份证号"]);
        let rows = [row(1, &["发放表"]), row(2, &["姓名", "身份证号", "性别"])];
        assert_eq!(names(&rows, &[merge((1, 1), (0, 1))]), ["姓名", "身份证号", "性别"]);
    }

    #[test]
    fn what_was_written_above_a_table_about_it_is_no_group() {
        for above in [
            &["填报单位：某局", "", "2024年1月"][..],
            &["填报单位：", "某局", ""],
            &["乡镇：", "某镇", "2024-01"],
            &["", "", "单位：元"],
            &["填报单位：某局", "", "截至2024年6月30日"],
        ] {
            let rows = [row(1, above), row(2, &["姓名", "身份证号", "性别"])];
            assert_eq!(names(&rows, &[]), ["姓名", "身份证号", "性别"], "{above:?}");
        }
        // A colon behind a word over names says nothing about the table.
        let rows = [row(1, &["序号", "报告人：", ""]), row(2, &["", "姓名", "身份证号"])];
        assert_eq!(names(&rows, &[]), ["序号", "报告人/姓名", "报告人/身份证号"]);
    }

    #[test]
    fn a_row_of_data_is_no_second_header() {
        let rows = [row(1, &["姓名", "身份证号", "备注"]), row(2, &["甲", "1", "备注"])];
        let header = found(&rows, &[]).unwrap();
        assert_eq!(header.rows, 1);
    }

    #[test]
    fn marks_of_required_columns_are_no_part_of_a_name() {
        for text in ["*姓名", "姓 名*", "姓名（必填）", "*姓名(必填)", "姓\n名：", "姓名"] {
            assert_eq!(cleaned(text), "姓名", "{text}");
        }
    }
}

//! The first rows of a sheet → where its header ends and what each column is called.
//!
//! Takes at most [`HEAD_ROWS`] filled rows and the merged cells; gives a name for each column. Above the header may stand titles. A header
//! has one row or two: names over names (`gmsfhm` over 公民身份号码) or groups over names (户主 over 姓名). A group that names somebody
//! other than the person of the record is part of the name, so that a head of household's number is never taken for a member's.

use super::row::SheetRow;
use super::strings::Strings;

/// Filled rows in which a header is looked for.
pub(crate) const HEAD_ROWS: usize = 20;

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

/// One row at the top of a sheet, as text.
pub(crate) struct HeadRow {
    line: u32,
    texts: Vec<String>,
}

impl HeadRow {
    pub(crate) fn new(line: u32, row: &SheetRow, strings: &Strings) -> Self {
        let mut texts = Vec::new();
        for (column, text) in row.texts(strings) {
            let column = column as usize;
            if column >= HEAD_COLUMNS {
                continue;
            }
            if texts.len() <= column {
                texts.resize(column + 1, String::new());
            }
            if let Some(place) = texts.get_mut(column) {
                *place = cleaned(text);
            }
        }
        Self { line, texts }
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
    is_known: impl Fn(&str) -> bool,
    merges: impl FnOnce() -> Result<Vec<Merge>, E>,
) -> Result<Option<Header>, E> {
    let with = |least: usize| rows.iter().position(|row| row.known(&is_known) >= least);
    let Some(at) = with(2).or_else(|| with(1)) else {
        return Ok(None);
    };
    let neighbour = |at: usize, below: usize| {
        let (upper, lower) = (rows.get(at)?, rows.get(below)?);
        (lower.line == upper.line + 1 && !upper.is_empty() && !lower.is_empty()).then_some((upper, lower))
    };
    let below = neighbour(at, at + 1).filter(|(_, lower)| lower.known(&is_known) > 0);
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
        lower.known(&is_known) >= 2 || merges.iter().any(|merge| merge.is_group_in(upper.line))
    };
    let (upper, lower, taken) = match (below, above) {
        (Some((upper, lower)), _) if is_second(upper, lower) => (Some(upper), lower, at + 2),
        (_, Some((upper, lower))) => (Some(upper), lower, at + 1),
        _ => (None, row, at + 1),
    };
    let names = match upper {
        Some(upper) => joined(upper, lower, &merges, &is_known),
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
    is_known: impl Fn(&str) -> bool,
    merges: impl FnOnce() -> Result<Vec<Merge>, E>,
) -> Result<Option<Header>, E> {
    let names = match rows {
        [.., upper, lower] => joined(upper, lower, &merges()?, &is_known),
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
        .any(|name| !name.is_empty() && is_known(name))
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
fn joined(upper: &HeadRow, lower: &HeadRow, merges: &[Merge], is_known: &impl Fn(&str) -> bool) -> Vec<String> {
    let width = upper.texts.len().max(lower.texts.len());
    let widest = lower.texts.len();
    let first = lower.texts.iter().position(|text| !text.is_empty()).unwrap_or(0);
    let groups_are_merged = merges.iter().any(|merge| merge.is_group_in(upper.line));
    let mut spread = "";
    let name = |column: usize| {
        let below = lower.text(column);
        let merge = merges.iter().find(|merge| merge.holds(upper.line, column));
        let above = match merge {
            // A title over the whole table is no group.
            Some(merge) if merge.columns.0 as usize <= first && merge.columns.1 as usize + 1 >= widest => "",
            Some(merge) => upper.text(merge.columns.0 as usize),
            None => upper.text(column),
        };
        let mut is_group = merge.is_some_and(|merge| merge.is_group_in(upper.line));
        let above = if above.is_empty() && !groups_are_merged && !below.is_empty() {
            // Groups that were not merged: one that names somebody else goes on up to the next.
            is_group = true;
            spread
        } else {
            spread = if names_somebody_else(above) && !is_known(above) {
                above
            } else {
                ""
            };
            above
        };
        named(above, below, is_group || !spread.is_empty(), is_known)
    };
    (0..width).map(name).collect()
}

fn named(above: &str, below: &str, is_group: bool, is_known: &impl Fn(&str) -> bool) -> String {
    if below.is_empty() || above.is_empty() {
        return format!("{above}{below}");
    }
    let core = ["信息", "情况", "资料"]
        .iter()
        .find_map(|suffix| above.strip_suffix(suffix))
        .map_or(above, |core| core.trim_end_matches("基本"));
    let both = format!("{core}{below}");
    if is_known(&both) {
        both
    } else if is_group && names_somebody_else(above) {
        // No field has this name: it stays unknown instead of becoming the record's own 姓名.
        format!("{above}/{below}")
    } else if !is_group && is_known(above) {
        above.to_owned()
    } else {
        below.to_owned()
    }
}

/// Whether a group is about another person or unit than the record itself.
fn names_somebody_else(group: &str) -> bool {
    const OTHERS: [&str; 19] = [
        "户主",
        "父",
        "母",
        "配偶",
        "丈夫",
        "妻",
        "子女",
        "监护人",
        "家长",
        "法定代表人",
        "法人",
        "联系人",
        "申报人",
        "代办人",
        "经办人",
        "负责人",
        "申请人",
        "代理人",
        "亲属",
    ];
    OTHERS.iter().any(|other| group.starts_with(other))
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

    use super::{HeadRow, Header, Merge, cleaned, find};

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
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    fn found(rows: &[HeadRow], merges: &[Merge]) -> Option<Header> {
        find(
            rows,
            |name| KNOWN.contains(&name),
            || Ok::<_, Infallible>(merges.to_vec()),
        )
        .unwrap()
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
        let rows = [row(1, &["编码一", "编码二"]), row(2, &["姓名", "身份证号"])];
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
    fn a_title_merged_over_the_table_is_no_group() {
        let rows = [row(1, &["户主名单"]), row(2, &["姓名", "身份证号"])];
        assert_eq!(names(&rows, &[merge((1, 1), (0, 1))]), ["姓名", "身份证号"]);
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

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Cursor;

use calamine::{Data, Reader, Xlsx, open_workbook_from_rs};
use rust_xlsxwriter::{Format, Formula, Workbook};
use shuguan_adapters::catalogue::record_type;
use shuguan_adapters::decode::{DecodeLimits, Page};
use shuguan_adapters::layout::Layout;

use super::{Marked, Rejects, RowProblem, mark};

fn problem(row: u64, line: u64, field: Option<&str>, cell: Option<&str>) -> RowProblem {
    RowProblem {
        row,
        line,
        cell: cell.map(str::to_owned),
        field: field.map(str::to_owned),
        field_zh: field.map(|_| "姓名".into()),
        header: None,
        code: "SG3222".into(),
        title: "姓名含有数字或乱码".into(),
        expected: Some("1至50个字的姓名".into()),
        hint: None,
        id: None,
    }
}

/// A title, a header of two rows, three records, a sum.
fn original() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.set_name("死亡'名单").unwrap();
    let plain = Format::new();
    sheet.merge_range(0, 0, 0, 3, "死亡人口", &plain).unwrap();
    sheet.merge_range(1, 2, 1, 3, "申报人", &plain).unwrap();
    let rows = [
        ["", "", "申报人", ""],
        ["公民身份号码", "姓名", "姓名", "备注"],
        ["320707180001060012", "=1+1", "+x", "@y"],
        ["320707180001060071", "-2", "乙", ""],
        ["320707180001060098", "丙", "丁", ""],
        ["合计", "", "", ""],
    ];
    for (row, cells) in (1..).zip(rows) {
        for (column, text) in (0..).zip(cells).filter(|(_, text)| !text.is_empty()) {
            sheet.write_string(row, column, text).unwrap();
        }
    }
    sheet.write_number(4, 4, 12.5).unwrap();
    sheet
        .write_formula(4, 5, Formula::new("=1/0").set_result("#DIV/0!"))
        .unwrap();
    let day = Format::new().set_num_format("yyyy-mm-dd");
    sheet.write_number_with_format(4, 6, 1.0, &day).unwrap();
    book.save_to_buffer().unwrap()
}

fn marked(bytes: &[u8], problems: Vec<RowProblem>, all: bool) -> (Marked, Vec<u8>) {
    let layout = Layout::detect("a.xlsx", bytes);
    let mut source = bytes;
    let record = record_type("public-security/death").unwrap();
    let mut page = Page::open(record, &layout, DecodeLimits::default(), &mut source).unwrap();
    mark(&mut page, Rejects::new(problems), all).unwrap()
}

/// A cell by row and column, from 0.
type Found = ((u32, u32), Data);

/// The cells of a sheet, without those that hold nothing, and whether any is a formula.
fn cells(bytes: &[u8], sheet: &str) -> (Vec<Found>, usize) {
    let mut book: Xlsx<_> = open_workbook_from_rs(Cursor::new(bytes)).unwrap();
    let range = book.worksheet_range(sheet).unwrap();
    let (top, left) = range.start().unwrap();
    let at = |row: usize, column: usize| (u32::try_from(row).unwrap() + top, u32::try_from(column).unwrap() + left);
    let used = range.used_cells();
    let cells = used
        .map(|(row, column, data)| (at(row, column), data.clone()))
        .collect();
    let formulas = book.worksheet_formula(sheet).unwrap();
    let formulas = formulas.used_cells().filter(|(_, _, text)| !text.is_empty()).count();
    (cells, formulas)
}

fn texts(cells: &[Found], row: u32) -> Vec<String> {
    let of_row = cells.iter().filter(|((at, _), _)| *at == row);
    of_row
        .map(|(_, data)| data.to_string())
        .filter(|text| !text.is_empty())
        .collect()
}

#[test]
fn the_rejected_records_stand_under_their_header_with_their_marks() {
    let problems = vec![
        problem(1, 4, Some("name"), Some("B4")),
        problem(2, 5, Some("name"), None),
        problem(2, 5, None, None),
        problem(0, 1, None, None),
    ];
    let (found, copy) = marked(&original(), problems, false);
    assert_eq!(
        found,
        Marked {
            marked: 3,
            absent: 0,
            unplaced: 0
        }
    );
    let (cells, formulas) = cells(&copy, "死亡'名单");
    assert_eq!(texts(&cells, 0), ["死亡人口"]);
    assert_eq!(
        texts(&cells, 2),
        [
            "公民身份号码",
            "姓名",
            "姓名",
            "备注",
            "_row",
            "_code",
            "_field",
            "_reason",
            "_expected"
        ]
    );
    // What looks like a formula is the text that it was.
    assert_eq!(
        texts(&cells, 3).get(..4).unwrap(),
        ["320707180001060012", "=1+1", "+x", "@y"]
    );
    assert!(cells.iter().all(|((row, column), data)| (*row, *column) < (3, 0)
        || *column > 3
        || matches!(data, Data::String(_) | Data::Empty)));
    // The record of row 5 has an error, a number and a day beside.
    let second = texts(&cells, 4);
    assert_eq!(second.get(..2).unwrap(), ["320707180001060071", "-2"]);
    assert!(
        second.contains(&"12.5".to_owned()) && second.contains(&"1900-01-01".to_owned()),
        "{second:?}"
    );
    assert!(second.contains(&"SG3222; SG3222".to_owned()), "{second:?}");
    assert_eq!(formulas, 1, "the error alone");
    // The third record and the sum are not there.
    assert_eq!(texts(&cells, 5), [""; 0]);
}

#[test]
fn all_rows_keep_their_numbers() {
    let (found, copy) = marked(&original(), vec![problem(3, 6, Some("name"), None)], true);
    assert_eq!(
        found,
        Marked {
            marked: 1,
            absent: 0,
            unplaced: 0
        }
    );
    let (cells, _) = cells(&copy, "死亡'名单");
    assert_eq!(texts(&cells, 3).first().unwrap(), "320707180001060012");
    assert!(texts(&cells, 5).contains(&"SG3222".to_owned()));
    assert_eq!(texts(&cells, 6), ["合计"]);
}

#[test]
fn the_list_names_each_problem_and_is_no_sheet_of_records() {
    let (_, copy) = marked(&original(), vec![problem(2, 5, Some("name"), Some("B5"))], false);
    let (list, _) = cells(&copy, "问题清单");
    assert_eq!(
        texts(&list, 1),
        [
            "B4",
            "B5",
            "2",
            "姓名 (name)",
            "SG3222",
            "姓名含有数字或乱码",
            "1至50个字的姓名"
        ]
    );
    let layout = Layout::detect("a.xlsx", &copy);
    let record = record_type("public-security/death").unwrap();
    let mut source = copy.as_slice();
    let page = Page::open(record, &layout, DecodeLimits::default(), &mut source).unwrap();
    assert_eq!(page.name(), Some("死亡'名单"));
    // A column of the declarant is not the record's own name, in the copy as in the file.
    assert_eq!((page.heading(), page.column("name")), (3, Some(1)));
}

#[test]
fn a_report_of_another_file_shows() {
    let (found, _) = marked(&original(), vec![problem(9, 99, None, None)], false);
    assert_eq!(
        found,
        Marked {
            marked: 0,
            absent: 1,
            unplaced: 0
        }
    );
}

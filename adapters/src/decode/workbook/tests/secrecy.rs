//! A mark of secrecy anywhere around the table refuses the workbook.

use rust_xlsxwriter::Workbook;

use super::*;

fn ended(sheet: &str, rows: &[&[&str]], layout: &Layout) -> Result<(), Unreadable> {
    let mut book = Workbook::new();
    let written = book.add_worksheet();
    written.set_name(sheet).unwrap();
    for (line, cells) in (0..).zip(rows) {
        for (column, text) in (0..).zip(*cells) {
            written.write_string(line, column, *text).unwrap();
        }
    }
    let bytes = book.save_to_buffer().unwrap();
    read(DEATH, &["citizen_id", "name"], layout, DecodeLimits::default(), &bytes).ended
}

fn marked(line: u64) -> Result<(), Unreadable> {
    Err(Unreadable::SecrecyMark { line })
}

const HEADER: &[&str] = &["公民身份号码", "姓名", "死亡日期"];

#[test]
fn a_mark_above_or_below_the_table_refuses_the_workbook() {
    let id = id(1);
    let row: &[&str] = &[&id, "甲"];
    for (rows, line) in [
        (&[&["秘密★10年"], &["名单"], HEADER, row] as &[&[&str]], 1),
        (&[&["名单", "", "机密★"], HEADER, row], 1),
        (&[&["密级：", "内部"], HEADER, row], 1),
        (&[HEADER, row, &["合计", "", "机密"]], 3),
        (&[HEADER, row, &["绝密"]], 3),
        (&[HEADER, row, &["密级：秘密"]], 3),
    ] {
        assert_eq!(ended("Sheet1", rows, &XLSX), marked(line), "{rows:?}");
    }
}

#[test]
fn a_mark_in_a_row_that_is_stated_to_be_a_title_refuses_the_workbook() {
    let id = id(1);
    let sheet = Sheet {
        title_rows: 1,
        ..Sheet::new()
    };
    let layout = XLSX.with_sheet(sheet).unwrap();
    let rows: &[&[&str]] = &[&["机密"], HEADER, &[&id, "甲"]];
    assert_eq!(ended("Sheet1", rows, &layout), marked(1));
}

#[test]
fn a_sheet_that_is_called_secret_refuses_the_workbook() {
    let id = id(1);
    let rows: &[&[&str]] = &[HEADER, &[&id, "甲"]];
    assert_eq!(ended("机密★", rows, &XLSX), marked(1));
    assert_eq!(ended("保密局", rows, &XLSX), Ok(()));
}

#[test]
fn a_title_that_says_that_there_is_no_secret_refuses_nothing() {
    let id = id(1);
    let rows: &[&[&str]] = &[&["密级：公开"], &["机密文件处"], HEADER, &[&id, "甲"]];
    assert_eq!(ended("Sheet1", rows, &XLSX), Ok(()));
}

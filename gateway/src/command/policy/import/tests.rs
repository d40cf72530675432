#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use calamine::{Data, Reader as _, Xlsx, open_workbook_from_rs};
use rust_xlsxwriter::{Formula, Workbook};
use shuguan_policies::PolicySet;

use super::super::super::exit::{Exit, Failure};
use super::super::QUIET;
use super::super::matrix::{MatrixArgs, matrix};
use super::{ImportArgs, import};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/example")
}

fn workbook(folder: &Path) -> PathBuf {
    let file = folder.join("授权表.xlsx");
    let args = MatrixArgs {
        dir: example(),
        xlsx: Some(file.clone()),
        only: None,
    };
    assert_eq!(matrix(&args, &QUIET).unwrap(), Exit::Done);
    file
}

/// The workbook again as another program writes it, with some cells changed; a text that begins with `=` becomes a formula.
fn edited(file: &Path, change: impl Fn(&str, u32, u16, &str) -> Option<String>) {
    let mut old: Xlsx<_> = open_workbook_from_rs(std::io::Cursor::new(std::fs::read(file).unwrap())).unwrap();
    let mut new = Workbook::new();
    for name in old.sheet_names() {
        let range = old.worksheet_range(&name).unwrap();
        let page = new.add_worksheet();
        page.set_name(&name).unwrap();
        for (row, column, cell) in range.used_cells() {
            let (row, column) = (u32::try_from(row).unwrap(), u16::try_from(column).unwrap());
            match (change(&name, row, column, &cell.to_string()), cell) {
                (Some(text), _) if text.starts_with('=') => page.write_formula(row, column, Formula::new(text)),
                (Some(text), _) => page.write_string(row, column, text),
                (None, Data::Float(number)) => page.write_number(row, column, *number),
                (None, other) => page.write_string(row, column, other.to_string()),
            }
            .unwrap();
        }
    }
    new.save(file).unwrap();
}

fn run(file: &Path, folder: &Path, overwrite_changes: bool) -> Result<Exit, Failure> {
    let args = ImportArgs {
        file: file.to_owned(),
        base: example(),
        output: folder.join("new"),
        overwrite_changes,
    };
    import(&args, &QUIET)
}

#[test]
fn a_bundle_comes_back_from_its_workbook_with_the_same_hash() {
    let folder = tempfile::tempdir().unwrap();
    let file = workbook(folder.path());
    edited(&file, |_, _, _, _| None);
    assert_eq!(run(&file, folder.path(), false).unwrap(), Exit::Done);
    let new = PolicySet::load(&folder.path().join("new")).unwrap();
    assert_eq!(new.hash(), PolicySet::load(&example()).unwrap().hash());
    assert!(!folder.path().join("new/bundle.sig").exists());
}

#[test]
fn a_field_that_is_given_whole_instead_of_masked_widens_and_ends_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let file = workbook(folder.path());
    edited(&file, |_, _, _, cell| {
        cell.starts_with("掩码(").then(|| "原样".to_owned())
    });
    assert_eq!(run(&file, folder.path(), false).unwrap(), Exit::Refused);
}

#[test]
fn a_formula_is_refused_with_its_cell_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = workbook(folder.path());
    edited(&file, |sheet, row, column, _| {
        (sheet == "授权" && row == 2 && column == 0).then(|| "=1+1".to_owned())
    });
    let failure = run(&file, folder.path(), false).unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("SG7112"));
    assert!(failure.why.unwrap().contains("授权!A3: a formula"));
    assert!(!folder.path().join("new").exists());
}

#[test]
fn a_workbook_of_another_bundle_is_refused_unless_its_agreements_may_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = workbook(folder.path());
    edited(&file, |sheet, row, column, _| {
        (sheet == "说明" && row == 1 && column == 1).then(|| "00".to_owned())
    });
    assert_eq!(
        run(&file, folder.path(), false).unwrap_err().code.as_deref(),
        Some("SG7111")
    );
    assert_eq!(run(&file, folder.path(), true).unwrap(), Exit::Done);
    // A second time the folder is there.
    assert!(run(&file, folder.path(), true).is_err());
}

#[test]
fn what_is_granted_against_a_rule_is_refused_with_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let file = workbook(folder.path());
    edited(&file, |sheet, _, _, cell| {
        (sheet == "数据项" && cell == "citizen_id").then(|| "citizen_idd".to_owned())
    });
    let failure = run(&file, folder.path(), false).unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("SG7113"));
    assert!(failure.why.unwrap().contains("citizen_idd"));
}

#[test]
fn a_file_that_is_no_workbook_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.xlsx");
    std::fs::write(&file, "PK").unwrap();
    assert_eq!(run(&file, folder.path(), false).unwrap_err().exit, Exit::Local);
}

#[test]
fn one_cell_at_the_far_end_of_a_sheet_is_a_refusal_and_not_a_table_of_all_that_lies_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("far.xlsx");
    let mut workbook = Workbook::new();
    let page = workbook.add_worksheet();
    page.set_name("协议").unwrap();
    page.write_string(0, 0, "文件").unwrap();
    page.write_string(1_048_575, 16_383, "x").unwrap();
    workbook.save(&file).unwrap();
    let failure = run(&file, folder.path(), true).unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("SG7112"));
    assert!(failure.why.unwrap().contains("协议!XFD1048576: too far out"));
}

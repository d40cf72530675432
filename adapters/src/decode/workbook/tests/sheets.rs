//! Which sheet of a workbook is read, and that no other with records is lost.

use super::*;

/// A sheet with one record.
fn sheet_of(name: &str) -> [String; 2] {
    [texts(1, &["身份证号", "姓名"]), texts(2, &[&id(1), name])]
}

#[test]
fn the_visible_sheet_with_a_known_header_is_read_and_hidden_ones_with_records_are_counted() {
    let made = Made::default()
        .sheet("说明", &[texts(1, &["填表说明"])])
        .sheet_with("旧", "hidden", &sheet_of("丁"), "")
        .sheet("一", &sheet_of("甲"))
        // No name, one name, names without a row.
        .sheet("空", &[])
        .sheet("目录", &[texts(1, &["姓名", "必填"]), texts(2, &["性别x", "选填"])])
        .sheet("模板", &[texts(1, &["身份证号", "姓名"])]);
    let told = death(&made);
    assert_eq!(
        (told.ended.clone(), column(&told, "name")),
        (Ok(()), vec![Some("甲".into())])
    );
    assert_eq!(told.passed_over.sheets, 1);
}

#[test]
fn a_workbook_with_records_in_several_sheets_is_refused_unless_one_is_named() {
    let made = Made::default()
        .sheet_with("旧", "hidden", &sheet_of("丁"), "")
        .sheet("一镇", &sheet_of("甲"))
        .sheet("二镇", &sheet_of("乙"))
        .sheet("三镇", &sheet_of("丙"));
    let told = death(&made);
    assert_eq!(told.ended, Err(FileFault::SeveralSheets { sheets: 3 }.into()));
    assert_eq!((told.counts.received, told.parts.len()), (0, 0));
    let read_by = |sheet: Sheet| {
        let layout = Layout::new(Format::Xlsx(sheet), Encoding::Utf8);
        read(
            DEATH,
            &["citizen_id", "name"],
            &layout,
            DecodeLimits::default(),
            &made.build(),
        )
    };
    for (name, number, row) in [("二镇", 3, "乙"), ("旧", 1, "丁")] {
        let by_name = Sheet {
            sheet: Some(name.into()),
            ..Sheet::new()
        };
        let by_number = Sheet {
            number: NonZeroU32::new(number),
            ..Sheet::new()
        };
        for sheet in [by_name, by_number] {
            let told = read_by(sheet);
            assert_eq!(column(&told, "name"), [Some(row.into())]);
            assert_eq!(told.passed_over.sheets, 0);
        }
    }
}

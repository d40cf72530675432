//! Cells that are merged over several rows or columns.

use super::*;

#[test]
fn what_is_merged_over_several_rows_stands_in_each_of_them_and_in_no_other() {
    let blank = |column, line| cell(column, line, "s=\"0\"", "");
    let rows = [
        texts(1, &["姓名", "身份证号", "户主姓名", "月份", "金额"]),
        row(
            2,
            &[
                text_cell(b'A', 2, "甲"),
                text_cell(b'B', 2, &id(1)),
                text_cell(b'C', 2, "甲"),
                number_cell(b'D', 2, "202601", 0),
                text_cell(b'E', 2, "5"),
            ],
        ),
        row(
            3,
            &[text_cell(b'A', 3, "乙"), text_cell(b'B', 3, &id(2)), blank(b'C', 3)],
        ),
        // Blank but for what is merged: no record.
        row(4, &[blank(b'A', 4), blank(b'C', 4)]),
        row(
            5,
            &[
                text_cell(b'A', 5, "丙"),
                text_cell(b'B', 5, &id(3)),
                text_cell(b'C', 5, "丁"),
                blank(b'D', 5),
            ],
        ),
        row(
            6,
            &[
                text_cell(b'A', 6, "戊"),
                text_cell(b'B', 6, &id(4)),
                text_cell(b'D', 6, "202602"),
            ],
        ),
        texts(7, &["合计"]),
    ];
    let merges = "<mergeCells><mergeCell ref=\"C2:C5\"/><mergeCell ref=\"D2:D5\"/><mergeCell ref=\"E2:E3\"/><mergeCell ref=\"E6:E7\"/></mergeCells>";
    let merged = |tail: &str| dibao(&Made::default().sheet_with("表", "visible", &rows, tail));
    let told = merged(merges);
    assert_eq!(
        (told.counts.received, told.counts.rejected),
        (4, 0),
        "{:?}",
        told.rejects
    );
    let some = |texts: [&str; 4]| texts.map(|text| (text != "-").then(|| text.to_owned()));
    assert_eq!(column(&told, "head_name"), some(["甲", "甲", "丁", "-"]));
    assert_eq!(column(&told, "month"), some(["202601", "202601", "202601", "202602"]));
    assert_eq!(column(&told, "amount"), some(["5.00", "5.00", "-", "-"]));
    assert_eq!(told.passed_over.footers, 1);
    // Without the ranges the cells are what they hold: nothing.
    let plain = merged("");
    assert_eq!(
        plain.rejects.first().map(|reject| (reject.1, reject.2)),
        Some((3, None))
    );
}

#[test]
fn a_merged_text_that_no_field_may_have_is_carried_as_a_reject() {
    let long = "长".repeat(30);
    let rows = [
        texts(1, &["身份证号", "姓名", "死亡原因"]),
        texts(2, &[&id(1), &long]),
        texts(3, &[&id(2)]),
    ];
    let made = Made::default().sheet_with(
        "表",
        "visible",
        &rows,
        "<mergeCells><mergeCell ref=\"B2:B3\"/></mergeCells>",
    );
    let limits = DecodeLimits {
        field_bytes_max: 60,
        ..DecodeLimits::default()
    };
    let told = read(DEATH, &["citizen_id", "name"], &XLSX, limits, &made.build());
    let too_long = |line| (line - 1, line, Some("name"), RejectCode::FieldTooLong);
    assert_eq!(told.rejects, [too_long(2), too_long(3)]);
}

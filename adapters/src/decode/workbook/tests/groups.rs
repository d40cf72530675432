//! Groups of columns in workbooks: whose names they lend.

use std::fmt::Write as _;

use super::fixture::{Made, cell, row, text_cell, texts};
use super::{DIBAO, TODAY, XLSX, column, death, dibao, id};
use crate::catalogue::record_type;
use crate::decode::{DecodeLimits, Decoder, HeaderDoubt, Unreadable};

/// One sheet with these merged ranges.
fn merged(rows: &[String], ranges: &[&str]) -> Made {
    let mut cells = String::new();
    for range in ranges {
        write!(cells, "<mergeCell ref=\"{range}\"/>").unwrap();
    }
    Made::default().sheet_with("名单", "visible", rows, &format!("<mergeCells>{cells}</mergeCells>"))
}

#[test]
fn whoever_reported_a_death_is_not_registered_as_dead() {
    for other in ["报告人", "家属", "某某"] {
        let rows = [
            texts(1, &["死者情况", "", "", other, "", "死亡日期"]),
            texts(2, &["性别", "出生日期", "地址", "姓名", "身份证号", ""]),
            texts(3, &["女", "1800-01-06", "某地", "甲", &id(1), "2024-01-01"]),
        ];
        for ranges in [&["A1:C1", "D1:E1", "F1:F2"][..], &[]] {
            let told = death(&merged(&rows, ranges));
            let refused = Unreadable::BadHeaderRow {
                missing: vec!["citizen_id"],
                twice: vec![],
            };
            assert_eq!(told.ended, Err(refused), "{other}");
            assert!(told.parts.is_empty());
            assert!(
                told.unknown.contains(&format!("{other}/身份证号")),
                "{:?}",
                told.unknown
            );
        }
    }
}

#[test]
fn the_dead_person_is_read_beside_whoever_reported_it() {
    let told = death(&merged(
        &[
            texts(1, &["逝者信息", "", "丧属信息", "", "死亡日期"]),
            texts(2, &["姓名", "身份证号", "姓名", "身份证号", ""]),
            texts(3, &["甲", &id(1), "乙", &id(2), "2024-01-01"]),
        ],
        &["A1:B1", "C1:D1", "E1:E2"],
    ));
    assert_eq!(told.ended, Ok(()));
    assert_eq!(column(&told, "citizen_id"), [Some(id(1))]);
    assert_eq!(column(&told, "name"), [Some("甲".into())]);
}

#[test]
fn whoever_draws_the_money_is_no_member_of_the_household() {
    let rows = [
        texts(1, &["序号", "户主信息", "", "开户人信息", "", "月份"]),
        texts(2, &["", "姓名", "身份证号", "姓名", "身份证号", ""]),
        texts(3, &["1", "甲", &id(1), "乙", &id(2), "202401"]),
    ];
    for ranges in [&["B1:C1", "D1:E1", "A1:A2", "F1:F2"][..], &[]] {
        let told = dibao(&merged(&rows, ranges));
        let refused = Unreadable::BadHeaderRow {
            missing: vec!["citizen_id"],
            twice: vec![],
        };
        assert_eq!((told.ended, told.parts.len()), (Err(refused), 0));
    }
}

#[test]
fn a_name_that_is_an_error_is_told_as_one_that_nobody_knows() {
    let header = [
        text_cell(b'A', 1, "身份证号"),
        text_cell(b'B', 1, "姓名"),
        cell(b'C', 1, "t=\"e\"", "<v>#REF!</v>"),
    ];
    let told = death(&Made::of(&[row(1, &header), texts(2, &[&id(1), "甲", "2024-01-01"])]));
    assert_eq!((told.ended.clone(), told.counts.accepted), (Ok(()), 1));
    assert_eq!(told.unknown, ["?"]);
}

#[test]
fn a_bare_number_beside_a_group_that_nobody_knows_refuses_the_workbook() {
    let told = death(&merged(
        &[
            texts(1, &["亡人", "", "身份证号", "死亡日期"]),
            texts(2, &["姓名", "身份证号", "", ""]),
            texts(3, &["甲", &id(1), &id(2), "2024-01-01"]),
        ],
        &["A1:B1", "C1:C2", "D1:D2"],
    ));
    let doubt = HeaderDoubt::OtherNumber { field: "citizen_id" };
    assert_eq!(told.ended, Err(Unreadable::DoubtfulHeader(doubt)));
}

#[test]
fn a_reject_of_a_member_names_its_cell_and_its_header() {
    let made = merged(
        &[
            texts(1, &["户主", "", "家庭成员1", "", "家庭成员2", "", "月份"]),
            texts(2, &["姓名", "身份证号", "姓名", "身份证号", "姓名", "身份证号", ""]),
            texts(3, &["甲", &id(1), "乙", "x", "丙", &id(3), "202401"]),
            texts(4, &["甲", "x", "乙", &id(2), "丙", "y", "202401"]),
            texts(5, &["甲", &id(1), "乙", &id(2), "丙", &id(3), "x"]),
        ],
        &["A1:B1", "C1:D1", "E1:F1", "G1:G2"],
    );
    let record = record_type(DIBAO).unwrap();
    let wanted = ["name", "citizen_id", "month"];
    let mut decoder = Decoder::new(record, &wanted, &XLSX, DecodeLimits::default(), TODAY);
    decoder.feed(&made.build()).unwrap();
    let _ = decoder.finish().unwrap();
    let rejects = decoder.take_rejects();
    let told: Vec<_> = rejects
        .iter()
        .map(|reject| (decoder.cell(reject).unwrap(), decoder.header(reject).unwrap()))
        .collect();
    let expected = [
        ("D3", "家庭成员1身份证号"),
        ("F4", "家庭成员2身份证号"),
        ("B4", "户主身份证号"),
        ("G5", "月份"),
        ("G5", "月份"),
        ("G5", "月份"),
    ];
    assert_eq!(told, expected.map(|(cell, header)| (cell.to_owned(), header)));
}
